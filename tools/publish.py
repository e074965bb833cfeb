#!/usr/bin/env python3
"""Put what was trained and measured into the book's results, without the folders of this machine.

tools/publish.py run training-128 runs/celeba runs/stage2
tools/publish.py tried --photographs runs/celeba --photographs runs/stage2 --faces runs/faces
tools/publish.py summary results/256 table1-256
tools/publish.py summary results/table.json table
tools/publish.py row "gmcnn celeba" results/128 results/256
tools/publish.py weights runs/faces faces --data "rendered faces of labkit" --terms MIT
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Annotated

import torch
import typer

from labkit.evaluation.statistics import AS_REPORTED
from labkit.files import write_text
from labkit.machine import machine
from labkit.nn.weights import PACKAGED, load_generator, read_metadata, save_generator
from labkit.settings import TrainConfig
from labkit.training.checkpoint import RunFolder, read_metrics
from labkit.training.opening import open_data
from labkit.training.validation import Validation

RESULTS = Path(__file__).resolve().parent.parent / "book" / "results"
LARGEST = 7_000_000  # bytes of a weights file
# The settings of a run that `tried` lists.
SHOWN = [
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
]
SECOND_STAGE = ("objective.", "adversarial.")
app = typer.Typer(help=__doc__.splitlines()[0], add_completion=False)


def write(name: str, result: object, **layout: object) -> None:
    """Write book/results/NAME.json."""
    target = RESULTS / f"{name}.json"
    write_text(target, json.dumps(result, ensure_ascii=False, **layout) + "\n")
    print(f"{target}: {target.stat().st_size:,} bytes")


def without_folders(value: object) -> object:
    """The same settings with every path cut down to its name."""
    if isinstance(value, dict):
        return {key: without_folders(part) for key, part in value.items()}
    if isinstance(value, list):
        return [without_folders(part) for part in value]
    return Path(value).name if isinstance(value, str) and "/" in value else value


@app.command("run")
def write_runs(name: str, runs: list[Path]) -> None:
    """The settings, curves and validation of runs that follow each other."""
    command = " ".join(["tools/publish.py run", name, *map(str, runs)])
    result = {"runs": [*map(record, runs)], "environment": machine() | {"command": command}}
    write(name, result, separators=(",", ":"))


def record(path: Path) -> dict[str, object]:
    """What is told of one run."""
    run = RunFolder(path)
    records = read_metrics(run.metrics)
    curves = [r for r in records if "learning_rate" in r]
    names = sorted({name for r in curves for name in r} - {"stage", "seconds"})
    telea = [r["validation_psnr_telea"] for r in records if "validation_psnr_telea" in r]
    return {
        "run": path.name,
        "config": without_folders(json.loads(run.config.read_text())),
        "curves": {
            name: [round(r[name], 6) if name in r else None for r in curves] for name in names
        },
        "validation": [
            {"step": r["step"], "psnr": round(r["validation_psnr"], 3)}
            for r in records
            if "validation_psnr" in r
        ],
        "telea": round(telea[0], 3) if telea else None,
        "seconds_per_step": seconds_per_step(curves),
        "minutes": round(sum(r["seconds"] for r in curves) / 60, 1),
    }


def seconds_per_step(curves: list[dict]) -> dict[str, float]:
    """stage → median over the records; the first record, which warms up, is left out."""
    rates: dict[str, list[float]] = {}
    for before, now in pairwise(curves):
        rate = now["seconds"] / (now["step"] - before["step"])
        # Records of earlier versions, which had one stage, do not name it.
        rates.setdefault(now.get("stage", "warm-up"), []).append(rate)
    return {stage: round(median(values), 3) for stage, values in rates.items()}


@app.command("tried")
def write_tried(
    photographs: Annotated[list[Path] | None, typer.Option()] = None,
    faces: Annotated[list[Path] | None, typer.Option()] = None,
) -> None:
    """The settings and validation of every run; those listed already stay, unless given again."""
    listed = RESULTS / "tried.json"
    result = json.loads(listed.read_text()) if listed.is_file() else {}
    for group, folders in (("photographs", photographs), ("faces", faces)):
        entries = [*result.get(group, []), *tried(folders or ())]
        result[group] = list({entry["run"]: entry for entry in entries}.values())
    write("tried", result, indent=1)


def tried(folders: Sequence[Path]) -> list[dict[str, object]]:
    """How far each run came, and what it scored; one that was stopped early with its steps."""
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
        for run in map(record, folders)
    ]


def settings(config: dict[str, object]) -> dict[str, object]:
    """Those of SHOWN that the run has; without a second stage, none of its settings."""
    found = dict(flat(config))
    # Earlier runs have the first stage's settings one level higher.
    found["reconstruction.known"] = found.get(
        "objective.reconstruction.known", found.get("reconstruction.known")
    )
    hidden = SECOND_STAGE if found.get("warm_up") is None else ()
    return {name: found[name] for name in SHOWN if name in found and not name.startswith(hidden)}


def flat(settings: dict[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """("data.size", 128) for every setting, however deep."""
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


@app.command()
def summary(measured: Path, name: str) -> None:
    """A folder of `labkit evaluate`, or the file and picture of `labkit study table`."""
    source = measured / "summary.json" if measured.is_dir() else measured
    found = json.loads(source.read_text())
    words = found["environment"]["command"].split()
    found["environment"]["command"] = " ".join(map(without_folders, words))
    write(name, found, indent=2)
    if (picture := source.with_suffix(".png")).is_file():
        print(shutil.copy(picture, RESULTS / f"{name}.png"))


@app.command()
def row(method: str, evaluations: list[Path]) -> None:
    """Replace a network's rows in the table by those of evaluations, one for each size.

    For when the packaged generator was trained again and the table's own runs are not at hand.
    Differences from the trained rows need the scores of single pairs, which the table does not
    keep; they are left out until `labkit study table` scores all rows again.
    """
    table = json.loads((RESULTS / "table.json").read_text())
    for folder in evaluations:
        replace(table, method, json.loads((folder / "summary.json").read_text()))
    write("table", table, indent=2)


def replace(table: dict, method: str, summary: dict) -> None:
    """Replace the rows of a method in the table of the summary's size, and its differences.

    Raises:
        SystemExit: the table has no such size or row, or another method of both scores otherwise:
            other pairs, or another protocol.
    """
    size = str(summary["environment"]["size"])
    if size not in table["tables"]:
        raise SystemExit(f"no table at {size} px; it has {', '.join(table['tables'])}")
    part, own = table["tables"][size], {method, method + AS_REPORTED}
    new, old = ({row["method"]: row for row in rows["rows"]} for rows in (summary, part))
    if missing := own - (new.keys() & old.keys()):
        raise SystemExit(f"{min(missing)}: not a row of both, at {size} px")
    for name in new.keys() & old.keys() - own:
        if abs(new[name]["psnr"]["mean"] - old[name]["psnr"]["mean"]) > 0.01:
            raise SystemExit(f"{name}: scored otherwise at {size} px; are these the same pairs?")
    part["rows"] = [new[name] if name in own else row for name, row in old.items()]
    part["differences"] = [
        entry
        for entries, about_it in ((part["differences"], False), (summary["differences"], True))
        for entry in entries
        if bool({entry["method"], entry["minus"]} & own) == about_it
    ]
    environment = {key: summary["environment"][key] for key in ("cpu", "date", "weights")}
    table["environment"].setdefault("evaluated later", {})[f"{method}, {size} px"] = environment


@app.command()
def weights(
    run: Path,
    name: Annotated[str, typer.Argument(help="how `labkit inpaint --weights NAME` will call it")],
    data: Annotated[str, typer.Option(help="what it was trained on")],
    terms: Annotated[str, typer.Option(help="under which terms it may be used")],
    to: Annotated[Path, typer.Option(help="folder of the file")] = PACKAGED,
    blend: Annotated[Path | None, typer.Option(help="weights to mix with the run's")] = None,
    share: Annotated[float, typer.Option(help="of --blend in the mixture")] = 0.5,
) -> None:
    """A run's generator as float16, with a header that says what it is.

    One of the run and --blend must have been trained from the other: between a smooth and a sharp
    network lie networks in between (Wang et al. 2018, "ESRGAN", section 3.4).
    """
    model = load_generator(run)
    if blend is not None:
        other = load_generator(blend).state_dict()
        model.load_state_dict({k: v.lerp(other[k], share) for k, v in model.state_dict().items()})
    about = read_metadata(run)
    described = json.loads(about["run"])
    config = TrainConfig.from_dict(described)
    validation = Validation(open_data(config.data)[1], config.data.masks, config.validation_images)
    score, _ = validation.run(model, torch.device("cpu"))
    scores = {"psnr": round(score, 3), "telea": round(validation.classical("telea"), 3)}
    header = {
        "steps": about["steps"],
        "run": json.dumps(without_folders(described)),
        "data": data,
        "terms": terms,
        "validation": json.dumps(scores),
    }
    if blend is not None:
        header["blend"] = f"{1 - share:g} of the run, {share:g} of another"
    target = to / f"{name}.safetensors"
    save_generator(model, target, header, dtype=torch.float16)
    size = target.stat().st_size
    if size > LARGEST:
        raise SystemExit(f"{target}: {size:,} bytes, more than {LARGEST:,}")
    print(f"{target}: {size:,} bytes; validation {header['validation']}")


if __name__ == "__main__":
    app()
