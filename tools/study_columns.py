#!/usr/bin/env python3
"""What can each column fill alone? Train four generators of equal size and write columns.json.

    tools/study_columns.py [--seeds 5] [--steps 400] [--output book/results/columns.json]

Chapter 4 shows the result. Three generators have one column each, the fourth has all three; their
widths are chosen so that they have about the same number of parameters. The pictures are a scale
model of the paper's: 40 pixels stand for 256, and a hole of 20 for one of 128. Without dilated
layers the columns see 133, 89 and 45 pixels, which are to 40 as 853, 569 and 285 are to 256. Each
arm is trained once for each seed, which decides initial weights, faces and holes; an interval is
Student's, over the seeds. About ten minutes on one core.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from labkit.book.studies.probe import Holes
from labkit.book.studies.run import cost
from labkit.evaluation.metrics import ssim
from labkit.evaluation.statistics import student_interval
from labkit.faces import RenderedFaces, face_regions
from labkit.files import write_text
from labkit.images import from_uint8
from labkit.machine import machine
from labkit.masks import rectangle
from labkit.nn.generator import GMCNN, GeneratorConfig, receptive_field
from labkit.nn.weights import load_generator
from labkit.settings import (
    DataConfig,
    Hardware,
    MaskConfig,
    ObjectiveConfig,
    ReconstructionConfig,
    TrainConfig,
)
from labkit.training.trainer import train

ROOT = Path(__file__).resolve().parent.parent
SIZE, SIDE, MARGIN = 40, 20, 2  # picture, hole, and what stays known along each edge, in pixels
TOGETHER = "three columns"
ARMS = {  # kernels and width: 252, 248, 227 and 274 thousand parameters
    "7×7 alone": ((7,), 8),
    "5×5 alone": ((5,), 10),
    "3×3 alone": ((3,), 18),
    TOGETHER: ((7, 5, 3), 6),
}
TEST_FACES = 500
BATCH, LEARNING_RATE = 16, 5e-4
REGIONS = ("eyes", "nose", "mouth")
DEPTHS = ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10))  # pixels from the nearest known pixel


def arm(name: str) -> GeneratorConfig:
    """The generator of one arm."""
    kernels, width = ARMS[name]
    # At these widths N(0, 0.02²) would let the signal fade; chapter 4 shows it.
    return GeneratorConfig(width=width, kernels=kernels, dilations=(), initialisation="he")


def training(name: str, seed: int, steps: int) -> TrainConfig:
    """The training run of one arm and seed; everything but the generator is shared by the arms."""
    return TrainConfig(
        generator=arm(name),
        data=DataConfig(
            images=("faces",),
            masks=MaskConfig(kind="rectangle", side=SIDE, margin=MARGIN),
            size=SIZE,
        ),
        objective=ObjectiveConfig(reconstruction=ReconstructionConfig(confidence=None)),
        steps=steps,
        batch=BATCH,
        learning_rate=LEARNING_RATE,
        schedule="linear",
        seed=seed,
        validate_every=0,
        checkpoint_every=steps,
        log_every=steps,
    )


class Test(Holes):
    """Faces that no arm has seen, each with a hole, and the errors of a fill by place."""

    def __init__(self) -> None:
        faces, chosen = RenderedFaces(SIZE, split="test"), range(TEST_FACES)
        rng = torch.Generator().manual_seed(0)
        masks = rectangle(TEST_FACES, SIZE, side=SIDE, margin=MARGIN, rng=rng)  # (N, 1, S, S)
        super().__init__(faces.batch(chosen), masks)
        self.regions = face_regions(faces.seeds(chosen), SIZE)

    @torch.no_grad()
    def quietest_column(self, model: GMCNN) -> float:
        """Smallest standard deviation of what a column hands on; near 0 if one has died."""
        images = from_uint8(torch.from_numpy(self.truth[:100]))
        return min(f.std().item() for f in model.features(images, self.masks[:100]))

    def scores(self, filled: np.ndarray) -> dict[str, float]:
        """Mean PSNR and SSIM of the composites, and mean error in grey levels by place."""
        error = np.abs(filled.astype(float) - self.truth).mean(axis=-1)  # (N, S, S)
        similar = [ssim(a, b) for a, b in zip(self.truth, filled, strict=True)]
        found = {"psnr": self.psnr(filled), "ssim": float(np.mean(similar))}
        for low, high in DEPTHS:
            found[f"depth {low}"] = float(error[(self.depth >= low) & (self.depth <= high)].mean())
        for name, region in self.regions.items():
            found[name] = float(error[region & self.holes].mean())
        return found


def interval(values: Sequence[float]) -> dict[str, float]:
    """The mean and Student's 95 % interval over independent runs, rounded."""
    return {key: round(value, 4) for key, value in student_interval(values).items()}


