"""The explorable of chapter 14: its arithmetic is the chapter's, and readers can move it."""

from __future__ import annotations

import exploring
import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from browsing import needs_chromium
from exploring import BOOK, pick, point, run, said, with_node

browser, visit = exploring.browser, exploring.visit


@pytest.fixture(scope="module")
def chapter() -> dict[str, object]:
    """What the chapter defines of padding and positions."""
    names: dict[str, object] = {"np": np}
    for cell in nbformat.read(BOOK / "14-tensorflow-to-pytorch.ipynb", as_version=4).cells:
        for function in ("same_padding_of", "positions"):
            if cell.cell_type == "code" and cell.source.startswith(f"def {function}"):
                exec(cell.source.partition("\n\n\n")[0], names)
    return names


@with_node
def test_grids_are_the_chapter_s_and_torch_s(tmp_path, chapter):
    cases = [(side, k, s) for side in range(8, 17) for k in (3, 5, 7) for s in (1, 2)]
    expression = "cases.map((c) => ['tensorflow', 'pytorch'].map((l) => m.grid(...c, l)))"
    for (side, k, s), (same, torch_s) in zip(
        cases, run(tmp_path, "sampling.mjs", expression, cases=cases), strict=True
    ):
        assert (same["before"], same["after"]) == chapter["same_padding_of"](side, k, s)
        ramp = torch.arange(side, dtype=torch.float64)[None, None]
        middle = torch.zeros(1, 1, k, dtype=torch.float64)
        middle[..., k // 2] = 1  # what a window is centred on
        for found in (same, torch_s):
            units = F.conv1d(F.pad(ramp, (found["before"], found["after"])), middle, stride=s)
            assert units.flatten().tolist() == [
                found["first"] + s * i for i in range(len(units[0, 0]))
            ]
            assert found["units"] == units.shape[-1]
        assert torch_s["before"] == torch_s["after"] == k // 2


@with_node
def test_places_are_the_chapter_s(tmp_path, chapter):
    rules = {
        "aligned": "aligned corners",
        "half": "half-pixel centres",
        "tf1": "TensorFlow 1's default",
    }
    for units, pixels in [(4, 8), (6, 12), (8, 16), (9, 9)]:
        for short, rule in rules.items():
            found = run(tmp_path, "sampling.mjs", f"m.reads({units}, {pixels}, '{short}')")
            wanted = np.clip(chapter["positions"](units, pixels, rule), 0, units - 1)
            assert np.allclose(found, wanted)


@needs_chromium
def test_sampling_by_mouse_and_by_keyboard(visit):
    page = visit("sampling")
    assert "before and after 2 and 2 Units 6 Unit i is centred on pixel 2i " in said(page)
    assert "1 and 2 Units 6 Unit i is centred on pixel 2i + 1" in pick(
        page, "Library", "TensorFlow, SAME"
    )
    point(page, 0.01, 0.5)
    assert "Pixel 0 reads the units at 0, and sees pixel 1 of the row: 1 too far to the right." in (
        pick(page, "Enlarged with", "TensorFlow 1’s default")
    )
    page.locator("[role=application]").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert "Pixel 3 reads the units at 1.5, and sees pixel 4 of the row" in said(page)
    assert "reads the units at 1.25, and sees pixel 3.5" in pick(
        page, "Enlarged with", "half-pixel centres"
    )
    assert "2 and 2 Units 12 Unit i is centred on pixel i Largest shift, pixels 0 " in pick(
        page, "Stride", "1"
    )
    assert "Pixel 3 reads the units at 3, and sees pixel 3 of the row: straight." in said(page)
    assert "Padding before and after 3 and 3" in pick(page, "Kernel", "7")
    pick(page, "Stride", "2")
    side = page.get_by_role("slider", name="side")
    assert "2 and 3" in said(page)
    side.focus()
    page.keyboard.press("ArrowRight")
    assert "3 and 3 Units 7 Unit i is centred on pixel 2i " in said(page)  # an odd side
    assert "Pixel 13 reads" in point(page, 0.99, 0.5)
