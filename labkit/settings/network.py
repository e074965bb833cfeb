"""What the generator and its critics (discriminators) look like. Chapters 4, 5, 7, 9, 10 and 13."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated, Literal

from pydantic import Field

from labkit.errors import InputError
from labkit.settings.base import Number, Switch, Whole, settings

Padding = Literal["reflect", "zeros"]
Attention = Literal["se", "a2", "se-report", "a2-report"]
UpsampleKind = Literal["nearest", "bilinear", "transposed-4", "transposed-3", "subpixel"]
Initialisation = Literal["normal", "glorot", "he", "he-all"]
Prior = Literal["mean", "push-pull", "harmonic", "biharmonic"]

KERNELS = (7, 5, 3)
SMALLEST_SIDE = 32  # a quarter-resolution feature map then has 8 pixels to work with
REPORT_KERNEL = 3  # the column that the report's attention is attached to
TENSION = 0.15  # τ at 128×128 pixels, chosen on validation photographs of 64, 128 and 256 px

Side = Annotated[Whole, Field(ge=SMALLEST_SIDE)]
Channels = Annotated[tuple[Annotated[Whole, Field(ge=1)], ...], Field(min_length=1)]


@settings
class GeneratorConfig:
    """A GMCNN generator. The defaults are the paper's model."""

    width: Annotated[Whole, Field(ge=2, multiple_of=2), "--width"] = 32
    """Base channels c; every layer has a multiple of it; the paper's network has 32."""
    kernels: Annotated[tuple[Literal[7, 5, 3], ...], Field(min_length=1)] = KERNELS
    """One column for each; a subset of (7, 5, 3) in any order."""
    dilations: tuple[Annotated[Whole, Field(ge=1)], ...] = (2, 4, 8, 16)
    """Of the bottleneck's dilated convolutions, first to last."""
    padding: Annotated[Padding, "--padding"] = "reflect"
    """Reflect (PyTorch release) or zeros (TensorFlow release); on a CPU, reflecting takes up to
    half of a step, and zeros take nothing."""
    initialisation: Annotated[Initialisation, "--initialisation"] = "normal"
    """Normal, N(0, 0.02²) as the PyTorch release; glorot, even between bounds, as TensorFlow and
    Keras; he, which keeps the scale of features through the depth and begins near grey; he-all, the
    last layer too, so that first colours vary."""
    bottleneck: Annotated[Literal["dilated", "plain", "dense"], "--bottleneck"] = "dilated"
    """Middle of the columns: dilated, plain, or dense, which fixes the image size."""
    dense_size: tuple[Side, Side] | None = None
    """(height, width) of the images, for a dense bottleneck only."""
    attention: Annotated[Attention | None, "--attention"] = None
    """Se or a2 in every column, or the report's se-report or a2-report; none by default."""
    attention_place: Annotated[
        Literal["before-dilated", "after-dilated", "gather-distribute"], "--attention-place"
    ] = "before-dilated"
    """Where se and a2 stand; for a2 also gather-distribute: gather from the column's first feature,
    distribute to its last."""
    reduction: Annotated[Whole, Field(ge=1), "--reduction"] = 16
    """How far se narrows the channels."""
    upsample: Annotated[Literal["released", UpsampleKind], "--upsample"] = "released"
    """Released, the mixture of the paper's figure 2, or one kind throughout: nearest, bilinear,
    transposed-4, transposed-3 or subpixel."""
    prior: Annotated[Literal["none", Prior], "--prior"] = "none"
    """What the columns see in the hole: none (grey), or the smooth fill that the network then adds
    to: mean, push-pull, harmonic, biharmonic."""
    tension: Annotated[Number, Field(ge=0)] = TENSION
    """τ of the prior biharmonic."""
    trained_size: Side | None = None
    """Side of the pictures that a network with a prior was trained on; larger ones get its
    correction at that size. A training sets it."""

    def __post_init__(self) -> None:
        if len(set(self.kernels)) != len(self.kernels):
            raise InputError(f"generator kernels {self.kernels} must be distinct")
        if (self.bottleneck == "dense") != (self.dense_size is not None):
            raise InputError(
                f"bottleneck {self.bottleneck!r} with dense_size {self.dense_size}",
                "dense_size is (height, width) of the images for 'dense', None otherwise",
            )
        if self.dense_size is not None and any(side % 4 for side in self.dense_size):
            raise InputError(f"dense_size {self.dense_size} must be two multiples of 4 from 32 up")
        if self.dense_size is not None and not self.dilations:
            raise InputError("a dense bottleneck replaces dilated layers", "there are none")
        if self.attention == "se" and self.reduction > 4 * self.width:
            raise InputError(
                f"reduction {self.reduction} is larger than the {4 * self.width} channels",
                f"choose 1 to {4 * self.width}",
            )
        if self.attention_place != "before-dilated" and self.attention not in ("se", "a2"):
            raise InputError(
                f"place {self.attention_place!r} without a published block to put there",
                "choose attention 'se' or 'a2'",
            )
        if self.attention_place == "gather-distribute" and self.attention != "a2":
            raise InputError("only 'a2' gathers and distributes", "choose attention 'a2'")
        if self.attention in ("se-report", "a2-report") and REPORT_KERNEL not in self.kernels:
            raise InputError(
                f"{self.attention} is attached to the 3×3 column, and kernels are {self.kernels}",
                "add kernel 3",
            )

    def to_dict(self) -> dict[str, object]:
        """As plain values, for JSON."""
        return asdict(self)