def by_depth(runs: list[dict[str, float]]) -> list[dict[str, float]]:
    """Intervals over runs, for each distance from the nearest known pixel."""
    return [
        {"from": a, "to": b, **interval([run[f"depth {a}"] for run in runs])} for a, b in DEPTHS
    ]


def row(name: str, runs: list[dict[str, float]]) -> dict[str, object]:
    """One line of the result: intervals over the runs of one arm."""
    spread = {key: interval([run[key] for run in runs]) for key in ("psnr", "ssim", *REGIONS)}
    return {
        "method": name,
        "pairs": TEST_FACES,
        "runs": len(runs),
        "psnr": spread["psnr"],
        "ssim": spread["ssim"],
        "error_by_depth": by_depth(runs),
        "error_by_region": {region: spread[region] for region in REGIONS},
    }


def main(
    seeds: Annotated[int, typer.Option(min=2, help="runs of each arm")] = 5,
    steps: Annotated[int, typer.Option(help="training steps of each run")] = 400,
    output: Path = ROOT / "book" / "results" / "columns.json",
) -> None:
    """Train the arms, and write what they score."""
    torch.set_num_threads(1)  # small layers: a second thread gains little
    test = Test()
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in ARMS}
    quietest: dict[str, list[float]] = {name: [] for name in ARMS}
    for seed, name in product(range(seeds), ARMS):
        with tempfile.TemporaryDirectory() as folder:
            run, cpu = Path(folder) / "run", Hardware(accelerator="cpu", workers=0)
            train(training(name, seed, steps), run, hardware=cpu, progress=False)
            model = load_generator(run)
        runs[name].append(test.scores(test.fill(model)))
        quietest[name].append(round(test.quietest_column(model), 3))
        score, scale = runs[name][-1]["psnr"], quietest[name][-1]
        print(f"seed {seed}  {name:14} {score:.2f} dB, quietest column {scale:.3f}", flush=True)

    rows = []
    for name in ARMS:
        fields = [receptive_field(kernel, ()) for kernel in arm(name).kernels]
        made = {"width": arm(name).width, **cost(arm(name), SIZE), "fields": fields}
        rows.append(row(name, runs[name]) | made | {"quietest_column": quietest[name]})
        if name != TOGETHER:
            pairs = zip(runs[name], runs[TOGETHER], strict=True)  # of one seed each
            less = [{key: alone[key] - three[key] for key in alone} for alone, three in pairs]
            rows[-1]["three_columns_gain_db"] = interval([-run["psnr"] for run in less])
            rows[-1]["error_less_three_columns"] = by_depth(less)
    baselines = []
    for method in ("mean", "telea"):
        scores = test.scores(test.classical(method))
        baselines.append({"method": method} | {key: round(v, 4) for key, v in scores.items()})
    environment = {
        "command": f"tools/study_columns.py --seeds {seeds} --steps {steps}",
        **{name: machine()[name] for name in ("date", "python", "torch", "numpy")},
        **{"size": SIZE, "hole": SIDE, "steps": steps},
        **{"batch": BATCH, "learning_rate": LEARNING_RATE},
    }
    result = {"rows": rows, "baselines": baselines, "environment": environment}
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_text(output, text)
    print(f"wrote {output}")


if __name__ == "__main__":
    typer.run(main)
