"""How many rendered faces one core draws in a second.

    python benchmarks/faces.py --output book/results/benchmark-faces.json

Time is processor time of this process (user and system), the least of several repeats, so that
other work on the machine disturbs it little; NumPy's element-wise arithmetic uses one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from labkit.faces import render_faces
from labkit.machine import machine

TARGET = 200  # images a second at 64 px on one core


def images_per_second(size: int, count: int, repeats: int) -> float:
    """Images a second of processor time, the best of `repeats` batches of `count`."""
    render_faces(np.arange(4), size)
    best = float("inf")
    for repeat in range(repeats):
        start = time.process_time()
        render_faces(np.arange(count) + repeat * count, size)
        best = min(best, time.process_time() - start)
    return count / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    speeds = {
        str(size): round(images_per_second(size, count, options.repeats), 1)
        for size, count in ((32, 256), (64, 128), (128, 32), (256, 8))
    }
    result = {"images_per_second": speeds, "target_at_64": TARGET, "hardware": machine()}
    for size, speed in speeds.items():
        print(f"{size:>4} px {speed:8.1f} images/s")
    print(f"at 64 px {speeds['64'] / TARGET:.1f} times the {TARGET} images/s that are asked for")
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
