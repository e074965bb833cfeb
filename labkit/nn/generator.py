"""GMCNN: three columns with kernels 7, 5 and 3 that see the hole at three scales, and one decoder.

Source: Wang et al. 2018, "Image Inpainting via Generative Multi-column Convolutional Neural
Networks" (arXiv 1810.08771), section 3.1 and figure 2; what the paper leaves open follows the
authors' PyTorch release (github shepnerd/inpainting_gmcnn), whose weights load into this model
(`labkit.nn.weights`).

The width c is 32 by default, and the model then has exactly 12,561,891 parameters.

Deviations:
    * Any height and width from 32 up. The release accepts multiples of 4 with sides of at least
      193. Here an image is reflected to a multiple of 4 and the prediction is cropped back, and
      reflection inside the network may exceed the feature map (`labkit.nn.layers`).
    * The prediction is clamped to [-1, 1] outside training only. A clamped value has no gradient:
      in the release, where training clamps too, a prediction once out of the range stays out.
    * `padding="zeros"` (the TensorFlow release's choice) and He initialisation are options.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from labkit.errors import InputError, check_choice
from labkit.images import check_image, check_mask, mask_input
from labkit.nn.layers import PADDING_MODES, ConvELU, PaddedConv2d, PaddingMode, pad

Initialisation = Literal["normal", "he"]

SMALLEST_SIDE = 32  # a quarter-resolution feature map then has 8 pixels to work with
DOWNSAMPLING = 4  # two stride-2 convolutions
RELEASED_STD = 0.02
# For z ~ N(0, 1), E[ELU(z)²] = ½ + e²Φ(−2) − 2√e Φ(−1) + ½ = 0.645: a layer with weights of
# variance gain / fan-in hands on features of the variance that it received.
ELU_GAIN = 1.0 / 0.6449


@dataclass(frozen=True)
class GeneratorConfig:
    """What a GMCNN generator looks like. The defaults are the paper's model.

    Attributes:
        width: base channels c; every layer has a multiple of it. Even, at least 2.
        kernels: one column for each; a subset of (7, 5, 3) in any order.
        dilations: of the bottleneck's dilated convolutions, first to last; may be empty.
        padding: "reflect" as the PyTorch release, "zeros" as the TensorFlow one, or "replicate".
        initialisation: "normal" draws weights from N(0, 0.02²) as the release; "he" keeps the scale
            of features through the depth (He et al. 2015, with ELU's gain), which trains faster
            without normalisation layers.
    """

    width: int = 32
    kernels: tuple[int, ...] = (7, 5, 3)
    dilations: tuple[int, ...] = (2, 4, 8, 16)
    padding: PaddingMode = "reflect"
    initialisation: Initialisation = "normal"

    def __post_init__(self) -> None:
        # JSON has no tuples: accept lists, keep tuples, so that equal configurations compare equal.
        object.__setattr__(self, "kernels", tuple(self.kernels))
        object.__setattr__(self, "dilations", tuple(self.dilations))
        if self.width < 2 or self.width % 2:
            raise InputError(f"generator width {self.width} must be even and at least 2")
        if not self.kernels or len(set(self.kernels)) != len(self.kernels):
            raise InputError(f"generator kernels {self.kernels} must be distinct and at least one")
        for kernel in self.kernels:
            if kernel not in COLUMN_DECODERS:
                known = ", ".join(map(str, COLUMN_DECODERS))
                raise InputError(f"generator kernel {kernel} has no column", f"choose from {known}")
        if any(dilation < 1 for dilation in self.dilations):
            raise InputError(f"generator dilations {self.dilations} must be 1 or more")
        check_choice("generator padding", self.padding, PADDING_MODES)
        check_choice("initialisation", self.initialisation, get_args(Initialisation))

    def to_dict(self) -> dict[str, object]:
        """As plain values, for JSON."""
        return asdict(self)


# How each column returns from quarter to full resolution: "nearest" and "bilinear" are ×2 unless a
# factor is given, a number k stands for a convolution to k·c channels. Figure 2 of the paper;
# factors and interpolation from the release.
COLUMN_DECODERS: dict[int, tuple[str | int, ...]] = {
    7: ("bilinear x4",),
    5: ("nearest x2", 2, 2, "bilinear x2"),
    3: ("nearest x2", 2, 2, "nearest x2", 1, 1),
}


def _upsample(kind: str) -> nn.Module:
    mode, factor = kind.split(" x")
    # The release resizes bilinearly with aligned corners: the outermost samples keep their place.
    aligned = True if mode == "bilinear" else None
    return nn.Upsample(scale_factor=int(factor), mode=mode, align_corners=aligned)


class Column(nn.Module):
    """One column: encoder to quarter resolution, dilated bottleneck, decoder back to full size.

    Shapes: (B, 4, H, W) → (B, outputs, H, W), H and W multiples of 4. `outputs` is 4c for kernel 7,
    2c for 5 and c for 3.
    """

    def __init__(self, kernel: int, config: GeneratorConfig) -> None:
        super().__init__()
        c = config.width

        def conv(inputs: int, outputs: int, *, stride: int = 1, dilation: int = 1) -> ConvELU:
            return ConvELU(
                inputs, outputs, kernel, stride=stride, dilation=dilation, padding=config.padding
            )

        self.encoder = nn.Sequential(
            conv(4, c),  # (B, c, H, W)
            conv(c, 2 * c, stride=2),  # (B, 2c, H/2, W/2)
            conv(2 * c, 2 * c),
            conv(2 * c, 4 * c, stride=2),  # (B, 4c, H/4, W/4)
            conv(4 * c, 4 * c),
            conv(4 * c, 4 * c),
        )
        self.bottleneck = nn.Sequential(
            *(conv(4 * c, 4 * c, dilation=dilation) for dilation in config.dilations),
            conv(4 * c, 4 * c),
            conv(4 * c, 4 * c),
        )
        channels, layers = 4 * c, []
        for step in COLUMN_DECODERS[kernel]:
            if isinstance(step, str):
                layers.append(_upsample(step))
            else:
                layers.append(conv(channels, step * c))
                channels = step * c
        self.decoder = nn.Sequential(*layers)
        self.outputs = channels

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.bottleneck(self.encoder(x)))


class GMCNN(nn.Module):
    """Generative multi-column network: (image, mask) → a prediction for every pixel.

    The image is masked inside, X = Y ⊙ (1 − M), so what lies under the mask cannot leak in.

    Args:
        config: `GeneratorConfig`; None for the paper's.
        generator: source of the initial weights' randomness; None seeds a fresh one with 0.

    Shapes: image (B, 3, H, W) in [-1, 1], mask (B, 1, H, W) in {0, 1} with 1 = missing, H and W at
    least 32 → (B, 3, H, W), in [-1, 1] in evaluation mode and unbounded in training mode. Compose
    with `labkit.images.compose`.

    Raises:
        InputError: shapes that do not fit; outside training also NaN or out-of-range values.
    """

    def __init__(
        self, config: GeneratorConfig | None = None, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.config = config or GeneratorConfig()
        c, padding = self.config.width, self.config.padding
        self.columns = nn.ModuleList(Column(kernel, self.config) for kernel in self.config.kernels)
        features = sum(column.outputs for column in self.columns)  # 7c with all three columns
        self.decoder = nn.Sequential(
            ConvELU(features, c // 2, 3, padding=padding),  # (B, c/2, H, W)
            PaddedConv2d(c // 2, 3, 3, padding=padding),  # (B, 3, H, W)
        )
        self.reset_parameters(generator)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw every weight anew as the configuration says; biases become 0."""
        generator = generator or torch.Generator().manual_seed(0)
        last = self.decoder[-1].conv
        for conv in self.convolutions():
            std = RELEASED_STD
            # The last layer stays small: a prediction beyond ±1 is clamped and receives no
            # gradient.
            if self.config.initialisation == "he" and conv is not last:
                fan_in = conv.weight[0].numel()
                std = (ELU_GAIN / fan_in) ** 0.5
            # Drawn on the generator's own device, so that a seed means the same weights everywhere.
            drawn = (
                torch.randn(conv.weight.shape, generator=generator, device=generator.device) * std
            )
            conv.weight.copy_(drawn)
            nn.init.zeros_(conv.bias)

    def convolutions(self) -> Iterator[nn.Conv2d]:
        """Every convolution, columns first, in the order data flows through them."""
        return (module for module in self.modules() if isinstance(module, nn.Conv2d))

    def features(self, image: Tensor, mask: Tensor) -> list[Tensor]:
        """What each column hands to the decoder: (B, 4c | 2c | c, H, W), sides multiples of 4."""
        x = torch.cat([mask_input(image, mask), mask], dim=1)  # (B, 4, H, W)
        return [column(x) for column in self.columns]

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        self._check(image, mask)
        height, width = image.shape[-2:]
        bottom, right = -height % DOWNSAMPLING, -width % DOWNSAMPLING
        image = pad(image, 0, bottom, 0, right, "reflect")
        mask = pad(mask, 0, bottom, 0, right, "reflect")
        features = torch.cat(self.features(image, mask), dim=1)  # (B, 7c, H, W)
        prediction = self.decoder(features)[..., :height, :width]  # (B, 3, H, W)
        return prediction if self.training else prediction.clamp(-1.0, 1.0)

    def _check(self, image: Tensor, mask: Tensor) -> None:
        if image.ndim != 4 or image.shape[1] != 3:
            raise InputError(f"an image must be (B, 3, H, W), not {tuple(image.shape)}")
        if mask.shape != (image.shape[0], 1, *image.shape[2:]):
            raise InputError(
                f"mask {tuple(mask.shape)} does not fit image {tuple(image.shape)}",
                "a mask is (B, 1, H, W) with the image's batch, height and width",
            )
        if min(image.shape[2:]) < SMALLEST_SIDE:
            raise InputError(
                f"image of {image.shape[2]}×{image.shape[3]} pixels is too small for GMCNN",
                f"both sides must be at least {SMALLEST_SIDE}",
            )
        # Looking at values waits for the device: worth it for a user's picture, not in every
        # training step.
        if not (self.training or torch.compiler.is_compiling() or torch.jit.is_tracing()):
            check_image(image)
            check_mask(mask)


def count_parameters(module: nn.Module) -> int:
    """Number of trainable scalars."""
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


def receptive_field(kernel: int, dilations: tuple[int, ...] = (2, 4, 8, 16)) -> int:
    """Side in pixels of the square of input that one bottleneck output of a column can see.

    Each layer adds (kernel − 1) · dilation · jump, where the jump is the product of the strides
    before it. The paper's columns see 853 (kernel 7), 569 (5) and 285 (3) pixels.
    """
    field, jump = 1, 1
    strides_and_dilations = [(1, 1), (2, 1), (1, 1), (2, 1), (1, 1), (1, 1)]
    strides_and_dilations += [(1, dilation) for dilation in dilations] + [(1, 1), (1, 1)]
    for stride, dilation in strides_and_dilations:
        field += (kernel - 1) * dilation * jump
        jump *= stride
    return field
