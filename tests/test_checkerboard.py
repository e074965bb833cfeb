"""The checkerboard measure: planted patterns, natural pictures, JPEG, gradients, where it looks."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from labkit.book import comb as module
from labkit.book.checkerboard import (
    LUMINANCE,
    checkerboard,
    checkerboard_map,
    checkerboard_scores,
    checkerboard_set,
    checkerboard_spectrum,
)
from labkit.data.photos import Photos, photo
from labkit.errors import InputError
from labkit.evaluation.statistics import bootstrap_mean
from labkit.faces import render_faces
from labkit.images import from_uint8

SIDE = 64


def noise(shape: tuple[int, ...], seed: int = 0, slope: float = 0.0) -> np.ndarray:
    """Noise with amplitude 1 / |f|^slope, cut from a larger square that is periodic."""
    size = 2 * max(shape[-2:])
    spectrum = np.fft.fft2(np.random.default_rng(seed).standard_normal((*shape[:-2], size, size)))
    f = np.fft.fftfreq(size)
    radius = np.hypot(f[:, None], f[None])
    radius[0, 0] = 1.0
    picture = np.fft.ifft2(spectrum / radius**slope).real
    return picture[..., : shape[-2], : shape[-1]] / picture.std()


def comb(period: int, size: int = SIDE, phase: tuple[int, int] = (0, 0)) -> np.ndarray:
    """One pixel of each period × period cell: mean 0, mean square 1."""
    y, x = np.indices((size, size))
    pattern = ((y + phase[0]) % period == 0) & ((x + phase[1]) % period == 0)
    return (pattern - pattern.mean()) / pattern.std()


def hole(top: int, left: int, side: int = 24, size: int = SIDE) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[top : top + side, left : left + side] = True
    return mask


def holes(count: int, side: int = 24, size: int = SIDE) -> list[np.ndarray]:
    places = np.random.default_rng(7).integers(0, size - side + 1, (count, 2))
    return [hole(top, left, side, size) for top, left in places]


def planted(images: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """A pattern in grey levels on uint8 (B, H, W, 3), rounded."""
    return np.clip(np.round(images + pattern[..., None]), 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.array(Image.open(file))


def mean(images: object, period: int, side: int = 24, **options: object) -> float:
    masks = holes(len(images), side)
    return checkerboard_set(images, masks, period=period, **options)["mean"]


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return render_faces(np.arange(80), SIDE)


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    return Photos(SIDE, "test").batch(range(80))


# Zero in expectation


@pytest.mark.parametrize("period", [2, 4, 8])
@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_noise_of_a_smooth_spectrum_scores_zero(period: int, slope: float) -> None:
    """To within what the trend makes of a power law; white noise is held closer below."""
    images = noise((40, SIDE, SIDE), 0, slope)
    assert abs(checkerboard_set(images, period=period, kind="gradient")["mean"]) < 1.0


@pytest.mark.parametrize(("side", "tolerance"), [(16, 0.8), (24, 0.6), (40, 0.4)])
def test_white_noise_scores_zero_whatever_the_size_of_the_hole(side: int, tolerance: float) -> None:
    """Without its correction for real coefficients one window would score -3 dB at period 2."""
    count = 600 if side == 16 else 200  # the smaller the hole, the more a single score spreads
    images = np.random.default_rng(1).standard_normal((count, SIDE, SIDE))
    for period in (2, 4):
        assert abs(mean(images, period, side, kind="gradient")) < tolerance


def test_the_correction_is_the_difference_of_digammas() -> None:
    """What `_excess` adds at real coefficients: ψ(m) − ψ(m / 2) − ln 2, by torch's digamma."""
    board = module.comb_of(2)
    flat = np.ones((board.window, board.window))
    for windows in (1.0, 1.5, 2.0, 3.0, 7.0, 40.0):
        m = torch.tensor(windows, dtype=torch.float64)
        exact = torch.digamma(m) - torch.digamma(m / 2) - math.log(2)
        added = board.excess(flat, windows)[8, 8] * math.log(10) / 10
        assert added == pytest.approx(exact.item(), abs=0.013)  # 0.06 dB


