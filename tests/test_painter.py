"""The mask painter: strokes, filling, what it says; and that browser and Python draw alike."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import labkit
from labkit.book.widgets import CompareSlider, MaskPainter
from labkit.book.widgets.painter import draw_stroke
from labkit.errors import InputError
from labkit.evaluation.metrics import psnr
from labkit.inpainting import inpaint

MODULE = Path(labkit.__file__).parent / "page" / "painter.mjs"
PICTURE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)

COORDINATE = st.floats(-5, 45, allow_nan=False)
STROKES = st.lists(
    st.fixed_dictionaries(
        {
            "tool": st.sampled_from(["brush", "eraser", "rectangle"]),
            "size": st.floats(0.5, 20),
            "points": st.lists(st.tuples(COORDINATE, COORDINATE), min_size=1, max_size=4),
        }
    ),
    max_size=4,
)


def sent(painter: MaskPainter, monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict, list[bytes]]]:
    """What the painter sends to the browser from here on."""
    messages: list[tuple[dict, list[bytes]]] = []
    monkeypatch.setattr(
        painter, "send", lambda content, buffers=None: messages.append((content, buffers or []))
    )
    return messages


def test_a_brush_marks_the_pixels_within_its_radius():
    mask = np.zeros((9, 9), dtype=bool)
    draw_stroke(mask, {"tool": "brush", "size": 4, "points": [(4.5, 4.5)]})
    y, x = np.mgrid[:9, :9]
    assert np.array_equal(mask, (x - 4) ** 2 + (y - 4) ** 2 <= 4)


def test_a_stroke_is_a_sausage_and_an_eraser_takes_it_away():
    painter = MaskPainter(PICTURE)
    line = [(4.5, 10.5), (20.5, 10.5)]
    painter.set_strokes([{"tool": "brush", "size": 5, "points": line}])
    rows, columns = painter.mask.any(axis=1), painter.mask.any(axis=0)
    assert rows.nonzero()[0].tolist() == [8, 9, 10, 11, 12]
    assert columns.nonzero()[0].tolist() == list(range(2, 23))
    before = painter.hole_ratio
    eraser = {"tool": "eraser", "size": 5, "points": [(12.5, 10.5)]}
    painter.set_strokes([{"tool": "brush", "size": 5, "points": line}, eraser])
    assert 0 < painter.hole_ratio < before and not painter.mask[10, 12]


def test_a_rectangle_goes_from_corner_to_corner():
    mask = np.zeros((10, 12), dtype=bool)
    draw_stroke(mask, {"tool": "rectangle", "size": 1, "points": [(8, 7), (5, 5), (3, 2)]})
    expected = np.zeros_like(mask)
    expected[2:7, 3:8] = True
    assert np.array_equal(mask, expected)


@given(STROKES)
@settings(max_examples=30, deadline=None)
def test_strokes_never_leave_the_picture(strokes):
    painter = MaskPainter(PICTURE)
    painter.set_strokes(strokes)
    assert painter.mask.shape == (24, 32) and painter.mask.dtype == bool
    assert 0 <= painter.hole_ratio <= 1


@pytest.mark.parametrize(
    ("stroke", "message"),
    [
        ({"tool": "pen", "size": 3, "points": [(1, 1)]}, "'pen' is unknown; one of brush"),
        ({"tool": "brush", "size": 0, "points": [(1, 1)]}, "size above 0"),
        ({"tool": "brush", "size": 3, "points": []}, "at least one point"),
    ],
)
def test_strokes_that_cannot_be(stroke, message):
    with pytest.raises(InputError, match=message):
        MaskPainter(PICTURE).set_strokes([stroke])


def test_the_mask_is_what_was_set():
    mask = np.zeros((24, 32), dtype=bool)
    mask[3:7, 5:9] = True
    painter = MaskPainter(PICTURE, mask)
    assert np.array_equal(painter.mask, mask)
    assert painter.hole_ratio == 16 / (24 * 32)
    painter.mask = ~mask
    assert np.array_equal(painter.mask, ~mask)
    with pytest.raises(InputError, match="same size"):
        painter.mask = mask[:-1]
    with pytest.raises(InputError, match="bool"):
        MaskPainter(PICTURE, mask.astype(np.uint8))
    with pytest.raises(InputError, match="uint8"):
        MaskPainter(PICTURE / 255)


def test_the_browser_receives_the_picture_exactly():
    painter = MaskPainter(PICTURE)
    with Image.open(io.BytesIO(painter._image)) as image:
        assert np.array_equal(np.asarray(image), PICTURE)


def test_filling_is_inpainting_and_says_its_score(monkeypatch):
    painter = MaskPainter(PICTURE, methods=("telea", "mean"))
    painter.set_strokes([{"tool": "rectangle", "size": 1, "points": [(4, 4), (12, 12)]}])
    messages = sent(painter, monkeypatch)
    painter._receive(painter, {"type": "fill", "method": "mean colour"}, [])
    expected = inpaint(PICTURE, painter.mask, "mean")
    assert np.array_equal(painter.result, expected)
    assert messages[0] == ({"type": "filling"}, [])
    (content, (data,)) = messages[1]
    assert content["type"] == "result"
    assert content["text"].startswith("mean colour, ")
    assert content["text"].endswith(f"{psnr(PICTURE, expected):.2f} dB")
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(np.asarray(image), expected)


def test_a_function_of_one_s_own_sees_the_hole_black_and_changes_nothing_else(monkeypatch):
    seen = []

    def white(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        seen.append(image.copy())
        return np.full_like(image, 255)

    painter = MaskPainter(PICTURE, methods={"white": white}, truth=False)
    painter.set_strokes([{"tool": "rectangle", "size": 1, "points": [(4, 4), (12, 12)]}])
    messages = sent(painter, monkeypatch)
    filled = painter.fill()
    mask = painter.mask
    assert (seen[0][mask] == 0).all() and np.array_equal(seen[0][~mask], PICTURE[~mask])
    assert (filled[mask] == 255).all() and np.array_equal(filled[~mask], PICTURE[~mask])
    assert "dB" not in messages[0][0]["text"]


def test_what_cannot_be_filled_is_said_and_not_raised_in_the_browser(monkeypatch):
    painter = MaskPainter(PICTURE, methods=("telea",))
    messages = sent(painter, monkeypatch)
    painter._receive(painter, {"type": "fill", "method": "Telea"}, [])
    no_hole = {"type": "error", "text": "there is no hole to fill; paint one"}
    assert messages == [({"type": "filling"}, []), (no_hole, [])]
    painter._receive(painter, {"type": "hello"}, [])
    assert messages[-1][0] == {"type": "hello"}
    with pytest.raises(InputError, match="no hole"):
        painter.fill()
    painter.mask = np.ones((24, 32), dtype=bool)
    with pytest.raises(InputError, match="no pixel known"):
        painter.fill()
    with pytest.raises(InputError, match="'magic' is unknown; one of Telea"):
        painter.fill("magic")
    with pytest.raises(InputError, match="'magic' is unknown"):
        MaskPainter(PICTURE, methods=("magic",))


def test_a_fill_of_one_s_own_that_fails_is_said_and_raised(monkeypatch):
    def stumbles(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        raise KeyError("palette")

    def interrupted(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        raise KeyboardInterrupt

    fills = {"stumbles": stumbles, "interrupted": interrupted, "floats": lambda i, _: i / 255}
    mask = np.zeros((24, 32), dtype=bool)
    mask[4:9, 4:9] = True
    painter = MaskPainter(PICTURE, mask, methods={**fills, "nothing": lambda i, m: None})
    messages = sent(painter, monkeypatch)
    for method, error, words in (
        ("stumbles", KeyError, "The fill failed: KeyError: 'palette'"),
        ("interrupted", KeyboardInterrupt, "The fill failed: KeyboardInterrupt"),
    ):
        with pytest.raises(error):  # for whoever reads the traceback
            painter._receive(painter, {"type": "fill", "method": method}, [])
        assert [m for m, _ in messages] == [{"type": "filling"}, {"type": "error", "text": words}]
        messages.clear()
    for method, words in (("floats", "not float64 (24, 32, 3)"), ("nothing", "not object ()")):
        painter._receive(painter, {"type": "fill", "method": method}, [])
        assert messages[-1][0]["text"] == f"an image must be uint8 (H, W, 3), {words}"
    assert painter.result is None


def test_printed_forms_are_stable():
    assert repr(MaskPainter(PICTURE)) == "MaskPainter(32×24 pixels, 0.0% missing)"
    compare = CompareSlider(PICTURE, PICTURE, labels=("hole", "filled"))
    assert repr(compare) == "CompareSlider(32×24 pixels, hole | filled)"
    with pytest.raises(InputError, match="same size"):
        CompareSlider(PICTURE, PICTURE[:-1])


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_browser_and_python_draw_the_same_pixels(tmp_path):
    generator = np.random.default_rng(1)
    cases = []
    for _ in range(60):
        strokes = [
            {
                "tool": ("brush", "eraser", "rectangle")[generator.integers(3)],
                "size": float(generator.uniform(0.5, 15)),
                "points": generator.uniform(-5, 40, (generator.integers(1, 5), 2)).tolist(),
            }
            for _ in range(generator.integers(1, 5))
        ]
        cases.append(strokes)
    script = tmp_path / "draw.mjs"
    script.write_text(
        f"import {{ MaskCanvas, pack, unpack }} from {json.dumps(MODULE.as_uri())};\n"
        f"const cases = {json.dumps(cases)};\n"
        "const out = cases.map((strokes) => {\n"
        "  const hole = new MaskCanvas(32, 24);\n"
        "  strokes.forEach((stroke) => hole.draw(stroke));\n"
        "  const back = unpack(pack(hole.mask), hole.mask.length);\n"
        "  return [Array.from(hole.mask).join(''), pack(hole.mask), Array.from(back).join('')];\n"
        "});\n"
        "const hole = new MaskCanvas(2, 1);\n"
        "hole.invert(); hole.undo(); const undone = hole.ratio; hole.redo();\n"
        "console.log(JSON.stringify({ out, undone, redone: hole.ratio, more: hole.redo() }));\n"
    )
    found = json.loads(subprocess.check_output(["node", str(script)], text=True))
    painter = MaskPainter(PICTURE)
    for strokes, (drawn, packed, back) in zip(cases, found["out"], strict=True):
        painter.set_strokes(strokes)
        assert "".join(str(int(pixel)) for pixel in painter.mask.ravel()) == drawn == back
        assert painter._mask == packed
    assert (found["undone"], found["redone"], found["more"]) == (0, 1, False)
