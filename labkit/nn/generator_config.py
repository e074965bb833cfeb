"""What a GMCNN generator looks like, as a frozen configuration that validates itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal, get_args

from labkit.errors import InputError, check_choice
from labkit.nn.attention import Attention
from labkit.nn.layers import PADDING_MODES, PaddingMode, UpsampleKind
from labkit.nn.prior import PRIORS, TENSION, Prior

Initialisation = Literal["normal", "he", "he-all"]
Bottleneck = Literal["dilated", "plain", "dense"]
Upsample = Literal["released", UpsampleKind]
AttentionPlace = Literal["before-dilated", "after-dilated", "gather-distribute"]

KERNELS = (7, 5, 3)
SMALLEST_SIDE = 32  # a quarter-resolution feature map then has 8 pixels to work with
REPORT_KERNEL = 3  # the column that the report's attention is attached to


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
            without normalisation layers, and begins with predictions near grey; "he-all" keeps the
            scale of the last layer too, so that the colours of the first predictions vary.
        bottleneck: what stands in the middle of a column, see `labkit.nn.bottleneck`: "dilated";
            "plain", the same layers without dilation; "dense", a fully connected layer of about as
            many parameters in place of the dilated ones, for images of one size.
        dense_size: (height, width) of those images; for "dense" only.
        attention: None; "se" or "a2" in every column; "se-report" or "a2-report" beside the 3×3
            column, see `labkit.nn.attention`.
        attention_place: of "se" and "a2": "before-dilated" or "after-dilated" layers; for "a2" also
            "gather-distribute": gather from the column's first feature, distribute to its last.
        reduction: SE's r, 1 to 4c.
        upsample: "released", the mixture of figure 2; or one kind throughout, see
            `labkit.nn.layers.upsampling`.
        prior: what the columns see in the hole: "none", grey, as in the paper, both releases and
            the report; or a smooth fill of `labkit.nn.prior`, "mean", "push-pull", "harmonic" or
            "biharmonic", to which the decoder's output is then added.
        tension: τ of the prior "biharmonic".
        trained_size: side in pixels of the pictures that a network with a prior was trained on;
            larger ones get its correction at that size, see `GMCNN.predict`. A training sets it.
    """

    width: int = 32
    kernels: tuple[int, ...] = KERNELS
    dilations: tuple[int, ...] = (2, 4, 8, 16)
    padding: PaddingMode = "reflect"
    initialisation: Initialisation = "normal"
    bottleneck: Bottleneck = "dilated"
    dense_size: tuple[int, int] | None = None
    attention: Attention | None = None
    attention_place: AttentionPlace = "before-dilated"
    reduction: int = 16
    upsample: Upsample = "released"
    prior: Literal["none"] | Prior = "none"
    tension: float = TENSION
    trained_size: int | None = None

    def __post_init__(self) -> None:
        # JSON has no tuples: accept lists, keep tuples, so that equal configurations compare equal.
        object.__setattr__(self, "kernels", tuple(self.kernels))
        object.__setattr__(self, "dilations", tuple(self.dilations))
        if self.width < 2 or self.width % 2:
            raise InputError(f"generator width {self.width} must be even and at least 2")
        if not self.kernels or len(set(self.kernels)) != len(self.kernels):
            raise InputError(f"generator kernels {self.kernels} must be distinct and at least one")
        for kernel in self.kernels:
            if kernel not in KERNELS:
                known = ", ".join(map(str, KERNELS))
                raise InputError(f"generator kernel {kernel} has no column", f"choose from {known}")
        if any(dilation < 1 for dilation in self.dilations):
            raise InputError(f"generator dilations {self.dilations} must be 1 or more")
        check_choice("generator padding", self.padding, PADDING_MODES)
        check_choice("initialisation", self.initialisation, get_args(Initialisation))
        check_choice("upsampling", self.upsample, get_args(Upsample))
        check_choice("prior", self.prior, ("none", *PRIORS))
        if not 0 <= self.tension < float("inf"):
            raise InputError(f"tension {self.tension} must be 0 or more")
        if self.trained_size is not None and self.trained_size < SMALLEST_SIDE:
            raise InputError(f"trained size {self.trained_size} must be at least {SMALLEST_SIDE}")
        self._check_bottleneck()
        self._check_attention()

    def _check_bottleneck(self) -> None:
        check_choice("bottleneck", self.bottleneck, get_args(Bottleneck))
        if (self.bottleneck == "dense") != (self.dense_size is not None):
            raise InputError(
                f"bottleneck {self.bottleneck!r} with dense_size {self.dense_size}",
                "dense_size is (height, width) of the images for 'dense', None otherwise",
            )
        if self.dense_size is None:
            return
        size = self.dense_size
        object.__setattr__(self, "dense_size", (size, size) if isinstance(size, int) else (*size,))
        if len(self.dense_size) != 2 or any(side < 32 or side % 4 for side in self.dense_size):
            raise InputError(f"dense_size {size} must be two multiples of 4 from 32 up")
        if not self.dilations:
            raise InputError("a dense bottleneck replaces dilated layers", "there are none")

    def _check_attention(self) -> None:
        if self.attention is not None:
            check_choice("attention", self.attention, get_args(Attention))
        check_choice("place of attention", self.attention_place, get_args(AttentionPlace))
        if not self.reduction >= 1:
            raise InputError(f"reduction {self.reduction} must be at least 1")
        if self.attention == "se" and self.reduction > 4 * self.width:
            raise InputError(
                f"reduction {self.reduction} is larger than the {4 * self.width} channels",
                f"choose 1 to {4 * self.width}",
            )
        moved = self.attention_place != "before-dilated"
        if moved and self.attention not in ("se", "a2"):
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
