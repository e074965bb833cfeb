"""Everything that decides what a training run computes, in one frozen, JSON-able value."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, get_args

from labkit.data.batches import Augmentation
from labkit.errors import InputError, check_choice
from labkit.losses.objective import ObjectiveConfig
from labkit.masks import MaskConfig
from labkit.nn.critics import CriticConfig
from labkit.nn.generator import SMALLEST_SIDE
from labkit.nn.generator_config import GeneratorConfig

Precision = Literal["32", "bf16", "64"]
Schedule = Literal["constant", "linear"]
Stage = Literal["warm-up", "adversarial"]
Cache = Literal["none", "memory", "device"]


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
        cache: keep all decoded pictures in "memory" (folders and tar shards only), or on the
            "device" that trains, from which batches are then taken without the processor's help.
    """

    images: tuple[str, ...] = ("faces",)
    validation: tuple[str, ...] = ()
    masks: MaskConfig = field(default_factory=MaskConfig)
    size: int = 64
    source_size: int | None = None
    augmentation: Augmentation = field(default_factory=Augmentation)
    cache: Cache = "none"

    def __post_init__(self) -> None:
        object.__setattr__(self, "images", tuple(self.images))
        object.__setattr__(self, "validation", tuple(self.validation))
        if isinstance(self.masks, dict):  # from JSON
            object.__setattr__(self, "masks", MaskConfig(**self.masks))
        if isinstance(self.augmentation, dict):
            object.__setattr__(self, "augmentation", Augmentation(**self.augmentation))
        check_choice("cache", self.cache, get_args(Cache))
        whole = self.augmentation.keeps_scale and self.source_size in (None, self.size)
        if self.cache == "device" and not whole:
            raise InputError(
                "pictures cached on the device are used whole",
                "leave crops and the source size out, or cache in memory",
            )
        if not self.images:
            raise InputError("no training images", "name a folder, a tar file, faces or photos")
        if self.size < SMALLEST_SIDE:
            raise InputError(f"training size {self.size} must be at least {SMALLEST_SIDE} pixels")
        if self.source_size is not None and self.source_size < self.size:
            raise InputError(
                f"source size {self.source_size} is below the training size {self.size}"
            )


