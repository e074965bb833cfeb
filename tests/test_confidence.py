"""Confidence weights: closed forms, invariants, and parity with the authors' release."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.errors import InputError
from labkit.losses.confidence import confidence_weights, kernel_1d, kernel_2d
from labkit.settings import ConfidenceConfig

KERNELS = ["gaussian", "laplacian", "laplacian-radial", "released"]
# The authors' PyTorch code, run on a CPU: every fifth pixel of the weights of a square hole.
GOLDEN = Path(__file__).parent / "data" / "confidence_square.npz"


def square_hole(size: int = 256, hole: int = 128) -> torch.Tensor:
    mask = torch.zeros(1, 1, size, size)
    start = (size - hole) // 2
    mask[..., start : start + hole, start : start + hole] = 1
    return mask


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [1, 2, 7, 64, 65])
def test_kernels_sum_to_one_and_are_symmetric(kernel: str, size: int) -> None:
    g = kernel_2d(ConfidenceConfig(kernel=kernel, size=size))
    assert g.shape == (size, size)
    assert g.sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(g, g.T)
    torch.testing.assert_close(g, g.flip(0))


def test_gaussian_and_laplacian_by_their_formulas() -> None:
    gaussian = kernel_1d(ConfidenceConfig(kernel="gaussian", size=65, scale=40))
    assert (gaussian[0] / gaussian[32]).item() == pytest.approx(math.exp(-0.5 * (32 / 40) ** 2))
    laplacian = kernel_1d(ConfidenceConfig(kernel="laplacian", size=65, scale=40))
    assert (laplacian[0] / laplacian[32]).item() == pytest.approx(math.exp(-32 / 40))
    radial = kernel_2d(ConfidenceConfig(kernel="laplacian-radial", size=65, scale=40))
    corner = (radial[0, 0] / radial[32, 32]).item()
    assert corner == pytest.approx(math.exp(-32 * math.sqrt(2) / 40))


def test_the_released_kernel_is_flat_to_four_hundredths_of_a_percent() -> None:
    taps = kernel_1d(ConfidenceConfig(kernel="released"))
    spread = ((taps.max() - taps.min()) / taps.mean()).item()
    assert 0 < spread < 4e-4


def test_the_released_kernel_against_the_error_function() -> None:
    # Each tap: the square root of the normal probability of its cell, by math.erf.
    edge = 1 / 40 + 0.5 * (2 / 40 + 1) / 5
    edges = np.linspace(-edge, edge, 6)
    cdf = np.array([0.5 * (1 + math.erf(x / math.sqrt(2))) for x in edges])
    expected = np.sqrt(np.diff(cdf))
    taps = kernel_1d(ConfidenceConfig(kernel="released", size=5)).numpy()
    np.testing.assert_allclose(taps, expected / expected.sum(), rtol=1e-9)


def test_recorded_weights_of_the_release() -> None:
    expected = torch.from_numpy(np.load(GOLDEN)["weight"])
    mask = torch.zeros(1, 1, 256, 256)
    mask[..., 103:231, 79:207] = 1
    weight = confidence_weights(mask, ConfidenceConfig(kernel="released"), direct=True)
    assert (weight[0, 0, ::5, ::5] - expected).abs().max() <= 2e-5


def test_parity_with_the_release(shared) -> None:
    golden = np.load(shared / "golden" / "confidence_mask.npz")
    config = ConfidenceConfig(
        kernel="released", size=int(golden["kernel_size"]), iterations=int(golden["iterations"])
    )
    mask, expected = torch.from_numpy(golden["mask"]), torch.from_numpy(golden["weight"])
    assert (confidence_weights(mask.float(), config, direct=True) - expected).abs().max() <= 1e-5
    # The two 1-D passes land nearer the exact value than the golden numbers themselves do.
    exact = confidence_weights(mask.double(), config)
    fast = confidence_weights(mask.float(), config)
    assert (fast - exact).abs().max() <= 1e-6
    assert (fast - expected).abs().max() <= 1.5e-5


# Rows of the table in the reference: kernel, iterations, edge, 8, 16, 32 px in, centre, mean.
TABLE = [
    ("released", 7, 0.851, 0.794, 0.732, 0.600, 0.495, 0.734),
    ("gaussian", 3, 0.691, 0.576, 0.455, 0.221, 0.069, 0.462),
    ("gaussian", 7, 0.843, 0.778, 0.708, 0.564, 0.448, 0.710),
    ("laplacian", 3, 0.687, 0.554, 0.423, 0.188, 0.047, 0.433),
    ("laplacian", 7, 0.832, 0.754, 0.671, 0.510, 0.380, 0.675),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[1]}")
def test_weights_of_a_centred_square_hole(row) -> None:
    kernel, iterations, *expected = row
    mask = square_hole()
    weight = confidence_weights(mask, ConfidenceConfig(kernel=kernel, iterations=iterations))
    profile = [weight[0, 0, 128, 64 + inward].item() for inward in (0, 8, 16, 32, 64)]
    measured = [*profile, weight[mask > 0].mean().item()]
    assert measured == pytest.approx(expected, abs=6e-4)


def test_one_iteration_with_a_one_pixel_kernel_gives_nothing() -> None:
    # g is the identity: confidence cannot move, so no missing pixel gains any.
    weight = confidence_weights(square_hole(32, 8), ConfidenceConfig(size=1, iterations=1))
    assert not weight.any()


def test_one_iteration_counts_the_known_pixels_under_a_box() -> None:
    # A single missing pixel under a 3×3 box: 8 of 9 neighbours are known.
    mask = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    mask[0, 0, 4, 4] = 1
    config = ConfidenceConfig(kernel="gaussian", size=3, scale=1e6, iterations=1)
    assert confidence_weights(mask, config)[0, 0, 4, 4].item() == pytest.approx(8 / 9, abs=1e-9)
    # Twice: (8 + 8/9) / 9.
    config = ConfidenceConfig(kernel="gaussian", size=3, scale=1e6, iterations=2)
    expected = (8 + 8 / 9) / 9
    assert confidence_weights(mask, config)[0, 0, 4, 4].item() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("padding", "known"), [("reflect", 8), ("zeros", 3)])
def test_a_missing_corner_sees_reflections_or_nothing_beyond_the_border(padding, known) -> None:
    # Its 3×3 box lies in the picture with 4 pixels, 3 of them known; 5 more are reflections of
    # known ones, or zeros.
    mask = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    mask[0, 0, 0, 0] = 1
    config = ConfidenceConfig(size=3, scale=1e6, iterations=1, padding=padding)
    assert confidence_weights(mask, config)[0, 0, 0, 0].item() == pytest.approx(known / 9, abs=1e-9)


def test_an_even_kernel_reaches_further_down_and_right() -> None:
    # A 2×2 box covers a pixel and its neighbours to the right and below: so TensorFlow pads, and
    # its release has 64 taps.
    mask = torch.zeros(1, 1, 6, 6, dtype=torch.float64)
    mask[..., 2:4, 2:4] = 1
    weight = confidence_weights(mask, ConfidenceConfig(size=2, scale=1e6, iterations=1))
    expected = torch.tensor([[0.0, 0.5], [0.5, 0.75]], dtype=torch.float64)
    torch.testing.assert_close(weight[0, 0, 2:4, 2:4], expected)


masks = st.integers(0, 2**32 - 1).flatmap(
    lambda seed: st.tuples(
        st.just(seed), st.integers(8, 40), st.integers(8, 40), st.floats(0.05, 0.95)
    )
)


@given(masks, st.sampled_from(KERNELS), st.integers(1, 5), st.sampled_from(["reflect", "zeros"]))
@settings(max_examples=30, deadline=None)
def test_invariants_on_random_masks(drawn, kernel: str, iterations: int, padding: str) -> None:
    seed, height, width, share = drawn
    generator = torch.Generator().manual_seed(seed)
    mask = (torch.rand(2, 1, height, width, generator=generator) < share).double()
    config = ConfidenceConfig(
        kernel=kernel, size=9, scale=4, iterations=iterations, padding=padding
    )
    weight = confidence_weights(mask, config)
    assert not weight[mask == 0].any()
    assert weight.min() >= 0 and weight.max() <= 1 + 1e-12
    # More iterations never lower a weight: confidence only flows in.
    more = ConfidenceConfig(
        kernel=kernel, size=9, scale=4, iterations=iterations + 1, padding=padding
    )
    assert (confidence_weights(mask, more) >= weight - 1e-12).all()
    # Mirroring the mask mirrors the weights.
    torch.testing.assert_close(confidence_weights(mask.flip(-1), config), weight.flip(-1))
    # The 2-D kernel says the same as two 1-D passes.
    torch.testing.assert_close(confidence_weights(mask, config, direct=True), weight)


def test_a_mask_smaller_than_the_kernel_works() -> None:
    weight = confidence_weights(square_hole(32, 16), ConfidenceConfig(size=65))
    assert weight.isfinite().all()


def test_all_known_and_all_missing() -> None:
    assert not confidence_weights(torch.zeros(1, 1, 40, 40)).any()
    assert not confidence_weights(torch.ones(1, 1, 40, 40)).any()  # no certainty anywhere to spread


def test_half_precision_masks_are_blurred_in_float32() -> None:
    mask = square_hole(64, 32)
    half = confidence_weights(mask.to(torch.bfloat16))
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), confidence_weights(mask), atol=4e-3, rtol=0)


@pytest.mark.parametrize("direct", [False, True])
def test_autocast_changes_nothing(direct: bool) -> None:
    mask, config = square_hole(32, 16), ConfidenceConfig(size=9, scale=4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = confidence_weights(mask, config, direct=direct)
    assert torch.equal(found, confidence_weights(mask, config, direct=direct))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kernel": "box"},
        {"padding": "wrap"},
        {"size": 0},
        {"scale": 0.0},
        {"scale": math.nan},
        {"iterations": 0},
    ],
)
def test_configurations_that_make_no_sense_are_refused(wrong: dict) -> None:
    with pytest.raises(InputError, match=str(next(iter(wrong.values())))):
        ConfidenceConfig(**wrong)


def test_the_radial_kernel_has_no_one_dimensional_factor() -> None:
    with pytest.raises(InputError, match=r"not separable"):
        kernel_1d(ConfidenceConfig(kernel="laplacian-radial"))
