"""Confidence weights: two 1-D passes against the direct 65×65 convolution, in one run.

    python benchmarks/confidence.py [--output book/results/benchmark-confidence.json]

The direct path is what the released code does; both paths are `labkit.losses.confidence`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from labkit.losses.confidence import confidence_weights
from labkit.machine import machine
from labkit.settings import ConfidenceConfig


def seconds(mask: torch.Tensor, config: ConfidenceConfig, *, direct: bool) -> float:
    start = time.perf_counter()
    confidence_weights(mask, config, direct=direct)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(2)
    config = ConfidenceConfig(kernel="released")
    rows = []
    for size in (128, 256, 512):
        mask = torch.zeros(1, 1, size, size)
        mask[..., size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = 1
        pairs = [
            (seconds(mask, config, direct=True), seconds(mask, config, direct=False))
            for _ in range(options.rounds + 1)
        ][1:]  # the first round warms up
        rows.append(
            {
                "size": size,
                "direct_s": round(statistics.median(d for d, _ in pairs), 5),
                "separable_s": round(statistics.median(s for _, s in pairs), 5),
                "ratio": round(statistics.median(d / s for d, s in pairs), 1),
            }
        )
        print(
            f"{size:4d} px: direct {rows[-1]['direct_s'] * 1e3:8.2f} ms, "
            f"two passes {rows[-1]['separable_s'] * 1e3:7.2f} ms, {rows[-1]['ratio']} times faster"
        )
    if options.output:
        result = {
            "benchmark": "confidence weights, 65 taps, 7 iterations, batch 1, float32, 2 threads",
            "rows": rows,
            "environment": machine(),
        }
        options.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
