"""The painter in a real browser: on a page of its own, and in the built book."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from browsing import chromium, drag, needs_chromium, touch
from PIL import Image
from serve import served

import labkit
from labkit.errors import InputError
from labkit.masks.files import PolarityWarning, read_mask

WIDGETS = Path(labkit.__file__).parent / "page"
SIZE = (96, 64)  # width and height of the picture

pytestmark = needs_chromium

PAGE = """<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="painter.css">
<div id="here"></div><script type="module">
import { mountPainter } from "./painter.mjs";
const image = await (await fetch("picture.png")).arrayBuffer();
const painter = await mountPainter(document.getElementById("here"), {
  image, methods: ["flip"],
  onMask: (mask) => { window.mask = Array.from(mask); },
  onFill: (method) => { window.asked = method; painter.showResult(image, "filled"); },
});
window.painter = painter;
</script>"""


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with chromium() as opened:
        yield opened


@contextmanager
def painter_page(opened) -> Iterator[None]:
    """The painter alone, on a page from a server of plain files; nothing may go wrong on it."""
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    with tempfile.TemporaryDirectory() as place:
        pixels = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(Path(place) / "picture.png")
        (Path(place) / "index.html").write_text(PAGE)
        for name in ("painter.mjs", "painter.css"):
            shutil.copy(WIDGETS / name, place)
        with served(Path(place)) as address:
            opened.goto(address)
            opened.wait_for_function("window.painter")
            yield
            opened.close()
    assert errors == []


@pytest.fixture
def page(browser) -> Iterator[object]:
    opened = browser.new_page()
    with painter_page(opened):
        yield opened


def painted(page) -> np.ndarray:
    found = page.evaluate("window.mask ?? null")
    empty = np.zeros(SIZE[0] * SIZE[1], dtype=bool)
    return (empty if found is None else np.array(found) > 0).reshape(SIZE[1], SIZE[0])


def test_paint_undo_redo_erase(page):
    page.get_by_role("button", name="Rectangle").click()
    drag(page, (0.25, 0.25), (0.75, 0.75))
    expected = np.zeros((SIZE[1], SIZE[0]), dtype=bool)
    expected[16:48, 24:72] = True
    assert np.array_equal(painted(page), expected)
    assert "25.0 % missing" in page.locator(".labkit-ratio").inner_text()
    page.get_by_role("button", name="Undo").click()
    assert not painted(page).any()
    page.get_by_role("button", name="Redo").click()
    assert np.array_equal(painted(page), expected)
    drag(page, (0.5, 0.5), (0.5, 0.5), button="right")  # the right button erases
    assert not painted(page)[32, 48] and painted(page)[17, 25]
    page.get_by_role("button", name="Invert").click()
    assert painted(page)[32, 48] and not painted(page)[17, 25]
    page.get_by_role("button", name="Clear").click()
    assert not painted(page).any()


def test_the_brush_paints_where_the_pointer_is(page):
    drag(page, (0.25, 0.5), (0.75, 0.5))
    rows, columns = painted(page).nonzero()
    assert abs(rows.mean() + 0.5 - 32) < 1 and abs(columns.mean() + 0.5 - 48) < 1
    assert 48 <= columns.max() - columns.min() + 1 <= 60


def test_by_keyboard_alone(page):
    page.locator("canvas").focus()
    page.keyboard.press("Space")
    first = painted(page)
    assert first[32, 48] and first.sum() < 100
    page.keyboard.press("]")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert painted(page)[32, 60] and painted(page).sum() > first.sum()
    page.keyboard.press("Control+z")
    assert np.array_equal(painted(page), first)
    page.keyboard.press("Control+Shift+Z")
    assert painted(page)[32, 60]
    page.keyboard.press("Escape")
    assert not painted(page).any()
    # Every control can be reached and has a name.
    for control in page.locator(".labkit-painter button, .labkit-painter input").all():
        named = control.get_attribute("aria-label") or control.inner_text()
        assert named or control.get_attribute("type") == "file"


def test_a_mask_is_saved_and_loaded(page, tmp_path):
    page.get_by_role("button", name="Rectangle").click()
    drag(page, (0.1, 0.1), (0.6, 0.9))
    before = painted(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Save").click()
    saved = tmp_path / "mask.png"
    download.value.save_as(saved)
    with Image.open(saved) as image:
        assert np.array_equal(np.asarray(image.convert("L")) > 127, before)
    page.get_by_role("button", name="Clear").click()
    page.locator("input[type=file]").set_input_files(saved)
    page.wait_for_function("window.mask.includes(1)")
    assert np.array_equal(painted(page), before)
    assert said(page, "mask.png") == "mask.png: 40.6 % missing"


def said(page, text: str) -> str:
    """The status, once it holds the text."""
    page.locator(".labkit-status", has_text=text).wait_for()
    return page.locator(".labkit-status").inner_text()


def picture(kind: str) -> np.ndarray:
    """A picture that someone may take for a mask, (64, 96, channels)."""
    transparent = np.zeros((64, 96, 4), dtype=np.uint8)
    transparent[:32, :, 3] = 255
    green = np.zeros((64, 96, 3), dtype=np.uint8)
    green[10:30, 20:60, 1] = 255
    white = np.full((64, 96), 255, dtype=np.uint8)
    deep = np.zeros((64, 96), dtype=np.uint16)
    deep[10:30] = 65535
    turned = np.zeros((96, 64), dtype=np.uint8)
    turned[40:60] = 255
    kinds = {"transparent": transparent, "green": green, "white": white, "deep": deep}
    kinds |= {"ones": white // 255, "turned": turned, "wide": deep[:48].astype(np.uint8)}
    return kinds[kind]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("transparent", "transparent pixels (alpha down to 0); a mask is read by its colours"),
        ("green", "a coloured picture, not a mask; a mask is black, and white where"),
        ("white", "every pixel is missing, nothing is known to fill from; white means missing"),
        ("deep", "more than 8 bits a channel; save it as 8-bit RGB"),
        ("ones", "values 0 and 1, which are both black; save missing pixels as 255"),
        ("turned", "the mask is 64×96 pixels, the image 96×64; one lies on its side"),
        ("wide", "the mask is 96×48 pixels, the image 96×64; make a mask of the picture's"),
    ],
)
def test_what_is_no_mask_is_refused_in_the_words_of_labkit(page, tmp_path, kind, words):
    drag(page, (0.3, 0.5), (0.6, 0.5))
    before = painted(page)
    Image.fromarray(picture(kind)).save(tmp_path / f"{kind}.png")
    page.locator("input[type=file]").set_input_files(tmp_path / f"{kind}.png")
    assert said(page, kind).startswith(f"{kind}.png: {words}")
    assert np.array_equal(painted(page), before)
    with pytest.raises(InputError) as error:
        read_mask(tmp_path / f"{kind}.png", size=(64, 96), resize=True)
    assert said(page, kind) == str(error.value).replace(f"{tmp_path}/", "")


def test_masks_that_are_loaded_with_a_word(page, tmp_path):
    load = page.locator("input[type=file]").set_input_files
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    load(broken)
    said(page, "broken.png is no picture")
    assert not painted(page).any()

    inverted = np.full((64, 96), 255, dtype=np.uint8)
    inverted[:5] = 0
    Image.fromarray(inverted).save(tmp_path / "inverted.png")
    load(tmp_path / "inverted.png")
    with pytest.warns(PolarityWarning) as warned:
        wanted = read_mask(tmp_path / "inverted.png")
    words = str(warned[0].message).replace(f"{tmp_path}/", "")
    assert said(page, "inverted.png") == words
    assert np.array_equal(painted(page), wanted)

    large = np.random.default_rng(0).integers(0, 256, (100, 150), dtype=np.uint8)
    Image.fromarray(large).save(tmp_path / "large.png")
    load(tmp_path / "large.png")
    assert "150×100 pixels, the image 96×64; it was resized" in said(page, "large.png")
    wanted = read_mask(tmp_path / "large.png", size=(64, 96), resize=True)
    assert np.array_equal(painted(page), wanted)

    nothing = np.zeros((64, 96), dtype=np.uint8)
    Image.fromarray(nothing).save(tmp_path / "nothing.png")
    load(tmp_path / "nothing.png")
    assert said(page, "nothing.png") == "nothing.png: 0.0 % missing"
    assert not painted(page).any()


def test_fill_shows_a_comparison_that_moves(page):
    fill = page.get_by_role("button", name="Fill", exact=True)
    drag(page, (0.3, 0.5), (0.6, 0.5))
    fill.click()
    page.wait_for_selector(".labkit-compare img.labkit-after")
    assert page.evaluate("window.asked") == "flip"
    slider = page.locator(".labkit-result input[type=range]")
    slider.focus()
    before = page.locator(".labkit-compare").get_attribute("style")
    page.keyboard.press("ArrowRight")
    assert slider.input_value() == "51"
    assert page.locator(".labkit-compare").get_attribute("style") != before


def pointer(page, kind: str, x: float, y: float, where: str = "canvas", **more: object) -> None:
    """One event of a pointer over the canvas, at shares of its sides."""
    page.evaluate(
        """([kind, x, y, where, more]) => {
          const canvas = document.querySelector(where);
          const box = canvas.getBoundingClientRect();
          const usual = { pointerId: 1, pointerType: "mouse", isPrimary: true, bubbles: true };
          const pressed = {
            button: kind === "pointermove" ? -1 : 0,
            buttons: kind === "pointerup" ? 0 : 1,
          };
          const place = { clientX: box.left + x * box.width, clientY: box.top + y * box.height };
          canvas.setPointerCapture = () => {};
          canvas.dispatchEvent(new PointerEvent(kind, { ...usual, ...pressed, ...place, ...more }));
        }""",
        [kind, x, y, where, more],
    )


def test_a_second_finger_does_not_move_the_line_of_a_comparison(page):
    drag(page, (0.3, 0.5), (0.6, 0.5))
    page.get_by_role("button", name="Fill", exact=True).click()
    slider = page.locator(".labkit-result input[type=range]")
    slider.wait_for()
    pointer(page, "pointerdown", 0.2, 0.5, where=".labkit-compare")
    place = slider.input_value()
    assert 15 <= int(place) <= 25
    second = {"pointerId": 9, "isPrimary": False, "where": ".labkit-compare"}
    pointer(page, "pointerdown", 0.8, 0.5, **second)
    pointer(page, "pointermove", 0.9, 0.5, **second)
    pointer(page, "pointermove", 0.9, 0.5, where=".labkit-compare", buttons=0)
    assert slider.input_value() == place


def test_two_fingers_paint_as_one(browser):
    """The second finger neither paints nor draws a line to the first."""
    context = browser.new_context(has_touch=True)
    page = context.new_page()
    with painter_page(page):
        left, right = (0.2, 0.3), (0.8, 0.7)
        touch(page, [[left], [left, right], [(0.3, 0.3), (0.7, 0.7)], [(0.4, 0.3), (0.6, 0.9)], []])
        mask = painted(page)
        assert mask[19, 20:39].all()
        assert not mask[:, 48:].any()
        touch(page, [[left], []])
        assert page.get_by_role("button", name="Redo").is_disabled()
        page.get_by_role("button", name="Undo").click()
        assert np.array_equal(painted(page), mask)
    context.close()


def test_a_pointer_that_is_not_the_stroke_s_changes_nothing(page):
    """As the palm beside a pen."""
    pen = {"pointerId": 3, "pointerType": "pen"}
    palm = {"pointerId": 9, "pointerType": "touch", "isPrimary": False}
    pointer(page, "pointerdown", 0.2, 0.3, **pen)
    pointer(page, "pointerdown", 0.8, 0.8, **palm)
    pointer(page, "pointermove", 0.7, 0.8, **palm)
    pointer(page, "pointermove", 0.4, 0.3, **pen)
    pointer(page, "pointercancel", 0.7, 0.8, **palm)
    pointer(page, "pointermove", 0.6, 0.3, **pen)
    pointer(page, "pointerup", 0.6, 0.3, **pen)
    mask = painted(page)
    assert mask[19, 20:57].all() and not mask[32:].any()


@pytest.mark.parametrize("tool", ["Brush", "Rectangle"])
def test_a_release_that_was_lost_ends_the_stroke(page, tool):
    page.get_by_role("button", name=tool).click()
    pointer(page, "pointerdown", 0.1, 0.2)
    pointer(page, "pointermove", 0.3, 0.4)
    pointer(page, "pointermove", 0.9, 0.9, buttons=0)  # released outside, over another window
    mask = painted(page)
    assert mask.any() and not mask[:, 48:].any()
    pointer(page, "pointermove", 0.8, 0.2, buttons=0)
    assert np.array_equal(painted(page), mask)
    page.get_by_role("button", name="Undo").click()
    assert not painted(page).any()


@pytest.mark.parametrize("end", ["pointercancel", "lostpointercapture"])
def test_a_stroke_that_is_taken_away_ends_where_it_was(page, end):
    pointer(page, "pointerdown", 0.2, 0.5)
    pointer(page, "pointermove", 0.4, 0.5)
    pointer(page, end, 0.4, 0.5)
    mask = painted(page)
    assert mask[32, 19:38].all()
    pointer(page, "pointermove", 0.9, 0.9)
    assert np.array_equal(painted(page), mask)


def test_clearing_and_undoing_during_a_stroke(page):
    page.get_by_role("button", name="Rectangle").click()
    pointer(page, "pointerdown", 0.1, 0.1)
    pointer(page, "pointermove", 0.5, 0.5)
    page.locator("canvas").focus()
    page.keyboard.press("Escape")
    pointer(page, "pointermove", 0.8, 0.8)  # the button is still down
    pointer(page, "pointerup", 0.8, 0.8)
    assert not painted(page).any()
    page.keyboard.press("Control+z")
    assert painted(page)[20, 20] and not painted(page)[40, 60]


def test_the_eraser_of_a_pen_erases_and_the_original_hides_again(page):
    drag(page, (0.2, 0.5), (0.8, 0.5))
    eraser = {"pointerId": 3, "pointerType": "pen", "buttons": 32}
    pointer(page, "pointerdown", 0.5, 0.5, button=5, **eraser)
    pointer(page, "pointerup", 0.5, 0.5, button=5, pointerId=3)
    assert not painted(page)[32, 48] and painted(page)[32, 20]
    colour = """() => {
      const sheet = document.querySelector("canvas").getContext("2d");
      return [...sheet.getImageData(20, 32, 1, 1).data];
    }"""
    page.mouse.move(1, 1)
    page.locator("canvas").focus()
    holed = page.evaluate(colour)
    page.keyboard.down("o")
    assert page.evaluate(colour) != holed
    page.get_by_role("button", name="Undo").focus()  # the key is released elsewhere
    page.keyboard.up("o")
    assert page.evaluate(colour) == holed


# --- the built book ------------------------------------------------------------------------------

HTML = Path(__file__).resolve().parent.parent / "_build" / "html"


@pytest.mark.skipif(
    not (HTML / "_static" / "vendor" / "embed-amd.js").is_file(),
    reason="no pages that serve their own scripts: run make html where npm is installed",
)
def test_the_built_page_paints_without_a_kernel_and_without_any_other_site(browser):
    opened = browser.new_page(viewport={"width": 1200, "height": 1000})
    elsewhere: list[str] = []
    with served(HTML) as address:
        opened.on("request", lambda request: elsewhere.append(request.url))
        opened.goto(f"{address}book/02-images-masks-splits.html")
        painter = opened.locator(".cell_output .labkit-painter").first
        canvas = painter.locator("canvas[role=application]")
        canvas.wait_for()
        note = painter.locator(".labkit-note")
        note.wait_for()  # once no kernel has answered
        assert "needs a running kernel" in note.inner_text()
        assert note.locator("a").get_attribute("href").startswith("https://colab.research")
        before = painter.locator(".labkit-ratio").inner_text()
        canvas.scroll_into_view_if_needed()
        drag(opened, (0.1, 0.1), (0.9, 0.9), ".cell_output canvas[role=application]")
        assert painter.locator(".labkit-ratio").inner_text() != before
        assert painter.get_by_role("button", name="Fill", exact=True).is_hidden()
    own = (address, "data:", "blob:")
    assert [url for url in elsewhere if not url.startswith(own)] == []
    opened.close()
