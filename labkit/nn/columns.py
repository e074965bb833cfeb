"""One column of GMCNN: down to a quarter of the resolution, through the bottleneck, and back up.

Source: Wang et al. 2018 (arXiv 1810.08771), figure 2; factors and interpolation of the upsampling
from the authors' PyTorch release. Where attention joins a column: `labkit.nn.attention`.
"""

from __future__ import annotations

from torch import Tensor, cat, nn

from labkit.nn.attention import DoubleAttention, ReportA2, ReportSE, SqueezeExcitation
from labkit.nn.bottleneck import bottleneck
from labkit.nn.layers import ConvELU, upsampling
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

    Shapes: (B, 4, H, W) → (B, outputs, H, W), H and W multiples of 4. `outputs` is 4c for kernel 7,
    2c for 5 and c for 3.
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
        self.decoder = nn.Sequential(*layers)
        self.outputs = channels

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.bottleneck(self.encoder(x)))


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
        return cat([self.decoder[-1](late), self.attention(first, late)], dim=1)  # (B, 2c, H, W)


def make_column(kernel: int, config: GeneratorConfig) -> Column:
    """The column with this kernel, with its attention if it has one."""
    if config.attention in ("se-report", "a2-report"):
        return (ReportColumn if kernel == REPORT_KERNEL else Column)(kernel, config)
    if config.attention_place == "gather-distribute":
        return GatheringColumn(kernel, config)
    return (Column if config.attention is None else AttendingColumn)(kernel, config)
