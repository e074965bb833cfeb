"""The warm-up stage: the generator learns to reconstruct, before any critic judges it.

Source: Wang et al. 2018, section 3.4: train with the reconstruction loss alone until it converges,
then with the full objective. Lightning Fabric places model and data on any device, precision and
number of processes; the loop itself is plain PyTorch.

A run is a function of its configuration: the step number alone decides batch, holes and learning
rate, so a run that was killed goes on from its checkpoint exactly as if it had not been (bit for
bit on a CPU).
"""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn
from tqdm import tqdm

from labkit.data import ImageSource, open_images
from labkit.data.batches import BatchesByStep, load_batches
from labkit.errors import InputError
from labkit.images import atomic_write, from_uint8, write_image
from labkit.losses.reconstruction import ReconstructionLoss
from labkit.nn.generator import GMCNN
from labkit.nn.weights import save_generator
from labkit.training.checkpoint import RunFolder
from labkit.training.config import DataConfig, TrainConfig
from labkit.training.validation import Validation

# Settings that may change when a run is resumed: none of them alters what a step computes.
_FREE_ON_RESUME = {
    "validate_every",
    "checkpoint_every",
    "log_every",
    "validation_images",
    "data.cache",
}
_PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed"}


@dataclasses.dataclass(frozen=True)
class Hardware:
    """Where a run executes; none of it is part of what the run computes.

    Attributes:
        accelerator: "auto", "cpu", "cuda", "mps".
        devices: how many devices on this machine.
        nodes: how many machines.
        workers: processes that prepare batches, for each device; 0 prepares them in the training
            loop.
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    workers: int = 1


def train(
    config: TrainConfig,
    out: str | os.PathLike[str],
    *,
    hardware: Hardware | None = None,
    resume: bool = False,
    progress: bool | None = None,
) -> Path:
    """Train a generator from `config` into the folder `out`.

    Args:
        resume: go on from the folder's newest checkpoint; the configuration must be the run's own.
        progress: True shows a bar on stderr, None does where stderr is a terminal; False is silent.

    Returns:
        the weights file, ``out/generator.safetensors``.

    Raises:
        InputError: a folder in use, another configuration, unusable data, a full disk, or a loss
            that is no longer finite. Whatever happens, the last checkpoint stays usable.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after a checkpoint of the last complete step.
    """
    run = RunFolder(out)
    state = _prepare(run, config, resume)
    hardware = hardware or Hardware()
    fabric = Fabric(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        num_nodes=hardware.nodes,
        precision=_PRECISIONS[config.precision],  # type: ignore[arg-type]
    )
    fabric.launch()
    loop = _Loop(fabric, run, config, hardware.workers)
    if state is not None:
        loop.restore(state)
    return loop.run_to_end(progress)


def _prepare(run: RunFolder, config: TrainConfig, resume: bool) -> dict | None:
    """The checkpoint to go on from, or None for a fresh run, whose configuration is written."""
    if not resume:
        if run.holds_a_run():
            raise InputError(
                f"{run.path}: already holds a run",
                "add --resume to go on with it, or choose another folder",
            )
        atomic_write(run.config, lambda file: file.write(config.to_json().encode()))
        return None
    saved = TrainConfig.read(run.config)
    differing = [name for name in config.differences(saved) if name not in _FREE_ON_RESUME]
    if differing:
        raise InputError(
            f"{run.path}: the run was started with other settings: {', '.join(differing)}",
            "resume with the settings in its config.json",
        )
    try:
        state = run.load_state()
    except InputError:
        if run.state.exists() or run.previous.exists():
            raise
        run.truncate_metrics(-1)  # killed before its first checkpoint: begin again
        return None
    run.truncate_metrics(state["step"])
    return state


def open_data(data: DataConfig) -> tuple[ImageSource, ImageSource]:
    """The training set at its source size and the validation set at its training size."""

    def spec(paths: tuple[str, ...]) -> str | tuple[str, ...]:
        return paths[0] if len(paths) == 1 else paths

    def files(paths: tuple[str, ...]) -> bool:
        return paths[0] not in ("faces", "photos")

    options = {"cache": data.cache} if files(data.images) else {}
    training = open_images(spec(data.images), data.source_size or data.size, "train", **options)
    if data.validation:
        split = "all" if files(data.validation) else "val"
        return training, open_images(spec(data.validation), data.size, split)
    return training, open_images(spec(data.images), data.size, "val")


class _Loop:
    """The state of a run between two steps, and what turns one into the next."""

    def __init__(self, fabric: Fabric, run: RunFolder, config: TrainConfig, workers: int) -> None:
        self.fabric, self.run, self.config, self.workers = fabric, run, config, workers
        self.step = 0  # steps completed
        generator = torch.Generator().manual_seed(config.seed)
        self.model = GMCNN(config.generator, generator=generator)
        if config.channels_last:
            self.model.to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=config.learning_rate, betas=config.betas
        )
        module: nn.Module = torch.compile(self.model) if config.compile else self.model
        self.wrapped, self.wrapped_optimizer = fabric.setup(module, self.optimizer)
        self.loss = ReconstructionLoss(config.reconstruction)
        training, held_out = open_data(config.data)
        self.batches = BatchesByStep(
            training,
            config.data.masks,
            config.data.size,
            config.batch,
            config.seed,
            augmentation=config.data.augmentation,
            rank=fabric.global_rank,
            world=fabric.world_size,
        )
        self.validation = Validation(held_out, config.data.masks, config.validation_images)

    def restore(self, state: dict) -> None:
        self.step = int(state["step"])
        try:
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (KeyError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"{self.run.state}: does not fit this model ({reason})") from None

    def run_to_end(self, progress: bool | None) -> Path:
        config, last_logged = self.config, time.perf_counter()
        show = sys.stderr.isatty() if progress is None else progress
        self.talk = progress is not False
        board = self._tensorboard()
        if self.step == 0 and self.fabric.is_global_zero and config.validate_every:
            telea = self.validation.classical("telea")
            self._record(board, {"step": 0, "validation_psnr_telea": telea})
        bar = tqdm(
            total=config.steps,
            initial=self.step,
            unit="step",
            desc=self.run.path.name,
            disable=not (show and self.fabric.is_global_zero),
        )
        with _stoppable() as stopped, bar:
            stream = load_batches(
                self.batches,
                self.step,
                config.steps,
                workers=self.workers,
                pin=self.fabric.device.type == "cuda",
            )
            try:
                for images, mask in stream:
                    loss = self._train_step(images, mask)
                    self.step += 1
                    due = self.step % config.checkpoint_every == 0 or self.step == config.steps
                    if self.step % config.log_every == 0 or due or stopped.is_set():
                        value = self._finite(loss)
                        now = time.perf_counter()
                        bar.set_postfix(loss=f"{value:.4f}", refresh=False)
                        if self.step % config.log_every == 0:
                            self._record(
                                board,
                                {
                                    "step": self.step,
                                    "loss": value,
                                    "learning_rate": config.learning_rate_at(self.step - 1),
                                    "seconds": round(now - last_logged, 3),
                                },
                            )
                            last_logged = now
                    if config.validate_every and self.step % config.validate_every == 0:
                        self._validate(board, bar)
                        last_logged = time.perf_counter()
                    if due or stopped.is_set():
                        self._save()
                    bar.update()
                    if stopped.is_set():
                        raise KeyboardInterrupt
            finally:
                board.close()
        return self.run.weights

    def _train_step(self, images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        config, device = self.config, self.fabric.device
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate_at(self.step)
        target = from_uint8(images.to(device, non_blocking=True))  # (B, 3, S, S)
        hole = mask.to(device, non_blocking=True).float()  # (B, 1, S, S)
        if config.channels_last:
            target = target.contiguous(memory_format=torch.channels_last)
        prediction = self.wrapped(target, hole)
        loss = self.loss(prediction.float(), target, hole)
        self.wrapped_optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        if config.clip_norm:
            self.fabric.clip_gradients(
                self.wrapped,
                self.wrapped_optimizer,
                max_norm=config.clip_norm,
                error_if_nonfinite=False,
            )
        self.wrapped_optimizer.step()
        return loss.detach()

    def _finite(self, loss: torch.Tensor) -> float:
        value = float(self.fabric.all_reduce(loss, reduce_op="mean"))
        if not math.isfinite(value):
            raise InputError(
                f"{self.run.path}: the reconstruction loss became {value} at step {self.step}",
                "the last checkpoint is kept; lower --lr or set --clip-norm",
            )
        return value

    def _validate(self, board, bar: tqdm) -> None:
        if not self.fabric.is_global_zero:
            return
        # The bare model: validation runs on one process and must not wait for the others.
        score = self.validation.score(self.model, self.fabric.device)
        self._record(board, {"step": self.step, "validation_psnr": score})
        picture = self.validation.picture(self.model, self.fabric.device)
        write_image(self.run.samples / f"step-{self.step:07d}.png", picture)
        board.add_image("samples", picture, self.step, dataformats="HWC")
        if self.talk:
            bar.write(f"step {self.step}: validation PSNR {score:.2f} dB", file=sys.stderr)

    def _record(self, board, record: dict[str, object]) -> None:
        if not self.fabric.is_global_zero:
            return
        self.run.log(record)
        for name, value in record.items():
            if name != "step":
                board.add_scalar(name, value, record["step"])

    def _save(self) -> None:
        if not self.fabric.is_global_zero:
            return
        self.run.save_state(
            {
                "step": self.step,
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            }
        )
        trained = {"steps": str(self.step), "run": self.config.to_json()}
        save_generator(self.model, self.run.weights, trained)

    def _tensorboard(self):
        from torch.utils.tensorboard import SummaryWriter

        if not self.fabric.is_global_zero:
            return _Silent()
        # Events after the checkpoint belong to a future that is being written anew.
        return SummaryWriter(str(self.run.path), purge_step=self.step + 1 if self.step else None)


class _Silent:
    """Stands in for the TensorBoard writer where another process writes."""

    def add_scalar(self, *_: object) -> None: ...

    def add_image(self, *_: object, **__: object) -> None: ...

    def close(self) -> None: ...


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """Turn Ctrl-C and SIGTERM into a flag that is looked at between two steps."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped  # signals reach the main thread only
        return

    def request(*_: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt  # the second Ctrl-C does not wait
        stopped.set()

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
