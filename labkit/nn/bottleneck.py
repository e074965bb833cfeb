"""The middle of a column, at a quarter of the resolution: how far can a position see?

Sources: Wang et al. 2018 for "dilated"; Pathak et al. 2016, "Context Encoders" (arXiv 1604.07379),
section 3.1, for "dense", whose channel-wise fully connected layer joins every position of a channel
to every other and is followed by convolutions, which join the channels.

Deviations:
    * A fully connected channel of a context encoder has n² weights for n positions: at 64×64
      pixels 65,536 a channel, more than a whole 3×3 convolution of GMCNN's. Ours is a product of
      an n×R and an R×n matrix, with the rank R at which it has about as many parameters as the
      dilated layers that it replaces.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labkit.errors import InputError
from labkit.nn.layers import ELU_GAIN, ConvELU, draw_normal
from labkit.settings import GeneratorConfig


def bottleneck(kernel: int, config: GeneratorConfig) -> nn.Sequential:
    """The middle of the column with this kernel: (B, 4c, H/4, W/4) → the same shape."""
    channels, padding = 4 * config.width, config.padding

    def conv(dilation: int = 1) -> ConvELU:
        return ConvELU(channels, channels, kernel, dilation=dilation, padding=padding)

    if config.bottleneck == "dense":
        wide: list[nn.Module] = [dense(kernel, config), nn.ELU()]
    elif config.bottleneck == "plain":
        wide = [conv() for _ in config.dilations]
    else:
        wide = [conv(dilation) for dilation in config.dilations]
    return nn.Sequential(*wide, conv(), conv())


def dense(kernel: int, config: GeneratorConfig) -> ChannelwiseDense:
    """The fully connected layer with about as many parameters as the dilated ones."""
    channels = 4 * config.width
    rows, columns = (side // 4 for side in config.dense_size)
    replaced = len(config.dilations) * channels**2 * kernel**2
    rank = max(1, round(replaced / (2 * channels * rows * columns)))
    return ChannelwiseDense(channels, rows, columns, rank)


class ChannelwiseDense(nn.Module):
    """Within each channel every position sees every other, through R numbers.

    y = U (V x) + b for a channel's positions x (n), with V (R×n) and U (n×R) of its own.

    Args:
        channels: how many, C.
        rows, columns: the size of the feature map, n = rows · columns.
        rank: of the matrix, R.

    Parameters: 2CnR + C.

    Shapes: (B, C, rows, columns) → the same.

    Raises:
        InputError: a feature map of another size.
    """

    def __init__(self, channels: int, rows: int, columns: int, rank: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns
        self.gather = nn.Parameter(torch.empty(channels, rank, rows * columns))
        self.spread = nn.Parameter(torch.empty(channels, rows * columns, rank))
        self.bias = nn.Parameter(torch.empty(channels, 1))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights anew, so that features keep their scale."""
        generator = generator or torch.Generator().manual_seed(0)
        rank, positions = self.gather.shape[1:]
        draw_normal(self.gather, (ELU_GAIN / positions) ** 0.5, generator)
        draw_normal(self.spread, (1.0 / rank) ** 0.5, generator)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (self.rows, self.columns):
            height, width = (4 * side for side in x.shape[2:])
            raise InputError(
                f"a dense bottleneck for images of {4 * self.rows}×{4 * self.columns} pixels "
                f"cannot take one of {height}×{width}",
                "resize the image; a convolution would take it",
            )
        flat = x.flatten(2).transpose(0, 1)  # (C, B, n)
        code = flat @ self.gather.transpose(1, 2)  # (C, B, R)
        out = code @ self.spread.transpose(1, 2)  # (C, B, n)
        return (out.transpose(0, 1) + self.bias).view(x.shape)

    def extra_repr(self) -> str:
        channels, rank, _ = self.gather.shape
        return f"{channels}, {self.rows}×{self.columns}, rank={rank}"