def test_independent_windows_against_the_spread_of_white_noise() -> None:
    """The mean power over a hole's windows varies as that of so many windows without overlap."""
    board = module.comb_of(2)
    for side in (16, 24, 32):
        corners, values = board.corners(np.ones((side, side), bool)), []
        independent = board.independent(corners)
        for plane in np.random.default_rng(3).standard_normal((300, side, side)):
            patches = np.stack([plane[r : r + 16, c : c + 16] for r, c in corners])
            values.append(np.mean(np.abs(np.fft.fft2(patches * board.taper)[:, 8, 4]) ** 2))
        assert np.mean(values) ** 2 / np.var(values) == pytest.approx(independent, rel=0.3)
    one = board.corners(np.ones((16, 16), bool))
    assert board.independent(one) == pytest.approx(1.0)


@pytest.mark.parametrize("period", [2, 4])
def test_natural_pictures_score_about_zero(
    faces: np.ndarray, photos: np.ndarray, period: int
) -> None:
    for images in (faces, photos):
        assert abs(mean(images, period)) < 1.5
        assert abs(mean(images, period, where="difference")) < 1.0


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee", "rocket", "retina"])
def test_photographs_at_their_own_resolution_score_about_zero(name: str) -> None:
    picture = photo(name)
    draw = np.random.default_rng(5)
    corners = draw.integers(0, np.array(picture.shape[:2]) - SIDE + 1, (60, 2))
    crops = np.stack([picture[y : y + SIDE, x : x + SIDE] for y, x in corners])
    for period in (2, 4):
        assert abs(checkerboard_set(crops, period=period)["mean"]) < 1.5
    assert abs(checkerboard_set(crops, period=8)["mean"]) < 0.8


# Planted patterns


@pytest.mark.parametrize("amplitude", [0.2, 1.0, 5.0])
def test_a_cosine_on_white_noise_has_the_height_computed_by_hand(amplitude: float) -> None:
    """A·cos under a taper w has power A²·(Σw)² / Σw² at (½, 0), and a quarter of it at (±¼, 0);
    white noise of variance 1 has power 1. For the 16×16 Hann taper (Σw)² / Σw² = 64² / 36. The
    wave hits one of the 3 lines of period 2, two of the 12 of period 4.
    """
    gain, x = 64**2 / 36, np.arange(160)
    ground = np.random.default_rng(2).standard_normal((160, 160))
    for period, power, share in ((2, gain, 1 / 3), (4, gain / 4, 2 / 12)):
        wave = amplitude * np.cos(2 * np.pi * x / period)
        clean = checkerboard(ground, period=period, kind="gradient")
        score = checkerboard(ground + wave, period=period, kind="gradient")
        expected = share * 10 * math.log10(1 + amplitude**2 * power)
        assert score - clean == pytest.approx(expected, abs=0.4)


@pytest.mark.parametrize("period", [2, 4, 8])
def test_the_score_rises_with_the_amplitude(
    faces: np.ndarray, photos: np.ndarray, period: int
) -> None:
    pattern, side = comb(period), 24 if period < 8 else 32
    for images in (faces, photos):
        scores = [mean(planted(images, a * pattern), period, side) for a in (0, 1, 2, 4, 8, 16)]
        assert min(np.diff(scores)) > 0.5
        assert scores[-1] > 8 + scores[0]


@pytest.mark.parametrize("period", [2, 4])
def test_two_grey_levels_are_found_in_a_set_at_64_pixels(photos: np.ndarray, period: int) -> None:
    clean = checkerboard_set(photos, holes(len(photos)), period=period)
    with_pattern = checkerboard_set(
        planted(photos, 2 * comb(period)), holes(len(photos)), period=period
    )
    assert with_pattern["low"] > clean["high"] + 1.0


def test_periods_are_told_apart(faces: np.ndarray) -> None:
    """Stripes own the frequencies of their period alone; a comb also those of its divisors."""
    clean = {p: mean(faces, p, side=32) for p in (2, 4, 8)}
    for own in (2, 4):
        wave = np.broadcast_to(12 * np.cos(2 * np.pi * np.arange(SIDE) / own), (SIDE, SIDE))
        rise = {p: mean(planted(faces, wave), p, side=32) - clean[p] for p in clean}
        assert rise.pop(own) > 1.5
        assert max(rise.values()) < 0.5
    combs = {p: mean(planted(faces, 8 * comb(4)), p, side=32) for p in clean}
    assert combs[2] > 10 and combs[4] > 8 and abs(combs[8]) < 1
    # The lines of an 8-pixel grid include those of periods 2 and 4; the references give it away.
    eight = {p: mean(planted(faces, 8 * comb(8)), p, side=32) for p in clean}
    assert eight[8] > 6 and eight[2] - clean[2] < 1.5 and eight[4] - clean[4] < 1


