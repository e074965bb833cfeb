"""What GMCNN is built from: a padded convolution with ELU, and ways to enlarge a feature map.

Sources: Wang et al. 2018 (arXiv 1810.08771) and the authors' PyTorch release. Chapter 4 derives the
padding, chapter 10 the upsampling (Odena et al. 2016; Aitken et al. 2017, arXiv 1707.02937).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.settings.network import Padding, UpsampleKind

# For z ~ N(0, 1), E[ELU(z)²] = ½ + e²Φ(−2) − 2√e Φ(−1) + ½ = 0.645: a layer with weights of
# variance gain / fan-in hands on features of the variance that it received.
ELU_GAIN = 1.0 / 0.6449


@torch.no_grad()
def draw_normal(parameter: Tensor, std: float, rng: torch.Generator) -> None:
    """Fill with N(0, std²), drawn on rng's own device: a seed means the same weights everywhere."""
    drawn = torch.randn(parameter.shape, generator=rng, device=rng.device)
    parameter.copy_(drawn * std)


@torch.no_grad()
def draw_glorot(weight: Tensor, rng: torch.Generator) -> None:
    """Fill a convolution's weights evenly between ±√(6 / (fan-in + fan-out)), as `draw_normal`."""
    outputs, inputs, height, width = weight.shape
    bound = (6.0 / ((inputs + outputs) * height * width)) ** 0.5
    drawn = torch.rand(weight.shape, generator=rng, device=rng.device)
    weight.copy_((2.0 * drawn - 1.0) * bound)


def pad(x: Tensor, top: int, bottom: int, left: int, right: int, mode: Padding) -> Tensor:
    """Pad the last two dimensions of (B, C, H, W); "reflect" takes any distance.

    Example:
        >>> pad(torch.tensor([[[[0.0, 1.0, 2.0]]]]), 0, 0, 4, 0, "reflect").int().tolist()
        [[[[0, 1, 2, 1, 0, 1, 2]]]]
    """
    if mode == "zeros":
        return F.pad(x, (left, right, top, bottom))
    # `F.pad` reflects by at most side − 1. The wave is even about every multiple of the original
    # side − 1: each step but the last ends on one, and the next goes on with the same wave.
    if x.shape[-2] == 1:
        x, top, bottom = F.pad(x, (0, 0, top, bottom), mode="replicate"), 0, 0
    if x.shape[-1] == 1:
        x, left, right = F.pad(x, (left, right, 0, 0), mode="replicate"), 0, 0
    height, width = x.shape[-2:]
    while top or bottom or left or right:
        rows, columns = (side - 1 for side in x.shape[-2:])
        rows -= rows % max(height - 1, 1)
        columns -= columns % max(width - 1, 1)
        up, down = min(top, rows), min(bottom, rows)
        before, after = min(left, columns), min(right, columns)
        x = F.pad(x, (before, after, up, down), mode="reflect")
        top, bottom, left, right = top - up, bottom - down, left - before, right - after
    return x  # (B, C, top + H + bottom, left + W + right)


class PaddedConv2d(nn.Module):
    """A convolution with dilation · (kernel − 1) / 2 pixels of padding on each side; odd kernels.

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
        padding: Padding = "reflect",
    ) -> None:
        super().__init__()
        self.padding: Padding = padding
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


def upsampling(kind: UpsampleKind, channels: int, factor: int, padding: Padding) -> nn.Module:
    """A layer that enlarges a feature map: (B, channels, H, W) → (B, channels, fH, fW).

    The factor f is a power of two; layers that learn double the size as often as it takes. The
    padding is that of the sub-pixel convolution.
    """
    if kind in ("nearest", "bilinear"):
        # As in the release: the outermost samples keep their place.
        aligned = True if kind == "bilinear" else None
        return nn.Upsample(scale_factor=factor, mode=kind, align_corners=aligned)
    doublings = factor.bit_length() - 1
    if kind == "subpixel":
        return nn.Sequential(*(SubpixelUpsample(channels, padding) for _ in range(doublings)))
    kernel = int(kind.removeprefix("transposed-"))
    return nn.Sequential(*(TransposedUpsample(channels, kernel) for _ in range(doublings)))


class TransposedUpsample(nn.Module):
    """A transposed convolution of stride 2: (B, C, H, W) → (B, C, 2H, 2W).

    Where 2 does not divide the kernel, some pixels sum more terms than their neighbours.
    """

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.ConvTranspose2d(
            channels, channels, kernel, stride=2, padding=1, output_padding=kernel % 2
        )
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(
        self, rng: torch.Generator | None = None, std: float | None = None
    ) -> None:
        """Draw the weights anew, from N(0, std²); None keeps the scale of features."""
        rng = rng or torch.Generator().manual_seed(0)
        terms = self.conv.in_channels * (self.conv.kernel_size[0] / 2) ** 2
        draw_normal(self.conv.weight, terms**-0.5 if std is None else std, rng)
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class SubpixelUpsample(nn.Module):
    """A 3×3 convolution to four maps a channel, laid out as 2×2 pixels: (B, C, 2H, 2W).

    The four filters of a channel start equal (ICNR): a fresh layer gives squares of equal pixels.
    """

    def __init__(self, channels: int, padding: Padding) -> None:
        super().__init__()
        self.conv = PaddedConv2d(channels, 4 * channels, 3, padding=padding)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(
        self, rng: torch.Generator | None = None, std: float | None = None
    ) -> None:
        """Draw the weights anew, from N(0, std²); None keeps the scale of features."""
        rng = rng or torch.Generator().manual_seed(0)
        conv = self.conv.conv
        one = torch.empty(conv.out_channels // 4, *conv.weight.shape[1:])
        draw_normal(one, one[0].numel() ** -0.5 if std is None else std, rng)
        conv.weight.copy_(one.repeat_interleave(4, dim=0))  # a channel's four maps are adjacent
        nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.conv(x), 2)
