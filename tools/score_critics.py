#!/usr/bin/env python3
"""Score generators that differ in the weight of the critics alone, on rendered faces held out.

    tools/score_critics.py SQUEEZENET_WEIGHTS RUN [RUN …]

Writes book/results/critics.json: PSNR and LPIPS over irregular holes, error and detail at covered
eyes; and critics.png, a large hole filled by each run, a run a column. Chapter 7 shows both.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from score_faces import FACES, RESULTS, SEED, SIZE, score_regions

from labkit.evaluation.lpips import LPIPS
from labkit.evaluation.methods import open_methods
from labkit.evaluation.metrics import psnr
from labkit.evaluation.statistics import bootstrap_mean
from labkit.faces import RenderedFaces
from labkit.files import CONFIG, write_text
from labkit.images import write_image
from labkit.machine import machine
from labkit.masks import irregular
from labkit.settings import TrainConfig

SHOWN = (0, 1, 7, 17)
HOLE = np.s_[14:50, 14:50]


def main(squeezenet: str, runs: list[str]) -> None:
    torch.set_num_threads(2)
    faces = RenderedFaces(SIZE, split="test")
    images, seeds = faces.batch(range(FACES)), faces.seeds(range(FACES))
    masks = irregular(FACES, SIZE, rng=torch.Generator().manual_seed(SEED))[:, 0].numpy() > 0.5
    square = np.zeros((SIZE, SIZE), bool)
    square[HOLE] = True
    distance, rows, columns, first = LPIPS(squeezenet), [], [], None
    for run in sorted(runs, key=_weight):
        (method,) = open_methods([], [run])
        fills = [method.fill(*pair) for pair in zip(images, masks, strict=True)]
        pairs = list(zip(images, fills, strict=True))
        eyes = {
            k: v["eyes"][method.label] for k, v in score_regions(images, seeds, [method]).items()
        }
        found = {
            "psnr": np.array([psnr(*pair) for pair in pairs]),
            "lpips": np.array([distance.between(*pair) for pair in pairs]),
        }
        first = first or found  # the smallest weight, from which the others are told
        rows.append({"weight": _weight(run), "eyes": eyes})
        for measure, values in found.items():
            rows[-1][measure] = round(float(values.mean()), 4)
            rows[-1][f"{measure} less"] = bootstrap_mean(values - first[measure])
        columns.append(np.concatenate([method.fill(images[k], square) for k in SHOWN]))
        print(rows[-1])
    config = TrainConfig.read(Path(runs[0]) / CONFIG).to_dict()
    about = {"faces": FACES, "shown": SHOWN, "run": config, "environment": machine()}
    write_text(RESULTS / "critics.json", json.dumps({"rows": rows} | about, indent=2) + "\n")
    write_image(RESULTS / "critics.png", np.concatenate(columns, axis=1))


def _weight(run: str) -> float:
    return TrainConfig.read(Path(run) / CONFIG).objective.adversarial_weight


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
