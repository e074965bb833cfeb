#!/usr/bin/env python3
"""The curves of a training run, or of several that follow each other, as one of the book's results.

    tools/publish_run.py training-128 runs/celeba runs/stage2

Each run gives its records of the loss terms, its validation scores and its settings; folders of the
machine that trained are cut down to names.
"""

from __future__ import annotations

import argparse
import json
from itertools import pairwise
from pathlib import Path
from statistics import median

from labkit.files import atomic_write
from labkit.machine import machine
from labkit.training.checkpoint import RunFolder, read_metrics

RESULTS = Path(__file__).resolve().parent.parent / "book" / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="book/results/NAME.json")
    parser.add_argument("runs", type=Path, nargs="+", help="run folders, in the order of training")
    arguments = parser.parse_args()

    runs = [publish(path) for path in arguments.runs]
    environment = machine() | {
        "command": f"tools/publish_run.py {arguments.name} " + " ".join(map(str, arguments.runs)),
    }
    # One array a line: the file stays readable, and small.
    result = {"runs": runs, "environment": environment}
    text = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
    target = RESULTS / f"{arguments.name}.json"
    atomic_write(target, lambda file: file.write((text + "\n").encode()))
    print(f"{target}: {target.stat().st_size:,} bytes")


def publish(path: Path) -> dict[str, object]:
    """A run's settings, curves and validation."""
    run = RunFolder(path)
    records = read_metrics(run.metrics)
    curves = [r for r in records if "learning_rate" in r]
    names = sorted({name for r in curves for name in r} - {"stage", "seconds"})
    return {
        "run": path.name,
        "config": without_folders(json.loads(run.config.read_text())),
        "curves": {
            name: [round(r[name], 6) if name in r else None for r in curves] for name in names
        },
        "validation": [
            {"step": r["step"], "psnr": round(r["validation_psnr"], 3)}
            for r in records
            if "validation_psnr" in r
        ],
        "telea": next(
            (round(r["validation_psnr_telea"], 3) for r in records if "validation_psnr_telea" in r),
            None,
        ),
        "seconds_per_step": seconds_per_step(curves),
        "minutes": round(sum(r["seconds"] for r in curves) / 60, 1),
    }


def seconds_per_step(curves: list[dict]) -> dict[str, float]:
    """stage → median over the records; the first record, which warms up, is left out."""
    rates: dict[str, list[float]] = {}
    for before, now in pairwise(curves):
        rate = now["seconds"] / (now["step"] - before["step"])
        # Records of earlier versions, which had one stage, do not name it.
        rates.setdefault(now.get("stage", "warm-up"), []).append(rate)
    return {stage: round(median(values), 3) for stage, values in rates.items()}


def without_folders(value: object) -> object:
    """The same settings with every path cut down to its name."""
    if isinstance(value, dict):
        return {key: without_folders(part) for key, part in value.items()}
    if isinstance(value, list):
        return [without_folders(part) for part in value]
    return Path(value).name if isinstance(value, str) and "/" in value else value


if __name__ == "__main__":
    main()
