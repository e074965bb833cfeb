"""Random numbers that the kinds of mask share, all from an explicit generator and on its device."""

from __future__ import annotations

import torch
from torch import Tensor


def whole(
    low: int | Tensor, high: int | Tensor, shape: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    """Whole numbers low … high, both included and each as likely; bounds may differ per element.

    Returns:
        int64 of `shape`, with which tensors given as bounds must broadcast.
    """
    uniform = torch.rand(shape, generator=generator, device=generator.device)
    return low + (uniform * (high - low + 1)).long()


def between(low: float, high: float, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform float32 of `shape` in [low, high)."""
    return low + (high - low) * torch.rand(shape, generator=generator, device=generator.device)
