"""What a run begins with: its folder, its pictures, its first weights."""

from __future__ import annotations

import os
import random

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment

from labkit.data import ImageSource, open_images
from labkit.data.exclusion import Excluded
from labkit.errors import InputError
from labkit.evaluation.pairs import photographs
from labkit.nn.generator import GMCNN
from labkit.nn.weights import load_generator
from labkit.settings import DataConfig, Hardware, TrainConfig
from labkit.settings.data import BUILT_IN
from labkit.training.checkpoint import RunFolder

# Settings that may change when a run is resumed: none of them alters what a step computes.
_FREE_ON_RESUME = {
    "validate_every",
    "checkpoint_every",
    "log_every",
    "validation_images",
    "data.cache",
}


# Numbers of the copies that a scheduler starts, where that is all that starts them.
_RANKS_OF_COPIES = ("SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "JSM_NAMESPACE_RANK")
_PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "64": "64-true"}


def launch(hardware: Hardware, precision: str) -> Fabric:
    """Place, precision and processes of a run; under torchrun, the processes it has started.

    A scheduler's variables say what was reserved, not what was started: they are left alone, but
    for a second copy of the command, which `srun` starts for each task.

    Raises:
        InputError: such a copy, or more devices than there are.
    """
    here = int(os.environ.get("LOCAL_WORLD_SIZE", 0))
    for rank in _RANKS_OF_COPIES:
        if not here and os.environ.get(rank, "0") != "0":
            raise InputError(
                f"{rank} is {os.environ[rank]}: this is one of several copies of the command, and "
                "all would train into one folder",
                "start one, as with srun --ntasks=1, and say --devices, or use torchrun",
            )
    _check_devices(hardware, here)
    fabric = Fabric(
        accelerator=hardware.accelerator,
        devices=here or hardware.devices,
        num_nodes=int(os.environ["WORLD_SIZE"]) // here if here else 1,
        precision=_PRECISIONS[precision],  # type: ignore[arg-type]
        plugins=TorchElasticEnvironment() if here else LightningEnvironment(),
    )
    fabric.launch()
    return fabric


def _check_devices(hardware: Hardware, started: int) -> None:
    """Raise InputError for more devices than this machine has; on a CPU, a device is a core."""
    wanted = started or hardware.devices
    kind = hardware.accelerator
    if kind == "auto":
        mps = torch.backends.mps.is_available()
        kind = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    there = {"cuda": torch.cuda.device_count(), "mps": 1}.get(kind, os.cpu_count() or wanted)
    if wanted > there:
        raise InputError(
            f"--devices {wanted}: this machine has {there} of {kind}",
            f"say --devices {there} or fewer",
        )


def _refuse_without_compiler(device: torch.device) -> None:
    """Compile a function before anything is made, as what a compilation needs may not be there.

    Raises:
        InputError: no compiler, or one that fails.
    """
    # A constant of its own each time: what was compiled before would be found again.
    constant = random.random()
    try:
        torch.compile(lambda x: x * constant + 1)(torch.ones(8, device=device))
    except Exception as error:  # whatever the compiler of a machine comes up with
        reason = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise InputError(
            f"--compile: nothing can be compiled for {device} here ({reason})",
            "install a C++ compiler, name it in CXX, or leave --compile out",
        ) from None


def check_folder(fabric: Fabric, run: RunFolder, config: TrainConfig, resume: bool) -> None:
    """Refuse, in every process, a folder that is in use or holds another run, and a configuration
    that cannot be compiled here."""
    trouble = None
    if fabric.is_global_zero:
        try:
            _refuse_other_runs(run, config, resume)
        except InputError as error:
            trouble = (error.problem, error.remedy)
    if (trouble := fabric.broadcast(trouble)) is not None:
        raise InputError(*trouble)
    if config.compile:
        _refuse_without_compiler(fabric.device)


def _refuse_other_runs(run: RunFolder, config: TrainConfig, resume: bool) -> None:
    if not resume:
        if run.holds_a_run():
            raise InputError(
                f"{run.path}: already holds a run",
                "add --resume to go on with it, or choose another folder",
            )
        return
    saved = TrainConfig.read(run.config)
    differing = [name for name in config.differences(saved) if name not in _FREE_ON_RESUME]
    if differing:
        raise InputError(
            f"{run.path}: the run was started with other settings: {', '.join(differing)}",
            "resume with the settings in its config.json",
        )


def open_data(data: DataConfig) -> tuple[ImageSource, ImageSource]:
    """The training set at its source size and the validation set at its training size.

    Without validation pictures of its own, 5 % of a folder's are held out; scikit-image's few
    photographs, which have no third part, are validated on their test split.

    Raises:
        InputError: what cannot be read, and what `Excluded` refuses.
    """

    def spec(paths: tuple[str, ...]) -> str | tuple[str, ...]:
        return paths[0] if len(paths) == 1 else paths

    def files(paths: tuple[str, ...]) -> bool:
        return paths[0] not in BUILT_IN

    unseen = {}
    if data.exclude:
        scored = [entry for path in data.exclude for entry in photographs(path)]
        unseen = {"exclude": Excluded(scored)}
    options = {"cache": data.cache == "memory", **unseen} if files(data.images) else {}
    part = "all" if data.validation and files(data.images) else "train"
    training = open_images(spec(data.images), data.source_size or data.size, part, **options)
    if data.validation:
        split = "all" if files(data.validation) else held_out(data.validation[0])
        options = unseen if files(data.validation) else {}
        return training, open_images(spec(data.validation), data.size, split, **options)
    return training, open_images(spec(data.images), data.size, held_out(data.images[0]), **unseen)


def left_out(data: DataConfig, training: ImageSource, validation: ImageSource) -> list[str]:
    """A line on how many pictures `exclude` kept out of each set; none where there is nothing to
    exclude."""
    if not data.exclude:
        return []
    counts = [source.describe().get("excluded", 0) for source in (training, validation)]
    names = ", ".join(data.exclude)
    return [f"excluded by {names}: {counts[0]} training and {counts[1]} validation pictures"]


def held_out(images: str) -> str:
    """The split to measure on while training: scikit-image's few photographs have one for it."""
    return "test" if images == "photos" else "val"


def initial_generator(config: TrainConfig) -> GMCNN:
    """The generator that a run starts from.

    Raises:
        InputError: weights of another generator than the configuration's.
    """
    if config.from_weights is None:
        generator = torch.Generator().manual_seed(config.seed)
        return GMCNN(config.generator, rng=generator)
    model = load_generator(config.from_weights)
    theirs, ours = model.config.to_dict(), config.generator.to_dict()
    # What says nothing about a network's tensors, or is the run's own to say.
    for name in ("initialisation", "trained_size"):
        theirs[name] = ours[name]
    differing = [name for name in ours if ours[name] != theirs[name]]
    if differing:
        found = ", ".join(f"{name} {theirs[name]!r}" for name in differing)
        wanted = ", ".join(f"{name} {ours[name]!r}" for name in differing)
        raise InputError(
            f"{config.from_weights}: holds a generator with {found}, and the run's has {wanted}",
            "configure the run for the generator in the file",
        )
    model.config = config.generator
    return model.train()
