"""Figures show the values they were given, in the same look and the same bytes each time."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from labkit.book import plotting
from labkit.errors import InputError


@pytest.fixture(autouse=True)
def close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def shown(figure: Figure) -> list[np.ndarray]:
    """The arrays that a figure's axes show, in order."""
    return [np.asarray(ax.images[0].get_array()) for ax in figure.axes if ax.images]


def png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def test_tensors_arrays_and_batches_mix() -> None:
    array = np.full((8, 6, 3), 200, np.uint8)
    tensor = torch.full((3, 8, 6), -1.0)
    batch = torch.stack([torch.zeros(3, 8, 6), torch.ones(3, 8, 6)])
    pictures = shown(plotting.draw_images([array, tensor, batch]))
    assert [p.shape for p in pictures] == [(8, 6, 3)] * 4
    assert [int(p.mean()) for p in pictures] == [200, 0, 128, 255]


def test_pictures_of_different_sizes_share_a_grid() -> None:
    pictures = [np.zeros((4, 4, 3), np.uint8), np.zeros((9, 5, 3), np.uint8)]
    assert [p.shape for p in shown(plotting.draw_images(pictures))] == [(4, 4, 3), (9, 5, 3)]


def test_grid_leaves_spare_axes_empty() -> None:
    figure = plotting.draw_images(np.zeros((5, 4, 4, 3), np.uint8), columns=3)
    assert len(figure.axes) == 6
    assert len(shown(figure)) == 5


def test_outline_runs_along_the_edge_of_the_hole() -> None:
    mask = np.zeros((16, 16), bool)
    mask[4:10, 6:12] = True
    figure = plotting.draw_images(np.zeros((16, 16, 3), np.uint8), masks=mask)
    corners = np.concatenate(
        [p.vertices for c in figure.axes[0].collections for p in c.get_paths()]
    )
    assert corners.min(axis=0) == pytest.approx([5.5, 3.5])  # x, y: between the pixels
    assert corners.max(axis=0) == pytest.approx([11.5, 9.5])


def test_outline_of_an_empty_mask_is_nothing() -> None:
    figure = plotting.draw_images(np.zeros((8, 8, 3), np.uint8), masks=np.zeros((8, 8), bool))
    assert len(figure.axes[0].collections) == 0


def test_masks_show_the_hole_as_one() -> None:
    mask = torch.zeros(2, 1, 8, 8)
    mask[1, :, :4] = 1
    empty, half = shown(plotting.draw_masks(mask))
    assert not empty.any()
    assert half[:4].all()
    assert not half[4:].any()


def test_maps_share_their_limits() -> None:
    figure = plotting.draw_maps([np.zeros((4, 4)), np.full((4, 4), 3.0)], label="weight")
    limits = {ax.images[0].get_clim() for ax in figure.axes if ax.images}
    assert limits == {(0.0, 3.0)}
    assert figure.axes[-1].get_ylabel() == "weight"


def test_lines_differ_in_colour_and_in_dash_or_marker() -> None:
    curves = {f"curve {k}": [k, k + 1] for k in range(len(plotting.PALETTE))}
    figure = plotting.draw_lines([0, 1], curves, xlabel="x", ylabel="y")
    lines = figure.axes[0].lines
    assert len({line.get_color() for line in lines}) == len(lines)
    assert len({(line.get_linestyle(), line.get_marker()) for line in lines}) == len(lines)
    assert [line.get_label() for line in lines] == list(curves)


@pytest.mark.parametrize("colour", [*plotting.PALETTE, plotting.INK, plotting.HOLE])
def test_colours_stand_out_from_the_card(colour: str) -> None:
    def luminance(name: str) -> float:  # WCAG 2.1, relative luminance
        channels = np.array(matplotlib.colors.to_rgb(name))
        linear = np.where(
            channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4
        )
        return float(linear @ [0.2126, 0.7152, 0.0722])

    assert (luminance(plotting.CARD) + 0.05) / (luminance(colour) + 0.05) > 1.9


def test_same_figure_same_bytes() -> None:
    def draw() -> bytes:
        return png(plotting.draw_lines([0, 1, 2], {"a": [1, 2, 3]}, xlabel="x", ylabel="y"))

    assert draw() == draw()


def test_style_does_not_leak_into_the_session() -> None:
    before = dict(matplotlib.rcParams)
    plotting.draw_lines([0, 1], {"a": [1, 2]}, xlabel="x", ylabel="y")
    plotting.draw_maps(np.zeros((4, 4)))
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("show", "argument"),
    [
        (plotting.show_images, np.zeros((4, 4, 3), np.uint8)),
        (plotting.show_masks, np.zeros((4, 4), bool)),
        (plotting.show_maps, np.zeros((4, 4))),
    ],
)
def test_show_shows_once(show, argument, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(plt, "show", lambda: calls.append(len(plt.get_fignums())))
    assert show(argument) is None
    assert calls == [1]


def test_show_lines_shows_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(plt, "show", lambda: calls.append(True))
    plotting.show_lines([0, 1], {"a": [1, 2]}, xlabel="x", ylabel="y")
    assert calls == [True]


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: plotting.draw_images([]), "nothing to draw"),
        (lambda: plotting.draw_images(np.zeros((4, 4, 3))), "uint8"),
        (lambda: plotting.draw_images(np.zeros((4, 4), np.uint8)), "draw_maps"),
        (lambda: plotting.draw_images(torch.full((3, 4, 4), float("nan"))), "NaN"),
        (lambda: plotting.draw_images(np.zeros((2, 4, 4, 3), np.uint8), ["a", "b", "c"]), "titles"),
        (
            lambda: plotting.draw_images(
                np.zeros((4, 4, 3), np.uint8), masks=np.zeros((5, 5), bool)
            ),
            "the mask is (5, 5)",
        ),
        (lambda: plotting.draw_masks(np.full((4, 4), 0.5)), "other than 0 and 1"),
        (lambda: plotting.draw_masks(np.zeros((2, 3, 4, 4))), "must be (H, W)"),
        (lambda: plotting.draw_maps(np.full((4, 4), np.inf)), "infinite"),
        (lambda: plotting.draw_lines([0], {}, xlabel="", ylabel=""), "no curve"),
        (lambda: plotting.draw_lines([0], {"a": [1, 2]}, xlabel="", ylabel=""), "'a' has 2"),
    ],
)
def test_bad_input_is_named(draw, words: str) -> None:
    with pytest.raises(InputError) as caught:
        draw()
    assert words in str(caught.value)


def test_needs_no_jupyter() -> None:
    code = "import sys, labkit.book.plotting; print({'IPython', 'ipykernel'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
