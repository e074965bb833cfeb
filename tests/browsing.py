"""What the tests that drive a real browser share."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@contextmanager
def chromium() -> Iterator[object]:
    """The browser, as playwright hands it out; without playwright the test is skipped."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as session:
        # As root, which containers are, Chromium refuses its sandbox.
        yield session.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which a folder is offered, as `python -m http.server` does."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def drag(
    page, start: tuple[float, float], end: tuple[float, float], where: str = "canvas", **options
) -> None:
    """Drag over the painter's canvas; places are shares of its sides."""
    box = page.locator(where).first.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down(**options)
    page.mouse.move(*places[1], steps=5)
    page.mouse.up(**options)
