"""Sliders choose among pictures that were drawn when the cell ran."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import matplotlib

matplotlib.use("Agg")

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from ipywidgets.widgets.widget_link import Link
from matplotlib.figure import Figure
from PIL import Image

from labkit.book.widgets import Explorer, explore
from labkit.book.widgets.sliders import MAX_FRAMES
from labkit.errors import InputError


@pytest.fixture(autouse=True)
def links(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple]]:
    """The links made in the browser, as (source, its trait, target, its trait)."""
    made: list[tuple] = []
    create = Link.__init__

    def record(self, source, target, **options):
        made.append((*source, *target))
        create(self, source, target, **options)

    monkeypatch.setattr(Link, "__init__", record)
    yield made
    plt.close("all")


def grey(level: float, shift: float = 0.0) -> Figure:
    """A figure of one grey level, so that a frame tells which settings drew it."""
    return plt.figure(figsize=(0.5, 0.5), facecolor=str(level + shift))


def level(frame: widgets.Image) -> int:
    with Image.open(io.BytesIO(frame.value)) as image:
        return int(np.asarray(image.convert("L")).mean().round())


def test_one_frame_for_each_value_in_order(links: list[tuple]) -> None:
    view = explore(grey, level=[0.0, 0.4, 1.0])
    slider, stack = view.children
    assert isinstance(slider, widgets.SelectionSlider)
    assert [level(frame) for frame in stack.children] == [0, 102, 255]
    assert links == [(slider, "index", stack, "selected_index")]


def test_two_settings_make_a_stack_of_stacks(links: list[tuple]) -> None:
    view = explore(grey, level=[0.0, 0.4], shift=[0.0, 0.2, 0.6])
    first, second, outer = view.children
    frames = [[level(frame) for frame in inner.children] for inner in outer.children]
    assert frames == [[0, 51, 153], [102, 153, 255]]
    assert [link for link in links if link[0] is first] == [
        (first, "index", outer, "selected_index")
    ]
    tied = [link[2] for link in links if link[0] is second]
    assert tied == list(outer.children)


def test_starts_where_it_is_told() -> None:
    view = explore(grey, start={"level": 0.4}, labels={"level": "grey"}, level=[0.0, 0.4, 1.0])
    slider, stack = view.children
    assert (slider.value, slider.index, stack.selected_index) == (0.4, 1, 1)
    assert slider.description == "grey"


def test_names_get_a_menu_and_numbers_a_slider() -> None:
    view = explore(lambda kind, k: grey(0.5), kind=["a", "b"], k=[1, 2])
    assert isinstance(view.children[0], widgets.Dropdown)
    assert isinstance(view.children[1], widgets.SelectionSlider)


def test_printed_form_says_nothing_that_varies() -> None:
    assert repr(explore(grey, level=[0.0, 1.0])) == "Explorer(level: 2)"
    assert isinstance(explore(grey, level=[0.0]), Explorer)


def test_figures_are_closed() -> None:
    explore(grey, level=[0.0, 0.5, 1.0])
    assert plt.get_fignums() == []


def test_error_while_drawing_is_not_swallowed() -> None:
    def draw(k: int) -> Figure:
        return grey(1 / k)

    with pytest.raises(ZeroDivisionError):
        explore(draw, k=[1, 0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "nothing to explore"),
        ({"level": []}, "'level' needs a sequence"),
        ({"level": "abc"}, "'level' needs a sequence"),
        ({"level": list(range(MAX_FRAMES + 1))}, f"{MAX_FRAMES + 1} combinations"),
        ({"level": [0, 1], "start": {"level": 2}}, "starts at 2"),
        ({"level": [0, 1], "start": {"side": 2}}, "'side' is not one of"),
        ({"level": [0, 1], "labels": {"side": "s"}}, "'side' is not one of"),
    ],
)
def test_bad_settings_are_named(arguments: dict, words: str) -> None:
    with pytest.raises(InputError) as caught:
        explore(grey, **arguments)
    assert words in str(caught.value)


def test_draw_must_return_its_figure() -> None:
    with pytest.raises(InputError, match="returned NoneType, not a figure"):
        explore(lambda k: None, k=[1])


def test_ipywidgets_7_without_a_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Colab has it in memory before the book is installed."""
    monkeypatch.delattr(widgets, "Stack")
    view = explore(grey, level=[0.0, 0.4], shift=[0.0, 0.2, 0.6], start={"shift": 0.2})
    first, second, frame = view.children
    assert level(frame) == 51
    second.index = 2
    assert level(frame) == 153
    first.value = 0.4
    assert level(frame) == 255
    assert repr(view) == "Explorer(level: 2, shift: 3)"


def test_colab_is_asked_to_draw_them(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    output = SimpleNamespace(enable_custom_widget_manager=lambda: asked.append(True))
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace(output=output))
    explore(grey, level=[0.0, 0.4])
    assert asked == [True]
