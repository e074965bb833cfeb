"""A head start: a smooth fill that a generator is handed in place of grey, and adds to.

Chapter 13 derives it. The surface u through the known pixels solves, in the hole,

    Δ²u − τ Δu = 0

A thin plate ("biharmonic") under a slight tension τ, which keeps it in range in large holes; under
tension alone a soap film ("harmonic"). Sizes are solved coarse to fine, with one multigrid cycle
each: cost grows with the pixels, not the hole, and photographs come within 0.1 dB of the solution.

Sources: Damelin and Hoang 2018 for Δ²u = 0; Brandt 1977 for the cycle; Burt 1988 for push–pull.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.errors import check_choice
from labkit.settings.network import TENSION, Prior

PRIORS = get_args(Prior)

COARSEST = 4  # pixels a side at which the pyramid ends
SWEEPS = 4  # of the smoother, before and after each visit of a coarser level
LIFT = 12.0  # of a residual that is handed to the next coarser level
SMOOTHED = 12.0  # the smoother sees to the upper eleven twelfths of the spectrum

_SMALL = 2**20  # numbers; below, threads cost more than they bring
_LARGE = 2**22  # numbers; above, one colour after the other, for memory


@torch.no_grad()
def smooth_fill(
    image: Tensor,
    mask: Tensor,
    kind: Prior = "biharmonic",
    *,
    tension: float = TENSION,
    cycles: int = 1,
) -> Tensor:
    """The picture with its hole filled smoothly: (B, C, H, W) in [-1, 1], any size, no gradient.

    Known pixels come back bit for bit. Where nothing is known the fill is 0, grey.

    Args:
        image: (B, C, H, W) in [-1, 1]; what lies under the mask is never looked at.
        mask: (B, 1, H, W) in {0, 1}, 1 = missing.
        kind: "mean", the mean colour; "push-pull", means of known pixels on a pyramid, enlarged;
            "harmonic" or "biharmonic", the surface.
        tension: τ of "biharmonic" at 128×128 pixels; falls with their number, so that a picture and
            its enlargement get the same surface.
        cycles: of multigrid on each level; more come closer to the solution.

    Example:
        >>> ramp = torch.linspace(-1, 1, 9).expand(1, 3, 9, 9)
        >>> mask = torch.zeros(1, 1, 9, 9)
        >>> mask[..., 3:6, 3:6] = 1
        >>> round((smooth_fill(ramp * (1 - mask), mask, cycles=8) - ramp).abs().max().item(), 3)
        0.0
    """
    check_choice("prior", kind, PRIORS)
    dtype = torch.promote_types(image.dtype, torch.float32)
    image = image.to(dtype).contiguous()
    missing = mask > 0.5
    known = (~missing).to(dtype)
    values = image.masked_fill(missing, 0.0)
    where = "cpu" if image.is_meta else image.device.type  # meta has no autocast to turn off
    with torch.autocast(where, enabled=False), _few_threads(image.shape.numel()):
        if kind == "mean":
            fill = _mean(values, known).expand_as(values)
        elif image.shape.numel() > _LARGE and image.shape[1] > 1:
            planes = values.split(1, dim=1)
            fill = torch.cat([_settle(p, known, kind, tension, cycles) for p in planes], dim=1)
        else:
            fill = _settle(values, known, kind, tension, cycles)
        return torch.where(missing, fill.clamp(-1.0, 1.0), image)  # (B, C, H, W)


def _settle(values: Tensor, known: Tensor, kind: Prior, tension: float, cycles: int) -> Tensor:
    """From the coarsest level to the finest: enlarge what is there, and let it settle."""
    pyramid = [(values, known)]
    while max(_sides(pyramid[-1][1])) > COARSEST:
        pyramid.append(reduce_known(*pyramid[-1]))
    # τ Δu weighs four times more at half the size, beside Δ²u
    tau = tension * 128**2 / math.prod(_sides(values))
    plate = kind == "biharmonic"
    surfaces = [
        _Surface(1.0 - known, plate, tau * 4**i if plate else 4.0**i)
        for i, (_, known) in enumerate(pyramid)
    ]
    fill = _mean(*pyramid[-1]).expand_as(pyramid[-1][0])
    for level in reversed(range(len(pyramid))):
        values, known = pyramid[level]
        fill = values + (1.0 - known) * _enlarge(fill, values)
        if kind != "push-pull":
            fill = _solve(fill, surfaces[level:], cycles)
    return fill


def reduce_known(
    values: Tensor, known: Tensor, size: tuple[int, int] | None = None
) -> tuple[Tensor, Tensor]:
    """A picture with holes made smaller: each cell's mean of known pixels, and whether it has any.

    Shapes: values (B, C, H, W), 0 where missing, and known (B, 1, H, W) → the same at `size`
    (h, w); None for half, rounded up.

    >>> values = torch.tensor([[[[4.0, 0.0], [2.0, 0.0]]]])
    >>> [part.item() for part in reduce_known(values, values.sign())]
    [3.0, 1.0]
    """
    if size is None:
        values, share = (F.avg_pool2d(_even(part), 2) for part in (values, known))
    else:
        values, share = (F.interpolate(part, size=size, mode="area") for part in (values, known))
    some = (share > 0).to(share.dtype)
    return values / torch.where(share > 0, share, 1.0) * some, some


class _Surface:
    """The equation on one level: s Δ²u − t Δu = 0 in the hole, with s = 1 or 0."""

    def __init__(self, hole: Tensor, plate: bool, tension: float) -> None:
        self.hole, self.plate, self.tension = hole, plate, tension
        self.stiffest = 64.0 * plate + 8.0 * tension  # no eigenvalue is larger

    def force(self, u: Tensor) -> Tensor:
        """s Δ²u − t Δu in the hole, 0 elsewhere: what is still wrong with a fill u."""
        bend = _laplacian(u)
        if not self.plate:
            return bend.mul_(-self.tension).mul_(self.hole)
        return _laplacian(bend).sub_(bend, alpha=self.tension).mul_(self.hole)

    def smooth(self, residual: Tensor, sweeps: int) -> tuple[Tensor, Tensor, Tensor]:
        """Chebyshev for force(change) = residual: change, its last step, what was left before."""
        middle = self.stiffest * (1.0 + 1.0 / SMOOTHED) / 2
        half = self.stiffest * (1.0 - 1.0 / SMOOTHED) / 2
        rho = half / middle
        step = residual / middle
        change = step.clone()
        for _ in range(sweeps - 1):
            residual = residual - self.force(step)
            new = 1.0 / (2.0 * middle / half - rho)
            step = step.mul_(new * rho).add_(residual, alpha=2.0 * new / half)
            rho, change = new, change.add_(step)
        return change, step, residual


def _solve(fill: Tensor, surfaces: list[_Surface], cycles: int) -> Tensor:
    """Conjugate gradients, each direction bent towards the solution by a cycle of multigrid."""
    finest = surfaces[0]
    residual = -finest.force(fill)
    direction, gain, before = None, 1.0, 0.0
    for _ in range(cycles):
        bent = _cycle(residual, surfaces)
        turn = _dot(bent, residual - before) / gain
        direction = bent if direction is None else bent + turn * direction
        gain, before = _positive(_dot(bent, residual)), residual
        image = finest.force(direction)
        step = _dot(direction, residual) / _positive(_dot(direction, image))
        fill, residual = fill + step * direction, residual - step * image
    return fill


def _cycle(residual: Tensor, surfaces: list[_Surface]) -> Tensor:
    """One V-cycle: an approximate change with force(change) = residual, 0 outside the hole."""
    here, *coarser = surfaces
    if not coarser:
        return here.smooth(residual, 2 * SWEEPS)[0]
    change, step, before = here.smooth(residual, SWEEPS)
    residual = before - here.force(step)
    # Where pixels are twice as large, fourth differences are 16 times as large. A little less is
    # better: the hole is smaller there, since a cell with one known pixel is known.
    below = LIFT * F.avg_pool2d(_even(residual), 4, 2, 1) * coarser[0].hole
    lifted = _enlarge(_cycle(below, coarser), residual) * here.hole
    again, *_ = here.smooth(residual.sub_(here.force(lifted)), SWEEPS)
    return change.add_(lifted).add_(again)


def _laplacian(u: Tensor) -> Tensor:
    """Sum of the four neighbours less four times the pixel; the border repeats itself."""
    p = F.pad(u, (1, 1, 1, 1), mode="replicate")
    if torch.jit.is_tracing():  # a graph's one node in place of twelve; run here five times slower
        kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
        channels = int(u.shape[1])
        return F.conv2d(p, kernel.repeat(channels, 1, 1, 1), groups=channels)
    total = p[..., :-2, 1:-1] + p[..., 2:, 1:-1]
    return total.add_(p[..., 1:-1, :-2]).add_(p[..., 1:-1, 2:]).sub_(u, alpha=4.0)


def _enlarge(u: Tensor, like: Tensor) -> Tensor:
    """Twice the size, cut to that of `like`."""
    u = F.interpolate(u, scale_factor=2.0, mode="bilinear", align_corners=False)
    height, width = _sides(like)
    return u[..., :height, :width]


def _sides(x: Tensor) -> tuple[int, int]:
    """Height and width, plain numbers also where a graph is traced."""
    return int(x.shape[-2]), int(x.shape[-1])


def _even(x: Tensor) -> Tensor:
    """With a row or a column of zeros where the number of them is odd."""
    height, width = _sides(x)
    return F.pad(x, (0, width % 2, 0, height % 2)) if height % 2 or width % 2 else x


def _mean(values: Tensor, known: Tensor) -> Tensor:
    """The mean of the known values: (B, C, 1, 1)."""
    return values.sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp_min(1.0)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((2, 3), keepdim=True)


def _positive(value: Tensor) -> Tensor:
    return value.clamp_min(1e-20)


@contextmanager
def _few_threads(numbers: int) -> Iterator[None]:
    """One thread for small pictures: beside a busy data worker, threads would wait for each other
    between many small operations."""
    threads = torch.get_num_threads()
    if numbers > _SMALL or threads == 1 or torch.compiler.is_compiling():
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
