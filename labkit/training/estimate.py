"""What a run takes, before it begins: parameters, operations, memory, time. Chapter 11.

A step of one picture of noise with a square hole is counted, and some of the run's own batch are
timed. Reading pictures, validation and checkpoints come on top.
"""

from __future__ import annotations

import dataclasses
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from labkit.errors import InputError
from labkit.machine import arithmetic
from labkit.nn.generator import GMCNN, count_parameters
from labkit.settings import GeneratorConfig, Hardware, TrainConfig
from labkit.training.opening import initial_generator, launch
from labkit.training.stages import Step, build, build_objective

STEPS, CPU_SECONDS = 10, 20.0  # steps that are timed, and on a CPU for how long at most
_ADAM = 4  # weights, gradients, and Adam's two means


def operations(call: Callable[[], object]) -> int:
    """Floating-point operations of the convolutions and matrix products in a call."""
    with _Counter() as counter:
        call()
    return counter.total


class _Counter(TorchDispatchMode):
    """FlopCounterMode's own formulas, without its names of modules: the hooks behind those break
    the gradient penalty's second derivative."""

    total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if (formula := flop_registry.get(func.overloadpacket)) is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


def cost(config: GeneratorConfig, size: int) -> dict[str, object]:
    """Parameters, and millions of floating-point operations of one forward pass."""
    model = GMCNN(config).to("meta")
    model.train()  # looking at values is impossible on the meta device
    image, mask = (torch.empty(1, c, size, size, device="meta") for c in (3, 1))
    megaflop = round(operations(lambda: model(image, mask)) / 1e6, 1)
    return {"parameters": count_parameters(model), "megaflop": megaflop}


def estimate(
    config: TrainConfig, hardware: Hardware | None = None, *, cpu_seconds: float = CPU_SECONDS
) -> Iterator[str]:
    """Lines on what a run would take, each as soon as it is known.

    Args:
        cpu_seconds: how long steps are timed on a CPU, about; fewer pictures a step, where those of
            the run would take longer.

    Raises:
        InputError: what starting the run would raise, its data aside; too little memory.
    """
    hardware = hardware or Hardware()
    fabric = launch(dataclasses.replace(hardware, devices=1), config.precision)
    share = -(-config.batch // max(hardware.devices, fabric.world_size))
    yield arithmetic(fabric.device.type, config.precision)
    trial = _Trial(fabric, dataclasses.replace(config, compile=False))
    critics = trial.step.networks.critics
    count = f"parameters: {count_parameters(trial.step.networks.model):,} of the generator"
    yield count + (f", {count_parameters(critics):,} of the critics" if critics else "")

    stages = {config.stage_at(step): step for step in (0, config.steps - 1)}
    flops, once = {}, {}
    for stage, number in stages.items():
        began = time.perf_counter()
        with _held(trial.modules) as most:
            flops[stage] = share * operations(lambda number=number: trial(number, 1))
        once[stage] = time.perf_counter() - began
        state, passing = trial.state / 1e9, share * most[0] / 1e9
        yield (
            f"{stage}: {flops[stage] / 1e12:.3g} TFLOP a step of {share} pictures; memory about "
            f"{state + passing:.2g} GB, {state:.2g} of weights and what Adam keeps and "
            f"{passing:.2g} of features, an estimate"
        )

    if config.compile:
        trial = _Trial(fabric, config)
    seconds = cpu_seconds / len(stages) if fabric.device.type == "cpu" else float("inf")
    hours = 0.0
    for stage, number in stages.items():
        if once[stage] * share > seconds:  # the first step had libraries to load
            once[stage] = trial.seconds(number, 1, 1, 0)[1]
        pictures = max(1, int(min(share, seconds / 3 / once[stage])))
        done, spent = trial.seconds(number, pictures, STEPS, seconds)
        one = spent / done * share / pictures
        steps = config.warm_up_steps if stage == "warm-up" else config.steps - config.warm_up_steps
        hours += steps * one / 3600
        yield (
            f"{stage}: {done} steps of {pictures} pictures in {spent:.3g} s, "
            f"{flops[stage] / one / 1e12:.3g} TFLOP/s; {3600 / one:,.0f} steps an hour, "
            f"{steps:,} in {steps * one / 3600:.3g} hours"
        )
    if fabric.device.type == "cuda":
        yield f"memory: {torch.cuda.max_memory_allocated() / 1e9:.2g} GB at most, measured"
    yield f"in all: {hours:.3g} hours for {config.steps:,} steps, and what reading pictures adds"


class _Trial:
    """Steps of a run on noise: called with a step's number, and how many pictures."""

    def __init__(self, fabric: Fabric, config: TrainConfig) -> None:
        networks = build(fabric, config, initial_generator(config))
        self.dtype = next(networks.model.parameters()).dtype
        self.step = Step(fabric, config, networks, build_objective(fabric, config, self.dtype))
        learning = [networks.model, *([networks.critics] if networks.critics else [])]
        self.modules = [*learning, self.step.objective]
        copies = (*[_ADAM] * len(learning), 1)
        self.state = sum(n * _bytes(m) for n, m in zip(copies, self.modules, strict=True))
        self.state += _bytes(networks.model) * (config.ema > 0)

    def __call__(self, number: int, pictures: int) -> None:
        config, device = self.step.config, self.step.fabric.device
        side = config.data.size
        target = 2.0 * torch.rand(pictures, 3, side, side, dtype=self.dtype, device=device) - 1.0
        if config.channels_last:
            target = target.contiguous(memory_format=torch.channels_last)
        mask = torch.zeros_like(target[:, :1])
        mask[..., side // 4 : side // 4 + side // 2, side // 4 : side // 4 + side // 2] = 1.0
        try:
            self.step(number, target, mask)
            next(self.step.networks.model.parameters()).flatten()[0].item()  # waits for the device
        except torch.OutOfMemoryError:
            raise InputError(
                f"a step of {pictures} pictures does not fit into the memory of {device}",
                "lower --batch, --size or --width, or use --precision bf16",
            ) from None

    def seconds(self, number: int, pictures: int, steps: int, most: float) -> tuple[int, float]:
        """How many steps were done, after one that is not timed, and in how many seconds."""
        if steps > 1:
            self(number, pictures)
        began, done, spent = time.perf_counter(), 0, 0.0
        while done < steps and (not done or spent < most):
            self(number, pictures)
            done, spent = done + 1, time.perf_counter() - began
        return done, spent


@contextmanager
def _held(modules: Iterable[nn.Module]) -> Iterator[list[int]]:
    """Within, the most bytes that autograd keeps at a time, in a list of one; not those of weights,
    nor of copies of them, as autocast makes, which no batch multiplies."""
    weights = {tuple(sorted(p.shape)) for module in modules for p in module.parameters()}
    users: Counter[int] = Counter()
    now, most = [0], [0]

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            self.tensor = tensor

    def free(place: int, size: int) -> None:
        users[place] -= 1
        now[0] -= size * (not users[place])

    def pack(tensor: Tensor) -> Tensor | Kept:
        if tuple(sorted(tensor.shape)) in weights:  # transposed ones, too
            return tensor
        storage, kept = tensor.untyped_storage(), Kept(tensor)
        place, size = storage.data_ptr(), storage.nbytes()
        now[0] += size * (not users[place])
        users[place] += 1
        most[0] = max(now + most)
        weakref.finalize(kept, free, place, size)
        return kept

    def unpack(kept: Tensor | Kept) -> Tensor:
        return kept.tensor if isinstance(kept, Kept) else kept

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield most


def _bytes(module: nn.Module) -> int:
    return sum(p.nbytes for p in module.parameters())