@pytest.mark.parametrize("quality", [10, 20, 30])
def test_jpeg_is_told_from_strides(faces: np.ndarray, photos: np.ndarray, quality: int) -> None:
    for images in (faces, photos):
        pressed = np.stack([jpeg(image, quality) for image in images])
        for period in (2, 4):
            alone = mean(pressed, period)
            assert alone < 2.5
            # A pattern is found on top of JPEG as it is without.
            assert mean(planted(pressed, 8 * comb(period)), period) > alone + 5


def test_jpeg_of_a_smooth_ramp_is_an_eight_pixel_grid_and_nothing_else() -> None:
    """On ramps every block rounds alike, so that the grid is as regular as a planted pattern."""
    y, x = np.indices((SIDE, SIDE))
    slopes = np.random.default_rng(4).uniform(-1.5, 1.5, (40, 2))
    ramps = [np.round(128 + (a * (y - 32) + b * (x - 32))).astype(np.uint8) for a, b in slopes]
    pressed = [jpeg(np.repeat(ramp[..., None], 3, axis=2), 75) for ramp in ramps]
    scores = {p: checkerboard_set(pressed, period=p)["mean"] for p in (2, 4, 8)}
    assert scores[8] > 2.5 and scores[2] < 1.5 and scores[4] < 2


# Invariance


@settings(max_examples=20, deadline=None)
@given(
    shift=st.tuples(st.integers(0, 63), st.integers(0, 63)),
    period=st.sampled_from([2, 4]),
    amplitude=st.floats(0, 20),
)
def test_moving_picture_and_hole_together_changes_nothing(
    shift: tuple[int, int], period: int, amplitude: float
) -> None:
    """By any number of pixels, on the torus: the windows are laid from the hole, not the image."""
    picture = 40 * noise((SIDE, SIDE), seed=6, slope=1.0) + amplitude * comb(period)
    mask = hole(0, 0)
    at_home = checkerboard(picture, mask, period=period, kind="gradient")
    large = np.pad(picture, ((0, 64), (0, 64)), mode="wrap")
    moved = np.roll(large, shift, axis=(0, 1))
    hole_moved = np.roll(np.pad(mask, ((0, 64), (0, 64))), shift, axis=(0, 1))
    # The scale of a gradient is taken over the whole picture, which differs between the two.
    assert checkerboard(moved, hole_moved, period=period, kind="gradient") == pytest.approx(
        at_home, abs=1e-3
    )


@settings(max_examples=20, deadline=None)
@given(
    phase=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    period=st.sampled_from([2, 4]),
    corner=st.tuples(st.integers(0, 40), st.integers(0, 40)),
)
def test_where_the_pattern_begins_does_not_matter(
    phase: tuple[int, int], period: int, corner: tuple[int, int]
) -> None:
    """Alone on grey a pattern scores the same to rounding; on noise it beats with the noise."""
    mask = hole(*corner)
    alone = [
        checkerboard(0.1 * comb(period, phase=p), mask, period=period) for p in ((0, 0), phase)
    ]
    assert alone[1] == pytest.approx(alone[0], abs=1e-6)
    ground = 0.05 * noise((SIDE, SIDE), seed=8, slope=1.0)
    on_noise = [
        checkerboard(ground + 0.1 * comb(period, phase=p), mask, period=period)
        for p in ((0, 0), phase)
    ]
    assert on_noise[1] == pytest.approx(on_noise[0], abs=3.0)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), period=st.sampled_from([2, 4, 8]))
def test_rows_and_columns_count_alike(seed: int, period: int) -> None:
    picture, mask = noise((SIDE, 48), seed, 1.0), np.zeros((SIDE, 48), bool)
    mask[5:47, 3:40] = True
    one = checkerboard(picture, mask, period=period, kind="gradient")
    other = checkerboard(picture.T, mask.T, period=period, kind="gradient")
    assert other == pytest.approx(one, abs=1e-9)


