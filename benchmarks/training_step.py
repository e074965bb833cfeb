"""One adversarial training step: the released one against the package's.

    python benchmarks/training_step.py --output book/results/benchmarks.json

256 px, irregular masks, width 32, five critic steps of two critics, ID-MRF over the whole picture.
Baseline: `release.ReleaseStep`. Ours: `labkit.training.stages.Step` with the release's objective
and critics that both see the whole picture, as there, so that the two compute the same losses; and
once more with the package's default, a local critic that sees a window of half the side.
VGG19 has random weights on both sides, which changes no time. On a GPU also compiled.

"achieved": floating-point operations of the step's convolutions and matrix products, as counted by
PyTorch, over its time, and that over the fastest square matrix product measured here in the same
type. "phases" and "operators" are of one step of ours in bf16: what is left, and where.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from lightning_fabric import Fabric
from measure import (
    arguments,
    finish,
    matrix_peak,
    median,
    peak_above,
    peak_memory,
    ratio,
    save,
    take_turns,
)
from release import CRITIC_STEPS, VGG, ReleaseStep
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from labkit.data.photos import Photos
from labkit.images import to_tensor
from labkit.masks import irregular
from labkit.nn.generator import GMCNN, GeneratorConfig
from labkit.settings import (
    OBJECTIVES,
    AdversarialStage,
    CriticConfig,
    DataConfig,
    IDMRFConfig,
    ObjectiveConfig,
    TrainConfig,
)
from labkit.training.stages import Step, build, build_objective

Run = Callable[[Tensor, Tensor], object]
OPERATORS = 12  # listed; the rest is added up


def configuration(
    size: int, *, width: int, critic_width: int, precision: str, compiled: bool, window: bool
) -> TrainConfig:
    """The release's second stage in the package's terms."""
    release = OBJECTIVES["release"]
    id_mrf = IDMRFConfig(features=VGG, normalise="mean-only", reduction="sum")
    channels = tuple(factor * critic_width for factor in (1, 2, 4, 4))
    critics = CriticConfig(channels=channels, window=None if window else size)
    return TrainConfig(
        generator=GeneratorConfig(width=width, initialisation="he"),
        data=DataConfig(size=size),
        objective=ObjectiveConfig(reconstruction=release.reconstruction, id_mrf=id_mrf),
        adversarial=AdversarialStage(critics=critics, critic_steps=CRITIC_STEPS),
        warm_up=0,
        learning_rate=1e-5,
        precision=precision,
        compile=compiled,
    )


def labkit_parts(
    size: int,
    device: str,
    *,
    width: int = 32,
    critic_width: int = 64,
    precision: str = "32",
    compiled: bool = False,
    window: bool = False,
) -> Step:
    """The trainer's own step, without the trainer."""
    config = configuration(
        size,
        width=width,
        critic_width=critic_width,
        precision=precision,
        compiled=compiled,
        window=window,
    )
    fabric = Fabric(
        accelerator="cpu" if device == "cpu" else "cuda",
        devices=1,
        precision="bf16-mixed" if precision == "bf16" else "32-true",
    )
    model = GMCNN(config.generator, rng=torch.Generator().manual_seed(0))
    networks = build(fabric, config, model)
    return Step(fabric, config, networks, build_objective(fabric, config, torch.float32))


def labkit_step(size: int, device: str, **options) -> Run:
    """(images, mask) → one step, images brought to channels_last as the trainer does."""
    return partial(take, labkit_parts(size, device, **options))


def take(step: Step, images: Tensor, mask: Tensor) -> object:
    return step(0, images.contiguous(memory_format=torch.channels_last), mask)


def variants(device: str) -> dict[str, Callable[..., Run]]:
    """Name → what makes a step of it from (size, device, width=, critic_width=)."""
    made: dict[str, Callable[..., Run]] = {
        "baseline": ReleaseStep,
        "float32": labkit_step,
        "bf16": partial(labkit_step, precision="bf16"),
        "bf16, window": partial(labkit_step, precision="bf16", window=True),
    }
    if device != "cpu":
        made["bf16, compiled"] = partial(labkit_step, precision="bf16", compiled=True)
    return made


