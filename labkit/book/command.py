"""``labkit study``: run one of the book's controlled experiments."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from labkit.book.studies.registry import Scale, Study
from labkit.cli.common import (
    pick_device,
    refuse_checkpoints,
    refuse_inside_pairs,
    refuse_options,
)
from labkit.cli.options import given, with_options
from labkit.errors import InputError, check_choice
from labkit.files import make_folder, write_text
from labkit.settings import MaskConfig
from labkit.settings.base import Switch, Text, settings
from labkit.settings.configure import mask_settings
from labkit.settings.data import Several
from labkit.settings.network import Padding
from labkit.settings.training import Accelerator

if TYPE_CHECKING:
    from labkit.book.studies.run import Plan

Say = Callable[[str], None]
Write = Callable[[dict[str, object]], None]
NAMES = ("attention", "bottleneck", "confidence", "prior", "upsampling")
TABLE = "table"
_OF_THE_OTHERS = ("pictures", "keep", "jobs")
_PROTOCOL_SIZE = 256


@settings
class TableOptions:
    """What `labkit study table` is told besides."""

    pairs: Annotated[Text | None, "--pairs"] = None
    """The pairs that everything is scored on, as for labkit evaluate."""
    row: Annotated[tuple[str, ...], Several, "--row"] = ()
    """Train this row alone; may be repeated."""
    weights: Annotated[tuple[str, ...], Several, "--weights"] = ()
    """Score these weights too: a packaged name or a file; may be repeated."""
    squeezenet: Annotated[Text | None, "--squeezenet"] = None
    """File of SqueezeNet 1.1's ImageNet weights, for LPIPS and ID-MRF; by default downloaded."""
    padding: Annotated[Padding, "--padding"] = "zeros"
    """Of the generators: reflect or zeros."""
    train: Annotated[Switch, "--train/--no-train"] = True
    """Train what is missing; without, the table of the runs that are complete."""


_OF_THE_TABLE = tuple(f"table__{field.name}" for field in fields(TableOptions))


def study(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help=f"One of {', '.join(NAMES)}, {TABLE}.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            help="JSON for the result, beside it a PNG with fills (but for the table).",
            show_default="study-NAME.json",
        ),
    ] = None,
    runs: Annotated[
        Path, typer.Option(help="Folder for the runs; one that holds them goes on with them.")
    ] = Path("runs/studies"),
    seeds: Annotated[int, typer.Option(help="Runs of each arm.")] = 3,
    pictures: Annotated[int, typer.Option(help="Pictures that a run is measured on.")] = 128,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            help="Arm whose first generator is written beside the result, in half precision; may "
            "be repeated.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(help="Runs at a time.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    **options: Any,
) -> None:
    """Train a few variants that differ in one thing, with several seeds, and measure them.

    Each study belongs to a chapter of the book, which shows its recorded result. A study that was
    interrupted goes on where it was; runs that are complete are not run again.

    The table trains the rows of chapter 12, base, SE and A² with several seeds and every other row
    once, and scores them and the classical methods on fixed pairs, at --size and at 256 pixels. Its
    learning rate falls linearly to 0. The result is written anew after each run; what the
    rows fill in is a picture beside it.

    Example: labkit study attention --seeds 3 --jobs 2 --output book/results/study-attention.json
    """
    from labkit.book.studies.registry import study as named

    check_choice("study", name, (*NAMES, TABLE))
    unused = _OF_THE_OTHERS if name == TABLE else _OF_THE_TABLE
    refuse_options(context, unused, f"labkit study {name}")
    check_choice("device", device, get_args(Accelerator))
    pick_device(device)
    output = output or Path(f"study-{name}.json")
    if output.is_dir():
        raise InputError(f"--output {output}: is a folder", "name a .json file")
    if output.suffix.lower() == ".png":
        raise InputError(f"--output {output}: the fills take that name", "name a .json file")
    chosen = given(options, "scale.")
    if masks := chosen.pop("masks", None):
        found = mask_settings(masks)
        chosen["masks"] = MaskConfig(kind=found["data.masks.kind"], path=found["data.masks.path"])
    scale = Scale(**chosen)
    say = partial(typer.echo, err=True)
    write = partial(_write, output, shlex.join(["labkit", *context.obj]))
    if name == TABLE:
        special = TableOptions(**given(options, "table."))
        _table(scale, special, output, say, write, runs=runs, seeds=seeds, accelerator=device)
    else:
        from labkit.book.studies.run import Plan

        plan = Plan(
            scale=scale, seeds=seeds, runs=runs, pictures=pictures, accelerator=device, jobs=jobs
        )
        _arms(named(name), plan, output, say, write, keep or ())
    print(f"written to {output}")


with_options(study, {"scale.": Scale, "table.": TableOptions}, {"table.": "Table", "": "Scale"})


def _table(
    scale: Scale, options: TableOptions, output: Path, say: Say, write: Write, **plan: Any
) -> None:
    from labkit.book.studies.table import TablePlan, first_weights, run_table
    from labkit.book.studies.table_picture import contact_sheet
    from labkit.images import write_image

    if options.pairs is None:
        raise InputError("the table needs the pairs it is scored on", "give --pairs")
    refuse_checkpoints(*options.weights)
    pairs = Path(options.pairs)
    refuse_inside_pairs("--output", output, pairs)
    refuse_inside_pairs("--runs", plan["runs"], pairs)
    table = TablePlan(
        scale=replace(scale, padding=options.padding, schedule="linear"),
        pairs=pairs,
        only=options.row,
        sizes=tuple(dict.fromkeys((scale.size, _PROTOCOL_SIZE))),
        weights=options.weights,
        squeezenet=options.squeezenet,
        **plan,
    )
    make_folder(output.parent)
    run_table(table, say, write, training=options.train)
    write_image(output.with_suffix(".png"), contact_sheet(first_weights(table), scale.size))


def _arms(
    study: Study, plan: Plan, output: Path, say: Say, write: Write, keep: Sequence[str]
) -> None:
    from labkit.book.studies.run import contact_sheet, keep_generator, run_study
    from labkit.images import write_image

    for arm in keep:
        check_choice("arm", arm, study.names)
    make_folder(output.parent)
    write(run_study(study, plan, say=say))
    write_image(output.with_suffix(".png"), contact_sheet(study, plan))
    for arm in keep:
        path = output.with_name(f"{output.stem}-{arm}.safetensors")
        keep_generator(plan.folders(study, arm)[0], path)


def _write(path: Path, command: str, result: dict[str, object]) -> None:
    from labkit.machine import machine

    whole = {**result, "environment": machine() | {"command": command}}
    text = json.dumps(whole, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(path, text)
