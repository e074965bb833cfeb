"""``labkit train``: both stages of training a generator."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from labkit.cli.train_settings import configure, option, starting_point
from labkit.errors import InputError


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
    data: Annotated[
        list[str] | None,
        option(
            help="Training pictures: faces (rendered), photos (scikit-image's), a folder or a tar "
            "file; paths may be repeated.",
            setting="data.images",
        ),
    ] = None,
    validation: Annotated[
        list[str] | None,
        option(
            help="Validation pictures, as --data; by default 5 % held out of --data.",
            setting="data.validation",
        ),
    ] = None,
    masks: Annotated[
        list[str] | None,
        option(
            help="Holes: rectangle, free-form, irregular, mixed (one of these for each picture), "
            "or a folder or tar file of masks; paths may be repeated.",
            setting="data.masks.kind",
        ),
    ] = None,
    invert_masks: Annotated[
        bool | None,
        option(
            "--invert-masks/--no-invert-masks",
            help="Mask files are black where pixels are missing.",
            setting="data.masks.invert",
        ),
    ] = None,
    size: Annotated[
        int | None, option(help="Side of the training pictures in pixels.", setting="data.size")
    ] = None,
    source_size: Annotated[
        int | None,
        option(
            help="Side at which pictures are kept before they are cropped; by default --size.",
            setting="data.source_size",
        ),
    ] = None,
    crop: Annotated[
        float | None,
        option(
            help="Smallest crop, as a share of the picture's side; 1 never crops.",
            setting="data.augmentation.smallest_crop",
        ),
    ] = None,
    widest_crop: Annotated[
        float | None,
        option(
            help="Largest crop, likewise; above 1 the picture is mirrored around its edges.",
            setting="data.augmentation.largest_crop",
        ),
    ] = None,
    flip: Annotated[
        bool | None,
        option(
            "--flip/--no-flip",
            help="Mirror half of the pictures.",
            setting="data.augmentation.flip",
        ),
    ] = None,
    cache: Annotated[
        str | None,
        option(
            help="Keep decoded pictures: none, in memory, or on the device (whole pictures only).",
            setting="data.cache",
        ),
    ] = None,
    width: Annotated[
        int | None,
        option(help="Base channels; the paper's network has 32.", setting="generator.width"),
    ] = None,
    padding: Annotated[
        str | None,
        option(
            help="reflect, replicate or zeros; on a CPU, reflecting takes up to half of a step, "
            "and zeros take nothing.",
            setting="generator.padding",
        ),
    ] = None,
    initialisation: Annotated[
        str | None,
        option(
            help="normal (as released), he, or he-all (the last layer too).",
            setting="generator.initialisation",
        ),
    ] = None,
    attention: Annotated[
        str | None,
        option(
            help="se or a2 in every column, or the report's se-report or a2-report; none by "
            "default.",
            setting="generator.attention",
        ),
    ] = None,
    attention_place: Annotated[
        str | None,
        option(
            help="Where se and a2 stand: before-dilated, after-dilated, or gather-distribute.",
            setting="generator.attention_place",
        ),
    ] = None,
    reduction: Annotated[
        int | None,
        option(help="How far se narrows the channels.", setting="generator.reduction"),
    ] = None,
    upsample: Annotated[
        str | None,
        option(
            help="released, nearest, bilinear, transposed-4, transposed-3 or subpixel.",
            setting="generator.upsample",
        ),
    ] = None,
    prior: Annotated[
        str | None,
        option(
            help="What the columns see in the hole: none (grey), or the smooth fill that the "
            "network then adds to: mean, push-pull, harmonic, biharmonic.",
            setting="generator.prior",
        ),
    ] = None,
    bottleneck: Annotated[
        str | None,
        option(
            help="Middle of the columns: dilated, plain, or dense, which fixes the image size.",
            setting="generator.bottleneck",
        ),
    ] = None,
    loss: Annotated[
        str | None,
        option(
            help="release, paper, keras or psnr (squared error, by picture).",
            setting="objective.reconstruction.form",
        ),
    ] = None,
    known_weight: Annotated[
        float | None,
        option(
            help="Weight of the known pixels in the release's loss, beside the hole's 1.4.",
            setting="objective.reconstruction.known",
        ),
    ] = None,
    confidence: Annotated[
        str | None,
        option(
            help="How missing pixels are weighted: gaussian, laplacian, laplacian-radial, "
            "released, or none for all alike.",
            setting="objective.reconstruction.confidence.kernel",
        ),
    ] = None,
    features: Annotated[
        str | None,
        option(
            help="Network whose features ID-MRF compares: vgg19, vgg16, squeezenet1_1, or "
            "random:SEED, which needs no download.",
            setting="objective.id_mrf.features",
        ),
    ] = None,
    features_weights: Annotated[
        Path | None,
        option(
            help="File of that network's weights; by default torchvision's are downloaded.",
            setting="objective.id_mrf.weights",
        ),
    ] = None,
    id_mrf_region: Annotated[
        str | None,
        option(
            help="Positions ID-MRF compares: those of the whole image, or of the hole.",
            setting="objective.id_mrf.region",
        ),
    ] = None,
    id_mrf_weight: Annotated[
        float | None,
        option(help="λ_mrf; 0 leaves ID-MRF out.", setting="objective.id_mrf_weight"),
    ] = None,
    adversarial: Annotated[
        str | None, option(help="hinge or wgan-gp.", setting="objective.adversarial.kind")
    ] = None,
    adversarial_weight: Annotated[
        float | None,
        option(help="λ_adv; 0 leaves the critics out.", setting="objective.adversarial_weight"),
    ] = None,
    critics: Annotated[
        str | None,
        option(
            help="Layers of the critics: release, tensorflow, tensorflow-irregular or keras.",
            setting="adversarial.critics",
        ),
    ] = None,
    critic_steps: Annotated[
        int | None,
        option(
            help="Steps of the critics for each of the generator.",
            setting="adversarial.critic_steps",
        ),
    ] = None,
    fresh_masks: Annotated[
        bool | None,
        option(
            "--fresh-masks/--same-masks",
            help="Draw new holes for each critic step.",
            setting="adversarial.fresh_masks",
        ),
    ] = None,
    adversarial_lr: Annotated[
        float | None,
        option(
            help="The generator's learning rate in the second stage; by default --lr.",
            setting="adversarial.learning_rate",
        ),
    ] = None,
    critic_lr: Annotated[
        float | None,
        option(
            help="The critics' learning rate; by default the generator's.",
            setting="adversarial.critic_learning_rate",
        ),
    ] = None,
    steps: Annotated[
        int | None, option(help="Steps of the generator in all.", setting="steps")
    ] = None,
    warm_up: Annotated[
        int | None,
        option(help="How many of them are warm-up; by default all.", setting="warm_up"),
    ] = None,
    from_weights: Annotated[
        str | None,
        option(
            help="Weights file, run folder or packaged name to start from; the network is taken "
            "from it.",
            setting="from_weights",
        ),
    ] = None,
    batch: Annotated[
        int | None, option(help="Pictures a step, over all devices.", setting="batch")
    ] = None,
    lr: Annotated[
        float | None, option(help="Adam's learning rate.", setting="learning_rate")
    ] = None,
    schedule: Annotated[
        str | None, option(help="constant, or linear down to 0.", setting="schedule")
    ] = None,
    clip_norm: Annotated[
        float | None, option(help="Largest gradient norm; 0 never clips.", setting="clip_norm")
    ] = None,
    ema: Annotated[
        float | None,
        option(help="Decay of a running average of the weights; 0 keeps none.", setting="ema"),
    ] = None,
    precision: Annotated[
        str | None,
        option(
            help="32, bf16 (autocast), 64 to compare runs, or auto: bf16 where the device is fast "
            "at it, else 32. A run goes on as it began.",
            setting="precision",
        ),
    ] = None,
    channels_last: Annotated[
        bool | None,
        option(
            "--channels-last/--no-channels-last",
            help="Keep feature maps in NHWC.",
            setting="channels_last",
        ),
    ] = None,
    compile: Annotated[
        bool | None,
        option("--compile/--no-compile", help="torch.compile the network.", setting="compile"),
    ] = None,
    seed: Annotated[
        int | None, option(help="Everything random follows from it.", setting="seed")
    ] = None,
    validate_every: Annotated[
        int | None, option(help="Steps between validations; 0 never.", setting="validate_every")
    ] = None,
    validation_images: Annotated[
        int | None, option(help="Pictures to validate on.", setting="validation_images")
    ] = None,
    checkpoint_every: Annotated[
        int | None, option(help="Steps between checkpoints.", setting="checkpoint_every")
    ] = None,
    log_every: Annotated[
        int | None, option(help="Steps between records of the loss.", setting="log_every")
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
    previous: Annotated[
        bool,
        typer.Option(
            "--previous", help="Resume from the checkpoint before the last, if that is damaged."
        ),
    ] = False,
) -> None:
    """Train a GMCNN generator, in one stage or two.

    Stage one, warm-up: the network learns to reconstruct what lies in the hole by the
    confidence-weighted L1 loss alone, until that converges. Its fills are in place and of the right
    colour, and smooth. This is all that happens without --warm-up.

    Stage two, adversarial: ID-MRF and two critics join the loss, and the fills become sharp.
    --steps counts both stages; --warm-up says how many of them are stage one. To add stage two to
    weights that are warm already: --from-weights FILE --warm-up 0.

    Ctrl-C saves the last complete step and stops; --resume goes on from there exactly.

    Example: labkit train --data photos/ --masks masks/ --size 128 --width 16 --out runs/first
    --steps 8000 --warm-up 6000

    To see it work: labkit train --preset tiny --out runs/tiny
    """
    given = {
        "data.images": data,
        "data.validation": validation,
        "data.masks.invert": invert_masks,
        "data.size": size,
        "data.source_size": source_size,
        "data.augmentation.smallest_crop": crop,
        "data.augmentation.largest_crop": widest_crop,
        "data.augmentation.flip": flip,
        "data.cache": cache,
        "generator.width": width,
        "generator.padding": padding,
        "generator.initialisation": initialisation,
        "generator.attention": attention,
        "generator.attention_place": attention_place,
        "generator.reduction": reduction,
        "generator.upsample": upsample,
        "generator.prior": prior,
        "generator.bottleneck": bottleneck,
        "objective.reconstruction.form": loss,
        "objective.reconstruction.known": known_weight,
        "objective.id_mrf.features": features,
        "objective.id_mrf.weights": None if features_weights is None else str(features_weights),
        "objective.id_mrf.region": id_mrf_region,
        "objective.id_mrf_weight": id_mrf_weight,
        "objective.adversarial.kind": adversarial,
        "objective.adversarial_weight": adversarial_weight,
        "adversarial.critic_steps": critic_steps,
        "adversarial.fresh_masks": fresh_masks,
        "adversarial.learning_rate": adversarial_lr,
        "adversarial.critic_learning_rate": critic_lr,
        "steps": steps,
        "warm_up": warm_up,
        "from_weights": from_weights,
        "batch": batch,
        "learning_rate": lr,
        "schedule": schedule,
        "clip_norm": clip_norm,
        "ema": ema,
        "precision": precision,
        "channels_last": channels_last,
        "compile": compile,
        "seed": seed,
        "validate_every": validate_every,
        "validation_images": validation_images,
        "checkpoint_every": checkpoint_every,
        "log_every": log_every,
    }
    from lightning_fabric.utilities import rank_zero_only

    from labkit.cli.common import Interrupted, pick_device
    from labkit.machine import auto_precision
    from labkit.training import trainer
    from labkit.training.checkpoint import RunFolder
    from labkit.training.config import TrainConfig

    hardware = trainer.Hardware(accelerator=device, devices=devices, nodes=nodes, workers=workers)
    if device != "auto":
        pick_device(device)
    run = RunFolder(out)
    if resume or previous:
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
        base = starting_point(preset, from_weights)
    if precision == "auto":
        begun = base.precision if resume or previous else None
        given["precision"] = begun or auto_precision(pick_device(device))
    config = configure(base, given, masks=masks, confidence=confidence, critics=critics)
    try:
        weights = trainer.train(config, out, hardware=hardware, resume=resume, previous=previous)
    except KeyboardInterrupt:
        begun = f"; go on with: labkit train --resume --out {shlex.quote(str(out))}"
        raise Interrupted("interrupted" + begun * run.holds_a_run()) from None
    rank_zero_only(print)(f"written to {weights}")
