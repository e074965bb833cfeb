"""``labkit study``: run one of the book's controlled experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAMES = ("attention", "bottleneck", "confidence", "upsampling")


def study(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            help="JSON for the result, beside it a PNG with fills.",
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
) -> None:
    """Train a few variants that differ in one thing, with several seeds, and measure them.

    Each study belongs to a chapter of the book, which shows its recorded result. A study that was
    interrupted goes on where it was; runs that are complete are not run again.

    Example: labkit study attention --seeds 3 --jobs 2 --output book/results/study-attention.json
    """
    import json
    import shlex

    from labkit.cli.common import pick_device
    from labkit.cli.train_settings import mask_settings
    from labkit.errors import check_choice
    from labkit.images import atomic_write, write_image
    from labkit.masks import MaskConfig
    from labkit.studies.registry import Scale
    from labkit.studies.registry import study as named
    from labkit.studies.run import (
        Plan,
        contact_sheet,
        environment,
        keep_generator,
        run_study,
    )

    chosen = named(name)
    if device != "auto":
        pick_device(device)
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
    plan = Plan(
        scale=scale, seeds=seeds, runs=runs, pictures=pictures, accelerator=device, jobs=jobs
    )
    for arm in keep or ():
        check_choice("arm", arm, chosen.names)
    result = run_study(chosen, plan, say=lambda line: typer.echo(line, err=True))
    output = output or Path(f"study-{name}.json")
    command = shlex.join(["labkit", *context.obj])
    result["environment"] = environment(command)
    text = json.dumps(result, ensure_ascii=False, allow_nan=False) + "\n"
    atomic_write(output, lambda file: file.write(text.encode()))
    write_image(output.with_suffix(".png"), contact_sheet(chosen, plan))
    for arm in keep or ():
        path = output.with_name(f"{output.stem}-{arm}.safetensors")
        keep_generator(plan.folders(chosen, arm)[0], path)
    print(f"written to {output}")