def test_brightness_never_counts_and_contrast_only_near_the_rounding() -> None:
    picture = 0.1 * noise((SIDE, SIDE), seed=9, slope=1.0)
    score = checkerboard(picture)
    assert checkerboard(picture + 0.3) == pytest.approx(score, abs=1e-6)
    assert checkerboard(picture * 2) == pytest.approx(score, abs=0.5)
    assert checkerboard(1e5 * picture, kind="gradient") == pytest.approx(
        checkerboard(picture, kind="gradient"), abs=1e-6
    )


def test_less_than_rounding_is_not_seen_and_flat_is_near_zero() -> None:
    flat = np.full((SIDE, SIDE), 0.1)
    assert abs(checkerboard(flat)) < 0.1 and abs(checkerboard(flat, period=4)) < 1e-6
    # A comb of period 2 and mean square a² gives a third of it to each of the three lines.
    for amplitude in (0.02, 0.1, 2.0):
        height = 10 * math.log10(1 + amplitude**2 / 3 * (64**2 / 36) / (1 / 12))
        score = checkerboard(flat + amplitude / 127.5 * comb(2))
        assert score == pytest.approx(height, abs=0.1)


# What is measured, and where


def test_a_pattern_outside_the_hole_is_ignored() -> None:
    picture, mask = 0.1 * noise((SIDE, SIDE), seed=10, slope=1.0), hole(4, 30)
    outside = picture + 0.3 * comb(2) * ~mask
    inside = picture + 0.3 * comb(2) * mask
    same = pytest.approx(checkerboard(picture, mask), abs=1e-9)
    assert checkerboard(outside, mask) == same
    assert checkerboard(outside, mask, where="known") > 15
    around = checkerboard(picture, mask, where="known")
    assert checkerboard(inside, mask, where="known") == pytest.approx(around, abs=1e-9)
    assert checkerboard(inside, mask) > 15
    difference = checkerboard(inside, mask, where="difference")
    assert difference == pytest.approx(checkerboard(inside, mask) - around, abs=1e-9)
    # A fence in hole and surroundings alike is the picture's own.
    assert abs(checkerboard(picture + 0.3 * comb(2), mask, where="difference")) < 5


def test_the_map_shows_the_quadrant_with_the_pattern() -> None:
    size = 96
    pattern = comb(4, size) * hole(0, 48, 48, size)
    values = checkerboard_map(0.05 * noise((size, size), 11, 1.0) + 0.1 * pattern, period=4)
    assert values.shape == (size, size)
    assert np.nanmean(values[8:40, 56:88]) > 6
    others = [values[8:40, 8:40], values[56:88, 8:40], values[56:88, 56:88]]
    assert max(abs(np.nanmean(quadrant)) for quadrant in others) < 1.5
    assert np.nanmedian(values[8:40, 56:88]) > np.nanpercentile(others, 95)


def test_the_map_is_empty_where_no_window_reaches() -> None:
    picture, mask = 0.1 * noise((SIDE, SIDE), 12, 1.0), hole(10, 20)
    values = checkerboard_map(picture, mask)
    assert np.isnan(values[~mask]).all()
    assert np.isfinite(values[12:32, 22:42]).all()
    assert np.isnan(checkerboard_map(picture, hole(0, 0, 12))).all()


def test_the_spectrum_is_what_the_score_is_read_from() -> None:
    stripes = 0.2 * np.cos(np.pi * np.arange(SIDE))[None] + np.zeros((SIDE, 1))
    picture = 0.1 * noise((SIDE, SIDE), 13, 1.0) + stripes
    spectrum = checkerboard_spectrum(picture, hole(8, 8, 32))
    assert spectrum.frequencies[0] == -0.5 and len(spectrum.frequencies) == 16
    row, column = np.unravel_index(spectrum.excess.argmax(), spectrum.excess.shape)
    assert (spectrum.frequencies[row], spectrum.frequencies[column]) == (0.0, -0.5)
    assert spectrum.windows == 81  # corners at 0, 2, …, 16 both ways
    assert spectrum.lines.sum() == pytest.approx(1)
    assert spectrum.references.sum() == pytest.approx(1)
    assert checkerboard(picture, hole(8, 8, 32)) == pytest.approx(spectrum.score, abs=1e-9)


