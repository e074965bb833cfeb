#!/usr/bin/env python3
"""Pack the generator of a training run into the package, as float16 with a header that says what it
is.

    tools/pack_weights.py runs/faces faces --data "rendered faces of labkit" --terms MIT

The file goes to labkit/weights/NAME.safetensors, or to another folder (--to book/results). The
run's configuration, the number of steps and the score on its validation pictures are put into the
header, beside what is given here.

`--blend OTHER --share 0.65` packs 0.35 times the run's weights plus 0.65 times those of OTHER; one
must have been trained from the other: between a smooth and a sharp network lie networks in
between (Wang et al. 2018, "ESRGAN", section 3.4).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from publish_run import without_folders

from labkit.nn.weights import PACKAGED, load_generator, read_metadata, save_generator
from labkit.settings import TrainConfig
from labkit.training.opening import open_data
from labkit.training.validation import Validation

LARGEST = 7_000_000  # bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("name", help="how `labkit inpaint --weights NAME` will call it")
    parser.add_argument("--data", required=True, help="what it was trained on")
    parser.add_argument("--terms", required=True, help="under which terms it may be used")
    parser.add_argument("--to", type=Path, default=PACKAGED, help="folder of the file")
    parser.add_argument("--blend", type=Path, help="weights to mix with the run's")
    parser.add_argument("--share", type=float, default=0.5, help="of --blend in the mixture")
    arguments = parser.parse_args()

    model = load_generator(arguments.run)
    if arguments.blend is not None:
        other = load_generator(arguments.blend).state_dict()
        mixed = {k: v.lerp(other[k], arguments.share) for k, v in model.state_dict().items()}
        model.load_state_dict(mixed)
    described = json.loads(read_metadata(arguments.run)["run"])
    config = TrainConfig.from_dict(described)
    validation = Validation(open_data(config.data)[1], config.data.masks, config.validation_images)
    score, _ = validation.run(model, torch.device("cpu"))
    # Where files lie on the disk of whoever trained is nobody's business but theirs.
    run = without_folders(described)
    header = {
        "steps": read_metadata(arguments.run)["steps"],
        "run": json.dumps(run),
        "data": arguments.data,
        "terms": arguments.terms,
        "validation": json.dumps(
            {"psnr": round(score, 3), "telea": round(validation.classical("telea"), 3)}
        ),
    }
    if arguments.blend is not None:
        header["blend"] = f"{1 - arguments.share:g} of the run, {arguments.share:g} of another"
    target = arguments.to / f"{arguments.name}.safetensors"
    save_generator(model, target, header, dtype=torch.float16)
    size = target.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{target}: {size:,} bytes, more than {LARGEST:,}")
    print(f"{target}: {size:,} bytes; validation {header['validation']}")


if __name__ == "__main__":
    main()
