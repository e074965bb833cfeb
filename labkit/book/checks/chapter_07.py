"""Checks of chapter 7."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from labkit.book.checks import Hint, exercise
from labkit.masks import irregular


@exercise("07.5")
def window(answer: Callable[[Tensor, int], tuple[int, int]]) -> str:
    one = torch.zeros(40, 56)
    one[3, 50] = 1  # near an edge, where a window must stay inside
    drawn = irregular(3, 64, bin=3, rng=torch.Generator().manual_seed(0))[:, 0].float()
    cases = [(one, 16), (one[:, :40], 40), *((mask, 32) for mask in drawn)]
    for mask, side in cases:
        top, left = (int(place) for place in answer(mask, side))
        height, width = mask.shape
        if not (0 <= top <= height - side and 0 <= left <= width - side):
            raise Hint(f"the window at ({top}, {left}) leaves a picture of {height}×{width} pixels")
        found = mask[top : top + side, left : left + side].sum()
        most = F.avg_pool2d(mask[None, None], side, stride=1).max() * side**2
        if found < most - 0.5:
            raise Hint(f"your window holds {found:.0f} missing pixels, another one {most:.0f}")
    return f"no square holds more, for {len(cases)} masks"
