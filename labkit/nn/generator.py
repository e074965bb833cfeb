"""GMCNN: three columns with kernels 7, 5 and 3 that see the hole at three scales, and one decoder.

Source: Wang et al. 2018 (arXiv 1810.08771), section 3.1 and figure 2; what the paper leaves open is
as in the authors' PyTorch release, whose weights load (`labkit.nn.weights`). Chapter 4 derives it,
chapter 14 lists what the release does otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from labkit.errors import InputError
from labkit.images import check_image, check_mask, mask_input
from labkit.nn.attention import DoubleAttention, SqueezeExcitation
from labkit.nn.columns import ChannelwiseDense, make_column
from labkit.nn.layers import (
    ELU_GAIN,
    ConvELU,
    PaddedConv2d,
    SubpixelUpsample,
    TransposedUpsample,
    draw_glorot,
    draw_normal,
    pad,
)
from labkit.nn.prior import reduce_known, smooth_fill
from labkit.settings.network import SMALLEST_SIDE, GeneratorConfig

DOWNSAMPLING = 4  # two stride-2 convolutions
RELEASED_STD = 0.02


class GMCNN(nn.Module):
    """Generative multi-column network: (image, mask) → a prediction for every pixel.

    What lies under the mask, being finite, cannot leak in. The default has 12,561,891 parameters
    and takes 134.4 GFLOP at 256×256.

    Shapes: image (B, 3, H, W) in [-1, 1], mask (B, 1, H, W) in {0, 1} with 1 = missing, any H and W
    from 32 → (B, 3, H, W), in [-1, 1] in evaluation mode, unbounded in training, where a clamped
    value would have no gradient. `labkit.images.compose` puts it into the hole.

    Raises:
        InputError: outside training, shapes or values that do not fit.

    Example:
        >>> model = GMCNN(GeneratorConfig(width=2)).eval()
        >>> model(torch.zeros(1, 3, 40, 33), torch.ones(1, 1, 40, 33)).shape
        torch.Size([1, 3, 40, 33])
    """

    def __init__(
        self, config: GeneratorConfig | None = None, *, rng: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.config = config or GeneratorConfig()
        c, padding = self.config.width, self.config.padding
        self.columns = nn.ModuleList(
            make_column(kernel, self.config) for kernel in self.config.kernels
        )
        features = sum(column.outputs for column in self.columns)  # 7c; 8c with the report's
        self.decoder = nn.Sequential(
            ConvELU(features, c // 2, 3, padding=padding),  # (B, c/2, H, W)
            PaddedConv2d(c // 2, 3, 3, padding=padding),  # (B, 3, H, W)
        )
        self.reset_parameters(rng)

    @torch.no_grad()
    def reset_parameters(self, rng: torch.Generator | None = None) -> None:
        """Draw every weight anew as the configuration says; biases become 0."""
        rng = rng or torch.Generator().manual_seed(0)
        how, last = self.config.initialisation, self.decoder[-1].conv
        for conv in self.convolutions():
            std, fan_in = RELEASED_STD, conv.weight[0].numel()
            if how.startswith("he") and conv is not last:
                std = (ELU_GAIN / fan_in) ** 0.5
            elif how == "he-all":
                std = fan_in**-0.5  # no ELU follows the last layer
            if how == "glorot":
                draw_glorot(conv.weight, rng)
            else:
                draw_normal(conv.weight, std, rng)
            nn.init.zeros_(conv.bias)
        for module in self.modules():
            if isinstance(module, (SqueezeExcitation, DoubleAttention, ChannelwiseDense)):
                module.reset_parameters(rng)
            elif isinstance(module, (TransposedUpsample, SubpixelUpsample)):
                module.reset_parameters(rng, RELEASED_STD if how == "normal" else None)

    def convolutions(self) -> Iterator[nn.Conv2d]:
        """Every convolution, columns first, in the order data flows through them."""
        return (module for module in self.modules() if isinstance(module, nn.Conv2d))

    def start(self, image: Tensor, mask: Tensor) -> Tensor:
        """What the columns see, (B, 3, H, W): the known pixels; grey or the prior in the hole."""
        if self.config.prior == "none":
            return mask_input(image, mask)
        return self._surface(image, mask)

    def _surface(self, image: Tensor, mask: Tensor) -> Tensor:
        """The smooth fill that what the network paints at another size is added to."""
        kind = "biharmonic" if self.config.prior == "none" else self.config.prior
        return smooth_fill(image, mask, kind, tension=self.config.tension)

    def features(self, image: Tensor, mask: Tensor) -> list[Tensor]:
        """What each column hands to the decoder: (B, 4c | 2c | c, H, W), sides multiples of 4."""
        return self._features(self.start(image, mask), mask)

    def _features(self, start: Tensor, mask: Tensor) -> list[Tensor]:
        x = torch.cat([start.to(mask.dtype), mask], dim=1)  # (B, 4, H, W)
        if self.decoder[-1].conv.weight.is_contiguous(memory_format=torch.channels_last):
            x = x.contiguous(memory_format=torch.channels_last)
        return [column(x) for column in self.columns]

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        self._check(image, mask)
        height, width = image.shape[-2:]
        bottom, right = -height % DOWNSAMPLING, -width % DOWNSAMPLING
        image = pad(image, 0, bottom, 0, right, "reflect")
        mask = pad(mask, 0, bottom, 0, right, "reflect")
        start = self.start(image, mask)
        prediction = self.paint(start, mask)[..., :height, :width]  # (B, 3, H, W)
        return prediction if self.training else prediction.clamp(-1.0, 1.0)

    def paint(self, start: Tensor, mask: Tensor) -> Tensor:
        """The raw output for what the columns see: (B, 3, H, W), sides multiples of 4."""
        painted = self.decoder(torch.cat(self._features(start, mask), dim=1))
        return painted if self.config.prior == "none" else start + painted.to(start.dtype)

    def predict(self, image: Tensor, mask: Tensor, *, size: int | None = None) -> Tensor:
        """The prediction for a picture of any size: what a hole is filled with.

        A picture of more than size² pixels is made as small as that, and how the network differs
        there from the smooth fill is enlarged and added to the smooth fill of the full size
        (chapter 13). Otherwise this is `forward`, in evaluation mode.

        Args:
            size: None for the size of the training's pictures, and without a prior for no limit.
        """
        plain = self.config.prior == "none"
        size = size or (None if plain else self.config.trained_size)
        sides = [int(side) for side in image.shape[-2:]]  # plain numbers also in a traced graph
        if size is None or math.prod(sides) <= size**2:
            return self(image, mask)
        scale = size / math.sqrt(math.prod(sides)) / DOWNSAMPLING
        small = tuple(max(round(side * scale) * DOWNSAMPLING, SMALLEST_SIDE) for side in sides)
        self._check(image, mask)
        missing = mask > 0.5
        known = (~missing).to(mask.dtype)
        values, known = reduce_known(image.masked_fill(missing, 0.0), known, small)
        hole = 1.0 - known  # (B, 1, h, w)
        start = self.start(values, hole)
        change = self.paint(start, hole).clamp(-1.0, 1.0)  # (B, 3, h, w)
        if plain:  # and the rim is the smooth fill's, or the edge of what is enlarged would show
            change = change - self._surface(values, hole)
            hole = 1.0 - F.max_pool2d(known, 3, 1, 1)
        else:
            change = change - start
        change = change * hole
        change = F.interpolate(change, size=sides, mode="bilinear", align_corners=False)
        return (self._surface(image, mask) + change).clamp(-1.0, 1.0)  # (B, 3, H, W)

    def _check(self, image: Tensor, mask: Tensor) -> None:
        # Looking at values waits for the device: a training step knows what it hands in.
        if self.training or torch.compiler.is_compiling() or torch.jit.is_tracing():
            return
        check_image(image)
        check_mask(mask, image)
        if min(image.shape[2:]) < SMALLEST_SIDE:
            raise InputError(
                f"image of {image.shape[2]}×{image.shape[3]} pixels is too small for GMCNN",
                f"both sides must be at least {SMALLEST_SIDE}",
            )


def count_parameters(module: nn.Module) -> int:
    """Number of trainable scalars.

    >>> count_parameters(nn.Linear(3, 2))
    8
    """
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def receptive_field(kernel: int, dilations: tuple[int, ...] = (2, 4, 8, 16)) -> int:
    """Side in pixels of the square of input that one bottleneck output of a column can see.

    Each layer adds (kernel − 1) · dilation · product of the strides before it.

    Example:
        >>> [receptive_field(kernel) for kernel in (7, 5, 3)]
        [853, 569, 285]
    """
    field, jump = 1, 1
    strides_and_dilations = [(1, 1), (2, 1), (1, 1), (2, 1), (1, 1), (1, 1)]
    strides_and_dilations += [(1, dilation) for dilation in dilations] + [(1, 1), (1, 1)]
    for stride, dilation in strides_and_dilations:
        field += (kernel - 1) * dilation * jump
        jump *= stride
    return field
