#!/usr/bin/env python3
"""Pack the generator of a training run into the package, as float16 with a header that says what it
is.

    tools/pack_weights.py runs/faces faces --data "rendered faces of labkit.data.faces" --terms MIT

The file goes to labkit/weights/NAME.safetensors, or to another folder (--to book/results). The
run's configuration, the number of steps and the validation scores of its metrics.jsonl are put into
the header, beside what is given here.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from publish_run import without_folders

from labkit.nn.weights import PACKAGED, load_generator, read_metadata, save_generator
from labkit.training.checkpoint import read_metrics

LARGEST = 7_000_000  # bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("name", help="how `labkit inpaint --weights NAME` will call it")
    parser.add_argument("--data", required=True, help="what it was trained on")
    parser.add_argument("--terms", required=True, help="under which terms it may be used")
    parser.add_argument("--to", type=Path, default=PACKAGED, help="folder of the file")
    arguments = parser.parse_args()

    metrics = read_metrics(arguments.run / "metrics.jsonl")
    scores = [r["validation_psnr"] for r in metrics if "validation_psnr" in r]
    telea = [r["validation_psnr_telea"] for r in metrics if "validation_psnr_telea" in r]
    # Where files lie on the disk of whoever trained is nobody's business but theirs.
    run = without_folders(json.loads(read_metadata(arguments.run)["run"]))
    header = {
        "steps": read_metadata(arguments.run)["steps"],
        "run": json.dumps(run),
        "data": arguments.data,
        "terms": arguments.terms,
        "validation": json.dumps({"psnr": round(scores[-1], 3), "telea": round(telea[-1], 3)}),
    }
    target = arguments.to / f"{arguments.name}.safetensors"
    save_generator(load_generator(arguments.run), target, header, dtype=torch.float16)
    size = target.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{target}: {size:,} bytes, more than {LARGEST:,}")
    print(f"{target}: {size:,} bytes; validation {header['validation']}")


if __name__ == "__main__":
    main()
