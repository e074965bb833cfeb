"""How a benchmark measures: variants that take turns, peak memory in a process of its own, and one
JSON file with a section for each benchmark.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F

from labkit.files import write_text
from labkit.machine import machine

MEBIBYTE = 1 << 20


def arguments(doc: str, rounds: int) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output", type=Path, help="JSON file whose section of this benchmark is replaced"
    )
    parser.add_argument("--rounds", type=int, default=rounds, help="timed turns of each variant")
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, one round: only shows that it runs"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    # What a subprocess is to measure, see `peak_memory`.
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser


def take_turns(
    variants: dict[str, Callable[[], object]], rounds: int, device: str
) -> dict[str, list[float]]:
    """Seconds of each variant in each round, after one round that warms up.

    Within a round every variant runs once, one after the other, so that whatever else the machine
    does meets them alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds + 1):
        for name, run in variants.items():
            finish(device)
            start = time.perf_counter()
            run()
            finish(device)
            seconds[name].append(time.perf_counter() - start)
    return {name: values[1:] for name, values in seconds.items()}


def finish(device: str) -> None:
    """Wait until the device has done everything it was given."""
    if device != "cpu":
        torch.cuda.synchronize(device)


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """How many times faster: the median over rounds of the two times within a round."""
    return round(statistics.median(a / b for a, b in zip(slow, fast, strict=True)), 2)


def median(values: Sequence[float]) -> float:
    """Median seconds, to four significant digits."""
    return float(f"{statistics.median(values):.4g}")


def peak_above(run: Callable[[], object], device: str) -> float:
    """MiB that `run` needs at its peak beyond what the process holds before, inputs included there.

    On a CPU: the kernel's high-water mark of resident memory, reset before; where it cannot be
    reset, the growth of the largest resident size so far. On CUDA: the allocator's high-water mark.
    To be called once, in a process that has done nothing large before.
    """
    gc.collect()
    if device != "cpu":
        finish(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        finish(device)
        return (torch.cuda.max_memory_allocated(device) - before) / MEBIBYTE
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    try:
        reset.write_text("5")
        before = _status(status, "VmRSS")
        run()
        return (_status(status, "VmHWM") - before) / MEBIBYTE
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        run()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        return (after - before) / MEBIBYTE


def _status(path: Path, field: str) -> int:
    line = next(line for line in path.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


@functools.cache
def peak_memory(script: str, child: str, device: str, threads: int) -> float | None:
    """`peak_above` as measured by a fresh process running `script --child child`, in MiB.

    glibc keeps freed blocks of up to 32 MiB for later, as many as it happens to; there it is told
    to give back everything above 128 KiB, so that what is needed is measured and not what is kept.
    None where that process died, as it does when memory runs out.
    """
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(1 << 17)}
    command = [sys.executable, script, "--child", child, "--device", device]
    command += ["--threads", str(threads)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    if done.returncode:
        return None
    return round(float(done.stdout.splitlines()[-1]), 1)


def matrix_peak(dtype: torch.dtype, device: str, side: int) -> float:
    """The most TFLOP/s that a square matrix product reaches here, over a few repeats.

    As a product and as a 1×1 convolution: on a CPU PyTorch leaves the one to MKL and the other to
    oneDNN, and on AMD's processors the second is more than twice as fast in float32.
    """
    a = torch.randn(side, side, dtype=dtype, device=device)
    picture = a.T[None, :, :, None].contiguous(memory_format=torch.channels_last)
    filters = a[:, :, None, None]
    products = {"product": lambda: a @ a, "convolution": lambda: F.conv2d(picture, filters)}
    seconds = take_turns(products, 8, device)
    return 2 * side**3 / min(min(of) for of in seconds.values()) / 1e12


def save(options: argparse.Namespace, name: str, section: dict[str, object]) -> None:
    """Replace one section of the results file, atomically; the others stay as they are."""
    if options.output is None:
        return
    path: Path = options.output
    results = json.loads(path.read_text()) if path.exists() else {}
    kept = [a for a in sys.argv[1:] if a not in ("--output", str(path))]
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *kept])
    where = machine() | {"threads": options.threads, "device": options.device}
    results[name] = section | {"command": command, "environment": where}
    text = json.dumps(dict(sorted(results.items())), indent=2) + "\n"
    write_text(path, text)
