"""Free-form strokes: brush walks that turn, like a hand that scribbles over a picture.

Source: Yu et al., "Free-Form Image Inpainting with Gated Convolution" (ICCV 2019, arXiv
1806.03589), the algorithm of its supplement: strokes of 4 to 12 vertices, every second turn
reversed so that a stroke goes back and forth, steps of about an eighth of the picture's diagonal,
a brush 12 to 40 pixels wide at 256.

Deviations:
    * Lengths and widths are fractions of the picture's size, so that one setting serves every size.
    * A stroke is a chain of capsules (all points within half the brush's width of a segment), found
      by distance on whatever device holds the generator, in place of lines painted by OpenCV.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from labkit.checks import check_range, check_size, check_whole
from labkit.seeds import between, whole

_PIXELS_AT_ONCE = 1 << 20  # capsules are drawn in groups of at most this many pixels: 4 MB a tensor
_MEAN_TURN, _TURN_SPREAD = 2 * math.pi / 5, 2 * math.pi / 15


def free_form(
    n: int,
    size: int | Sequence[int],
    *,
    strokes: int | Sequence[int] = (1, 8),
    turns: int | Sequence[int] = (4, 12),
    width: float | Sequence[float] = (0.05, 0.15),
    rng: torch.Generator,
) -> Tensor:
    """Masks of several brush strokes each.

    Args:
        n: how many.
        size: of the picture in pixels, one number or (height, width).
        strokes: how many strokes a mask has; (low, high), both included.
        turns: how many segments a stroke has; (low, high), both included.
        width: of the brush, as a fraction of the picture's shorter side; (low, high).
        rng: source of randomness; the masks lie on its device.

    Returns:
        float32 (n, 1, H, W) in {0, 1}, 1 = missing. At least one pixel is missing.

    Raises:
        InputError: an empty or reversed range.

    >>> free_form(4, (48, 64), rng=torch.Generator()).shape
    torch.Size([4, 1, 48, 64])
    """
    n, (height, wide) = check_whole("number of masks", n, 1), check_size(size)
    strokes = check_range("strokes", strokes, whole=True)
    turns = check_range("turns", turns, whole=True)
    width = check_range("width", width, whole=False)
    device, most, longest = rng.device, strokes[1], turns[1]
    count = whole(*strokes, (n, 1), rng)
    length = whole(*turns, (n, most, 1), rng)
    radius = 0.5 * min(height, wide) * between(*width, (n, most), rng)
    extent = torch.tensor([wide, height], device=device, dtype=torch.float32)
    here = between(0, 1, (n, most, 2), rng) * extent
    heading = between(0, 2 * math.pi, (n, most, 1), rng)

    turn = _MEAN_TURN + between(-_TURN_SPREAD, _TURN_SPREAD, (n, most, longest), rng)
    backwards = torch.arange(longest, device=device) % 2 == 0
    angle = heading + torch.where(backwards, turn + math.pi, turn)  # (n, strokes, turns)
    eighth = math.hypot(height, wide) / 8
    normal = torch.randn(n, most, longest, generator=rng, device=device)
    step = ((1 + 0.5 * normal) * eighth).clamp(0, 2 * eighth)
    move = step[..., None] * torch.stack([angle.cos(), angle.sin()], dim=-1)  # (…, turns, 2)
    points = [here]
    for at in range(longest):  # one after another: a walk is stopped by the picture's edge
        points.append(torch.minimum((points[-1] + move[:, :, at]).clamp(min=0), extent))
    walk = torch.stack(points, dim=2)  # (n, strokes, turns + 1, 2)

    used = torch.arange(most, device=device) < count  # (n, strokes)
    used = used[..., None] & (torch.arange(longest, device=device) < length)  # (n, strokes, turns)
    owner = torch.arange(n, device=device)[:, None, None].expand_as(used)
    radius = radius[..., None].expand_as(used)
    capsules = walk[:, :, :-1][used], walk[:, :, 1:][used], radius[used], owner[used]
    return draw_capsules(n, height, wide, *capsules)


def draw_capsules(
    n: int, height: int, wide: int, start: Tensor, end: Tensor, radius: Tensor, owner: Tensor
) -> Tensor:
    """The union of each mask's capsules; pixel centres lie at half-integers.

    Args:
        start, end: (K, 2), the ends of the segments as (x, y) in pixels.
        radius: (K,), in pixels.
        owner: int64 (K,), which of the `n` masks each capsule belongs to.

    Returns:
        float32 (n, 1, H, W) in {0, 1}.
    """
    device = start.device
    # A brush thinner than a pixel must still leave a trace: every point lies within √½ of a centre.
    radius = radius.clamp(min=math.sqrt(0.5) + 1e-3)
    x = torch.arange(wide, device=device) + 0.5
    y = torch.arange(height, device=device) + 0.5
    covered = torch.zeros(n, height, wide, device=device)
    group = max(1, _PIXELS_AT_ONCE // (height * wide))
    for a, b, r, mask in zip(*(t.split(group) for t in (start, end, radius, owner)), strict=True):
        along = b - a  # (k, 2)
        unit = along / along.square().sum(1, keepdim=True).clamp(min=1e-12)
        dx, dy = x - a[:, :1], y - a[:, 1:]  # (k, W), (k, H)
        # Nearest point of the segment, 0 at its start and 1 at its end: (k, H, W).
        t = ((dx * unit[:, :1])[:, None, :] + (dy * unit[:, 1:])[:, :, None]).clamp_(0, 1)
        distance = (dx[:, None, :] - t * along[:, 0, None, None]).square_()
        distance += (dy[:, :, None] - t * along[:, 1, None, None]).square_()
        covered.index_add_(0, mask, (distance <= r.square()[:, None, None]).float())
    return (covered > 0).float()[:, None]  # (n, 1, H, W)
