"""The rows of the book's table: which generators are trained, and how they differ from the base.

All rows have the same number of steps, the same batch and the same data. Where a row has a second
stage, its first 5/7 are warm-up, the report's share (5,000 of 7,000 steps).

Deviations:
    * ID-MRF compares SqueezeNet's features where the paper's are VGG19's: its weights are a
      hundredth of the size, and its step a tenth of the time.
    * The learning rate falls linearly to 0 in each stage; paper and report keep it.
    * Known pixels weigh 0.5 where the release has 1.2: the composite does not show them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from labkit.book.studies.registry import STUDIES, Scale, Study
from labkit.errors import InputError, check_choice
from labkit.settings import IDMRFConfig, TrainConfig

# The arms whose seeds the plan counts; every other row is trained once.
REPEATED = ("base", "se", "a2")
FULL = "full"
_WARM_UP = 5 / 7
_FEATURES = "squeezenet1_1"
_VALIDATION_IMAGES = 193  # as many as the photographs' validation set has

ARMS = Study(
    question="What fills the holes of photographs best?",
    reference="base",
    generators=STUDIES["attention"].generators,
    kernels={"laplacian": "laplacian", "released": "released"},
)
"""The rows without critics; "base" is GMCNN with the Gaussian kernel and L_c alone."""

TITLES: dict[str, str] = {
    "base": "GMCNN",
    "se": "GMCNN + SE",
    "a2": "GMCNN + A²",
    "se-report": "GMCNN + the report's SE",
    "a2-report": "GMCNN + the report's A²",
    "laplacian": "GMCNN, Laplacian kernel",
    "released": "GMCNN, released kernel",
    FULL: "GMCNN, all losses",
}


@dataclass(frozen=True)
class TableRow:
    """One run that the table wants: a row's name and a seed."""

    name: str
    seed: int

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.seed}"


def table_runs(seeds: int, only: Sequence[str] = ()) -> list[TableRow]:
    """The runs, in an order that fills the table soonest: every row once, then those repeated.

    Args:
        seeds: how many runs base, SE and A² have.
        only: names of the rows wanted; all where empty.

    Raises:
        InputError: no seed, or an unknown row.
    """
    if seeds < 1:
        raise InputError(f"seeds {seeds} must be at least 1")
    for name in only:
        check_choice("row", name, TITLES)
    names = [name for name in TITLES if not only or name in only]
    return [
        TableRow(name, seed)
        for seed in range(seeds)
        for name in names
        if seed == 0 or name in REPEATED
    ]


def row_config(row: TableRow, scale: Scale, squeezenet: str | None = None) -> TrainConfig:
    """The settings of a run.

    Args:
        squeezenet: file of the weights that ID-MRF's features have; None downloads them.
    """
    config = ARMS.arm(ARMS.reference if row.name == FULL else row.name, scale)
    if row.name == FULL:
        id_mrf = IDMRFConfig(features=_FEATURES, weights=squeezenet)
        objective = dataclasses.replace(config.objective, id_mrf=id_mrf)
        warm_up = round(_WARM_UP * config.steps)
        config = dataclasses.replace(config, objective=objective, warm_up=warm_up)
    every = max(1, config.steps // 14)
    return dataclasses.replace(
        config,
        seed=row.seed,
        validate_every=every,
        checkpoint_every=max(1, every // 2),
        log_every=max(1, every // 10),
        validation_images=_VALIDATION_IMAGES,
    )
