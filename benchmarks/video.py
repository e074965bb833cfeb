"""How well clips are filled: each frame for itself, and with what other frames show.

    python benchmarks/video.py --output book/results/video.json

Twelve clips of 128 px whose truth and flow are known (`video_clips`). Each method fills all of
them; its row holds means over the clips and their 95 % bootstrap intervals, and the same for
the six photographs and the six faces alone. "carried" methods copy what other frames show, and fill
the rest by the method named. Seconds are of the processor, on one thread.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from video_clips import Known, clips

from labkit.evaluation.statistics import bootstrap_mean
from labkit.files import write_text
from labkit.inpainting import DEFAULT_WEIGHTS, inpaint
from labkit.machine import machine
from labkit.nn.weights import load_generator
from labkit.video.fill import Fill, inpaint_frames
from labkit.video.measures import score

NETWORK, TRUTH = f"gmcnn {DEFAULT_WEIGHTS}", "truth"

Method = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""(frames, masks) → filled frames, and where they were copied."""


def alone(fill: Fill, frames: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every frame for itself; nothing is copied."""
    filled = [fill(*pair) for pair in zip(frames, masks, strict=True)]
    return np.stack(filled), np.zeros_like(masks)


def scores_of(method: Method, clip: Known) -> dict[str, float]:
    hidden = np.where(clip.masks[..., None], np.uint8(0), clip.truth)
    start = time.process_time()
    filled, copied = method(hidden, clip.masks)
    seconds = (time.process_time() - start) / len(clip.truth)
    assert (filled[~clip.masks] == clip.truth[~clip.masks]).all()
    found = score(clip.truth, filled, clip.masks, clip.flows)
    return found | {"copied": float(copied[clip.masks].mean()), "seconds_a_frame": seconds}


def _spread(chosen: list[Known], workers: int) -> Iterator[dict[str, dict[str, float]]]:
    if workers == 1:
        yield from map(scores_by_method, chosen)
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(scores_by_method, chosen)


def means(rows: list[dict[str, float]]) -> dict[str, object]:
    """Name of each measure → mean and interval over the clips that have it."""
    found = {}
    for name in rows[0]:
        values = [row[name] for row in rows if np.isfinite(row[name])]
        found[name] = bootstrap_mean(values) if values else None
    return {"clips": len(rows)} | found


@cache
def methods() -> dict[str, Method]:
    """Every method by its name."""
    torch.set_num_threads(1)
    fills: dict[str, Fill] = {
        "telea": partial(inpaint, method="telea"),
        "biharmonic": partial(inpaint, method="biharmonic"),
        NETWORK: partial(inpaint, generator=load_generator(DEFAULT_WEIGHTS)),
    }
    carried = {f"carried, {name}": fills[name] for name in ("telea", NETWORK)}
    return {name: partial(alone, fill) for name, fill in fills.items()} | {
        name: partial(inpaint_frames, fill=fill) for name, fill in carried.items()
    }


def scores_by_method(clip: Known) -> dict[str, dict[str, float]]:
    """The scores of every method, and of the truth itself."""
    found = {name: scores_of(method, clip) for name, method in methods().items()}
    untouched = scores_of(lambda _, masks: (clip.truth, np.zeros_like(masks)), clip)
    return found | {TRUTH: untouched}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--workers", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--quick", action="store_true", help="two clips of three frames")
    options = parser.parse_args()
    chosen = list(clips())
    if options.quick:
        ends = chosen[0], chosen[-1]
        chosen = [Known(c.name, c.truth[:3], c.masks[:3], c.flows[:2]) for c in ends]
    everything: dict[str, list[dict[str, float]]] = {}
    for clip, by_method in zip(chosen, _spread(chosen, options.workers), strict=True):
        for name, found in by_method.items():
            everything.setdefault(name, []).append(found)
        shown = ", ".join(f"{name} {found['psnr']:.2f}" for name, found in by_method.items())
        print(f"{clip.name}, PSNR in dB: {shown}", flush=True)
    truth = everything.pop(TRUTH)
    half = len(chosen) // 2
    rows = [
        {"method": name}
        | means(found)
        | {"photographs": means(found[:half]), "faces": means(found[half:])}
        for name, found in everything.items()
    ]
    for row in rows:
        print(row["method"], *(f"{key} {row[key]['mean']:.3f}" for key in ("psnr", "ssim",
              "hole_psnr", "warping_inside", "flicker", "copied", "seconds_a_frame")))  # fmt: skip
    if options.output is None:
        return
    words = [word for word in sys.argv[1:] if word not in ("--output", str(options.output))]
    names = [clip.name for clip in chosen]
    by_clip = {
        name: {method: found[number] for method, found in everything.items()}
        for number, name in enumerate(names)
    }
    record = {
        "benchmark": "twelve clips filled; means over clips and 95 % intervals",
        "command": shlex.join(["python", "benchmarks/video.py", *words]),
        "rows": rows,
        "truth": {"warping_inside": means(truth)["warping_inside"]},
        "clips": by_clip,
        "environment": machine() | {"threads": 1, "device": "cpu"},
    }
    write_text(options.output, json.dumps(_without_nan(record), indent=2) + "\n")


def _without_nan(value: object) -> object:
    """JSON has no NaN: null."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


if __name__ == "__main__":
    main()