def main() -> None:
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--size", type=int, default=256, help="side of the pictures")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--width", type=int, default=32, help="of the generator")
    parser.add_argument("--critic-width", type=int, default=64)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.child:
        print(peak_of(options.child, options.device))
        return
    if options.quick:
        options.size, options.width, options.critic_width, options.rounds = 32, 2, 2, 1
    names = list(variants(options.device))
    batch = pictures(options.batch, options.size, options.device)
    measured = ["float32"] if options.quick else names
    memory = {name: memory_of(name, options) for name in measured}
    steps = {name: made(options) for name, made in makers(options.device).items()}
    runs = {name: lambda run=run: run(*batch) for name, run in steps.items()}
    seconds = take_turns(runs, options.rounds, options.device)
    operations = {name: count(run, batch) for name, run in steps.items() if "compiled" not in name}
    peaks = matrix_peaks(options)
    rows = []
    for name in names:
        time_taken = median(seconds[name])
        counted = operations.get(name) or operations["bf16"]
        achieved = counted / time_taken / 1e12
        peak = peaks["bf16" if "bf16" in name else "float32"]
        row = {
            "variant": name,
            "seconds": time_taken,
            "images_per_second": float(f"{options.batch / time_taken:.3g}"),
            "faster": ratio(seconds["baseline"], seconds[name]),
            "peak_mib": memory.get(name),
            "tera_operations": round(counted / 1e12, 4),
            "achieved_tflops": float(f"{achieved:.3g}"),
            "share_of_matrix_peak": round(achieved / peak, 3),
        }
        rows.append(row)
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    section = {
        "benchmark": "one adversarial training step, two critics, five critic steps, ID-MRF",
        "size": options.size,
        "batch": options.batch,
        "width": options.width,
        "critic_width": options.critic_width,
        "matrix_peak_tflops": peaks,
        "rows": rows,
        "phases": phases(options, batch),
        "operators": operators(steps["bf16"], batch, options.device),
    }
    save(options, "training_step", section)


def makers(device: str) -> dict[str, Callable[[argparse.Namespace], Run]]:
    return {
        name: lambda o, make=make: make(
            o.size, o.device, width=o.width, critic_width=o.critic_width
        )
        for name, make in variants(device).items()
    }


def pictures(batch: int, size: int, device: str) -> tuple[Tensor, Tensor]:
    """Photographs in [-1, 1] and irregular masks."""
    images = to_tensor(Photos(size, "train").batch(range(batch)), device)
    generator = torch.Generator().manual_seed(0)
    return images, irregular(batch, size, bin=2, rng=generator).to(device)


def memory_of(name: str, options: argparse.Namespace) -> float | None:
    child = (name, options.batch, options.size, options.width, options.critic_width)
    return peak_memory(__file__, "/".join(map(str, child)), options.device, options.threads)


def peak_of(child: str, device: str) -> float:
    """MiB that the second step needs beyond the networks, optimisers and pictures."""
    name, *numbers = child.split("/")
    batch, size, width, critic_width = map(int, numbers)
    run = variants(device)[name](size, device, width=width, critic_width=critic_width)
    # The first step loads libraries and makes Adam's averages, which stay.
    first, images = pictures(1, size, device), pictures(batch, size, device)
    run(*first)
    return peak_above(lambda: run(*images), device)


def matrix_peaks(options: argparse.Namespace) -> dict[str, float]:
    """TFLOP/s of the fastest matrix product in each type; TF32 is not used, as in the steps."""
    side = 256 if options.quick else 2048 if options.device == "cpu" else 8192
    types = {"float32": torch.float32, "bf16": torch.bfloat16}
    return {
        name: float(f"{matrix_peak(dtype, options.device, side):.3g}")
        for name, dtype in types.items()
    }


