"""The explorables of chapters 6 and 10: their look, and their arithmetic is labkit's."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import nbformat
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from exploring import BOOK, run, with_node
from scipy import ndimage

from labkit.book import plotting
from labkit.book.widgets.painter import draw_stroke
from labkit.losses.confidence import confidence_weights, kernel_1d
from labkit.settings import ConfidenceConfig

# --- the look ------------------------------------------------------------------------------------


@with_node
def test_the_colours_are_those_of_the_figures(tmp_path):
    found = run(tmp_path, "figure.mjs", "[m.CARD, m.INK, m.BLUE, m.ORANGE]")
    assert found == [plotting.CARD, plotting.INK, plotting.PALETTE[0], plotting.HOLE]
    values = np.linspace(0, 1, 101)
    heat = run(tmp_path, "figure.mjs", "values.map(m.heat)", values=values.tolist())
    wanted = mpl.colormaps[plotting.HEAT](values)[:, :3] * 255
    assert np.abs(np.array(heat) - wanted).max() < 6


@with_node
def test_ink_can_be_read_on_every_colour_of_the_explorables(tmp_path):
    """Contrast of at least 4.5 to 1, as WCAG 2 asks of text, on all that numbers stand on."""

    def luminance(colour: np.ndarray) -> np.ndarray:
        c = colour / 255
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    values = np.linspace(-1, 1, 81).tolist()
    pairs = run(
        tmp_path,
        "figure.mjs",
        "values.map((v) => [m.signed(v), m.inkOn(m.signed(v))])",
        values=values,
    )
    for value, (colour, ink) in zip(values, pairs, strict=True):
        written = np.array([int(ink[k : k + 2], 16) for k in (1, 3, 5)])
        dark, light = sorted([luminance(np.array(colour)), luminance(written)])
        assert (light + 0.05) / (dark + 0.05) > 4.5, value


# --- chapter 10 ----------------------------------------------------------------------------------


@with_node
@pytest.mark.parametrize("resized", [False, True])
def test_a_layer_s_answer_to_a_constant_is_torch_s(tmp_path, resized):
    kernels, strides = range(1, 7), range(1, 5)
    drawn = np.random.default_rng(0).normal(size=(6, 6))
    found = run(
        tmp_path,
        "checkerboard.mjs",
        """kernels.map((k) => strides.map((s) => {
          const weights = drawn.slice(0, k).map((row) => row.slice(0, k));
          const plane = m.planeAnswer(weights, s, resized);
          return [m.lineAnswer(weights[0], s, resized), plane, m.patternEnergy(plane)];
        }))""",
        kernels=list(kernels),
        strides=list(strides),
        drawn=drawn.tolist(),
        resized=resized,
    )
    for k in kernels:
        for s in strides:
            weight = torch.from_numpy(drawn[:k, :k].copy())[None, None]
            ones = torch.ones(1, 1, 24, 24, dtype=torch.float64)
            if resized:
                large = F.interpolate(ones, scale_factor=s, mode="nearest")
                across = F.conv2d(large, weight)[0, 0, :12, :12]
                along = F.conv1d(large[:, :, 0], weight[:, :, 0])[0, 0, :12]
            else:
                start = 12 * -(-k // 12) * s  # away from the border, and a whole period
                across = F.conv_transpose2d(ones, weight, stride=s)[0, 0]
                across = across[start : start + 12, start : start + 12]
                along = F.conv_transpose1d(ones[:, :, 0], weight[:, :, 0], stride=s)[0, 0]
                along = along[start : start + 12]
            line, plane, energy = found[k - 1][s - 1]
            assert np.allclose(line, along, atol=1e-12)
            assert np.allclose(plane, across, atol=1e-12)
            wanted = across.var(correction=0) / across.square().mean()
            assert abs(energy - wanted) < 1e-12


@with_node
def test_counts_are_those_that_the_chapter_prints(tmp_path):
    ones = "m.lineAnswer(Array(k).fill(1), s, false).slice(2, 12).join(' ')"
    found = run(
        tmp_path,
        "checkerboard.mjs",
        f"cases.map(([k, s]) => {ones})",
        cases=[[3, 2], [4, 2], [5, 2]],
    )
    printed = "".join(
        output.text
        for cell in nbformat.read(BOOK / "10-checkerboards.ipynb", as_version=4).cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )
    for (k, s), counts in zip([(3, 2), (4, 2), (5, 2)], found, strict=True):
        assert f"kernel {k}, stride {s}: {counts}" in printed


@with_node
def test_random_weights_leave_three_quarters_in_the_pattern(tmp_path):
    """With stride s, all but 1 / s² on average, for kernels that the stride divides."""
    energies = run(
        tmp_path,
        "checkerboard.mjs",
        """[[4, 2], [6, 3]].map(([k, s]) => {
          let sum = 0;
          for (let seed = 0; seed < 3000; seed++)
            sum += m.patternEnergy(m.planeAnswer(m.drawWeights(seed, k), s, false));
          return sum / 3000;
        })""",
    )
    assert np.allclose(energies, [3 / 4, 8 / 9], atol=0.01)
    nothing = run(tmp_path, "checkerboard.mjs", "m.patternEnergy([[0, 0], [0, 0]])")
    assert nothing is None


# --- chapter 6 -----------------------------------------------------------------------------------


def mask_of(tmp_path: Path, hole: str) -> np.ndarray:
    found = run(tmp_path, "confidence.mjs", f"Array.from(m.maskOf({hole}))")
    return np.array(found).reshape(256, 256)


@with_node
@pytest.mark.parametrize("kernel", ["gaussian", "laplacian", "released"])
def test_taps_are_labkit_s(tmp_path, kernel):
    for scale in (5.0, 40.0, 320.0):
        found = run(tmp_path, "confidence.mjs", f"Array.from(m.taps('{kernel}', {scale}))")
        wanted = kernel_1d(ConfidenceConfig(kernel=kernel, scale=scale))
        assert np.abs(np.array(found) - wanted.numpy()).max() < 1e-12


@with_node
@pytest.mark.parametrize(
    ("hole", "kernel", "scale"),
    [
        ("m.HOLES.square", "gaussian", 40),
        ("m.HOLES.border", "laplacian", 10),
        ("m.HOLES.strokes", "released", 40),
        ("{ corners: [1, 3, 256, 256] }", "gaussian", 80),
        ("{ corners: [0, 0, 256, 256] }", "released", 40),
    ],
)
def test_weights_are_labkit_s(tmp_path, hole, kernel, scale):
    found = run(
        tmp_path,
        "confidence.mjs",
        f"""(() => {{
          const maps = m.spread(m.maskOf({hole}), m.taps("{kernel}", {scale}));
          return [0, 1, 2, 3, 4].map(() => Array.from(maps.next().value));
        }})()""",
    )
    mask = torch.from_numpy(mask_of(tmp_path, hole)).double()[None, None]
    for iterations in (1, 2, 5):
        config = ConfidenceConfig(kernel=kernel, scale=float(scale), iterations=iterations)
        wanted = confidence_weights(mask, config)[0, 0].numpy()
        got = np.array(found[iterations - 1]).reshape(256, 256)
        assert np.abs(got - wanted).max() < 1e-11


@with_node
def test_strokes_are_the_painter_s_and_depth_is_the_distance_to_what_is_known(tmp_path):
    hole = run(tmp_path, "confidence.mjs", "m.HOLES.strokes")
    painted = np.zeros((256, 256), bool)
    for line in hole["lines"]:
        draw_stroke(painted, {"tool": "brush", "size": hole["width"], "points": line})
    mask = mask_of(tmp_path, "m.HOLES.strokes")
    assert np.array_equal(mask.astype(bool), painted)

    distance = ndimage.distance_transform_cdt(mask, metric="chessboard")
    places = [(x, y) for y in range(0, 256, 9) for x in range(0, 256, 9)]
    expression = "places.map(([x, y]) => m.depth(mask, x, y))"
    given = {"places": places, "mask": mask.flatten().tolist()}
    found = run(tmp_path, "confidence.mjs", expression, **given)
    wanted = [int(distance[y, x]) - 1 if mask[y, x] else None for x, y in places]
    assert found == wanted
    everything = "m.depth(m.maskOf({ corners: [0, 0, 256, 256] }), 9, 9)"
    assert run(tmp_path, "confidence.mjs", everything) is None


@with_node
def test_a_hole_is_moved_and_resized_within_the_picture(tmp_path):
    moved = "m.reshaped({ corners: [64, 64, 192, 192] }, 100, -8, 0).corners"
    assert run(tmp_path, "confidence.mjs", moved) == [128, 56, 256, 184]
    larger = "m.reshaped({ corners: [0, 64, 64, 192] }, 0, 0, 16).corners"
    assert run(tmp_path, "confidence.mjs", larger) == [0, 56, 72, 200]
    least = "m.reshaped({ corners: [10, 10, 18, 90] }, 0, 0, -16).corners"
    assert run(tmp_path, "confidence.mjs", least) == [10, 10, 18, 90]
    narrow = run(tmp_path, "confidence.mjs", "m.reshaped(m.HOLES.strokes, 100, 0, -90)")
    strokes = run(tmp_path, "confidence.mjs", "m.HOLES.strokes.lines.flat()")
    assert narrow["width"] == 4
    shift = np.concatenate(narrow["lines"]) - strokes
    assert (shift == [50, 0]).all()  # as far as the picture reaches, and in shape