@pytest.mark.parametrize(("period", "lines"), [(2, 3), (4, 12), (8, 48)])
def test_lines_and_references_against_a_direct_count(period: int, lines: int) -> None:
    spectrum = checkerboard_spectrum(np.zeros((SIDE, SIDE)), period=period)
    f, grid = spectrum.frequencies, module.GRIDS[period]

    def whole(value: float) -> bool:
        return value == round(value)

    for i, y in enumerate(f):
        for j, x in enumerate(f):
            own = whole(y * period) and whole(x * period)
            own = own and not (whole(y * period / 2) and whole(x * period / 2))
            assert (spectrum.lines[i, j] > 0) == own
            if spectrum.references[i, j] > 0:
                assert whole(y * grid) and whole(x * grid)
                assert not (whole(y * grid / 2) and whole(x * grid / 2))
    assert np.count_nonzero(spectrum.lines) == lines
    centre = len(f) // 2
    on_axis = (spectrum.lines[centre].sum(), spectrum.references[centre].sum())
    assert on_axis[0] == pytest.approx(on_axis[1])


def test_many_windows_are_taken_in_parts_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = 0.1 * noise((SIDE, SIDE), 14, 1.0)
    at_once, whole_map = checkerboard(picture), checkerboard_map(picture)
    monkeypatch.setattr(module, "CHUNK", 7)
    assert checkerboard(picture) == pytest.approx(at_once, abs=1e-9)
    assert np.allclose(checkerboard_map(picture), whole_map, equal_nan=True)


# Kinds of input


def test_every_form_of_one_image_scores_alike(photos: np.ndarray) -> None:
    image, mask = photos[3], hole(20, 12)
    score = checkerboard(image, mask)
    tensor = from_uint8(torch.from_numpy(image)[None])[0]
    mask_tensor = torch.from_numpy(mask)[None].float()
    assert checkerboard(tensor, mask_tensor) == pytest.approx(score, abs=1e-3)
    assert checkerboard(tensor.requires_grad_(), mask) == pytest.approx(score, abs=1e-3)
    assert checkerboard(image @ LUMINANCE / 127.5 - 1, mask) == pytest.approx(score, abs=1e-9)
    grey = np.round(image @ LUMINANCE).astype(np.uint8)
    in_colour = checkerboard(np.repeat(grey[..., None], 3, 2), mask)
    assert checkerboard(grey, mask) == pytest.approx(in_colour, abs=1e-9)
    assert np.isfinite(checkerboard(tensor.detach().to(torch.bfloat16), mask))


def test_kinds_of_gradient() -> None:
    """A sign that alternates has no magnitude pattern; a gain on random signs has no other."""
    alternating = np.where(np.indices((SIDE, SIDE)).sum(0) % 2, -1.0, 1.0)
    alternating = np.stack([alternating] * 3) + 0.1 * noise((3, SIDE, SIDE), 15)
    assert checkerboard(alternating, kind="gradient") > 9
    assert abs(checkerboard(alternating, kind="magnitude")) < 2
    gain = noise((3, SIDE, SIDE), 16) * (1 + 0.3 * comb(4))
    assert abs(checkerboard(gain, period=4, kind="gradient")) < 1.5
    assert checkerboard(gain, period=4, kind="magnitude") > 5
    channels = [checkerboard(plane, period=4, kind="gradient") for plane in gain]
    assert checkerboard(gain, period=4, kind="gradient") == pytest.approx(np.mean(channels))


def test_gradients_of_a_critic_show_its_stride(faces: np.ndarray) -> None:
    def score(stride: int, kind: str) -> float:
        torch.manual_seed(0)  # layers draw their weights from the global generator
        layers = [nn.Conv2d(3, 16, 3, stride, 1), nn.LeakyReLU(0.2), nn.Conv2d(16, 1, 3, stride, 1)]
        image = from_uint8(torch.from_numpy(faces[:8])).requires_grad_()
        (gradient,) = torch.autograd.grad(nn.Sequential(*layers)(image).sum(), image)
        return float(checkerboard_scores(gradient, period=2, kind=kind).mean())

    assert score(2, "magnitude") > score(1, "magnitude") + 5
    assert abs(score(1, "magnitude")) < 2


def test_transposed_convolutions_against_resizing() -> None:
    def score(*layers: nn.Module) -> float:
        with torch.no_grad():
            output = nn.Sequential(*layers)(torch.rand(8, 8, 32, 32, generator=generator))
        return float(checkerboard_scores(0.9 * output / output.abs().max()).mean())

    generator = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    transposed = score(nn.ConvTranspose2d(8, 3, 3, 2, 1, 1))
    resized = score(nn.Upsample(scale_factor=2), nn.Conv2d(8, 3, 3, padding=1))
    assert transposed > 10 > 2 > resized


