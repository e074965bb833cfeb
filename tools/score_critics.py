#!/usr/bin/env python3
"""Score generators that differ in the weight of the critics alone, on rendered faces held out.

    tools/score_critics.py SQUEEZENET_WEIGHTS RUN [RUN …]

Writes book/results/critics.json: PSNR and LPIPS over irregular holes, error and detail at covered
eyes; and critics.png, a large hole filled by each run, a run a column.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from score_faces import FACES, MARGIN, RESULTS, SEED, SIZE, steps

from labkit.evaluation.lpips import LPIPS
from labkit.evaluation.methods import open_methods
from labkit.evaluation.metrics import psnr
from labkit.evaluation.statistics import RESAMPLES, bootstrap_mean
from labkit.faces import RenderedFaces, box_around, face_regions
from labkit.files import CONFIG, write_text
from labkit.images import write_image
from labkit.machine import machine
from labkit.masks import irregular
from labkit.settings import TrainConfig

SHOWN = (0, 1, 7, 17)


def main(squeezenet: str, runs: list[str]) -> None:
    torch.set_num_threads(2)
    faces = RenderedFaces(SIZE, split="test")
    images, seeds = faces.batch(range(FACES)), faces.seeds(range(FACES))
    masks = irregular(FACES, SIZE, rng=torch.Generator().manual_seed(SEED))[:, 0].numpy() > 0.5
    square = np.pad(np.ones((36, 36), bool), 14)
    distance, rows, columns, first = LPIPS(squeezenet), [], [], None
    eyes = list(zip(images, face_regions(seeds, SIZE)["eyes"], strict=True))
    picks = np.random.default_rng(0).integers(0, FACES, (RESAMPLES, FACES))
    true = np.array([steps(*pair) for pair in eyes])
    settings = {run: TrainConfig.read(Path(run) / CONFIG) for run in runs}
    for run in sorted(runs, key=lambda run: settings[run].objective.adversarial_weight):
        (method,) = open_methods([], [run])
        pairs = [(face, method.fill(face, mask)) for face, mask in zip(images, masks, strict=True)]
        filled = [(method.fill(face, box_around(r, MARGIN)), face, r) for face, r in eyes]
        ours = np.array([steps(fill, r) for fill, _, r in filled])
        found = {
            "psnr": np.array([psnr(*pair) for pair in pairs]),
            "lpips": np.array([distance.between(*pair) for pair in pairs]),
            "detail": (ours[picks].mean(axis=1) / true[picks].mean(axis=1)) ** 0.5,
        }
        first = first or dict(found)  # the smallest weight, from which the others are told
        less = np.percentile(found.pop("detail") - first["detail"], [2.5, 97.5]).tolist()
        detail = round(float(ours.mean() / true.mean()) ** 0.5, 3)
        errors = bootstrap_mean([np.abs(fill - 1.0 * face)[r].mean() for fill, face, r in filled])
        about = {"errors": errors, "detail": detail, "detail less": less}
        rows.append({"weight": settings[run].objective.adversarial_weight, "eyes": about})
        for measure, values in found.items():
            rows[-1][measure] = round(float(values.mean()), 4)
            rows[-1][f"{measure} less"] = bootstrap_mean(values - first[measure])
        columns.append(np.concatenate([method.fill(images[k], square) for k in SHOWN]))
        print(rows[-1])
    found = {"rows": rows, "faces": FACES, "shown": SHOWN, "run": settings[runs[0]].to_dict()}
    found["environment"] = machine()
    write_text(RESULTS / "critics.json", json.dumps(found, indent=2) + "\n")
    write_image(RESULTS / "critics.png", np.concatenate(columns, axis=1))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
