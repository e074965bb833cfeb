"""What the tests that drive a real browser share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from serve import CHROMIUM

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@contextmanager
def chromium() -> Iterator[object]:
    """The browser, as playwright hands it out; without playwright the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as session:
        # As root, which containers are, Chromium refuses its sandbox.
        yield session.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


def resting_box(page, where: str) -> dict[str, float]:
    """Where the first such element is, once formulas and pictures above it have been drawn."""
    drawing = page.locator(where).first
    before = None
    while (box := drawing.bounding_box()) != before:
        before = box
        drawing.scroll_into_view_if_needed()
        page.wait_for_timeout(150)
    return box


def drag(
    page, start: tuple[float, float], end: tuple[float, float], where: str = "canvas", **options
) -> None:
    """Drag over the painter's canvas, once it stands still; places are shares of its sides."""
    box = resting_box(page, where)
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down(**options)
    page.mouse.move(*places[1], steps=5)
    page.mouse.up(**options)


def touch(page, moments: list[list[tuple[float, float]]], where: str = "canvas") -> None:
    """Fingers on a drawing: at each moment the places of those that touch it, first finger first,
    in shares of its sides; at the end none."""
    box = resting_box(page, where)
    session = page.context.new_cdp_session(page)
    before = 0
    for places in moments:
        kind = "touchStart" if len(places) > before else "touchMove"
        kind = kind if places else "touchEnd"
        points = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": k}
            for k, (x, y) in enumerate(places)
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        before = len(places)
        page.wait_for_timeout(60)