def count(run: Run, batch: tuple[Tensor, Tensor]) -> int:
    """Floating-point operations of one step's convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        run(*batch)
    return counter.get_total_flops()


def phases(options: argparse.Namespace, batch: tuple[Tensor, Tensor]) -> dict[str, float]:
    """Shares of the time of one step of ours in bf16, by what calls what."""
    step = labkit_parts(
        options.size,
        options.device,
        width=options.width,
        critic_width=options.critic_width,
        precision="bf16",
    )
    take(step, *batch)
    watch = Stopwatch(options.device)
    networks, objective = step.networks, step.objective
    watch.module(networks.model, "generator, forward")
    watch.module(objective.reconstruction, "confidence and reconstruction")
    watch.module(objective.id_mrf, "features and ID-MRF, forward")
    watch.method(objective.adversarial, "generator", "critics for the generator, forward")
    watch.method(objective, "critic", "critics' losses, forward")
    watch.optimizer(networks.optimizer, "generator's Adam")
    watch.optimizer(networks.critic_optimizer, "critics' Adam")
    # The critics' backward passes come first, the generator's last.
    names = ["critics' backward"] * CRITIC_STEPS + ["generator's backward, all losses"]
    watch.method(step.fabric, "backward", *names)
    total = watch.measure(lambda: take(step, *batch))
    spent = watch.spent
    spent["the rest"] = total - sum(spent.values())
    ordered = sorted(spent.items(), key=lambda item: -item[1])
    return {name: round(seconds / total, 3) for name, seconds in ordered}


class Stopwatch:
    """Seconds spent within chosen calls, the device finishing before and after each."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.spent: dict[str, float] = {}
        self._began = 0.0

    def module(self, module: nn.Module, name: str) -> None:
        module.register_forward_pre_hook(lambda *_: self._begin())
        module.register_forward_hook(lambda *_: self._end(name))

    def optimizer(self, optimizer: torch.optim.Optimizer, name: str) -> None:
        optimizer.register_step_pre_hook(lambda *_: self._begin())
        optimizer.register_step_post_hook(lambda *_: self._end(name))

    def method(self, owner: object, attribute: str, *names: str) -> None:
        """The calls of a method, under `names` in turn, the last for all that follow."""
        inner, left = getattr(owner, attribute), list(names)

        def timed(*args: object, **options: object) -> object:
            name = left.pop(0) if len(left) > 1 else left[0]
            self._begin()
            result = inner(*args, **options)
            self._end(name)
            return result

        setattr(owner, attribute, timed)

    def measure(self, run: Callable[[], object]) -> float:
        finish(self.device)
        start = time.perf_counter()
        run()
        finish(self.device)
        return time.perf_counter() - start

    def _begin(self) -> None:
        finish(self.device)
        self._began = time.perf_counter()

    def _end(self, name: str) -> None:
        finish(self.device)
        self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - self._began


def operators(run: Run, batch: tuple[Tensor, Tensor], device: str) -> list[dict[str, object]]:
    """The operators that take most of one step's time, their own time only."""
    from torch.profiler import ProfilerActivity, profile

    activities = [ProfilerActivity.CPU]
    if device != "cpu":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        run(*batch)
        finish(device)
    kind = "self_cpu_time_total" if device == "cpu" else "self_device_time_total"
    events = sorted(profiler.key_averages(), key=lambda event: -getattr(event, kind))
    total = sum(getattr(event, kind) for event in events) or 1.0
    rows = [
        {
            "operator": event.key[:60],
            "calls": event.count,
            "share": round(getattr(event, kind) / total, 3),
        }
        for event in events[:OPERATORS]
    ]
    rest = round(1.0 - sum(row["share"] for row in rows), 3)
    return [*rows, {"operator": "the rest", "calls": None, "share": rest}]


if __name__ == "__main__":
    main()
