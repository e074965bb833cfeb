"""The explorable of chapter 9: its arithmetic is labkit's and the chapter's; it can be moved."""

from __future__ import annotations

import base64

import exploring
import nbformat
import numpy as np
import pytest
import torch
from browsing import needs_chromium
from exploring import BOOK, committed, pick, point, run, said, with_node

from labkit.nn.attention import DoubleAttention, SqueezeExcitation

browser, visit = exploring.browser, exploring.visit
HOLE = {"left": 5, "top": 9, "size": 12}
GIVEN = "const colours = m.planes(bytes, 24, hole);"


@pytest.fixture(scope="module")
def chapter() -> dict[str, object]:
    """What the chapter's first cells define: its pictures, channels and blocks."""
    names: dict[str, object] = {}
    cells = nbformat.read(BOOK / "09-attention.ipynb", as_version=4).cells
    for start in ("import copy", "def square", "class SE", "def four_channels", "PALETTE ="):
        (cell,) = (c for c in cells if c.cell_type == "code" and c.source.startswith(start))
        exec(cell.source, names)
    return names


def held(name: str) -> np.ndarray:
    """A committed picture, uint8 (24, 24, 3), with a hole."""
    data = base64.b64decode(committed("attention")["pixels"][name])
    picture = np.frombuffer(data, np.uint8).reshape(24, 24, 3).copy()
    picture[HOLE["top"] :, HOLE["left"] :][: HOLE["size"], : HOLE["size"]] = 0
    return picture


def test_the_pictures_are_the_chapter_s(chapter):
    assert committed("attention")["side"] == 24
    for name, photo in {"cup": "coffee", "rocket": "rocket"}.items():
        wanted = chapter["square"](photo, 24)
        wanted[HOLE["top"] :, HOLE["left"] :][: HOLE["size"], : HOLE["size"]] = 0
        assert np.abs(held(name).astype(int) - wanted).max() <= 1


@with_node
@pytest.mark.parametrize("name", ["cup", "rocket"])
def test_squeeze_and_excitation_is_the_chapter_s(tmp_path, chapter, name):
    picture = held(name)
    body = "const channels = [...colours, m.edges(colours, 24)]; return m.squeezeExcite(channels);"
    found = run(
        tmp_path,
        "attention.mjs",
        f"(() => {{ {GIVEN} {body} }})()",
        bytes=picture.flatten().tolist(),
        hole=HOLE,
    )
    x = chapter["four_channels"](picture)
    se = chapter["se"].requires_grad_(False)
    library = SqueezeExcitation(4, reduction=4)
    library.load_state_dict(se.state_dict())
    assert np.allclose(found["z"], x.mean(dim=(2, 3))[0], atol=1e-6)
    assert np.allclose(found["s"], library.weights(x)[0].detach(), atol=1e-5)


@with_node
@pytest.mark.parametrize("sharpness", [0.0, 20.0, 1000.0])
def test_double_attention_is_labkit_s(tmp_path, chapter, sharpness):
    picture, wanted = held("cup"), ["white", "red", "dark"]
    body = (
        "const sought = names.map((name) => m.COLOURS[name]);"
        "const found = m.doubleAttention(colours, sought, sharpness);"
        "return { ...found, column: m.column(found, 40), all: m.effective(found.where[0]) };"
    )
    found = run(
        tmp_path,
        "attention.mjs",
        f"(() => {{ {GIVEN} {body} }})()".replace("Float64Array", "Array"),
        bytes=picture.flatten().tolist(),
        hole=HOLE,
        names=wanted,
        sharpness=sharpness,
    )
    sought = torch.tensor([chapter["PALETTE"][name] for name in wanted])
    block = chapter["palette"](sought, sharpness)
    assert isinstance(block, DoubleAttention)
    x = chapter["with_length"](picture)
    where, which = (f(x).flatten(2)[0] for f in (block.gathering_maps, block.distribution_maps))
    lists = {name: np.array([listed(row) for row in found[name]]) for name in ("where", "which")}
    assert np.allclose(lists["where"], where, atol=2e-4)
    assert np.allclose(lists["which"], which, atol=2e-3)
    assert np.allclose(np.array(found["descriptors"]).T, block.gather(x)[0], atol=1e-3)
    received = np.array([listed(plane) for plane in found["received"]])
    assert np.allclose(received, (block(x) - x)[0, :3].flatten(1), atol=2e-3)
    column = np.array(listed(found["column"]))
    assert np.allclose(column, (where.T @ which)[:, 40], atol=2e-4)
    assert abs(column.sum() - 1) < 1e-9
    if sharpness == 0:
        assert abs(found["all"] - 576) < 1e-6


def listed(values: object) -> list[float]:
    """What JSON makes of a typed array, {"0": …, "1": …}, as a list."""
    return list(values.values()) if isinstance(values, dict) else values


@needs_chromium
def test_attention_by_mouse_and_by_keyboard(visit):
    page = visit("attention")
    assert "Weights instead of N² 5,760, not 331,776 Row 4, column 8." in said(page)
    drawing = page.locator("[role=application]")
    size = page.get_by_role("slider", name="side of the hole")
    size.fill("4")  # 12 pixels, around the middle of what was no hole
    inside = 8.5 / 24 * 160 / 520, (24 + 8.5 / 24 * 160) / 338  # row 9, column 9 of the input
    assert "Row 9, column 9, missing. It takes most from the map of dark: 99 %." in point(
        page, *inside
    )
    asked = said(page).partition("Row")[0]
    drawing.focus()
    page.keyboard.press("ArrowRight")
    assert said(page).partition("Row")[0] == asked  # all of the hole asks alike
    for _ in range(20):
        page.keyboard.press("Shift+ArrowRight")
    assert "Row 9, column 10." in said(page)  # the hole has gone from under the mark

    point(page, 20.5 / 24 * 160 / 520, inside[1])
    page.mouse.down()
    point(page, *inside)
    page.mouse.up()
    assert "Row 9, column 9, missing" in said(page)  # and was dragged back
    maps = "Maps of A², each looking for"
    assert "missing. It takes most from the map of maroon" in pick(page, maps, "dark")
    for name in ("orange", "red", "maroon", "white"):
        pick(page, maps, name)
    assert "in effect 1.0 of 1 " in said(page)  # the last cannot be switched off
    page.get_by_role("slider", name="sharpness").fill("0")
    assert "It takes from, in effect 576 of 576 positions" in said(page)

    text = pick(page, "Block", "squeeze-and-excitation")
    assert "It counts 1 / 576 in each mean, like every other" in text
    assert page.get_by_role("slider", name="sharpness").is_disabled()
    size.fill("0")
    assert "Weights of colours and of edges 0.07 and 0.93" in said(page)
    assert "Weights of colours and of edges 0.88 and 0.12" in pick(page, "Picture", "rocket")
