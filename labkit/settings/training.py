"""Everything that decides what a training run computes, in one JSON-able value. Chapter 11."""

from __future__ import annotations

import json
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from labkit.errors import InputError
from labkit.settings.base import Number, Switch, Text, Whole, flat, in_one_line, settings
from labkit.settings.data import DataConfig
from labkit.settings.network import CriticConfig, GeneratorConfig
from labkit.settings.objective import ObjectiveConfig

Precision = Literal["32", "bf16", "64"]
Schedule = Literal["constant", "linear"]
Stage = Literal["warm-up", "adversarial"]
Count = Annotated[Whole, Field(ge=1)]
Rate = Annotated[Number, Field(gt=0)]
Below1 = Annotated[Number, Field(ge=0, lt=1)]
Accelerator = Literal["auto", "cpu", "cuda", "mps"]


@settings
class AdversarialStage:
    """How the second stage goes, beyond its objective."""

    critics: Annotated[CriticConfig, "--critics"] = field(default_factory=CriticConfig)
    """Layers of the critics: release, tensorflow, tensorflow-irregular or keras."""
    critic_steps: Annotated[Count, "--critic-steps"] = 5
    """Steps of the critics for each of the generator."""
    learning_rate: Annotated[Rate | None, "--adversarial-lr"] = None
    """The generator's learning rate in the second stage; by default --lr."""
    critic_learning_rate: Annotated[Rate | None, "--critic-lr"] = None
    """The critics' learning rate; by default the generator's."""


@settings
class TrainConfig:
    """One run: a warm-up stage, an adversarial stage, or one after the other.

    The learning rate and Adam's betas are the report's. The paper's authors train with 1e-5 for
    some forty epochs; ten times that converges in a tenth of the steps.
    """

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    """The network."""
    data: DataConfig = field(default_factory=DataConfig)
    """What it is shown."""
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    """The losses; the warm-up stage has the reconstruction alone."""
    adversarial: AdversarialStage = field(default_factory=AdversarialStage)
    """The second stage."""
    steps: Annotated[Count, "--steps"] = 10_000
    """Steps of the generator in all, both stages together."""
    warm_up: Annotated[Annotated[Whole, Field(ge=0)] | None, "--warm-up"] = None
    """How many of them, from the first on, are warm-up; by default all. 0 begins with the critics,
    which wants --from-weights."""
    from_weights: Annotated[Text | None, "--from-weights"] = None
    """Weights file, run folder or packaged name to start from; the network is taken from it."""
    batch: Annotated[Count, "--batch"] = 16
    """Pictures a step, over all devices."""
    learning_rate: Annotated[Rate, "--lr"] = 1e-4
    """Adam's learning rate, at the start."""
    betas: tuple[Below1, Below1] = (0.5, 0.9)
    """Adam's."""
    schedule: Annotated[Schedule, "--schedule"] = "constant"
    """Of each stage: constant, or linear, which would reach 0 one step after the last."""
    clip_norm: Annotated[Number, Field(ge=0), "--clip-norm"] = 0.0
    """Largest gradient norm; 0 never clips."""
    ema: Annotated[Below1, "--ema"] = 0.0
    """Decay of a running average of the weights, which validation then sees and the weights file
    holds; 0 keeps none."""
    explosion: Rate = 1e4
    """A loss term above this, either side of 0, stops the run."""
    precision: Annotated[Precision, "--precision"] = "32"
    """32, bf16 (autocast), 64 to compare runs, or auto: bf16 where the device is fast at it, else
    32. A run goes on as it began."""
    channels_last: Annotated[Switch, "--channels-last/--no-channels-last"] = True
    """Keep feature maps in NHWC."""
    compile: Annotated[Switch, "--compile/--no-compile"] = False
    """torch.compile the network, and the features of ID-MRF."""
    seed: Annotated[Whole, Field(ge=0), "--seed"] = 0
    """Everything random follows from it."""
    validate_every: Annotated[Whole, Field(ge=0), "--validate-every"] = 500
    """Steps between validations; 0 never."""
    validation_images: Annotated[Count, "--validation-images"] = 64
    """Pictures to validate on, from the start of the validation set."""
    checkpoint_every: Annotated[Count, "--checkpoint-every"] = 500
    """Steps between checkpoints."""
    log_every: Annotated[Count, "--log-every"] = 50
    """Steps between records of the loss."""

    def __post_init__(self) -> None:
        if self.generator.prior != "none":  # weights say at which size they correct a prior
            generator = replace(self.generator, trained_size=self.data.size)
            object.__setattr__(self, "generator", generator)
        if self.warm_up is not None and self.warm_up > self.steps:
            raise InputError(
                f"warm-up of {self.warm_up} steps must lie in [0, {self.steps}]",
                "it is a part of all steps: set both",
            )

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
        """As plain values, for JSON."""
        return asdict(self)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2) + "\n"

    @classmethod
    def from_dict(cls, values: dict[str, object], where: str = "the configuration") -> TrainConfig:
        """The configuration that `to_dict` gave.

        Raises:
            InputError: unknown or ill-typed entries.
        """
        try:
            return TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            raise in_one_line(error, where) from None

    @classmethod
    def read(cls, path: Path) -> TrainConfig:
        """The configuration in a run's ``config.json``."""
        try:
            values = json.loads(path.read_text())
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise InputError(f"{path}: not a readable configuration ({error})") from None
        return cls.from_dict(values, str(path))

    def differences(self, other: TrainConfig) -> list[str]:
        """Names of the settings in which two configurations differ, dotted where nested."""
        ours, theirs = flat(self.to_dict()), flat(other.to_dict())
        return sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))


@settings
class Hardware:
    """Where a run executes; none of it is part of what the run computes."""

    accelerator: Annotated[Accelerator, "--device"] = "auto"
    """auto, cpu, cuda or mps."""
    devices: Annotated[Count, "--devices"] = 1
    """Devices on this machine; under torchrun, those it has started."""
    workers: Annotated[Whole, Field(ge=0), "--workers"] = 1
    """Processes that prepare batches, for each device; 0: none."""
