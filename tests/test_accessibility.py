"""No page of the built book has a serious fault of accessibility, as far as axe-core can tell.

Each page is checked in full on a wide screen by day; what colours and widths change is checked
again by night and on a phone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import vendor
from browsing import chromium, needs_chromium
from serve import served

HTML = Path(__file__).resolve().parent.parent / "_build" / "html"

AXE = vendor.Script(
    vendor.Package(
        "axe-core",
        "4.14.1",
        "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    ),
    "axe.min.js",
    "axe.min.js",
)
SERIOUS = ("serious", "critical")
BY_NIGHT = ["color-contrast", "link-in-text-block"]
ON_A_PHONE = ["color-contrast", "scrollable-region-focusable", "target-size", "meta-viewport"]
SCROLLING = "pre, .cell_output > .output, .pst-scrollable-table-container"
WIDE, PHONE = {"width": 1300, "height": 900}, {"width": 390, "height": 844}

PAGES = [
    page.relative_to(HTML).as_posix()
    for page in sorted(HTML.rglob("*.html"))
    if "_static" not in page.parts and page != HTML / "index.html"  # which sends on to the book
]

pytestmark = [
    needs_chromium,
    pytest.mark.skipif(not PAGES, reason="there are no pages: run make html"),
]


@pytest.fixture(scope="module")
def axe() -> str:
    """The code of axe-core, from npm once."""
    kept = HTML.parent / "axe" / f"{AXE.package.version}.js"
    if not kept.is_file():
        try:
            code = vendor.unpack(AXE, vendor.download(AXE.package))
        except OSError as error:
            pytest.skip(f"axe-core cannot be had from npm: {error}")
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(code)
    return kept.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(axe: str) -> Iterator[Any]:
    """A page of Chromium with axe-core in everything that it opens."""
    with chromium() as browser:
        # Without transitions, half-way through which no colour is the one that is meant.
        context = browser.new_context(reduced_motion="reduce")
        context.add_init_script(axe)
        yield context.new_page()
        context.close()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with served(HTML) as address:
        yield address


def faults(page: Any, rules: list[str] | None = None) -> list[str]:
    """What axe-core finds to be serious; by default with all of its rules."""
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [
        f"{fault['id']} at {node['target']}: {node['html'][:160]}"
        for fault in found
        if fault["impact"] in SERIOUS
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("name", PAGES)
def test_page_has_no_serious_fault(page: Any, site: str, name: str) -> None:
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light")
    page.goto(site + name)
    page.evaluate("() => window.MathJax?.startup?.promise")
    widgets = page.locator('script[type="application/vnd.jupyter.widget-view+json"]').count()
    if widgets:
        page.wait_for_function(
            "n => document.querySelectorAll('.widget-subarea > *').length >= n", arg=widgets
        )
    assert faults(page) == []
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    assert faults(page, BY_NIGHT) == []
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme="light")
    # The theme waits a little after a change of size before it lets a reader tab to what scrolls.
    page.wait_for_function(
        "places => [...document.querySelectorAll(places)].every(e => e.tabIndex === 0"
        " || (e.scrollWidth <= e.clientWidth && e.scrollHeight <= e.clientHeight))",
        arg=SCROLLING,
    )
    assert faults(page, ON_A_PHONE) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "scrolls sideways"


def test_faults_are_found(page: Any, tmp_path: Path) -> None:
    """One that a screen reader meets, and one that an eye does only in the dark."""
    style = "@media (prefers-color-scheme: dark) { p { color: #333; background: #000 } }"
    (tmp_path / "index.html").write_text(
        f'<!doctype html><html lang="en"><title>x</title><style>{style}</style>'
        "<main><h1>x</h1><img src='x.png'><p>text</p></main>"
    )
    with served(tmp_path) as address:
        page.emulate_media(color_scheme="light")
        page.goto(address)
        assert [text.split()[0] for text in faults(page)] == ["image-alt"], json.dumps(faults(page))
        page.emulate_media(color_scheme="dark")
        assert any(text.startswith("color-contrast") for text in faults(page, BY_NIGHT))
