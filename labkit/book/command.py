"""``labkit study``: run one of the book's controlled experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

import typer

from labkit.cli.common import (
    pick_device,
    refuse_checkpoints,
    refuse_inside_pairs,
    refuse_options,
)
from labkit.errors import InputError, check_choice
from labkit.files import make_folder
from labkit.settings.training import Accelerator

NAMES = ("attention", "bottleneck", "confidence", "prior", "upsampling")
TABLE = "table"
_OF_THE_TABLE = ("pairs", "row", "weights", "squeezenet", "padding", "train")
_OF_THE_OTHERS = ("pictures", "keep", "jobs")
_TABLE_PANEL = "Table"
_PROTOCOL_SIZE = 256


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
    steps: Annotated[int, typer.Option(help="Training steps of each run.")] = 1200,
    size: Annotated[int, typer.Option(help="Side of the pictures in pixels.")] = 64,
    width: Annotated[int, typer.Option(help="Base channels of the generators.")] = 8,
    batch: Annotated[int, typer.Option(help="Pictures a step.")] = 8,
    lr: Annotated[float, typer.Option(help="Adam's learning rate.")] = 5e-4,
    precision: Annotated[str, typer.Option(help="32, or bf16 for autocast.")] = "32",
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="Training images: faces, photos, a folder or tar files; may be repeated.",
            show_default="faces",
        ),
    ] = None,
    validation: Annotated[
        list[str] | None,
        typer.Option(
            help="Images to measure on, if --data has none of its own.", show_default=False
        ),
    ] = None,
    masks: Annotated[
        list[str] | None,
        typer.Option(
            help="Kind of holes, or where mask files are.",
            show_default="squares of half the side",
        ),
    ] = None,
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
    pairs: Annotated[
        Path | None,
        typer.Option(
            help="The pairs that everything is scored on, as for labkit evaluate.",
            show_default=False,
            rich_help_panel=_TABLE_PANEL,
        ),
    ] = None,
    row: Annotated[
        list[str] | None,
        typer.Option(
            help="Train this row alone; may be repeated.",
            show_default="all",
            rich_help_panel=_TABLE_PANEL,
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="Score these weights too: a packaged name or a file; may be repeated.",
            show_default=False,
            rich_help_panel=_TABLE_PANEL,
        ),
    ] = None,
    squeezenet: Annotated[
        Path | None,
        typer.Option(
            help="File of SqueezeNet 1.1's ImageNet weights, for LPIPS and ID-MRF.",
            show_default="torchvision's, downloaded",
            rich_help_panel=_TABLE_PANEL,
        ),
    ] = None,
    padding: Annotated[
        str,
        typer.Option(
            help="Of the generators: reflect, replicate or zeros.", rich_help_panel=_TABLE_PANEL
        ),
    ] = "zeros",
    train: Annotated[
        bool,
        typer.Option(
            help="Train what is missing; without, the table of the runs that are complete.",
            rich_help_panel=_TABLE_PANEL,
        ),
    ] = True,
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
    import dataclasses
    import shlex
    from functools import partial

    from labkit.book.studies.registry import Scale
    from labkit.book.studies.registry import study as named
    from labkit.book.studies.run import (
        Plan,
        contact_sheet,
        keep_generator,
        run_study,
    )
    from labkit.images import write_image
    from labkit.masks import MaskConfig
    from labkit.settings.configure import mask_settings

    check_choice("study", name, (*NAMES, TABLE))
    chosen = None if name == TABLE else named(name)
    unused = _OF_THE_OTHERS if chosen is None else _OF_THE_TABLE
    refuse_options(context, unused, f"labkit study {name}")
    check_choice("device", device, get_args(Accelerator))
    pick_device(device)
    refuse_checkpoints(*(weights or ()))
    output = output or Path(f"study-{name}.json")
    if output.is_dir():
        raise InputError(f"--output {output}: is a folder", "name a .json file")
    if output.suffix.lower() == ".png":
        raise InputError(f"--output {output}: the fills take that name", "name a .json file")
    options = {}
    if masks:
        given = mask_settings(masks)
        options["masks"] = MaskConfig(kind=given["data.masks.kind"], path=given["data.masks.path"])
    scale = Scale(
        size=size,
        width=width,
        steps=steps,
        batch=batch,
        learning_rate=lr,
        images=tuple(data or ("faces",)),
        validation=tuple(validation or ()),
        precision=precision,
        **options,
    )
    command = shlex.join(["labkit", *context.obj])
    say = partial(typer.echo, err=True)
    if chosen is None:
        from labkit.book.studies.table import TablePlan, first_weights, run_table
        from labkit.book.studies.table_picture import contact_sheet as fills_of

        if pairs is None:
            raise InputError("the table needs the pairs it is scored on", "give --pairs")
        refuse_inside_pairs("--output", output, pairs)
        refuse_inside_pairs("--runs", runs, pairs)
        table = TablePlan(
            scale=dataclasses.replace(scale, padding=padding, schedule="linear"),
            pairs=pairs,
            runs=runs,
            seeds=seeds,
            only=tuple(row or ()),
            sizes=tuple(dict.fromkeys((size, _PROTOCOL_SIZE))),
            weights=tuple(weights or ()),
            squeezenet=None if squeezenet is None else str(squeezenet),
            accelerator=device,
        )
        make_folder(output.parent)
        run_table(
            table,
            say,
            lambda found: _write(output, found, command),
            training=train,
        )
        write_image(output.with_suffix(".png"), fills_of(first_weights(table), size))
        print(f"written to {output}")
        return
    plan = Plan(
        scale=scale, seeds=seeds, runs=runs, pictures=pictures, accelerator=device, jobs=jobs
    )
    for arm in keep or ():
        check_choice("arm", arm, chosen.names)
    make_folder(output.parent)
    result = run_study(chosen, plan, say=say)
    _write(output, result, command)
    write_image(output.with_suffix(".png"), contact_sheet(chosen, plan))
    for arm in keep or ():
        path = output.with_name(f"{output.stem}-{arm}.safetensors")
        keep_generator(plan.folders(chosen, arm)[0], path)
    print(f"written to {output}")


def _write(path: Path, result: dict[str, object], command: str) -> None:
    import json

    from labkit.files import atomic_write
    from labkit.machine import machine

    whole = {**result, "environment": machine() | {"command": command}}
    text = json.dumps(whole, ensure_ascii=False, allow_nan=False) + "\n"
    atomic_write(path, lambda file: file.write(text.encode()))
