"""A running average of a network's weights.

Source: Polyak and Juditsky 1992; with critics the weights circle around a good place rather than
come to rest there, and the average of the circle is nearer its middle (Yazıcı et al. 2019).
"""

from __future__ import annotations

import copy

import torch
from torch import nn


class ExponentialAverage:
    """average ← decay · average + (1 − decay) · weights, after each step.

    Args:
        model: whose weights are averaged; the average begins as its copy.
        decay: in [0, 1); 0.999 remembers about the last thousand steps. In the first steps it is
            (1 + n) / (10 + n), n the steps so far, so that the first weights are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(model).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after `step` steps."""
        keep = min(self.decay, (1 + step) / (10 + step))
        ours, theirs = list(self.model.parameters()), list(model.parameters())
        torch._foreach_lerp_(ours, theirs, 1.0 - keep)
