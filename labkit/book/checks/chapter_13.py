"""Checks of chapter 13."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labkit.book.checks import Hint, exercise
from labkit.nn.prior import reduce_known, smooth_fill


def _picture(height: int, width: int, seed: int) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, height, width, generator=rng, dtype=torch.float64) * 2 - 1


@exercise("13.1")
def jacobi(answer: Callable[[Tensor, Tensor, int], Tensor]) -> str:
    """The harmonic fill by sweeps that take the mean of four neighbours."""
    image, mask = _picture(20, 18, 0), torch.zeros(1, 1, 20, 18, dtype=torch.float64)
    mask[..., 5:14, 6:12] = 1
    given = image.clone()
    settled = answer(image, mask, 400)
    if not torch.equal(image, given):
        raise Hint("the picture that was handed in has been changed")
    if ((settled - image) * (1 - mask)).abs().max() > 1e-9:
        raise Hint("known pixels must stay as they are")
    hidden = torch.where(mask > 0, 5.0, image)
    if (answer(hidden, mask, 1) - answer(image, mask, 1)).abs().max() > 1e-9:
        raise Hint("the fill depends on pixels that are missing")
    film = smooth_fill(image, mask, "harmonic", cycles=8)
    if (settled - film).abs().max() > 1e-3:
        raise Hint("after many sweeps the film is not reached: which four pixels are averaged?")
    at_once = answer(image, mask, 0)
    inside = at_once[0][:, mask[0, 0] > 0]  # (3, missing)
    mean = (image * (1 - mask)).sum((2, 3)) / (1 - mask).sum()
    if (inside - mean[0, :, None]).abs().max() > 1e-9:
        raise Hint("before the first sweep the hole should hold the mean of the known pixels")
    return "the film of labkit after 400 sweeps, known pixels untouched"


@exercise("13.2")
def shrink(answer: Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]) -> str:
    """Cells that hold the mean of their known pixels."""
    for height, width, factor in ((12, 8, 2), (9, 15, 3), (16, 16, 4)):
        image = _picture(height, width, factor)
        known = (_picture(height, width, 9)[:, :1] > 0).double()
        known[..., :factor, :factor] = 0  # a cell without any
        size = height // factor, width // factor
        values, rest = answer(image * known, known, factor)
        wanted, some = reduce_known(image * known, known, size)
        if values.shape != wanted.shape or rest.shape != some.shape:
            raise Hint(f"the small picture should have {size[0]} × {size[1]} cells")
        if not torch.equal(rest.double(), some.double()):
            raise Hint("a cell is known as soon as one of its pixels is, and counts 1 then")
        if not torch.allclose(values * some, wanted * some):
            raise Hint("a cell holds the mean of its known pixels: by how many is it divided?")
    return "equal to labkit for factors 2, 3 and 4"
