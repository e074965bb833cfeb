"""Checks of chapter 9."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labkit.book.checks import Hint, exercise

_SIZES = ((2, 3, 5, 7), (3, 8, 4, 4), (1, 1, 9, 2))


@exercise("09.5")
def squeeze(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """The mean of each channel over the known positions of each picture."""
    rng = torch.Generator().manual_seed(0)
    for size in _SIZES:
        x = torch.randn(size, generator=rng)
        mask = (torch.rand((size[0], 1, *size[2:]), generator=rng) < 0.4).float()
        mask[..., 0, 0], mask[..., -1, -1] = 0, 1
        found = answer(x, mask)
        if found.shape != size[:2]:
            raise Hint(f"one number a channel, {size[:2]}, is wanted, not {tuple(found.shape)}")
        changed = torch.where(mask > 0, 100.0, x)
        if not torch.allclose(answer(changed, mask), found, atol=1e-5):
            raise Hint("the answer changes with what lies under the hole: which positions count?")
        wanted = torch.stack([f[:, m[0] == 0].mean(dim=1) for f, m in zip(x, mask, strict=True)])
        if not torch.allclose(found, wanted, atol=1e-5):
            raise Hint("a sum over known positions: by how many is it divided, picture by picture?")
        if answer(x, torch.ones_like(mask)).abs().max() > 0:
            raise Hint("a picture without a known position should give zeros")
    return f"equal to the mean over known positions on {len(_SIZES)} sizes, odd ones among them"
