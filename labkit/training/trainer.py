"""The training loop: data, steps, validation, records and checkpoints of a run.

What a step computes is in `labkit.training.stages`. Lightning Fabric places model and data on any
device, precision and number of processes; the loop itself is plain PyTorch.

A run is a function of its configuration: the step number alone decides batch, holes and learning
rate, so a run that was killed goes on from its checkpoint exactly as if it had not been (bit for
bit on a CPU).
"""

from __future__ import annotations

import dataclasses
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from lightning_fabric import Fabric
from tqdm import tqdm

from labkit.data.batches import BatchesByStep, load_batches, naming_lost_workers
from labkit.data.device_cache import PictureCache
from labkit.errors import InputError
from labkit.files import write_text
from labkit.images import from_uint8, write_image
from labkit.losses.objective import Terms
from labkit.machine import arithmetic
from labkit.nn.generator import GMCNN
from labkit.nn.weights import save_generator
from labkit.settings import Hardware, TrainConfig
from labkit.training.checkpoint import RunFolder
from labkit.training.ema import ExponentialAverage
from labkit.training.interrupt import stoppable
from labkit.training.logs import Logs
from labkit.training.opening import check_folder, initial_generator, launch, left_out, open_data
from labkit.training.stages import Step, build, build_objective
from labkit.training.validation import Validation


def train(
    config: TrainConfig,
    out: str | os.PathLike[str],
    *,
    hardware: Hardware | None = None,
    resume: bool = False,
    previous: bool = False,
    progress: bool | None = None,
    observe: Callable[[int, GMCNN], None] | None = None,
) -> Path:
    """Train a generator from `config` into the folder `out`.

    Args:
        resume: go on from the folder's newest checkpoint; the configuration must be the run's own.
        previous: go on from the checkpoint before the newest, where that is damaged.
        progress: True shows a bar on stderr, None does where stderr is a terminal; False is silent,
            where both others say on what and in what arithmetic it trains, and each validation.
        observe: called on the first process after each validation, with the steps done and the
            generator, whose training goes on afterwards as if nothing had been called.

    Returns:
        the weights file, ``out/generator.safetensors``.

    Raises:
        InputError: a folder in use, another configuration, unusable data, a full disk, or a loss
            that explodes or is no longer finite. The last checkpoint stays usable in any case.
        KeyboardInterrupt: Ctrl-C or SIGTERM, after a checkpoint of the last complete step.
    """
    run = RunFolder(out)
    hardware = hardware or Hardware()
    fabric = launch(hardware, config.precision)
    check_folder(fabric, run, config, resume or previous)
    resumed = previous or (resume and run.holds_a_checkpoint())
    # A resumed run has its weights in the checkpoint; the file it began from may be gone.
    start = dataclasses.replace(config, from_weights=None) if resumed else config
    loop = _Loop(fabric, run, config, initial_generator(start), hardware.workers)
    # Only now that data, features and networks are there does the folder become the run's.
    if not (resume or previous) and fabric.is_global_zero:
        write_text(run.config, config.to_json())
    if resumed:
        loop.restore(run.load_state(previous=previous))
        if previous and fabric.is_global_zero:
            run.set_newest_aside()
    elif resume and fabric.is_global_zero:
        run.truncate_metrics(-1)  # killed before its first checkpoint: begin again
    with naming_lost_workers(run.path):
        return loop.run_to_end(progress, observe)


