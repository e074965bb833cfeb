"""The book's studies: a question, and arms that differ in what the question is about alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from labkit.errors import check_choice
from labkit.settings import (
    AdversarialConfig,
    AdversarialStage,
    ConfidenceConfig,
    CriticConfig,
    DataConfig,
    GeneratorConfig,
    MaskConfig,
    ObjectiveConfig,
    ReconstructionConfig,
    TrainConfig,
)
from labkit.settings.base import Number, Whole, settings
from labkit.settings.data import Several, Sources
from labkit.settings.network import Padding, Prior
from labkit.settings.training import Precision, Schedule

# The paper's confidence kernel is 65 pixels with a scale of 40 for pictures of 256.
_PAPER_SIZE, _PAPER_KERNEL, _PAPER_SCALE = 256, 65, 40.0
# Share of a two-stage study's steps that belong to the second stage.
_SECOND_STAGE = 0.25


@settings
class Scale:
    """How large a study is; its arms share all of it."""

    size: Annotated[Whole, "--size"] = 64
    """Side of the pictures in pixels; holes are squares of half of it."""
    width: Annotated[Whole, "--width"] = 8
    """Base channels of the generators."""
    steps: Annotated[Whole, "--steps"] = 1200
    """Training steps of each run."""
    batch: Annotated[Whole, "--batch"] = 8
    """Pictures a step."""
    learning_rate: Annotated[Number, "--lr"] = 5e-4
    """Adam's learning rate."""
    images: Annotated[Sources, "--data"] = ("faces",)
    """Training pictures: faces, photos, a folder or tar files; may be repeated."""
    validation: Annotated[Sources, "--validation"] = ()
    """Pictures to measure on, if --data has none of its own."""
    masks: Annotated[MaskConfig, Several, "--masks"] = MaskConfig(kind="rectangle", margin=2)
    """Kind of holes, or where mask files are; squares of half the side by default."""
    precision: Annotated[Precision, "--precision"] = "32"
    """32, or bf16 for autocast."""
    schedule: Schedule = "constant"
    """As in a training."""
    padding: Padding = "reflect"
    """Of the generators."""
    prior: Annotated[Literal["none", Prior], "--prior"] = "none"
    """Of the generators: the smooth fill that they add to."""

    def confidence(self, kernel: str) -> ConfidenceConfig:
        """The paper's weights, scaled with the picture."""
        size = max(3, round(_PAPER_KERNEL * self.size / _PAPER_SIZE) // 2 * 2 + 1)
        return ConfidenceConfig(
            kernel=kernel, size=size, scale=_PAPER_SCALE * self.size / _PAPER_SIZE
        )

    def base(self) -> TrainConfig:
        """The run that arms differ from: GMCNN as in the paper, reconstruction alone."""
        return TrainConfig(
            # At these widths N(0, 0.02²) would let the signal fade.
            generator=GeneratorConfig(
                width=self.width, initialisation="he", padding=self.padding, prior=self.prior
            ),
            data=DataConfig(
                images=self.images, validation=self.validation, masks=self.masks, size=self.size
            ),
            objective=ObjectiveConfig(
                reconstruction=ReconstructionConfig(
                    known=0.5, confidence=self.confidence("gaussian")
                )
            ),
            steps=self.steps,
            batch=self.batch,
            learning_rate=self.learning_rate,
            precision=self.precision,
            schedule=self.schedule,
        )


@dataclass(frozen=True)
class Study:
    """One question, and the arms that answer it.

    Attributes:
        question: what the arms differ in.
        reference: the arm that others are compared with.
        generators: arm → settings of `GeneratorConfig` in which it differs from the base.
        kernels: arm → confidence kernel; None weighs all missing pixels alike.
        two_stages: whether a second stage with critics follows the reconstruction.
    """

    question: str
    reference: str
    generators: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    kernels: Mapping[str, str | None] = field(default_factory=dict)
    two_stages: bool = False

    @property
    def names(self) -> list[str]:
        return [*self.generators, *self.kernels]

    def arm(self, name: str, scale: Scale) -> TrainConfig:
        """The training run of an arm."""
        base = scale.base()
        if self.two_stages:
            base = _with_critics(base)
        if name in self.kernels:
            kernel = self.kernels[name]
            confidence = None if kernel is None else scale.confidence(kernel)
            loss = dataclasses.replace(base.objective.reconstruction, confidence=confidence)
            objective = dataclasses.replace(base.objective, reconstruction=loss)
            return dataclasses.replace(base, objective=objective)
        settings = dict(self.generators[name])
        if settings.get("bottleneck") == "dense":
            settings["dense_size"] = (scale.size, scale.size)
        if settings.get("attention") == "se":
            # The paper's 16 of the paper's width; narrower networks keep as many hidden units.
            settings["reduction"] = max(1, 16 * scale.width // GeneratorConfig().width)
        generator = dataclasses.replace(base.generator, **settings)
        return dataclasses.replace(base, generator=generator)


def _with_critics(base: TrainConfig) -> TrainConfig:
    """A second stage with two small critics and without ID-MRF, which needs trained features."""
    warm_up = base.steps - round(_SECOND_STAGE * base.steps)
    objective = dataclasses.replace(
        base.objective,
        id_mrf_weight=0.0,
        adversarial_weight=0.02,
        adversarial=AdversarialConfig(kind="hinge"),
    )
    stage = AdversarialStage(critics=CriticConfig(channels=(16, 32, 64)), critic_steps=2)
    return dataclasses.replace(base, warm_up=warm_up, objective=objective, adversarial=stage)


def _each(setting: str, *values: str) -> dict[str, dict[str, str]]:
    """An arm for each value of a setting, called as the value."""
    return {value: {setting: value} for value in values}


STUDIES: dict[str, Study] = {
    "bottleneck": Study(
        question="What replaces the dense middle?",
        reference="dilated",
        generators={"dilated": {}, **_each("bottleneck", "plain", "dense")},
    ),
    "confidence": Study(
        question="Which missing pixels should count?",
        reference="gaussian",
        kernels={name: name for name in ("gaussian", "laplacian", "released")} | {"none": None},
    ),
    "attention": Study(
        question="Where should a network look, and do checkerboards come earlier?",
        reference="base",
        generators={"base": {}, **_each("attention", "se", "a2", "se-report", "a2-report")},
        two_stages=True,
    ),
    "upsampling": Study(
        question="Where do the squares come from?",
        reference="released",
        generators={
            "released": {},
            **_each("upsample", "nearest", "bilinear"),
            **_each("upsample", "transposed-4", "transposed-3", "subpixel"),
        },
    ),
    "prior": Study(
        question="What does a network not need to learn?",
        reference="none",
        generators={"none": {}, **_each("prior", "mean", "push-pull", "harmonic", "biharmonic")},
    ),
}


def study(name: str) -> Study:
    """The study called `name`.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    check_choice("study", name, STUDIES)
    return STUDIES[name]
