"""The parts of a run of `card.py` that measure steps: their rates, ID-MRF, the head start.

A part gets the job, its section of the file and the seconds it may take; what it has found is in
the section at once, so that the file has it when the part is cut off.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import id_mrf as id_mrf_benchmark
import numpy as np
import torch
from measure import MEBIBYTE, median, peak_above, peak_memory, ratio, take_turns
from speedrun import Clock, stopped_after
from torch import Tensor
from training_step import Run, count, take

from labkit.data import ImageSource
from labkit.images import from_uint8
from labkit.settings import Hardware, TrainConfig
from labkit.training.opening import initial_generator, launch
from labkit.training.stages import Step, build, build_objective
from labkit.training.validation import Validation

Section = dict[str, Any]
ROUNDS = 3  # timed, after one that warms up
MARGIN = 0.85  # of a card's memory that a step may take
COUNTABLE = 2**31  # numbers in one map or matrix; some kernels count no further
BATCH, HIGHEST_RATE = 8, 6e-4  # the learning rate is known for 8, and grows as √batch up to this

# Dense bf16 TFLOP/s (T4: fp16) by name of the card. Sources: NVIDIA's data sheets of H100, H200,
# A100, L4 and T4; its white papers on Ada (RTX 4090) and GA102 (RTX 3090), with float32 sums.
PEAKS = {
    r"H[12]00(?! (PCIe|NVL))": 989,
    r"H100 PCIe": 756,
    r"A100": 312,
    r"L4": 121,
    r"T4": 65,
    r"RTX 4090(?! (D|Laptop))": 165,
    r"RTX 3090(?! Ti)": 71,
}


@dataclass
class Job:
    """What the parts share; "speed" settles the batch, the operations, and whether to compile."""

    options: argparse.Namespace
    clock: Clock
    save: Callable[[], None]
    config: TrainConfig
    training: ImageSource
    held_out: ImageSource
    pairs: Path | None
    scratch: Path
    flops: int | None = None
    step_seconds: float | None = None
    validation: Validation = field(init=False)

    def __post_init__(self) -> None:
        self.validation = self.validate_on(self.config.validation_images)
        self.device: str = self.options.device
        self.weights = self.options.out.with_suffix(".safetensors")
        cores = os.cpu_count() or 1
        workers = 0 if self.device == "cpu" else max(1, min(4, cores - 1))
        self.hardware = Hardware(accelerator=self.device, workers=workers)

    def validate_on(self, count: int) -> Validation:
        return Validation(self.held_out, self.config.data.masks, count)

    def stepper(self, **changes: object) -> Run:
        """The trainer's own step, without the trainer: (images, mask) → one step."""
        config = replace(self.config, **changes)
        fabric = launch(self.hardware, config.precision)
        networks = build(fabric, config, initial_generator(config))
        objective = build_objective(fabric, config, torch.float32)
        return partial(take, Step(fabric, config, networks, objective))

    def pictures(self, batch: int) -> tuple[Tensor, Tensor]:
        """Validation pictures and their holes, over and over: (B, 3, S, S) and (B, 1, S, S)."""
        numbers = np.arange(batch) % len(self.validation.images)
        images = torch.from_numpy(self.validation.images[numbers]).to(self.device)
        return from_uint8(images), self.validation.masks[numbers].to(self.device)

    def measured(self, step: Run, batch: int) -> Section:
        """Time and memory of a step."""
        pictures = self.pictures(batch)
        peak = peak_mib(lambda: step(*pictures), self.device)
        seconds = median(take_turns({"": lambda: step(*pictures)}, ROUNDS, self.device)[""])
        row = {"batch": batch, "step_seconds": seconds, "peak_mib": peak}
        return row | self.rates(batch / seconds)

    def rates(self, pictures_per_second: float) -> Section:
        """What a rate means in operations, and beside what the card could do."""
        found: Section = {"pictures_per_second": float(f"{pictures_per_second:.4g}")}
        if self.flops is None:
            return found
        tflops, peak = self.flops * pictures_per_second / 1e12, peak_tflops(self.device)
        share = None if peak is None else round(tflops / peak, 4)
        return found | {"tflops": float(f"{tflops:.4g}"), "share_of_peak": share}


def peak_tflops(device: str) -> float | None:
    """What the data sheet promises of this card; None where it is not in the table."""
    name = torch.cuda.get_device_name() if device == "cuda" else ""
    if "MIG" in name:  # a part of a card
        return None
    return next((peak for card, peak in PEAKS.items() if re.search(rf"\b{card}\b", name)), None)


def peak_mib(run: Callable[[], object], device: str) -> float:
    """The memory of a run; on a CPU only as much as is not held already."""
    return round(max(0.0, peak_above(run, device)), 1)


def peak_so_far() -> float:
    """MiB that the card has held at once since the last measurement began."""
    return round(torch.cuda.max_memory_allocated() / MEBIBYTE, 1)


def memory(device: str) -> float | None:
    """MiB that the card has."""
    if device != "cuda":
        return None
    return round(torch.cuda.get_device_properties(0).total_memory / MEBIBYTE)


def free(device: str) -> None:
    """Give back what an earlier measurement held."""
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()


