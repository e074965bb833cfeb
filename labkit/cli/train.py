"""``labkit train``: both stages of training a generator. Its options are made from the settings."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from labkit.cli.common import Interrupted, pick_device
from labkit.cli.options import given, with_options
from labkit.errors import InputError
from labkit.settings import Hardware, TrainConfig
from labkit.settings.configure import configure
from labkit.settings.presets import preset as named


def starting_point(preset: str | None, from_weights: str | None) -> TrainConfig:
    """The configuration that options alter: a preset's or the defaults, with a file's network."""
    base = TrainConfig() if preset is None else named(preset)
    if from_weights is None:
        return base
    from labkit.nn.weights import load_generator

    generator = load_generator(from_weights).config
    return replace(base, generator=generator, from_weights=from_weights)


def train(
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of the run: configuration, checkpoints, weights, curves, samples.",
            show_default=False,
        ),
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            help="Start from a whole configuration: paper, release, report or tiny (both stages in "
            "two minutes on a CPU). Every other option overrides it.",
            show_default=False,
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the run in --out from its last checkpoint and settings."
        ),
    ] = False,
    previous: Annotated[
        bool,
        typer.Option(
            "--previous", help="Resume from the checkpoint before the last, if that is damaged."
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what the run would take (parameters, operations, memory, time by ten steps "
            "on this device), and write nothing.",
        ),
    ] = False,
    **options: Any,
) -> None:
    """Train a GMCNN generator, in one stage or two.

    Stage one, warm-up: the network learns to reconstruct what lies in the hole by the
    confidence-weighted L1 loss alone, until that converges. Its fills are in place and of the right
    colour, and smooth. This is all that happens without --warm-up.

    Stage two, adversarial: ID-MRF and two critics join the loss, meant to make the fills sharper.
    --steps counts both stages; --warm-up says how many of them are stage one. To add stage two to
    weights that are warm already: --from-weights FILE --warm-up 0.

    Ctrl-C saves the last complete step and stops; --resume goes on from there exactly.

    Example: labkit train --data photos/ --masks masks/ --size 128 --width 16 --out runs/first
    --steps 8000 --warm-up 6000

    To see it work: labkit train --preset tiny --out runs/tiny
    """
    hardware = Hardware(**given(options, "hardware."))
    chosen = given({k: v for k, v in options.items() if not k.startswith("hardware__")})

    from lightning_fabric.utilities import rank_zero_only

    from labkit.machine import auto_precision
    from labkit.training.checkpoint import RunFolder
    from labkit.training.trainer import train as run_training

    if hardware.accelerator != "auto":
        pick_device(hardware.accelerator)
    run = RunFolder(out)
    going_on = resume or previous
    if going_on:
        if preset is not None:
            raise InputError(
                f"--preset {preset}: a run goes on with its own settings", "leave it out"
            )
        if not run.holds_a_run():
            raise InputError(
                f"{out}: holds no run", "name a run's folder, or leave out --resume to begin one"
            )
        base = TrainConfig.read(run.config)
    else:
        base = starting_point(preset, chosen.get("from_weights"))
    if chosen.get("precision") == "auto":
        chosen["precision"] = (
            base.precision if going_on else auto_precision(pick_device(hardware.accelerator))
        )
    config = configure(base, chosen)
    if dry_run:
        from labkit.training.estimate import estimate

        for line in estimate(config, hardware):
            rank_zero_only(print)(line, flush=True)
        return
    try:
        weights = run_training(config, out, hardware=hardware, resume=resume, previous=previous)
    except KeyboardInterrupt:
        begun = f"; go on with: labkit train --resume --out {shlex.quote(str(out))}"
        raise Interrupted("interrupted" + begun * run.holds_a_run()) from None
    rank_zero_only(print)(f"written to {weights}")


with_options(
    train,
    {"": TrainConfig, "hardware.": Hardware},
    {
        "data.": "Data",
        "generator.": "Network",
        "objective.": "Losses",
        "adversarial.": "Second stage",
        "hardware.": "Hardware",
        "": "Optimisation",
    },
)
