"""What the tests of the explorables share: their arithmetic in node, and pages with one of them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browsing import chromium
from serve import served

BOOK = Path(__file__).resolve().parent.parent / "book"
FOLDER = BOOK / "_static" / "explorables"
# Name → chapter.
PLACES = {
    "relax": "01",
    "depth": "02",
    "choose": "03",
    "columns": "04",
    "dilations": "05",
    "confidence": "06",
    "gan": "07",
    "id-mrf": "08",
    "attention": "09",
    "checkerboard": "10",
    "game": "11",
    "between": "11",
    "surface": "13",
    "sampling": "14",
    "film": "15",
}

with_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def run(tmp_path: Path, module: str, expression: str, **values: object) -> object:
    """The value of a JavaScript expression in which `m` is a module and `values` are defined."""
    given = "".join(f"const {name} = {json.dumps(value)};\n" for name, value in values.items())
    script = tmp_path / "script.mjs"
    script.write_text(
        f'import * as m from "{(FOLDER / module).as_uri()}";\n{given}'
        f"console.log(JSON.stringify({expression}));\n"
    )
    return json.loads(subprocess.check_output(["node", str(script)], text=True))


def committed(name: str) -> dict[str, object]:
    """What tools/explorables.py has written for one of them."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<main>{hosts}</main><script type="module" src="explorables/explorables.mjs"></script></html>"""
HOST = '<div class="explorable" data-explorable="{}"><p>Words instead.</p></div>'
# What the page that fills holes is served, in a place where nothing of it is.
_BINARY = {"file": "none.wasm", "bytes": 9, "sha256": ""}
NO_NETWORK = {
    "runtime": {"script": "none.mjs", "binary": _BINARY},
    "models": [{"name": "faces-64", "size": 64, "file": "none.onnx", "bytes": 9, "sha256": ""}],
}
Open = Callable[..., object]


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def visit(browser, tmp_path) -> Iterator[Open]:
    """Opens a page with one explorable, or with what is asked for; nothing may go wrong on it."""
    site = tmp_path / "site"
    shutil.copytree(FOLDER, site / "explorables")
    shutil.copytree(FOLDER.parent / "fill", site / "fill")
    (site / "fill" / "manifest.json").write_text(json.dumps(NO_NETWORK))
    errors: list[str] = []
    opened = []
    with served(site) as address:

        def visit(name: str = "", hosts: str = "", **options: object):
            (site / "index.html").write_text(PAGE.format(hosts=hosts or HOST.format(name)))
            options = {"viewport": {"width": 900, "height": 800}} | options
            page = browser.new_page(**options)
            opened.append(page)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(address)
            if not hosts:
                page.wait_for_selector("[data-mounted] dd")
            return page

        yield visit
        for page in opened:
            page.close()
    assert errors == []


def said(page) -> str:
    """All that the readout says, once it has been drawn."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    return " ".join(page.locator(".explorable-readout").inner_text().split())


def pick(page, group: str, option: str) -> str:
    page.get_by_role("group", name=group).get_by_text(option, exact=True).click()
    return said(page)


def press(page, name: str) -> str:
    page.get_by_role("button", name=name).click()
    return said(page)


def point(page, x: float, y: float, act: str = "move") -> str:
    """Move to, or press and release at, a place of the drawing, in shares of its sides."""
    box = page.locator("[role=application]").bounding_box()
    getattr(page.mouse, act)(box["x"] + x * box["width"], box["y"] + y * box["height"])
    return said(page)
