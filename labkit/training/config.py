"""Everything that decides what a training run computes, in one frozen, JSON-able value."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Literal, get_args

from labkit.data.batches import Augmentation
from labkit.errors import InputError
from labkit.losses.reconstruction import ReconstructionConfig
from labkit.masks import MaskConfig
from labkit.nn.generator import SMALLEST_SIDE, GeneratorConfig

Precision = Literal["32", "bf16"]
Schedule = Literal["constant", "linear"]


@dataclass(frozen=True)
class DataConfig:
    """What the network is shown.

    Attributes:
        images: "faces" (rendered, embedded), "photos" (scikit-image's), or paths of folders and tar
            shards.
        validation: as `images`, for validation; empty means the held-out 5 % of `images`.
        masks: how holes are drawn, in training and validation.
        size: side of the training pictures in pixels.
        source_size: side at which pictures are kept before augmentation; None means `size`. Larger
            than `size`, crops keep their detail.
        augmentation: flips and crops; validation pictures are never varied.
        cache: keep all decoded pictures in memory (folders and tar shards only).
    """

    images: tuple[str, ...] = ("faces",)
    validation: tuple[str, ...] = ()
    masks: MaskConfig = field(default_factory=MaskConfig)
    size: int = 64
    source_size: int | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)
    cache: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", tuple(self.images))
        object.__setattr__(self, "validation", tuple(self.validation))
        if isinstance(self.masks, dict):  # from JSON
            object.__setattr__(self, "masks", MaskConfig(**self.masks))
        if isinstance(self.augmentation, dict):
            object.__setattr__(self, "augmentation", Augmentation(**self.augmentation))
        if not self.images:
            raise InputError("no training images", "name a folder, a tar file, faces or photos")
        if self.size < SMALLEST_SIDE:
            raise InputError(f"training size {self.size} must be at least {SMALLEST_SIDE} pixels")
        if self.source_size is not None and self.source_size < self.size:
            raise InputError(
                f"source size {self.source_size} is below the training size {self.size}"
            )


@dataclass(frozen=True)
class TrainConfig:
    """One warm-up run: reconstruction only, as the paper's first stage.

    The learning rate and Adam's betas are the report's (1e-4, 0.5, 0.9). The paper's authors train
    with 1e-5 for some forty epochs; ten times that converges in a tenth of the steps.

    Attributes:
        steps: optimizer steps in all.
        batch: pictures a step, over all processes.
        learning_rate: Adam's, at the start.
        schedule: "constant", or "linear" from `learning_rate` down to 0 at the last step.
        clip_norm: largest gradient norm; 0 does not clip.
        precision: "32", or "bf16" for autocast with float32 weights.
        channels_last: keep feature maps in NHWC, which is faster on most devices.
        compile: torch.compile the generator.
        seed: initial weights, order of pictures, augmentation and holes follow from it.
        validate_every, checkpoint_every, log_every: in steps; 0 never validates.
        validation_images: how many, from the start of the validation set.
    """

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    data: DataConfig = field(default_factory=DataConfig)
    reconstruction: ReconstructionConfig = field(default_factory=ReconstructionConfig)
    steps: int = 10_000
    batch: int = 16
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.9)
    schedule: Schedule = "constant"
    clip_norm: float = 0.0
    precision: Precision = "32"
    channels_last: bool = True
    compile: bool = False
    seed: int = 0
    validate_every: int = 500
    checkpoint_every: int = 500
    log_every: int = 50
    validation_images: int = 64

    def __post_init__(self) -> None:
        for name, kind in (
            ("generator", GeneratorConfig),
            ("data", DataConfig),
            ("reconstruction", ReconstructionConfig),
        ):
            if isinstance(value := getattr(self, name), dict):  # from JSON
                object.__setattr__(self, name, kind(**value))
        object.__setattr__(self, "betas", tuple(self.betas))
        for name in ("steps", "batch", "checkpoint_every", "log_every", "validation_images"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)} must be at least 1")
        if not self.learning_rate > 0:
            raise InputError(f"learning rate {self.learning_rate} must be above 0")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise InputError(f"Adam's betas {self.betas} must be two numbers in [0, 1)")
        if self.clip_norm < 0 or self.validate_every < 0:
            raise InputError("clip_norm and validate_every must not be negative")
        for name, kind in (("precision", Precision), ("schedule", Schedule)):
            if getattr(self, name) not in get_args(kind):
                known = ", ".join(get_args(kind))
                raise InputError(f"{name} {getattr(self, name)!r} is unknown", f"one of {known}")

    def learning_rate_at(self, step: int) -> float:
        """The learning rate of step 0 … steps−1."""
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * (1.0 - step / self.steps)

    def to_dict(self) -> dict[str, object]:
        return asdict(self)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_dict(cls, values: dict[str, object], where: str = "the configuration") -> TrainConfig:
        """The configuration that `to_dict` gave.

        Raises:
            InputError: unknown or ill-typed entries.
        """
        known = {f.name for f in fields(cls)}
        if unknown := [name for name in values if name not in known]:
            raise InputError(f"{where}: unknown settings {', '.join(unknown)}")
        try:
            return cls(**values)  # type: ignore[arg-type]
        except TypeError as error:
            raise InputError(f"{where}: {error}") from None

    @classmethod
    def read(cls, path: Path) -> TrainConfig:
        """The configuration in a run's ``config.json``."""
        try:
            values = json.loads(path.read_text())
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise InputError(f"{path}: not a readable configuration ({error})") from None
        if not isinstance(values, dict):
            raise InputError(f"{path}: not a configuration")
        return cls.from_dict(values, str(path))

    def differences(self, other: TrainConfig) -> list[str]:
        """Names of the settings in which two configurations differ, dotted where nested."""
        ours, theirs = _flat(self.to_dict()), _flat(other.to_dict())
        return sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))


def _flat(values: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
