#!/usr/bin/env python3
"""What was tried in training, as one of the book's results: settings beside validation scores.

    tools/publish_tried.py --photographs runs/celeba runs/stage2 --faces runs/faces

A run that was stopped early is listed with the steps it did. Runs that are listed already stay,
unless they are given again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from publish_run import RESULTS, publish

from labkit.files import atomic_write
from labkit.machine import machine

SHOWN = (
    "generator.width",
    "generator.padding",
    "generator.initialisation",
    "generator.attention",
    "data.size",
    "data.augmentation.smallest_crop",
    "data.augmentation.largest_crop",
    "data.masks.kind",
    "reconstruction.known",
    "objective.id_mrf_weight",
    "objective.adversarial_weight",
    "adversarial.critic_steps",
    "steps",
    "warm_up",
    "from_weights",
    "batch",
    "learning_rate",
    "schedule",
    "clip_norm",
    "ema",
)
_OF_THE_SECOND_STAGE = ("objective.", "adversarial.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for group in ("photographs", "faces"):
        parser.add_argument(f"--{group}", type=Path, nargs="+", default=[], help="run folders")
    arguments = parser.parse_args()
    target = RESULTS / "tried.json"
    listed = json.loads(target.read_text()) if target.is_file() else {}
    result = {
        group: added(listed.get(group, []), tried(getattr(arguments, group)))
        for group in ("photographs", "faces")
    }
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    atomic_write(target, lambda file: file.write(text.encode()))
    print(f"{target}: {target.stat().st_size:,} bytes")


def added(listed: list[dict], new: list[dict]) -> list[dict]:
    """What is listed, entries of the same name replaced, and the other new ones after it."""
    entries = {entry["run"]: entry for entry in listed} | {entry["run"]: entry for entry in new}
    return list(entries.values())


def tried(folders: Sequence[Path]) -> list[dict[str, object]]:
    """The runs of a group, in the order given: how far they came, and what they scored."""
    return [
        {
            "run": run["run"],
            "steps": run["curves"]["step"][-1],
            "minutes": run["minutes"],
            "validation": run["validation"][-1]["psnr"] if run["validation"] else None,
            "telea": run["telea"],
            "settings": settings(run["config"]),
            "environment": machine(),
        }
        for run in map(publish, folders)
    ]


def settings(config: dict[str, object]) -> dict[str, object]:
    """Those of SHOWN that the run has; without a second stage, none of its settings."""
    found = dict(flat(config))
    # Earlier runs have the first stage's settings one level higher.
    found["reconstruction.known"] = found.get(
        "objective.reconstruction.known", found.get("reconstruction.known")
    )
    one_stage = found.get("warm_up") is None
    return {
        name: found[name]
        for name in SHOWN
        if name in found and not (one_stage and name.startswith(_OF_THE_SECOND_STAGE))
    }


def flat(settings: dict[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """("data.size", 128) for every setting, however deep."""
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


if __name__ == "__main__":
    main()