@dataclass(frozen=True)
class AdversarialStage:
    """How the second stage goes, beyond its objective.

    Attributes:
        critics: what they look like.
        critic_steps: of the critics, for each step of the generator.
        fresh_masks: each critic step sees the batch with holes of its own, which costs a forward
            pass of the generator each; otherwise all see the step's fills.
        learning_rate: Adam's, of the generator, at the start of the stage; None for that of the
            warm-up stage.
        critic_learning_rate: None for the generator's in this stage.
    """

    critics: CriticConfig = field(default_factory=CriticConfig)
    critic_steps: int = 5
    fresh_masks: bool = False
    learning_rate: float | None = None
    critic_learning_rate: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.critics, dict):  # from JSON
            object.__setattr__(self, "critics", CriticConfig(**self.critics))
        if self.critic_steps < 1:
            raise InputError(f"critic steps {self.critic_steps} must be at least 1")
        for name in ("learning_rate", "critic_learning_rate"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise InputError(f"adversarial stage: {name} {value} must be above 0")


@dataclass(frozen=True)
class TrainConfig:
    """One run: a warm-up stage, an adversarial stage, or one after the other.

    The learning rate and Adam's betas are the report's (1e-4, 0.5, 0.9). The paper's authors train
    with 1e-5 for some forty epochs; ten times that converges in a tenth of the steps.

    Attributes:
        objective: the losses; the warm-up stage has the reconstruction alone.
        adversarial: the second stage.
        steps: generator steps in all, both stages together.
        warm_up: how many of them, from the first on, are warm-up; None for all. 0 begins with the
            critics, which wants `from_weights`.
        from_weights: a weights file or packaged name to start from, of the same generator.
        batch: pictures a step, over all processes.
        learning_rate: Adam's, at the start.
        schedule: of each stage: "constant", or "linear" from its learning rate down to 0 at its
            last step.
        clip_norm: largest gradient norm; 0 does not clip.
        ema: decay of a running average of the generator's weights, which is then what validation
            sees and the weights file holds; 0 keeps none.
        explosion: a loss term above this, either side of 0, stops the run.
        precision: "32"; "bf16" for autocast with float32 weights; "64" to see whether two set-ups
            compute the same, with rounding out of the way.
        channels_last: keep feature maps in NHWC, which is faster on most devices.
        compile: torch.compile the generator, and the feature network of ID-MRF.
        seed: initial weights, order of pictures, augmentation and holes follow from it.
        validate_every, checkpoint_every, log_every: in steps; 0 never validates.
        validation_images: how many, from the start of the validation set.
    """

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    data: DataConfig = field(default_factory=DataConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    adversarial: AdversarialStage = field(default_factory=AdversarialStage)
    steps: int = 10_000
    warm_up: int | None = None
    from_weights: str | None = None
    batch: int = 16
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.9)
    schedule: Schedule = "constant"
    clip_norm: float = 0.0
    ema: float = 0.0
    explosion: float = 1e4
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
            ("objective", ObjectiveConfig),
            ("adversarial", AdversarialStage),
        ):
            if isinstance(value := getattr(self, name), dict):  # from JSON
                object.__setattr__(self, name, kind(**value))
        if self.generator.prior != "none":  # weights say at which size they correct a prior
            generator = replace(self.generator, trained_size=self.data.size)
            object.__setattr__(self, "generator", generator)
        object.__setattr__(self, "betas", tuple(self.betas))
        for name in ("steps", "batch", "checkpoint_every", "log_every", "validation_images"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)} must be at least 1")
        if self.warm_up is not None and not 0 <= self.warm_up <= self.steps:
            raise InputError(
                f"warm-up of {self.warm_up} steps must lie in [0, {self.steps}]",
                "it is a part of all steps: set both",
            )
        if not 0 <= self.ema < 1:
            raise InputError(f"EMA decay {self.ema} must lie in [0, 1)")
        if not self.explosion > 0:
            raise InputError(f"explosion {self.explosion} must be above 0")
        if not self.learning_rate > 0:
            raise InputError(f"learning rate {self.learning_rate} must be above 0")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise InputError(f"Adam's betas {self.betas} must be two numbers in [0, 1)")
        if not 0 <= self.clip_norm < math.inf:
            raise InputError(f"clip_norm {self.clip_norm} must be 0 or a positive number")
        for name in ("seed", "validate_every"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} {getattr(self, name)} must not be negative")
        check_choice("precision", self.precision, get_args(Precision))
        check_choice("schedule", self.schedule, get_args(Schedule))

    @property
    def warm_up_steps(self) -> int:
        return self.steps if self.warm_up is None else self.warm_up

    @property
    def has_second_stage(self) -> bool:
        return self.warm_up_steps < self.steps

    def stage_at(self, step: int) -> Stage:
        """The stage of step 0 … steps−1."""
        first = step < self.warm_up_steps or not self.has_second_stage
        return "warm-up" if first else "adversarial"

    def learning_rate_at(self, step: int) -> float:
        """The generator's learning rate of step 0 … steps−1."""
        if self.stage_at(step) == "warm-up" or self.adversarial.learning_rate is None:
            return self.learning_rate * self._decay(step)
        return self.adversarial.learning_rate * self._decay(step)

    def critic_learning_rate_at(self, step: int) -> float:
        """The critics' learning rate of a step of the second stage."""
        if self.adversarial.critic_learning_rate is None:
            return self.learning_rate_at(step)
        return self.adversarial.critic_learning_rate * self._decay(step)

    def _decay(self, step: int) -> float:
        if self.schedule == "constant":
            return 1.0
        if self.stage_at(step) == "warm-up":
            return 1.0 - step / self.warm_up_steps
        begun = step - self.warm_up_steps
        return 1.0 - begun / (self.steps - self.warm_up_steps)

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
        defaults = cls().to_dict()
        for name, value in values.items():
            if not _fits(value, defaults[name]):
                raise InputError(f"{where}: {name} cannot be {value!r}")
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


def _fits(value: object, default: object) -> bool:
    """Whether a value read from JSON is of the kind that a setting has."""
    if default is None or value is None:
        return True
    for kind in (bool, (int, float), (list, tuple)):
        if isinstance(default, kind):
            return isinstance(value, kind)
    return isinstance(value, type(default))


def _flat(values: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
