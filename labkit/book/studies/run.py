"""Run a study's arms and seeds, each in a folder of its own, and put what was measured together.

Runs that are complete are not run again, and one that was interrupted goes on from its checkpoint,
so a study may be stopped at any moment. Runs with equal settings are shared between studies: the
folder's name is a hash of the settings.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from labkit.book.studies.probe import Measures, Probe
from labkit.book.studies.registry import Scale, Study
from labkit.errors import InputError
from labkit.evaluation.statistics import student_interval
from labkit.files import CONFIG, write_text
from labkit.images import read_image, write_image
from labkit.nn.generator import GMCNN
from labkit.nn.weights import load_generator, save_generator
from labkit.settings import Hardware, TrainConfig
from labkit.training.estimate import cost
from labkit.training.opening import open_data
from labkit.training.trainer import train

SNAPSHOTS = 8  # moments of a run at which it is measured, evenly spaced


@dataclass(frozen=True)
class Plan:
    """What to run, and where.

    Attributes:
        scale: shared by all arms.
        seeds: how many runs of each arm.
        pictures: how many a run is measured on.
        runs: folder for the runs.
        accelerator: as in `Hardware`.
        jobs: runs at a time, one thread each where there are several.
    """

    scale: Scale
    seeds: int
    runs: Path
    pictures: int = 128
    accelerator: str = "auto"
    jobs: int = 1

    def __post_init__(self) -> None:
        for name in ("seeds", "pictures", "jobs"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)} must be at least 1")
        if self.scale.steps % SNAPSHOTS:
            raise InputError(
                f"steps {self.scale.steps} are not a multiple of {SNAPSHOTS}",
                f"a run is measured {SNAPSHOTS} times, evenly spaced",
            )

    def config(self, study: Study, arm: str, seed: int) -> TrainConfig:
        """The settings of one run."""
        every = self.scale.steps // SNAPSHOTS
        return replace(
            study.arm(arm, self.scale),
            seed=seed,
            validate_every=every,
            checkpoint_every=every,
            log_every=every,
            validation_images=1,  # the probe measures; validation only marks the moments
        )

    def folder(self, config: TrainConfig) -> Path:
        """Where a run with these settings lives."""
        text = f"{config.to_json()}{self.pictures}"
        return self.runs / hashlib.sha256(text.encode()).hexdigest()[:16]

    def folders(self, study: Study, arm: str) -> list[Path]:
        """Where the runs of an arm live, seed by seed."""
        return [self.folder(self.config(study, arm, seed)) for seed in range(self.seeds)]

    def probe(self, config: TrainConfig) -> Probe:
        """What a run with these settings is measured on."""
        return Probe(open_data(config.data)[1], config.data.masks, self.pictures)


def run_study(study: Study, plan: Plan, say: Callable[[str], None]) -> dict[str, object]:
    """Run what has not been run, and return the study's result.

    Args:
        say: told of each run that ends.

    Returns:
        see `result`.
    """
    todo = [
        (plan.config(study, arm, seed), arm, seed)
        for seed in range(plan.seeds)
        for arm in study.names
    ]
    waiting = [item for item in todo if not _done(plan.folder(item[0])).exists()]
    say(f"{len(todo)} runs, {len(todo) - len(waiting)} of them done before")
    began = time.perf_counter()

    def ended(arm: str, seed: int, done: int) -> None:
        minutes = (time.perf_counter() - began) / 60
        last = _curve(plan.folders(study, arm)[seed])[-1]
        left = minutes / done * (len(waiting) - done)
        say(
            f"{arm}, seed {seed}: {last['psnr']:.2f} dB  "
            f"[{done}/{len(waiting)}, {minutes:.0f} min, {left:.0f} min left]"
        )

    if plan.jobs == 1:
        for done, (config, arm, seed) in enumerate(waiting, start=1):
            run_one(config, plan)
            ended(arm, seed, done)
        return result(study, plan)
    context = multiprocessing.get_context("spawn")  # a forked child of a threaded parent may hang
    with ProcessPoolExecutor(plan.jobs, context, torch.set_num_threads, (1,)) as pool:
        futures = {pool.submit(run_one, config, plan): (arm, seed) for config, arm, seed in waiting}
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                ended(*futures[future], done)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return result(study, plan)


def run_one(config: TrainConfig, plan: Plan) -> None:
    """Train with these settings and measure on the way; goes on where it was interrupted."""
    folder = plan.folder(config)
    probe, curve = plan.probe(config), _curve(folder)

    def observe(step: int, model: GMCNN) -> None:
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():
            raise KeyboardInterrupt  # nobody waits for this run any more
        measured = probe.measure(model, thorough=step == config.steps)
        curve[:] = [entry for entry in curve if entry["step"] < step]
        curve.append({"step": step, **measured})
        write_text(folder / "curve.json", json.dumps(curve))
        if step == config.steps:
            write_image(folder / "fills.png", probe.pictures(model))

    hardware = Hardware(accelerator=plan.accelerator, workers=0)
    began = time.perf_counter()
    train(
        config, folder, hardware=hardware, resume=folder.exists(), progress=False, observe=observe
    )
    seconds = round(time.perf_counter() - began, 1)
    write_text(_done(folder), json.dumps({"seconds": seconds}))


def result(study: Study, plan: Plan) -> dict[str, object]:
    """A study's result, from its finished runs.

    Returns:
        what the result file holds. Intervals are Student's over the seeds; differences are to the
        reference arm, seed by seed.

        ``{"question", "reference", "settings", "telea", "minutes", "arms": [{"arm", "parameters",
        "megaflop", "curves": {measure: {"step", "runs", "mean", "low", "high"}}, "final":
        {measure: {"runs", "mean", "low", "high"}}, "differences": {measure: …}}]}``
    """
    arms = []
    folders = {name: plan.folders(study, name) for name in study.names}
    recorded = {name: [_curve(folder) for folder in folders[name]] for name in study.names}
    reference = _finals(recorded[study.reference])
    for name, curves in recorded.items():
        finals = _finals(curves)
        config = study.arm(name, plan.scale)
        row: dict[str, object] = {"arm": name, **cost(config.generator, plan.scale.size)}
        measures = [m for m in curves[0][0] if m != "step"]
        row["curves"] = {
            measure: {"step": [entry["step"] for entry in curves[0]]}
            | _intervals([[entry[measure] for entry in curve] for curve in curves])
            for measure in measures
        }
        row["final"] = {m: _interval([final[m] for final in finals]) for m in finals[0]}
        if name != study.reference:
            row["differences"] = {
                m: _interval([a[m] - b[m] for a, b in zip(finals, reference, strict=True)])
                for m in finals[0]
            }
        arms.append(row)
    base = study.arm(study.reference, plan.scale)
    probe = plan.probe(base)
    seconds = [_seconds(folder) for runs in folders.values() for folder in runs]
    return {
        "question": study.question,
        "reference": study.reference,
        "settings": {
            "size": plan.scale.size,
            "width": plan.scale.width,
            "steps": plan.scale.steps,
            "warm_up": base.warm_up_steps,
            "batch": plan.scale.batch,
            "learning_rate": plan.scale.learning_rate,
            "precision": plan.scale.precision,
            "prior": base.generator.prior,
            "images": [Path(name).name for name in plan.scale.images],
            "masks": plan.scale.masks.kind,
            "seeds": plan.seeds,
            "pictures": plan.pictures,
        },
        "telea": round(probe.psnr(probe.classical("telea")), 4),
        "minutes": round(sum(seconds) / 60, 1),
        "arms": arms,
    }


def contact_sheet(study: Study, plan: Plan) -> np.ndarray:
    """Fills of the first seed, a column an arm, between the masked pictures and the truth."""
    masked, truth = plan.probe(study.arm(study.reference, plan.scale)).margin()
    fills = [read_image(plan.folders(study, name)[0] / "fills.png") for name in study.names]
    return np.concatenate([masked, *fills, truth], axis=1)


def keep_generator(folder: Path, path: Path) -> None:
    """Write a run's generator to `path`, in half precision."""
    about = {"steps": str(TrainConfig.read(folder / CONFIG).steps)}
    save_generator(load_generator(folder), path, about, dtype=torch.float16)


def _finals(curves: Sequence[list[Measures]]) -> list[Measures]:
    """What was measured last, of each run."""
    return [{m: value for m, value in curve[-1].items() if m != "step"} for curve in curves]


def _seconds(folder: Path) -> float:
    return json.loads(_done(folder).read_text())["seconds"]


def _interval(values: Sequence[float]) -> dict[str, object]:
    spread = {key: round(value, 4) for key, value in student_interval(values).items()}
    return {"runs": [round(value, 4) for value in values], **spread}


def _intervals(runs: Sequence[Sequence[float]]) -> dict[str, object]:
    """Of curves, moment by moment."""
    moments = [_interval(values) for values in zip(*runs, strict=True)]
    spread = {key: [moment[key] for moment in moments] for key in ("mean", "low", "high")}
    return {"runs": [[round(value, 4) for value in run] for run in runs], **spread}


def _done(folder: Path) -> Path:
    return folder / "measured.json"


def _curve(folder: Path) -> list[dict[str, float]]:
    path = folder / "curve.json"
    return json.loads(path.read_text()) if path.exists() else []
