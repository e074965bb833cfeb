"""Irregular holes in the manner of NVIDIA's mask set, with the hole ratio drawn from its six bins.

Source: Liu et al., "Image Inpainting for Irregular Holes Using Partial Convolutions" (ECCV 2018,
arXiv 1804.07723), section 4.1: masks from occlusions between video frames, dilated, sorted by hole
ratio into (0.01, 0.1], (0.1, 0.2], …, (0.5, 0.6], one half of each bin keeping 50 of 512 pixels
clear along the border.

Each mask starts as a score for every pixel: how near it is to a contour, a line or a blob of smooth
random fields, in units of a stroke's width that itself varies over the picture. The best-scoring
pixels become the hole, exactly as many as the drawn ratio asks.

Deviations: NVIDIA's masks are found in videos; these are made from random fields. Occlusion edges
are imitated (long contours, broken strokes, specks, square dilation), not reproduced.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from labkit.checks import check_size, check_whole
from labkit.errors import InputError
from labkit.masks.ratio import BINS
from labkit.seeds import between, whole

BORDER = (50, 512)  # pixels kept clear, of so many
_SMALLEST_SIDE = 16
_LINES = 3


def irregular(
    n: int,
    size: int | Sequence[int],
    *,
    bin: int | None = None,
    border: bool | None = None,
    rng: torch.Generator,
) -> Tensor:
    """Irregular masks with an exact hole ratio.

    Args:
        n: how many.
        size: of the picture in pixels, one number or (height, width).
        bin: which of NVIDIA's bins holds the hole ratio, 0 … 5; None draws it for each mask.
        border: False keeps 50/512 of each side clear along every edge; True lets the hole reach
            into that frame and makes sure that it does; None draws it for each mask.
        rng: source of randomness; the masks lie on its device.

    Returns:
        float32 (n, 1, H, W) in {0, 1}, 1 = missing. The hole ratio lies inside the bin.

    Raises:
        InputError: no such bin, or a picture too small for it.

    >>> masks = irregular(2, 64, bin=3, rng=torch.Generator())
    >>> ((masks.mean((1, 2, 3)) > 0.3) & (masks.mean((1, 2, 3)) <= 0.4)).tolist()
    [True, True]
    """
    n, (height, width) = check_whole("number of masks", n, 1), check_size(size)
    if bin is not None:
        check_whole("bin", bin, 0, len(BINS) - 1)
    if min(height, width) < _SMALLEST_SIDE:
        raise InputError(
            f"irregular masks of {height}×{width} pixels are too small",
            f"sides must be at least {_SMALLEST_SIDE}",
        )
    device = rng.device
    bins = whole(0, len(BINS) - 1, (n,), rng)
    ratio = torch.rand(n, generator=rng, device=device)
    reach = torch.rand(n, generator=rng, device=device) < 0.5
    if bin is not None:
        bins.fill_(bin)
    if border is not None:
        reach.fill_(border)

    interior = _interior(height, width, device)  # (H, W)
    score = _score(n, height, width, rng)  # (n, H, W)
    score = torch.where(interior | reach[:, None, None], score, -math.inf)
    count = _hole_sizes(
        bins, ratio, height * width, torch.where(reach, height * width, interior.sum())
    )
    hole = _best(score, count)
    away = reach & ~(hole & ~interior).flatten(1).any(1)
    shift = _shifts(torch.where(hole, score, -math.inf), interior, rng)
    for index in away.nonzero().flatten().tolist():
        hole[index] = hole[index].roll(shift[index].tolist(), (0, 1))
    return hole.float()[:, None]  # (n, 1, H, W)


def _interior(height: int, width: int, device: torch.device) -> Tensor:
    """bool (H, W): the pixels at least 50/512 of the side away from every edge."""
    inside = []
    for length in (height, width):
        frame = math.ceil(length * BORDER[0] / BORDER[1])
        at = torch.arange(length, device=device)
        inside.append((at >= frame) & (at < length - frame))
    return inside[0][:, None] & inside[1]


def _hole_sizes(bins: Tensor, position: Tensor, pixels: int, room: Tensor) -> Tensor:
    """How many pixels are missing, evenly inside each bin, at most `room`; int64 (n,).

    Counted in whole numbers, so that no rounding puts a hole into the next bin.
    """
    percent = torch.tensor(
        [[round(100 * edge) for edge in pair] for pair in BINS], device=bins.device
    )
    low = percent[bins, 0] * pixels // 100 + 1
    high = torch.minimum(percent[bins, 1] * pixels // 100, room)
    return (low + (position * (high - low + 1)).long()).clamp(max=high)


def _best(score: Tensor, count: Tensor) -> Tensor:
    """The `count` best-scoring pixels of each mask: bool (n, H, W)."""
    flat = score.flatten(1)
    order = flat.argsort(dim=1, descending=True, stable=True)  # stable: equal on every machine
    chosen = torch.arange(flat.shape[1], device=flat.device) < count[:, None]
    return torch.zeros_like(chosen).scatter_(1, order, chosen).view_as(score)


def _shifts(score: Tensor, interior: Tensor, rng: torch.Generator) -> Tensor:
    """Cyclic shifts (rows, columns) that bring the best pixel into the frame; int64 (n, 2)."""
    n, _, width = score.shape
    frame = (~interior).nonzero()  # (F, 2)
    target = frame[whole(0, len(frame) - 1, (n,), rng)]
    best = score.flatten(1).argmax(1)
    return target - torch.stack([best // width, best % width], dim=1)


def _score(n: int, height: int, width: int, rng: torch.Generator) -> Tensor:
    """How soon each pixel joins the hole; (n, H, W), cyclic in both directions but for the lines.

    Distances are fractions of the shorter side.
    """
    side = min(height, width)

    def field(low: float, high: float) -> Tensor:
        return _smooth_field(n, height, width, low, high, rng)

    def one(low: float, high: float) -> Tensor:
        return between(low, high, (n, 1, 1), rng)

    # Strokes swell and taper by this factor; its logarithm varies smoothly.
    swell = (0.5 * field(0.1, 0.4)).exp()
    patch = field(0.15, 0.5)  # where strokes gather, and where they are missing
    coarse, fine, blob = field(0.1, 0.4), field(0.03, 0.08), field(0.02, 0.06)
    contour = -_contour_distance(coarse, side) / (0.03 * swell)
    detail = -_contour_distance(fine, side) / (0.01 * swell) - one(0.0, 2.5)
    specks = blob - one(2.5, 4.5)
    lines = -_line_distance(n, height, width, rng) / (0.02 * swell) - one(0.0, 2.0)
    score = torch.stack([contour, detail, specks, lines]).amax(0) + one(0.2, 1.2) * patch
    return _dilate(score, between(0.004, 0.022, (n,), rng), side)


def _smooth_field(
    n: int, height: int, width: int, low: float, high: float, rng: torch.Generator
) -> Tensor:
    """Gaussian noise of unit variance, smooth over a length drawn in [low, high] of the side.

    White noise filtered by a Gaussian in the frequency domain: cyclic, and as cheap for a long
    length as for a short one.
    """
    device = rng.device
    sigma = between(math.log(low), math.log(high), (n, 1, 1), rng).exp() * min(height, width) / 2
    noise = torch.randn(n, height, width, generator=rng, device=device)
    fy = torch.fft.fftfreq(height, device=device)[:, None]
    fx = torch.fft.rfftfreq(width, device=device)[None, :]
    gain = torch.exp(-2 * (math.pi * sigma) ** 2 * (fx**2 + fy**2))  # (n, H, W // 2 + 1)
    gain[:, 0, 0] = 0  # no mean
    smooth = torch.fft.irfft2(torch.fft.rfft2(noise) * gain, s=(height, width))
    return smooth / smooth.std(dim=(1, 2), keepdim=True).clamp(min=1e-12)


def _contour_distance(field: Tensor, side: int) -> Tensor:
    """Distance to the zero contour, to first order |f| / |∇f|, as a fraction of the side."""
    dy = (field.roll(-1, 1) - field.roll(1, 1)) * side / 2
    dx = (field.roll(-1, 2) - field.roll(1, 2)) * side / 2
    return field.abs() / (dx.square() + dy.square() + 1e-6).sqrt()


def _line_distance(n: int, height: int, width: int, rng: torch.Generator) -> Tensor:
    """Distance to the nearest of three random straight lines, as a fraction of the shorter side."""
    angle = between(0, math.pi, (n, _LINES, 1, 1), rng)
    x = between(0, 1, (n, _LINES, 1, 1), rng) * width
    y = between(0, 1, (n, _LINES, 1, 1), rng) * height
    columns = torch.arange(width, device=rng.device) + 0.5
    rows = torch.arange(height, device=rng.device)[:, None] + 0.5
    distance = (columns - x) * angle.sin() - (rows - y) * angle.cos()  # (n, lines, H, W)
    return distance.abs().amin(1) / min(height, width)


def _dilate(score: Tensor, reach: Tensor, side: int) -> Tensor:
    """Cyclic grey dilation by a square; `reach` (n,): half its side as a fraction of `side`."""
    radius = (reach * side).round().long().tolist()
    result = score.clone()
    for index, pixels in enumerate(radius):
        if pixels:
            padded = F.pad(score[None, index : index + 1], (pixels,) * 4, mode="circular")
            result[index] = F.max_pool2d(padded, 2 * pixels + 1, stride=1)[0, 0]
    return result
