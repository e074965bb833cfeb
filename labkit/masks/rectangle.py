"""Rectangular holes at a random place, as the paper trains with.

Source: Wang et al., "Image Inpainting via Generative Multi-column Convolutional Neural Networks"
(NeurIPS 2018, arXiv 1810.08771): one 128×128 hole in a 256×256 picture; the release keeps it 8
pixels from the edge.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from labkit.checks import check_range, check_size, check_whole
from labkit.errors import InputError
from labkit.seeds import whole


def rectangle(
    n: int,
    size: int | Sequence[int],
    *,
    side: int | Sequence[int] | None = None,
    margin: int = 8,
    jitter: int = 0,
    rng: torch.Generator,
) -> Tensor:
    """Masks with one rectangular hole each.

    Args:
        n: how many.
        size: of the picture in pixels, one number or (height, width).
        side: of the hole in pixels; (low, high) draws it for each mask, both included; None is half
            the picture's shorter side, as the paper's 128 of 256.
        margin: pixels that stay known along every edge.
        jitter: height and width are each shortened by 0 … jitter pixels, independently.
        rng: source of randomness; the masks lie on its device.

    Returns:
        float32 (n, 1, H, W) in {0, 1}, 1 = missing.

    Raises:
        InputError: a hole that does not fit between the margins, or of which the jitter may leave
            nothing.

    >>> rectangle(3, 64, rng=torch.Generator()).mean(dim=(1, 2, 3))  # a quarter is missing
    tensor([0.2500, 0.2500, 0.2500])
    """
    n, (height, width) = check_whole("number of masks", n, 1), check_size(size)
    side = max(min(height, width) // 2, 1) if side is None else side
    low, high = check_range("side", side, whole=True)
    margin, jitter = check_whole("margin", margin, 0), check_whole("jitter", jitter, 0)
    room = min(height, width) - 2 * margin
    if high > room:
        raise InputError(
            f"a rectangle of side {high} with margin {margin} does not fit {height}×{width} pixels",
            f"choose a side of at most {room}" if room > 0 else "choose a smaller margin",
        )
    if jitter >= low:
        raise InputError(
            f"jitter {jitter} may leave nothing of a rectangle of side {low}",
            f"choose at most {low - 1}",
        )
    base = whole(low, high, (n,), rng)
    bounds = []
    for length in (height, width):
        extent = base - whole(0, jitter, (n,), rng)
        start = whole(margin, length - margin - extent, (n,), rng)
        at = torch.arange(length, device=rng.device)
        bounds.append((at >= start[:, None]) & (at < (start + extent)[:, None]))  # (n, length)
    rows, columns = bounds
    return (rows[:, None, :, None] & columns[:, None, None, :]).float()  # (n, 1, H, W)
