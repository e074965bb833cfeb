"""Answers to the exercises of chapter 6."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def blur(x: Tensor, taps: Tensor, *, mode: str = "reflect", mask: Tensor | float = 1.0) -> Tensor:
    """Along columns, then rows; a wrong answer applies the mask between them."""
    reach = len(taps) // 2
    x = F.pad(x, [0, 0, reach, reach], mode=mode)
    x = F.conv2d(x, taps.view(1, 1, -1, 1)) * mask
    return F.conv2d(F.pad(x, [reach, reach, 0, 0], mode=mode), taps.view(1, 1, 1, -1))


def two_passes(mask: Tensor, taps: Tensor, iterations: int) -> Tensor:
    weight = torch.zeros_like(mask)
    for _ in range(iterations):
        weight = blur(1 - mask + weight, taps) * mask
    return weight


def zeros_outside(mask: Tensor, taps: Tensor, iterations: int) -> Tensor:
    weight = torch.zeros_like(mask)
    for _ in range(iterations):
        weight = blur(1 - mask + weight, taps, mode="constant") * mask
    return weight


def mask_at_the_end(mask: Tensor, taps: Tensor, iterations: int) -> Tensor:
    confidence = 1 - mask
    for _ in range(iterations):
        confidence = blur(confidence, taps)
    return confidence * mask


def no_mask(mask: Tensor, taps: Tensor, iterations: int) -> Tensor:
    return blur(1 - mask, taps)


def mask_between(mask: Tensor, taps: Tensor, iterations: int) -> Tensor:
    return blur(1 - mask, taps, mask=mask) * mask


ANSWERS = {
    "06.1": (
        two_passes,
        [
            (zeros_outside, "how is it padded"),
            (mask_at_the_end, "what does the blur start from"),
            (no_mask, "known pixels have a weight too"),
            (mask_between, "are both passes made"),
        ],
    ),
}
