"""One column of GMCNN: down to a quarter of the resolution, through a bottleneck, and back up.

Source: Wang et al. 2018 (arXiv 1810.08771), figure 2; upsampling as the authors' PyTorch release
has it. Chapter 4 derives the columns, chapter 5 the bottlenecks, chapter 9 where attention joins.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labkit.errors import InputError
from labkit.nn.attention import DoubleAttention, ReportA2, ReportSE, SqueezeExcitation
from labkit.nn.layers import ELU_GAIN, ConvELU, draw_normal, upsampling
from labkit.settings.network import REPORT_KERNEL, GeneratorConfig

# How each column returns from quarter to full resolution: "nearest" and "bilinear" by a factor; a
# number k stands for a convolution to k·c channels.
COLUMN_DECODERS: dict[int, tuple[str | int, ...]] = {
    7: ("bilinear x4",),
    5: ("nearest x2", 2, 2, "bilinear x2"),
    3: ("nearest x2", 2, 2, "nearest x2", 1, 1),
}


class Column(nn.Module):
    """One column: encoder to quarter resolution, bottleneck, decoder back to full size.

    Shapes: (B, 4, H, W) → (B, outputs, H, W), H and W multiples of 4; `outputs` is 4c, 2c or c for
    kernel 7, 5 or 3.
    """

    def __init__(self, kernel: int, config: GeneratorConfig) -> None:
        super().__init__()
        c, padding = config.width, config.padding

        def conv(inputs: int, outputs: int, *, stride: int = 1) -> ConvELU:
            return ConvELU(inputs, outputs, kernel, stride=stride, padding=padding)

        self.encoder = nn.Sequential(
            conv(4, c),  # (B, c, H, W)
            conv(c, 2 * c, stride=2),  # (B, 2c, H/2, W/2)
            conv(2 * c, 2 * c),
            conv(2 * c, 4 * c, stride=2),  # (B, 4c, H/4, W/4)
            conv(4 * c, 4 * c),
            conv(4 * c, 4 * c),
        )
        self.bottleneck = bottleneck(kernel, config)
        channels, layers = 4 * c, []
        for step in COLUMN_DECODERS[kernel]:
            if isinstance(step, str):
                kind, factor = step.split(" x")
                kind = kind if config.upsample == "released" else config.upsample
                layers.append(upsampling(kind, channels, int(factor), padding))
            else:
                layers.append(conv(channels, step * c))
                channels = step * c
        self.decoder, self.outputs = nn.Sequential(*layers), channels

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.bottleneck(self.encoder(x)))


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
    """Within each channel every position sees every other: y = U (V x) + b, V (R×n) and U (n×R).

    After Pathak et al. 2016, whose whole n×n matrix would have 65,536 weights a channel at 64×64
    pixels. Parameters: 2CnR + C. Shapes: (B, C, rows, columns) → the same; n = rows · columns.

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
    def reset_parameters(self, rng: torch.Generator | None = None) -> None:
        """Draw the weights anew, so that features keep their scale."""
        rng = rng or torch.Generator().manual_seed(0)
        rank, positions = self.gather.shape[1:]
        draw_normal(self.gather, (ELU_GAIN / positions) ** 0.5, rng)
        draw_normal(self.spread, (1.0 / rank) ** 0.5, rng)
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


class AttendingColumn(Column):
    """A column with a published block at the end of its encoder, or of its bottleneck."""

    def __init__(self, kernel: int, config: GeneratorConfig) -> None:
        super().__init__(kernel, config)
        channels = 4 * config.width
        if config.attention == "se":
            self.attention: nn.Module = SqueezeExcitation(channels, config.reduction)
        else:
            self.attention = DoubleAttention(channels)
        self.first = config.attention_place == "before-dilated"

    def forward(self, x: Tensor) -> Tensor:
        x = self.encoder(x)  # (B, 4c, H/4, W/4)
        x = self.bottleneck(self.attention(x)) if self.first else self.attention(self.bottleneck(x))
        return self.decoder(x)


class GatheringColumn(Column):
    """A column whose A² gathers near the encoder's start and distributes at the decoder's end."""

    def __init__(self, kernel: int, config: GeneratorConfig) -> None:
        super().__init__(kernel, config)
        self.attention = DoubleAttention(self.outputs, source=config.width)

    def forward(self, x: Tensor) -> Tensor:
        first = self.encoder[0](x)  # (B, c, H, W)
        descriptors = self.attention.gather(first)
        late = self.decoder(self.bottleneck(self.encoder[1:](first)))  # (B, outputs, H, W)
        return self.attention.distribute(late, descriptors)


class ReportColumn(Column):
    """The 3×3 column with the report's attention: its result stands beside what the column gives.

    Shapes: as `Column`, with twice the outputs.
    """

    def __init__(self, kernel: int, config: GeneratorConfig) -> None:
        super().__init__(kernel, config)
        block = ReportSE if config.attention == "se-report" else ReportA2
        self.attention = block(config.width, config.padding)
        self.outputs += config.width

    def forward(self, x: Tensor) -> Tensor:
        first = self.encoder[0](x)  # (B, c, H, W)
        late = self.decoder[:-1](self.bottleneck(self.encoder[1:](first)))  # (B, c, H, W)
        return torch.cat(
            [self.decoder[-1](late), self.attention(first, late)], dim=1
        )  # (B, 2c, H, W)


def make_column(kernel: int, config: GeneratorConfig) -> Column:
    """The column with this kernel, with its attention if it has one."""
    if config.attention in ("se-report", "a2-report"):
        return (ReportColumn if kernel == REPORT_KERNEL else Column)(kernel, config)
    if config.attention_place == "gather-distribute":
        return GatheringColumn(kernel, config)
    return (Column if config.attention is None else AttendingColumn)(kernel, config)