# Sets


def test_a_set_is_its_pictures(photos: np.ndarray) -> None:
    masks = [*holes(10)[:8], hole(0, 0, 10), hole(0, 0, 15)]
    scores = checkerboard_scores(photos[:10], masks, period=4)
    assert np.isnan(scores[8:]).all()
    alone = checkerboard(photos[3], masks[3], period=4)
    assert scores[3] == pytest.approx(alone, abs=1e-9)
    summary = checkerboard_set(photos[:10], masks, period=4, seed=5)
    expected = {**bootstrap_mean(scores[:8], seed=5), "count": 8, "skipped": 2}
    assert summary == pytest.approx(expected, abs=1e-9)
    # A hole that leaves no room around it has no difference either.
    assert np.isnan(checkerboard_scores(photos[:1], [hole(2, 2, 60)], where="difference")).all()
    batch = from_uint8(torch.from_numpy(photos[:8]))
    tensors = torch.from_numpy(np.stack(masks[:8]))[:, None].float()
    assert np.allclose(checkerboard_scores(batch, tensors, period=4), scores[:8], atol=1e-3)


# Bad input


def with_nan() -> np.ndarray:
    picture = np.zeros((SIDE, SIDE))
    picture[3, 3] = np.nan
    return picture


GOOD = np.zeros((SIDE, SIDE, 3), np.uint8)


@pytest.mark.parametrize(
    ("image", "mask", "options", "message"),
    [
        (GOOD, None, {"period": 3}, "period '3' is unknown; one of 2, 4, 8"),
        (GOOD, None, {"kind": "photo"}, "kind 'photo' is unknown; one of image, gradient"),
        (GOOD, hole(0, 0), {"where": "here"}, "where 'here' is unknown; one of hole, known"),
        (with_nan(), None, {}, "the image holds NaN"),
        (with_nan(), None, {"kind": "gradient"}, "the gradient holds NaN"),
        (GOOD, None, {"kind": "gradient"}, "kind 'gradient' must be float, not uint8"),
        (GOOD.astype(int), None, {}, "must be uint8, or float in"),
        (np.zeros((2, 3, 64, 64)), None, {}, r"not \(2, 3, 64, 64\); checkerboard_scores takes"),
        (np.zeros((64, 64, 3)), None, {}, r"must be \(3, H, W\)"),
        (GOOD[..., :2], None, {}, r"must be \(H, W, 3\)"),
        (np.zeros(64), None, {"kind": "magnitude"}, r"magnitude must be \(C, H, W\)"),
        (np.full((64, 64), 200.0), None, {}, r"values lie in \[200, 200\], not in \[-1, 1\]"),
        (GOOD, np.ones((32, 32)), {}, r"mask \(32, 32\) does not fit a picture of 64×64"),
        (GOOD, np.full((64, 64), 0.5), {}, "a mask must hold only 0"),
        (GOOD, None, {"where": "known"}, "without a mask there are no known pixels"),
        (GOOD, hole(0, 0, 15), {}, "no square of 16×16 pixels lies wholly inside the hole"),
        (GOOD, hole(0, 0, 31), {"period": 8}, "no square of 32×32 pixels"),
        (GOOD, np.zeros((64, 64), bool), {}, "inside the hole; period 2 is measured in windows"),
        (GOOD, hole(2, 2, 60), {"where": "difference"}, "lies wholly in the known pixels"),
        (np.zeros((3, 12, 12)), None, {}, "no square of 16×16"),
    ],
)
def test_bad_input_is_named(
    image: np.ndarray, mask: np.ndarray | None, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        checkerboard(image, mask, **options)


def test_bad_sets_are_named(faces: np.ndarray) -> None:
    with pytest.raises(InputError, match="3 pictures, but 2 masks"):
        checkerboard_scores(faces[:3], holes(2))
    with pytest.raises(InputError, match="no picture of 2 has room for a window of 16 pixels"):
        checkerboard_set(faces[:2], [hole(0, 0, 8)] * 2)
    with pytest.raises(InputError, match="holds NaN"):  # never taken for a hole without room
        checkerboard_set([with_nan()], [hole(0, 0)])
