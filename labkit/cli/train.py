"""``labkit train``: warm up a generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labkit.cli.masks import KINDS
from labkit.errors import InputError

if TYPE_CHECKING:
    from labkit.training.config import TrainConfig

# The configuration's own defaults, as help shows them; reading them from `TrainConfig` would import
# torch. A test keeps the two in step. Keys say where an option goes in the configuration.
DEFAULTS: dict[str, Any] = {
    "data.images": "faces",
    "data.masks.kind": "mixed",
    "data.masks.invert": False,
    "data.size": 64,
    "data.augmentation.smallest_crop": 1.0,
    "data.augmentation.flip": True,
    "data.cache": False,
    "generator.width": 32,
    "generator.padding": "reflect",
    "generator.initialisation": "normal",
    "reconstruction.form": "release",
    "reconstruction.known": 1.2,
    "reconstruction.confidence.kernel": "gaussian",
    "steps": 10_000,
    "batch": 16,
    "learning_rate": 1e-4,
    "schedule": "constant",
    "clip_norm": 0.0,
    "precision": "32",
    "channels_last": True,
    "compile": False,
    "seed": 0,
    "validate_every": 500,
    "checkpoint_every": 500,
    "log_every": 50,
    "validation_images": 64,
}


PANELS = {"data": "Data", "generator": "Network", "reconstruction": "Loss"}


def _option(*names: str, help: str, setting: str) -> Any:
    """An option that is None where it is not given; help shows the configuration's default."""
    default = DEFAULTS.get(setting)
    shown = ("off", "on")[default] if isinstance(default, bool) else str(default)
    panel = PANELS.get(setting.split(".")[0], "Optimisation")
    return typer.Option(
        *names, help=help, show_default=default is not None and shown, rich_help_panel=panel
    )


