"""The layers GMCNN is built from: a padded convolution with ELU, and reflection at any distance.

Source: Wang et al. 2018 (arXiv 1810.08771), and the authors' PyTorch release for what the paper leaves open.

Deviations:
    * The release reflects with `F.pad`, which raises when the padding reaches the image side (128×128
      inputs fail: the dilation-16 7×7 layer pads 48 at quarter resolution, where the side is 32). Here
      the reflection goes on bouncing between the borders; where `F.pad` works the result is the same.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.errors import InputError

PaddingMode = Literal["reflect", "replicate", "zeros"]
PADDING_MODES: tuple[str, ...] = get_args(PaddingMode)


def reflect_index(length: int, before: int, after: int, device: torch.device) -> Tensor:
    """Indices that extend 0 … length−1 by reflection, bouncing as often as needed.

    The border pixel is not repeated: ``length=3, before=4`` starts 0 1 2 1 | 0 1 2, a wave of period
    2·(length − 1).
    """
    position = torch.arange(-before, length + after, device=device)  # (before + length + after,)
    if length == 1:
        return torch.zeros_like(position)
    period = 2 * (length - 1)
    folded = position.remainder(period)
    return torch.minimum(folded, period - folded)


def pad(x: Tensor, top: int, bottom: int, left: int, right: int, mode: PaddingMode) -> Tensor:
    """Pad the last two dimensions of (B, C, H, W); "reflect" takes any distance."""
    if not (top or bottom or left or right):
        return x
    if mode == "zeros":
        return F.pad(x, (left, right, top, bottom))
    height, width = x.shape[-2:]
    if mode == "replicate" or (max(top, bottom) < height and max(left, right) < width):
        return F.pad(x, (left, right, top, bottom), mode=mode)
    rows = reflect_index(height, top, bottom, x.device)
    columns = reflect_index(width, left, right, x.device)
    return x.index_select(-2, rows).index_select(-1, columns)  # (B, C, top+H+bottom, left+W+right)


class PaddedConv2d(nn.Module):
    """A convolution that keeps the size: dilation · (kernel − 1) / 2 pixels of padding on each side.

    Args:
        padding: how the border is extended; "reflect" is the PyTorch release, "zeros" the TensorFlow one.

    Shapes: (B, inputs, H, W) → (B, outputs, ⌈H/stride⌉, ⌈W/stride⌉).
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        padding: PaddingMode = "reflect",
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise InputError(f"kernel {kernel} is even", "an odd kernel has a centre to pad around")
        if padding not in PADDING_MODES:
            raise InputError(f"padding {padding!r} is unknown", f"one of {', '.join(PADDING_MODES)}")
        self.padding: PaddingMode = padding
        self.reach = dilation * (kernel - 1) // 2
        # Zeros are left to the convolution itself, which then copies nothing.
        own = self.reach if padding == "zeros" else 0
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride, dilation=dilation, padding=own)

    def forward(self, x: Tensor) -> Tensor:
        if self.padding != "zeros":
            x = pad(x, self.reach, self.reach, self.reach, self.reach, self.padding)
        return self.conv(x)

    def extra_repr(self) -> str:
        return f"padding={self.padding!r}, reach={self.reach}"


class ConvELU(nn.Sequential):
    """A size-keeping convolution followed by ELU: the one building block of every GMCNN column."""

    def __init__(self, inputs: int, outputs: int, kernel: int, **options) -> None:
        super().__init__(PaddedConv2d(inputs, outputs, kernel, **options), nn.ELU())
