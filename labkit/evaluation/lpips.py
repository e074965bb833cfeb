"""LPIPS: a distance between pictures that agrees with people's judgement better than PSNR does.

Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
equation 1, version 0.1 with SqueezeNet 1.1::

    d(x, y) = Σ_l mean_{h,w} Σ_c w_lc (x̂_lhwc − ŷ_lhwc)²

with x̂ the features of layer l, scaled to length 1 at each position. The weights w ≥ 0 were fitted
to people's choices between distorted patches; they lie beside this file (2,240 numbers, BSD-2,
copyright 2018 Richard Zhang, Phillip Isola, Alexei A. Efros, Eli Shechtman, Oliver Wang). The
features are ImageNet's, from torchvision or a file.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from labkit.errors import InputError
from labkit.images import to_tensor
from labkit.nn.features import Features
from labkit.nn.tensor_files import read_tensors
from labkit.settings.network import SMALLEST_SIDE

LAYERS = ("relu1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9")
_HEADS = Path(__file__).with_name("lpips-squeeze.safetensors")
_NO_ZERO = 1e-10  # added to a length before division


class LPIPS(nn.Module):
    """The distance, frozen: two images (B, 3, H, W) in [-1, 1] → (B,), 0 for equal images, rarely
    above 1.

    Args:
        weights: file of SqueezeNet 1.1's ImageNet weights, see `labkit.nn.features.Features`; None
            takes torchvision's, downloaded on first use.

    Raises:
        InputError: what `Features` raises, or images of different shapes.
    """

    def __init__(self, weights: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        self.features = Features("squeezenet1_1", LAYERS, weights=weights)
        heads = read_tensors(_HEADS)
        for layer in LAYERS:
            self.register_buffer(f"head_{layer}", heads[layer].view(1, -1, 1, 1))

    @torch.no_grad()
    def forward(self, image: Tensor, other: Tensor) -> Tensor:
        if image.shape != other.shape:
            raise InputError(f"different shapes: {tuple(image.shape)} and {tuple(other.shape)}")
        if min(image.shape[-2:]) < SMALLEST_SIDE:
            raise InputError(
                f"{tuple(image.shape[-2:])}: too small for LPIPS", "32 pixels a side will do"
            )
        ours, theirs = self.features(image), self.features(other)
        total = image.new_zeros(len(image))
        for layer in LAYERS:
            apart = _directions(ours[layer]) - _directions(theirs[layer])  # (B, C, h, w)
            weighed = (apart.square() * getattr(self, f"head_{layer}")).sum(dim=1)  # (B, h, w)
            total += weighed.mean(dim=(1, 2))
        return total

    def between(self, truth: np.ndarray, estimate: np.ndarray) -> float:
        """The distance of two uint8 images (H, W, 3), large enough for SqueezeNet's last layer."""
        return float(self(to_tensor(truth), to_tensor(estimate)))


def _directions(features: Tensor) -> Tensor:
    """Each position's features, scaled to length 1."""
    return features / (features.norm(dim=1, keepdim=True) + _NO_ZERO)