def train(
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of the run: configuration, checkpoints, weights, curves, samples.",
            show_default=False,
        ),
    ],
    data: Annotated[
        list[str] | None,
        _option(
            help="Training pictures: faces (rendered), photos (scikit-image's), a folder or a tar "
            "file; paths may be repeated.",
            setting="data.images",
        ),
    ] = None,
    validation: Annotated[
        list[str] | None,
        _option(
            help="Validation pictures, as --data; by default 5 % held out of --data.",
            setting="data.validation",
        ),
    ] = None,
    masks: Annotated[
        list[str] | None,
        _option(
            help="Holes: rectangle, free-form, irregular, mixed (one of these for each picture), "
            "or a folder or tar file of masks; paths may be repeated.",
            setting="data.masks.kind",
        ),
    ] = None,
    invert_masks: Annotated[
        bool | None,
        _option(
            "--invert-masks/--no-invert-masks",
            help="Mask files are black where pixels are missing.",
            setting="data.masks.invert",
        ),
    ] = None,
    size: Annotated[
        int | None, _option(help="Side of the training pictures in pixels.", setting="data.size")
    ] = None,
    source_size: Annotated[
        int | None,
        _option(
            help="Side at which pictures are kept before they are cropped; by default --size.",
            setting="data.source_size",
        ),
    ] = None,
    crop: Annotated[
        float | None,
        _option(
            help="Smallest crop, as a share of the picture's side; 1 never crops.",
            setting="data.augmentation.smallest_crop",
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        _option(
            "--flip/--no-flip",
            help="Mirror half of the pictures.",
            setting="data.augmentation.flip",
        ),
    ] = None,
    cache: Annotated[
        bool | None,
        _option(
            "--cache/--no-cache", help="Keep decoded pictures in memory.", setting="data.cache"
        ),
    ] = None,
    width: Annotated[
        int | None,
        _option(help="Base channels; the paper's network has 32.", setting="generator.width"),
    ] = None,
    padding: Annotated[
        str | None, _option(help="reflect, replicate or zeros.", setting="generator.padding")
    ] = None,
    initialisation: Annotated[
        str | None,
        _option(help="normal (as released) or he.", setting="generator.initialisation"),
    ] = None,
    loss: Annotated[
        str | None, _option(help="release, paper or keras.", setting="reconstruction.form")
    ] = None,
    known_weight: Annotated[
        float | None,
        _option(
            help="Weight of the known pixels in the release's loss, beside the hole's 1.4.",
            setting="reconstruction.known",
        ),
    ] = None,
    confidence: Annotated[
        str | None,
        _option(
            help="How missing pixels are weighted: gaussian, laplacian, laplacian-radial, "
            "released, or none for all alike.",
            setting="reconstruction.confidence.kernel",
        ),
    ] = None,
    steps: Annotated[int | None, _option(help="Optimizer steps in all.", setting="steps")] = None,
    batch: Annotated[
        int | None, _option(help="Pictures a step, over all devices.", setting="batch")
    ] = None,
    lr: Annotated[
        float | None, _option(help="Adam's learning rate.", setting="learning_rate")
    ] = None,
    schedule: Annotated[
        str | None, _option(help="constant, or linear down to 0.", setting="schedule")
    ] = None,
    clip_norm: Annotated[
        float | None, _option(help="Largest gradient norm; 0 never clips.", setting="clip_norm")
    ] = None,
    precision: Annotated[
        str | None, _option(help="32, or bf16 for autocast.", setting="precision")
    ] = None,
    channels_last: Annotated[
        bool | None,
        _option(
            "--channels-last/--no-channels-last",
            help="Keep feature maps in NHWC.",
            setting="channels_last",
        ),
    ] = None,
    compile: Annotated[
        bool | None,
        _option("--compile/--no-compile", help="torch.compile the network.", setting="compile"),
    ] = None,
    seed: Annotated[
        int | None, _option(help="Everything random follows from it.", setting="seed")
    ] = None,
    validate_every: Annotated[
        int | None, _option(help="Steps between validations; 0 never.", setting="validate_every")
    ] = None,
    validation_images: Annotated[
        int | None, _option(help="Pictures to validate on.", setting="validation_images")
    ] = None,
    checkpoint_every: Annotated[
        int | None, _option(help="Steps between checkpoints.", setting="checkpoint_every")
    ] = None,
    log_every: Annotated[
        int | None, _option(help="Steps between records of the loss.", setting="log_every")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    devices: Annotated[int, typer.Option(help="Devices on this machine.")] = 1,
    nodes: Annotated[int, typer.Option(help="Machines; start the command on each.")] = 1,
    workers: Annotated[
        int, typer.Option(help="Processes that prepare batches, for each device; 0: none.")
    ] = 1,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the run in --out from its last checkpoint and settings."
        ),
    ] = False,
) -> None:
    """Warm up a GMCNN generator.

    Warm-up is the first stage of the paper's training: the network learns to reconstruct what lies
    in the hole by the confidence-weighted L1 loss alone, until that converges; critics and ID-MRF
    come after it. Its fills are in place and of the right colour, and still smooth.

    Ctrl-C saves the last complete step and stops; --resume goes on from there exactly.

    Example: labkit train --data photos/ --masks masks/ --size 128 --width 16 --out runs/first
    """
    given = {
        "data.images": data,
        "data.validation": validation,
        "data.masks.invert": invert_masks,
        "data.size": size,
        "data.source_size": source_size,
        "data.augmentation.smallest_crop": crop,
        "data.augmentation.flip": flip,
        "data.cache": cache,
        "generator.width": width,
        "generator.padding": padding,
        "generator.initialisation": initialisation,
        "reconstruction.form": loss,
        "reconstruction.known": known_weight,
        "steps": steps,
        "batch": batch,
        "learning_rate": lr,
        "schedule": schedule,
        "clip_norm": clip_norm,
        "precision": precision,
        "channels_last": channels_last,
        "compile": compile,
        "seed": seed,
        "validate_every": validate_every,
        "validation_images": validation_images,
        "checkpoint_every": checkpoint_every,
        "log_every": log_every,
    }
    from labkit.cli.common import Interrupted, pick_device
    from labkit.training import trainer
    from labkit.training.config import TrainConfig

    if device != "auto":
        pick_device(device)
    base = TrainConfig.read(out / "config.json") if resume else TrainConfig()
    config = configure(base, given, masks=masks, confidence=confidence)
    hardware = trainer.Hardware(accelerator=device, devices=devices, nodes=nodes, workers=workers)
    try:
        weights = trainer.train(config, out, hardware=hardware, resume=resume)
    except KeyboardInterrupt:
        message = f"interrupted; go on with: labkit train --resume --out {out}"
        raise Interrupted(message) from None
    print(f"written to {weights}")


def configure(
    base: TrainConfig,
    given: dict[str, Any],
    *,
    masks: Sequence[str] | None = None,
    confidence: str | None = None,
) -> TrainConfig:
    """`base` with the settings that were given.

    Args:
        given: dotted names in the configuration; None leaves a setting as it is in `base`.
        masks: a kind of mask, or where mask files are; None or nothing leaves them as in `base`.
        confidence: a kernel, or "none".

    Raises:
        InputError: a value that the configuration refuses.
    """
    values: dict[str, Any] = base.to_dict()
    given = {name: value for name, value in given.items() if value is not None}
    if masks:
        given |= _mask_settings(masks)
    if confidence == "none":
        given["reconstruction.confidence"] = None
    elif confidence is not None:
        if values["reconstruction"]["confidence"] is None:
            given["reconstruction.confidence"] = {}
        given["reconstruction.confidence.kernel"] = confidence
    for name, value in given.items():
        *parents, last = name.split(".")
        place = values
        for parent in parents:
            place = place[parent]
        place[last] = value
    return type(base).from_dict(values, "the options")


def _mask_settings(masks: Sequence[str]) -> dict[str, Any]:
    named = [name for name in masks if name in KINDS]
    if not named:
        return {"data.masks.kind": "files", "data.masks.path": tuple(masks)}
    if len(masks) > 1:
        raise InputError(f"--masks {named[0]} cannot be combined with other masks", "name one kind")
    return {"data.masks.kind": named[0], "data.masks.path": None}
