"""The layers GMCNN is built from: a padded convolution with ELU, and reflection at any distance.

Source: Wang et al. 2018 (arXiv 1810.08771), and the authors' PyTorch release for what the paper
leaves open.

Deviations:
    * The release reflects with `F.pad`, which raises when the padding reaches the image side
      (128×128 inputs fail: the dilation-16 7×7 layer pads 48 at quarter resolution, where the side
      is 32). Here the reflection goes on bouncing between the borders; where `F.pad` works the
      result is the same.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

from labkit.errors import InputError, check_choice

PaddingMode = Literal["reflect", "replicate", "zeros"]
PADDING_MODES: tuple[str, ...] = get_args(PaddingMode)


def pad(x: Tensor, top: int, bottom: int, left: int, right: int, mode: PaddingMode) -> Tensor:
    """Pad the last two dimensions of (B, C, H, W); "reflect" takes any distance.

    The border pixel is not repeated: 0 1 2 becomes … 0 1 2 1 | 0 1 2 | 1 0 1 2 …, as `numpy.pad`
    has it.
    """
    if mode == "zeros":
        return F.pad(x, (left, right, top, bottom))
    if mode == "replicate":
        return F.pad(x, (left, right, top, bottom), mode="replicate")
    # `F.pad` reflects once, by at most side − 1. The pattern is even about every multiple of the
    # original side − 1, so as long as each step but the last ends on one, the next continues the
    # same wave.
    if x.shape[-2] == 1:
        x, top, bottom = F.pad(x, (0, 0, top, bottom), mode="replicate"), 0, 0
    if x.shape[-1] == 1:
        x, left, right = F.pad(x, (left, right, 0, 0), mode="replicate"), 0, 0
    height, width = x.shape[-2:]
    while top or bottom or left or right:
        rows, columns = (side - 1 for side in x.shape[-2:])
        rows -= rows % max(height - 1, 1)
        columns -= columns % max(width - 1, 1)
        up, down, before, after = (
            min(top, rows),
            min(bottom, rows),
            min(left, columns),
            min(right, columns),
        )
        x = F.pad(x, (before, after, up, down), mode="reflect")
        top, bottom, left, right = top - up, bottom - down, left - before, right - after
    return x  # (B, C, top + H + bottom, left + W + right)


class PaddedConv2d(nn.Module):
    """A convolution that keeps the size: dilation · (kernel − 1) / 2 pixels of padding on each
    side.

    Args:
        padding: how the border is extended; "reflect" is the PyTorch release, "zeros" the
            TensorFlow one.

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
        check_choice("padding", padding, PADDING_MODES)
        self.padding: PaddingMode = padding
        self.reach = dilation * (kernel - 1) // 2
        # Zeros are left to the convolution itself, which then copies nothing.
        own = self.reach if padding == "zeros" else 0
        self.conv = nn.Conv2d(
            inputs, outputs, kernel, stride=stride, dilation=dilation, padding=own
        )

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
