"""The painter in a real browser: on a page of its own, and in JupyterLab with a kernel."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from browsing import chromium, drag, needs_chromium
from PIL import Image
from serve import served

import labkit

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


@pytest.fixture
def page(browser, tmp_path) -> Iterator[object]:
    """The painter alone, on a page from a server of plain files."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    (tmp_path / "index.html").write_text(PAGE)
    for name in ("painter.mjs", "painter.css"):
        shutil.copy(WIDGETS / name, tmp_path)

    with served(tmp_path) as address:
        opened = browser.new_page()
        errors: list[str] = []
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.goto(address)
        opened.wait_for_function("window.painter")
        yield opened
        assert errors == []
        opened.close()


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
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    page.locator("input[type=file]").set_input_files(broken)
    page.wait_for_function(
        "document.querySelector('.labkit-status').textContent.includes('broken')"
    )
    assert np.array_equal(painted(page), before)


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


def test_by_touch(browser, page):
    """A finger is a pointer like any other."""
    page.evaluate(
        """() => {
          const canvas = document.querySelector("canvas");
          const box = canvas.getBoundingClientRect();
          const at = (x, y) => ({ pointerId: 7, pointerType: "touch", button: 0, buttons: 1,
            clientX: box.left + x * box.width, clientY: box.top + y * box.height, bubbles: true });
          canvas.setPointerCapture = () => {};
          canvas.dispatchEvent(new PointerEvent("pointerdown", at(0.2, 0.2)));
          canvas.dispatchEvent(new PointerEvent("pointermove", at(0.4, 0.2)));
          canvas.dispatchEvent(new PointerEvent("pointerup", at(0.4, 0.2)));
        }"""
    )
    assert painted(page)[12, 28] and painted(page).any()


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
        drag(opened, (0.2, 0.8), (0.8, 0.8), ".cell_output canvas[role=application]")
        assert painter.locator(".labkit-ratio").inner_text() != before
        assert painter.get_by_role("button", name="Fill", exact=True).is_hidden()
    own = (address, "data:", "blob:")
    assert [url for url in elsewhere if not url.startswith(own)] == []
    opened.close()


# --- JupyterLab ----------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def lab(tmp_path) -> Iterator[str]:
    """The address of a JupyterLab whose folder holds paint.ipynb."""
    cells = [
        "from labkit.data.photos import photo\n"
        "from labkit.book.widgets import MaskPainter\n"
        "painter = MaskPainter(photo('astronaut')[:128, 128:288], methods=('telea',))\n"
        "painter",
        "print('ratio', round(painter.hole_ratio, 3), 'filled', painter.result is not None)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    (tmp_path / "paint.ipynb").write_text(nbformat.writes(notebook))
    port = free_port()
    environment = os.environ | {
        "JUPYTER_PREFER_ENV_PATH": "1",
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--port={port}", "--IdentityProvider.token=", f"--ServerApp.root_dir={tmp_path}"]
    server = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=1)
                break
            except OSError:
                assert server.poll() is None, "JupyterLab did not start"
                time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(20)


def test_in_jupyterlab_with_a_kernel(browser, lab):
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(90_000)
    page.goto(f"{lab}/lab/tree/paint.ipynb?reset")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.get_by_text("| Idle").wait_for()  # a cell that is run before the kernel waits is lost
    page.locator(".jp-CodeCell .jp-Editor").first.click()
    page.keyboard.press("Shift+Enter")
    page.locator("canvas[role=application]").wait_for()
    page.get_by_role("button", name="Rectangle").click()
    drag(page, (0.25, 0.25), (0.75, 0.75))
    fill = page.get_by_role("button", name="Fill", exact=True)
    fill.wait_for()  # shown once the kernel has answered
    fill.click()
    page.locator(".labkit-compare img.labkit-after").wait_for()
    assert "Telea" in page.locator(".labkit-status").inner_text()
    assert "dB" in page.locator(".labkit-status").inner_text()
    page.locator(".jp-CodeCell .jp-Editor").nth(1).click()
    page.keyboard.press("Shift+Enter")
    printed = page.get_by_text("filled True")
    printed.wait_for()
    ratio = float(printed.inner_text().split()[1])
    assert abs(ratio - 0.25) < 0.02, json.dumps(printed.inner_text())
    page.close()