@settings
class CriticConfig:
    """The critics (discriminators). The defaults are the PyTorch release's."""

    channels: Channels = (64, 128, 256, 256)
    """Outputs of the 5×5 stride-2 convolutions, first to last."""
    activation: Literal["elu", "leaky-relu"] = "elu"
    """After each convolution."""
    slope: Annotated[Number, Field(ge=0, lt=1)] = 0.2
    """Of leaky-relu below zero."""
    spectral_norm: Switch = True
    """Divide every weight by its largest singular value."""
    local: Literal["window", "patch", "masked", "none"] = "window"
    """What the local critic sees. Window: a square crop around the hole; patch: the whole image,
    and its map of scores is averaged under the mask; masked: the whole image with known pixels set
    to 0; none: there is no local critic."""
    window: Annotated[Whole, Field(ge=4)] | None = None
    """Side of the crop; None for half the image's, rounded up to a multiple of 4."""
    local_channels: Channels | None = None
    """Of the local critic; None for the same as `channels`."""

    def __post_init__(self) -> None:
        if self.window is not None and self.local != "window":
            raise InputError(
                f"window {self.window} has no effect on a local critic of kind {self.local!r}",
                "leave window out, or set local to 'window'",
            )
        if self.local == "none" and self.local_channels is not None:
            raise InputError(
                f"local_channels {self.local_channels} without a local critic",
                "leave local_channels out, or choose a local critic",
            )

    def to_dict(self) -> dict[str, object]:
        """As plain values, for JSON."""
        return asdict(self)

    def window_side(self, size: int) -> int:
        """Side of the local window in pixels for images of `size` pixels."""
        return self.window if self.window is not None else 4 * math.ceil(size / 8)


_SIX_LAYERS = (64, 128, 256, 512, 256, 128)
CRITICS: dict[str, CriticConfig] = {
    "release": CriticConfig(),
    "tensorflow": CriticConfig(channels=_SIX_LAYERS, activation="leaky-relu", spectral_norm=False),
    # The TensorFlow release with irregular masks.
    "tensorflow-irregular": CriticConfig(
        channels=_SIX_LAYERS,
        activation="leaky-relu",
        spectral_norm=False,
        local="patch",
        local_channels=(64, 128, 256, 512),
    ),
    # The Keras port, and the code of the report.
    "keras": CriticConfig(
        channels=_SIX_LAYERS,
        activation="leaky-relu",
        slope=0.3,
        spectral_norm=False,
        local="masked",
    ),
}
