"""Checks of chapter 10."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.book.checks import Hint, exercise

_CHANNELS = ((1, 1), (3, 2), (2, 5))  # inputs, outputs


@exercise("10.2")
def as_transposed(answer: Callable[[Tensor], Tensor]) -> str:
    """The kernel of the transposed convolution that equals a sub-pixel convolution."""
    rng = torch.Generator().manual_seed(0)
    for inputs, outputs in _CHANNELS:
        x = torch.randn(2, inputs, 5, 7, generator=rng)
        weight = torch.randn(4 * outputs, inputs, 3, 3, generator=rng)
        kernel = answer(weight)
        if kernel.shape != (inputs, outputs, 6, 6):
            raise Hint(f"{(inputs, outputs)} and a square are wanted, not {tuple(kernel.shape)}")
        wanted = F.pixel_shuffle(F.conv2d(x, weight, padding=1), 2)
        found = F.conv_transpose2d(x, kernel, stride=2, padding=2)
        if torch.allclose(found, wanted, atol=1e-4):
            continue
        turned = F.conv_transpose2d(x, kernel.flip(2, 3), stride=2, padding=2)
        means = [y.sum(dim=(2, 3)) for y in (F.conv_transpose2d(x, kernel, stride=2), x)]
        total = torch.einsum("bi,oi->bo", means[1], weight.sum((2, 3)).view(outputs, 4, -1).sum(1))
        if not torch.allclose(means[0], total, atol=1e-3):
            raise Hint("which four of the maps belong to one channel of the result?")
        if turned.shape == wanted.shape:
            raise Hint("right weights in wrong places: in which order does a phase read them?")
    return f"equal to the sub-pixel convolution for {len(_CHANNELS)} pairs of channels"