def speed(job: Job, section: Section, seconds: float) -> None:
    """Steps at batches that double until memory, pictures or half of the time are used up."""
    began, step, best = time.monotonic(), job.stepper(), None
    job.flops = section["flops_per_picture"] = count(step, job.pictures(1))
    section["batches"] = rows = []
    largest = COUNTABLE // (8 * job.config.generator.width * job.config.data.size**2)
    batch, most = job.options.batch or 1, min(len(job.training), largest)
    while best is None or (batch <= most and time.monotonic() - began < seconds / 2):
        try:
            row = job.measured(step, batch)
        except torch.OutOfMemoryError:
            if best is None:
                raise
            rows.append({"batch": batch, "out_of_memory": True})
            break
        crowded = job.device == "cuda" and peak_so_far() > MARGIN * memory(job.device)
        rows.append(row | {"above_margin": True} if crowded else row)
        job.save()
        if crowded and best is not None:
            break
        best, batch = row, 2 * batch
        if job.options.batch or crowded:
            break
    del step
    free(job.device)
    rate = min(job.config.learning_rate * (best["batch"] / BATCH) ** 0.5, HIGHEST_RATE)
    job.config = replace(job.config, batch=best["batch"], learning_rate=rate)
    section["compile"] = {"used": False, "why": "not asked for"}
    if job.device == "cuda" if job.options.compile is None else job.options.compile:
        section["compile"] = compilation(job, best, seconds - (time.monotonic() - began))
    if section["compile"]["used"]:
        job.config, best = replace(job.config, compile=True), section["compile"]
    job.step_seconds = best["step_seconds"]
    section |= {name: best[name] for name in ("batch", *job.rates(1.0), "peak_mib")}


def compilation(job: Job, without: Section, seconds: float) -> Section:
    """The step compiled, where that works here, in time and to any gain; or why it was left out."""
    row, began, why = None, time.monotonic(), f"not done within {seconds:.0f} s"
    try:
        with stopped_after(seconds):
            row = job.measured(job.stepper(compile=True), without["batch"])
    except Exception as error:  # whatever the compiler of a machine comes up with
        why = said(error)
    took = {"compiling_seconds": round(time.monotonic() - began, 1), **(row or {})}
    if row is not None and row["step_seconds"] < without["step_seconds"]:
        return {"used": True, **took}
    why = "no faster than without" if row is not None else why
    print(f"not compiled: {why}", flush=True)
    torch.compiler.reset()
    free(job.device)
    return {"used": False, "why": why, **took}


def said(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def id_mrf(job: Job, section: Section, seconds: float) -> None:
    """ID-MRF, forward and backward, of one picture: the release's form, dense, streamed."""
    began, section["rows"] = time.monotonic(), []
    for size in sorted(job.options.id_mrf):
        row: Section = {"image_px": size, "skipped": "no time was left"}
        if not section["rows"] or time.monotonic() - began < seconds:
            row = id_mrf_row(size // id_mrf_benchmark.STRIDE, job.device)
        section["rows"].append(row)
        job.save()


def id_mrf_row(side: int, device: str) -> Section:
    """Times, memory and agreement of the variants that fit."""
    v, s = id_mrf_benchmark.features("filled", 1, side, device)
    peaks: dict[str, float | None] = {}
    for name in id_mrf_benchmark.VARIANTS:
        free(device)
        try:
            peaks[name] = id_mrf_peak(name, v, s, device)
        except torch.OutOfMemoryError:
            peaks[name] = None
    free(device)
    able = [name for name, peak in peaks.items() if peak is not None]
    return {
        "image_px": side * id_mrf_benchmark.STRIDE,
        "positions": side,
        **id_mrf_benchmark.compare(v, s, ROUNDS, able),
        **{f"{name}_mib": peak for name, peak in peaks.items()},
        "out_of_memory": [name for name in peaks if name not in able],
    }


def id_mrf_peak(name: str, v: Tensor, s: Tensor, device: str) -> float | None:
    """MiB at the peak of a variant; None where the memory will not do."""
    side = v.shape[-1]
    if not id_mrf_benchmark.fits(name, 1, side, device):
        return None
    # A kernel that fails to count so far can take the process along: it gets one of its own first.
    if name != "streamed" and side**4 >= COUNTABLE:
        threads = torch.get_num_threads()
        return peak_memory(id_mrf_benchmark.__file__, f"{name},1,{side}", device, threads)
    v, loss = v.clone().requires_grad_(), id_mrf_benchmark.VARIANTS[name]
    return peak_mib(lambda: id_mrf_benchmark.both_passes(loss, v, s), device)


def prior(job: Job, section: Section, seconds: float) -> None:
    """A step with and without the head start, neither compiled."""
    batch, runs, peaks = max(1, job.config.batch // 2), {}, {}  # two networks lie on the card
    pictures = job.pictures(batch)
    for name in ("none", "biharmonic"):
        network = replace(job.config.generator, prior=name)
        step = job.stepper(generator=network, compile=False)
        runs[name] = partial(step, *pictures)
        peaks[name] = peak_mib(runs[name], job.device)
    times = take_turns(runs, ROUNDS, job.device)
    section |= {"batch": batch, "slower": ratio(times["biharmonic"], times["none"])}
    section["rows"] = [
        {"prior": name, "step_seconds": median(times[name]), "peak_mib": peaks[name]}
        for name in runs
    ]
