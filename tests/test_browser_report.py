"""The report of an evaluation in a real browser: every example under a slider that works."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsing import chromium, needs_chromium
from test_evaluation import write_pairs

from labkit.cli import main

pytestmark = needs_chromium

HOSTILE = "x<!--<script>"  # as a pair may be called where file systems let it


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    pairs = write_pairs(folder / "pairs", [0.2, 0.5])
    for suffix in (".jpg", ".png"):
        shutil.move(pairs / f"001{suffix}", pairs / (HOSTILE + suffix))
    methods = ["--method", "mean", "--method", "telea"]
    options = ["--size", "64", "--as-reported", "--device", "cpu", "--out", str(folder / "out")]
    assert main(["evaluate", "--pairs", str(pairs), *methods, *options]) == 0
    return folder / "out" / "report.html"


@pytest.fixture
def page(report: Path) -> Iterator[object]:
    problems: list[str] = []
    with chromium() as browser:
        opened = browser.new_page()
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("console", lambda m: m.type == "error" and problems.append(m.text))
        opened.goto(report.as_uri())
        yield opened
    assert problems == []


def test_every_example_stands_under_a_slider(page) -> None:
    sliders = page.locator("figure input[type=range]")
    assert sliders.count() == page.locator("figure").count() == 2
    captions = page.locator("figcaption").all_text_contents()
    assert captions[1].startswith(f"pair {HOSTILE}, ")
    alts = page.locator("figure img").evaluate_all("all => all.map((image) => image.alt)")
    names, shown = ("000", HOSTILE), ("hole", "telea")
    assert alts == [f"pair {name}, {picture}" for name in names for picture in shown]
    widths = page.locator("figure img").evaluate_all(
        "all => Promise.all(all.map((image) => image.decode().then(() => image.naturalWidth)))"
    )
    assert widths == [64] * 4


def test_the_slider_follows_the_keyboard(page) -> None:
    slider = page.locator("figure input[type=range]").first
    line = page.locator("figure .labkit-compare").first
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.input_value() == "51"
    assert line.evaluate("frame => frame.style.getPropertyValue('--at')") == "51%"


def test_other_pictures_can_be_chosen(page) -> None:
    left = page.get_by_label("picture on the left")
    assert left.locator("option").all_text_contents() == ["hole", "mean", "telea", "truth"]
    left.select_option("truth")
    alts = page.locator("figure img").evaluate_all("all => all.map((image) => image.alt)")
    assert alts[:2] == ["pair 000, hole", "pair 000, truth"]


def test_it_says_how_the_rows_were_scored(page) -> None:
    text = page.locator("h1 + p").text_content()
    assert "data range 255" in text and "“as reported”" in text
    heads = page.locator("table").first.locator("th[scope=row]").all_text_contents()
    assert heads == ["mean", "telea", "mean, as reported", "telea, as reported"]
