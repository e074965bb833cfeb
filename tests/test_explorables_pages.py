"""Readers can move the explorables of the built pages, by mouse, finger and keyboard."""

from __future__ import annotations

import re

import exploring
import nbformat
import pytest
from browsing import needs_chromium, touch
from exploring import BOOK, FOLDER, HOST, PLACES, pick, point, said
from serve import served

browser, visit = exploring.browser, exploring.visit
NAMES = tuple(PLACES)

# --- in the chapters -----------------------------------------------------------------------------


def test_every_explorable_has_its_place_and_says_what_it_shows():
    found = {}
    for path in sorted(BOOK.glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for name, words in re.findall(
                r'<div class="explorable" data-explorable="([\w-]+)">(.+?)</div>', cell.source, re.S
            ):
                assert cell.cell_type == "markdown"
                assert "\n\n" not in words, "a blank line would end the HTML"
                assert len(re.sub(r"<[^>]+>", "", words)) > 150
                found[name] = path.stem[:2]
    assert found == PLACES
    assert all((FOLDER / f"{name}.mjs").is_file() for name in PLACES)


# --- in a browser --------------------------------------------------------------------------------


@needs_chromium
def test_checkerboard_by_mouse_and_by_keyboard(visit):
    page = visit("checkerboard")
    assert "Terms on a line 2 1 2 1 … Terms in the plane 1, 2 or 4" in said(page)
    assert "Energy in the pattern 19 %" in said(page)
    kernel = page.get_by_role("slider", name="kernel k")
    kernel.focus()
    page.keyboard.press("ArrowRight")
    assert "2 everywhere Terms in the plane 4 Energy in the pattern 0 %" in said(page)
    assert kernel.get_attribute("aria-valuetext") == "4"
    assert "Energy in the pattern 75 %" in pick(page, "Weights", "random")
    before = said(page)
    page.get_by_role("button", name="draw again").click()
    assert said(page) != before
    assert "Energy in the pattern 0 %" in pick(page, "Layer", "nearest + convolution")
    pick(page, "Layer", "transposed")
    pick(page, "Weights", "all one")
    kernel.fill("4")
    page.get_by_role("slider", name="stride s").fill("3")
    assert "2 1 1 1" in said(page)  # kernel 5, stride 4
    assert "Pixel 0 of the line gets w[0]" in point(page, 0.01, 0.5)
    page.locator("[role=application]").focus()
    page.keyboard.press("ArrowRight")
    assert "Pixel 1 of the line gets w[1]" in said(page)
    kernel.fill("0")  # kernel 1
    assert "Pixel 1 of the line gets nothing" in said(page)


@needs_chromium
def test_confidence_by_mouse_and_by_keyboard(visit):
    page = visit("confidence")
    assert "Mean weight in the hole 0.710" in said(page)  # as chapter 6 prints
    assert "63 deep: weight 0.448" in said(page)
    page.get_by_role("slider", name="iterations n").focus()
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    assert "Mean weight in the hole 0.462" in said(page)
    assert "weight 0.069" in said(page)
    assert "Mean weight in the hole 0.433" in pick(page, "Kernel g", "Laplacian")
    pick(page, "Kernel g", "released")
    assert page.get_by_role("slider", name="scale s").is_disabled()
    assert "is known, and has no weight" in point(page, 0.05, 0.05)
    page.locator("[role=application]").focus()
    square = said(page)
    for larger, smaller in ("+-", "]["):
        page.keyboard.press(larger)
        assert said(page) != square
        page.keyboard.press(smaller)
        assert said(page) == square
    for _ in range(9):
        page.keyboard.press("Shift+ArrowLeft")
        page.keyboard.press("Shift+ArrowUp")
    assert "deep: weight" in said(page)  # the hole has come to the pointer

    point(page, 0.5, 0.5)
    page.mouse.down()
    point(page, 0.6, 0.7)
    page.mouse.up()
    missing = page.evaluate(
        """() => {
          const map = document.querySelector("canvas").getContext("2d");
          const { data } = map.getImageData(0, 0, 256, 256);
          let missing = 0;
          for (let k = 0; k < data.length; k += 4) missing += data[k] !== 226; // grey: known
          return missing;
        }"""
    )
    assert abs(missing - 0.1 * 0.2 * 256**2) < 120
    assert page.get_by_role("group", name="Hole").locator("input:checked").count() == 0
    assert said(page) == point(page, 0.6, 0.7)


@needs_chromium
def test_id_mrf_by_mouse_and_by_keyboard(visit):
    page = visit("id-mrf")
    assert "nearest neighbour Target patches matched 39 of 196" in said(page)
    assert "The most popular one 56 times" in said(page)
    assert "Patches of the fill with this match: 56" in said(page)
    assert "completeness Fill patches matched 58 of 196" in pick(
        page, "Who asks", "each target patch"
    )
    assert "ID-MRF Fill patches matched 62 of 196" in pick(page, "Near means", "large share R̄S")
    assert "Loss 3.26 = log N / K, with K = 7.5" in said(page)
    assert "Fill patch in row 1, column 1." in point(page, 0.01, 0.09)
    assert "Target patch in row 14, column 14." in point(page, 0.99, 0.92)
    point(page, 0.46, 0.09)
    page.locator("[role=application]").focus()
    page.keyboard.press("ArrowRight")  # over the edge
    assert "Target patch in row 1, column 1." in said(page)
    page.keyboard.press("ArrowDown")
    assert "Target patch in row 2, column 1." in said(page)


@needs_chromium
def test_surface_by_mouse_and_by_keyboard(visit):
    def apart(text: str) -> list[float]:
        """Mean and largest error, as the readout says them."""
        return [float(number) for number in re.findall(r"error, grey levels ([\d.]+)", text)]

    page = visit("surface")
    one_level = apart(said(page))
    assert "The film after 1 level, 4 sweeps on each; a hole of 24 pixels" in said(page)
    page.get_by_role("slider", name="levels").focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    five_levels = apart(said(page))
    assert five_levels[0] < one_level[0] / 4 and five_levels[1] < one_level[1] / 4
    assert "Work, full sweeps 5.3" in said(page)
    assert apart(pick(page, "Surface", "plate"))[0] > five_levels[0]
    page.get_by_role("slider", name="sweeps").fill("9")
    assert apart(said(page))[1] < 0.1
    point(page, 0.99, 0.01)
    page.mouse.down()
    point(page, 0.98, 0.02)
    page.mouse.up()
    assert "a hole of 24 pixels from row 2, column 38." in said(page)
    page.locator("[role=application]").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    assert "from row 4, column 36." in said(page)
    assert "a hole of 12 pixels from row 10, column 42." in pick(page, "Hole", "12 px")


@needs_chromium
@pytest.mark.parametrize("name", NAMES)
def test_on_a_phone(visit, name):
    page = visit(name, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    for control in page.locator(".explorable-options span, button").all():
        assert control.bounding_box()["height"] >= 32
    before = said(page)
    drawing = page.locator("[role=application]")
    if not drawing.count():
        return  # its picture is only looked at
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    page.touchscreen.tap(box["x"] + 0.14 * box["width"], box["y"] + 0.7 * box["height"])
    assert said(page) != before


@needs_chromium
@pytest.mark.parametrize("name", NAMES)
def test_all_of_it_has_names_and_nothing_moves_by_itself(visit, name):
    page = visit(name)
    for control in page.locator("input, button, [role=application]").all():
        named = control.evaluate(
            "(c) => (c.ariaLabel ?? '') + (c.labels?.[0]?.textContent ?? '') + c.textContent"
        )
        assert named.strip()
    assert page.locator("[role=status]").count() == 1
    style = (FOLDER / "explorables.css").read_text(encoding="utf-8")
    assert "animation" not in style and "transition" not in style
    # Every control is reached by the Tab key, one stop for each group of options.
    groups = "fieldset:has([type=radio]), [type=checkbox]"
    stops = page.locator(f"{groups}, input[type=range], button, [role=application]").count()
    page.evaluate("document.body.focus()")
    seen = set()
    for _ in range(stops):
        page.keyboard.press("Tab")
        seen.add(
            page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)")
        )
    assert len(seen) == stops


@needs_chromium
def test_one_finger_drags_and_a_release_that_was_lost_ends_it(visit, browser):
    page = visit("surface", has_touch=True)
    first, second = (0.3, 0.3), (0.8, 0.8)
    where = "[role=application]"
    touch(page, [[first], [first, second], [first, (0.7, 0.7)], []], where)
    assert "from row 7, column 7." in said(page)

    page = visit("surface")
    point(page, 0.5, 0.5)
    page.mouse.down()
    at = said(page)
    move = """(drawing) => drawing.dispatchEvent(new PointerEvent("pointermove", {
      pointerId: 1, isPrimary: true, buttons: 0, clientX: 1, clientY: 1, bubbles: true }))"""
    page.locator(where).evaluate(move)  # the button was released over another window
    assert said(page) == at
    point(page, 0.9, 0.9)
    assert said(page) == at
    page.mouse.up()


@needs_chromium
def test_on_paper_there_are_no_controls(visit):
    hosts = '<div style="height: 9000px"></div>' + HOST.format("checkerboard")
    page = visit(hosts=hosts)
    assert page.locator("[data-mounted]").count() == 0  # far below the screen: not drawn yet
    page.wait_for_function("'mountNow' in document.querySelector('.explorable')")
    # Paper does not wait for a frame.
    cells = """() => {
      dispatchEvent(new Event("beforeprint"));
      return document.querySelectorAll("[data-mounted] .explorable-drawing rect").length;
    }"""
    assert page.evaluate(cells) > 100
    page.emulate_media(media="print")
    assert page.locator(".explorable-readout").is_visible()
    for control in page.locator("input[type=range], button, .explorable-note").all():
        assert control.is_hidden()
    settings = " ".join(page.locator(".explorable-controls").inner_text().split())
    assert settings == "Layer transposed kernel k 3 stride s 2 Weights all one"


@needs_chromium
def test_it_is_drawn_when_it_comes_near(visit):
    page = visit(hosts='<div style="height: 9000px"></div>' + HOST.format("id-mrf"))
    assert page.get_by_text("Words instead").count() == 1
    page.mouse.wheel(0, 8000)
    page.wait_for_selector("[data-mounted] dd")
    assert page.get_by_text("Words instead").count() == 0


@needs_chromium
def test_a_page_without_one_loads_nothing_and_a_missing_file_is_said(visit):
    asked: list[str] = []
    page = visit(hosts="<p>No figure here.</p>")
    page.on("request", lambda request: asked.append(request.url.rsplit("/", 1)[-1]))
    page.reload()
    page.wait_for_load_state("networkidle")
    assert not {"explorables.css", "figure.mjs"} & set(asked)

    page = visit(hosts=HOST.format("unheard-of"))
    page.get_by_text("The figure could not be loaded").wait_for()
    assert page.get_by_text("Words instead").count() == 1


@needs_chromium
@pytest.mark.parametrize("name", NAMES)
def test_in_the_built_book(browser, name):
    html = BOOK.parent / "_build" / "html"
    built = next((html / "book").glob(f"{PLACES[name]}-*.html"), None)
    host = f'data-explorable="{name}"'
    if built is None or host not in built.read_text(encoding="utf-8"):
        pytest.skip("no built page with this explorable: run make html")
    page = browser.new_page(color_scheme="dark", viewport={"width": 1200, "height": 900})
    asked: list[str] = []
    with served(html) as address:
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{address}book/{built.name}")
        page.locator(f"[{host}]").scroll_into_view_if_needed()
        page.locator(f"[{host}] dd").first.wait_for()
        assert page.locator(f"[{host}] figcaption").is_visible()
        own = [url for url in asked if "/explorables/" in url]
    assert {url.rsplit("/", 1)[-1].partition("?")[0] for url in own} >= {
        "explorables.mjs",
        "explorables.css",
        "figure.mjs",
        f"{name}.mjs",
    }
    assert all(url.startswith(address) for url in own)
    page.close()
