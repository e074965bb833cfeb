#!/usr/bin/env python3
"""Score the packaged generator for rendered faces against classical methods, on faces it never saw.

    tools/score_faces.py

Two questions: PSNR and SSIM over irregular holes, by hole ratio; and, with the eyes or the mouth
covered whole, how far the fill is from the truth inside that region, in grey levels, and how much
detail it has there, as a share of the truth's. Only a method that knows where features sit can do
well at the error; a blurred fill fails at the detail.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from labkit.evaluation.methods import Method, open_methods
from labkit.evaluation.metrics import l1, psnr, ssim
from labkit.evaluation.protocol import ProtocolConfig
from labkit.evaluation.report import environment
from labkit.evaluation.statistics import Score, bootstrap_mean, summarise
from labkit.faces import RenderedFaces, box_around, face_regions
from labkit.files import write_text
from labkit.masks import irregular
from labkit.nn.weights import read_metadata

RESULTS = Path(__file__).resolve().parent.parent / "book" / "results"
SIZE, FACES, SEED = 64, 200, 7
MARGIN = 3  # pixels around the region that are covered with it


def score_holes(images: np.ndarray, methods: list[Method]) -> list[dict[str, object]]:
    rng = torch.Generator().manual_seed(SEED)
    masks = irregular(FACES, SIZE, rng=rng)[:, 0].numpy() > 0.5
    scores = []
    for index, (image, mask) in enumerate(zip(images, masks, strict=True)):
        ratio = float(mask.mean())
        for method in methods:
            fill = method.fill(image, mask)
            measured = psnr(image, fill), ssim(image, fill), l1(image, fill)
            scores.append(Score(str(index), method.label, ratio, *measured))
    return summarise(scores)


def score_regions(
    images: np.ndarray, seeds: np.ndarray, methods: list[Method]
) -> dict[str, dict[str, dict[str, object]]]:
    """When all of a region is covered: mean absolute error inside it, in grey levels; and the root
    mean square difference of neighbours there, left to right, as a share of the truth's."""
    found: dict[str, dict[str, dict[str, object]]] = {"errors": {}, "detail": {}}
    for name, regions in face_regions(seeds, SIZE).items():
        found["errors"][name], found["detail"][name] = {}, {}
        for method in methods:
            errors, detail = [], []
            for image, region in zip(images, regions, strict=True):
                fill = method.fill(image, box_around(region, MARGIN)).astype(float)
                errors.append(np.abs(fill - image)[region].mean())
                detail.append((steps(fill, region), steps(image, region)))
            interval = {key: round(value, 2) for key, value in bootstrap_mean(errors).items()}
            ours, truth = np.mean(detail, axis=0) ** 0.5
            found["errors"][name][method.label] = interval
            found["detail"][name][method.label] = round(float(ours / truth), 3)
    return found


def steps(image: np.ndarray, region: np.ndarray) -> float:
    """Mean square difference of horizontal neighbours of which both lie in the region."""
    both = region[:, 1:] & region[:, :-1]
    return float((np.diff(image.astype(float), axis=1)[both] ** 2).mean())


def main() -> None:
    torch.set_num_threads(2)
    faces, indices = RenderedFaces(SIZE, split="test"), list(range(FACES))
    images = faces.batch(indices)
    plain = RESULTS / "faces-plain.safetensors"  # the network without a prior
    methods = open_methods(["telea", "ns", "biharmonic"], ["faces", str(plain)])
    header = read_metadata("faces")
    regions = score_regions(images, faces.seeds(indices), methods)
    protocol = ProtocolConfig(size=SIZE, seed=SEED)
    result = {
        "rows": score_holes(images, methods),
        "regions": {"unit": "mean absolute error inside the region, grey levels", **regions},
        "training": {
            "steps": int(header["steps"]),
            "validation": json.loads(header["validation"]),
            "settings": json.loads(header["run"]),
        },
        "environment": environment(methods, protocol, device="cpu", command="tools/score_faces.py"),
    }
    write_text(RESULTS / "faces.json", json.dumps(result, indent=2) + "\n")
    for row in result["rows"]:
        print(f"{row['method']:<11} {row['psnr']['mean']:.2f} dB  SSIM {row['ssim']['mean']:.3f}")
    for name, found in regions["errors"].items():
        detail = regions["detail"][name]
        print(name, {m: (error["mean"], detail[m]) for m, error in found.items()})


if __name__ == "__main__":
    main()
