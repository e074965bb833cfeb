"""Checks of chapter 8."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labkit.book.checks import Hint, exercise
from labkit.losses.id_mrf import id_mrf

_CASES = ((3, 5, 7, 1), (4, 6, 6, 2), (2, 9, 8, 3))  # channels, height, width, patch


@exercise("08.5")
def layer_loss(answer: Callable[[Tensor, Tensor, int], Tensor]) -> str:
    """L_M of two feature maps in patches, centred by the target's mean of each channel."""
    rng = torch.Generator().manual_seed(0)
    for channels, height, width, patch in _CASES:
        target, fill = torch.randn((2, 1, channels, height, width), generator=rng)
        target, fill = target + 1.0, fill + 2.0  # with a mean that must go
        found = torch.as_tensor(answer(fill, target, patch))
        wanted = id_mrf(fill, target, patch=patch, centre="channel")
        if found.ndim:
            raise Hint(f"the loss is one number, not {tuple(found.shape)}")
        if torch.isclose(found, id_mrf(fill, target, patch=patch, centre="none"), rtol=1e-4):
            raise Hint("the mean of each channel is still in the vectors")
        if patch > 1 and torch.isclose(found, id_mrf(fill, target, centre="channel"), rtol=1e-4):
            raise Hint("single positions are compared, whatever the patch")
        if not torch.isclose(found, wanted, rtol=1e-4):
            raise Hint(
                "which mean, which length, and who asks: is the maximum over generated patches?"
            )
    perfect = torch.as_tensor(answer(target, target, patch))
    if perfect.abs() > 1e-4:
        raise Hint("a perfect fill should cost nothing")
    return f"equal to labkit on {len(_CASES)} sizes, patches of 1, 2 and 3 positions"