class _Loop:
    """The state of a run between two steps, and what turns one into the next."""

    def __init__(
        self, fabric: Fabric, run: RunFolder, config: TrainConfig, model: GMCNN, workers: int
    ) -> None:
        self.fabric, self.run, self.config, self.workers = fabric, run, config, workers
        self.step = 0  # steps completed
        self.networks = build(fabric, config, model)
        self.average = ExponentialAverage(self.networks.model, config.ema) if config.ema else None
        self.dtype = next(self.networks.model.parameters()).dtype
        objective = build_objective(fabric, config, self.dtype)
        self.train_step = Step(fabric, config, self.networks, objective)
        training, held_out = open_data(config.data)
        self.left_out = left_out(config.data, training, held_out)
        self.pictures = None
        if config.data.cache == "device":
            self.pictures = PictureCache(training, fabric.device)
        self.batches = BatchesByStep(
            training,
            config.data.masks,
            config.data.size,
            config.batch,
            config.seed,
            augmentation=config.data.augmentation,
            rank=fabric.global_rank,
            world=fabric.world_size,
            deferred=self.pictures is not None,
        )
        self.validation = Validation(held_out, config.data.masks, config.validation_images)

    @property
    def trained(self) -> GMCNN:
        """The generator to validate and to keep: the running average, where there is one."""
        return self.networks.model if self.average is None else self.average.model

    def restore(self, state: dict) -> None:
        """Go on from a checkpoint."""
        try:
            for name, part in self._parts().items():
                part.load_state_dict(state[name])
            self.step = int(state["step"])
        except (KeyError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{self.run.state}: does not fit this configuration ({reason})",
                "it is of another run; put the run's own checkpoint back",
            ) from None
        if self.fabric.is_global_zero:
            self.run.truncate_metrics(self.step)
            self._save_weights()  # a kill may have come between checkpoint and weights

    def run_to_end(
        self, progress: bool | None, observe: Callable[[int, GMCNN], None] | None = None
    ) -> Path:
        config = self.config
        main = self.fabric.is_global_zero
        show = main and (sys.stderr.isatty() if progress is None else progress)
        self.talk = progress is not False
        if self.talk and main:
            how = arithmetic(self.fabric.device.type, config.precision)
            print(how, *self.left_out, sep="\n", file=sys.stderr)
        with (
            stoppable() as stopped,
            Logs(self.run, self.step, active=main) as logs,
            tqdm(
                total=config.steps,
                initial=self.step,
                unit="step",
                desc=self.run.path.name,
                disable=not show,
            ) as bar,
        ):
            if self.step == 0 and main and config.validate_every:
                telea = self.validation.classical("telea")
                logs.record({"step": 0, "validation_psnr_telea": telea})
            last = time.perf_counter()
            pin = self.fabric.device.type == "cuda"
            stream = load_batches(
                self.batches, self.step, config.steps, workers=self.workers, pin=pin
            )
            for images, masks in stream:
                terms = self.train_step(self.step, *self._place(images, masks))
                self.step += 1
                if self.average is not None:
                    self.average.update(self.networks.model, self.step)
                stop = self._anyone(stopped.is_set())
                end = self.step == config.steps
                due = self.step % config.checkpoint_every == 0 or end
                log = self.step % config.log_every == 0 or end
                if log or due or stop:
                    values = self._checked(terms)
                    bar.set_postfix({k: f"{v:.4f}" for k, v in values.items()}, refresh=False)
                if log:
                    seconds = round(time.perf_counter() - last, 3)
                    logs.record(self._record(values) | {"seconds": seconds})
                    last = time.perf_counter()
                if config.validate_every and (self.step % config.validate_every == 0 or end):
                    self._validate(logs, bar.write, observe)
                    last = time.perf_counter()
                if due or stop:
                    self._save()
                bar.update()
                if stop:
                    self.fabric.barrier()  # nobody leaves before the checkpoint is written
                    raise KeyboardInterrupt
        return self.run.weights

    def _place(
        self, images: torch.Tensor, masks: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch as the stream gives it → target (B, 3, S, S) and mask (B, 1, S, S), placed."""
        device = self.fabric.device
        if self.pictures is None:
            pictures = images.to(device, non_blocking=True)
        else:
            pictures = self.pictures.take(images)
        target = from_uint8(pictures).to(self.dtype)
        if self.config.channels_last:
            target = target.contiguous(memory_format=torch.channels_last)
        return target, masks.to(device, non_blocking=True).to(self.dtype)

    def _anyone(self, asked: bool) -> bool:
        """Whether any process was asked to stop: all then stop after the same step."""
        if self.fabric.world_size == 1:
            return asked
        flag = torch.tensor(float(asked), device=self.fabric.device)
        return bool(self.fabric.all_reduce(flag, reduce_op="sum") > 0)

    def _checked(self, terms: Terms) -> dict[str, float]:
        """The terms' values, over all processes."""
        stacked = torch.stack([term.to(self.dtype) for term in terms.values()])
        means = self.fabric.all_reduce(stacked, reduce_op="mean").tolist()
        values = dict(zip(terms, means, strict=True))
        for name, value in values.items():
            if not math.isfinite(value) or abs(value) > self.config.explosion:
                happened = "became" if not math.isfinite(value) else "exploded to"
                name = name.replace("_", " ")
                raise InputError(
                    f"{self.run.path}: the {name} loss {happened} {value:.6g} at step {self.step}",
                    self._remedy(),
                )
        return values

    def _remedy(self) -> str:
        """What to do about a run that has diverged."""
        if self.run.holds_a_checkpoint():
            return (
                "its last checkpoint is kept; begin a new run with a lower --lr or with "
                "--clip-norm, from these weights by --from-weights, or from none"
            )
        return "delete the folder, and begin again with a lower --lr or with --clip-norm"

    def _record(self, values: dict[str, float]) -> dict[str, object]:
        config, done = self.config, self.step - 1
        about = {"step": self.step, "stage": config.stage_at(done)}
        return about | values | {"learning_rate": config.learning_rate_at(done)}

    def _validate(self, logs: Logs, say: Callable, observe: Callable | None) -> None:
        # The bare model on one process, which must not wait for the others.
        if not self.fabric.is_global_zero:
            return
        score, picture = self.validation.run(self.trained, self.fabric.device)
        logs.record({"step": self.step, "validation_psnr": score})
        write_image(self.run.samples / f"step-{self.step:07d}.png", picture)
        logs.picture(picture, self.step)
        if self.talk:
            say(f"step {self.step}: validation PSNR {score:.2f} dB", file=sys.stderr)
        if observe is not None:
            training = self.trained.training
            observe(self.step, self.trained)
            self.trained.train(training)

    def _parts(self) -> dict[str, torch.nn.Module | torch.optim.Optimizer]:
        """Everything with a state, under its name in the checkpoint."""
        networks = self.networks
        parts: dict[str, torch.nn.Module | torch.optim.Optimizer] = {
            "model": networks.model,
            "optimizer": networks.optimizer,
        }
        if networks.critics is not None:
            parts["critics"] = networks.critics
            parts["critic_optimizer"] = networks.critic_optimizer
        if self.average is not None:
            parts["average"] = self.average.model
        return parts

    def _save(self) -> None:
        if not self.fabric.is_global_zero:
            return
        for name, module in self._parts().items():
            if isinstance(module, torch.nn.Module) and not _is_finite(module):
                raise InputError(
                    f"{self.run.path}: weights of the {name} are not finite at step {self.step}",
                    self._remedy(),
                )
        states = {name: part.state_dict() for name, part in self._parts().items()}
        self.run.save_state({"step": self.step, **states})
        self._save_weights()

    def _save_weights(self) -> None:
        trained = {"steps": str(self.step), "run": self.config.to_json()}
        save_generator(self.trained, self.run.weights, trained)


def _is_finite(module: torch.nn.Module) -> bool:
    return all(bool(parameter.isfinite().all()) for parameter in module.parameters())
