"""The table: its rows, that runs are resumed and scores kept, and what the result holds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from test_evaluation import write_pairs
from training_runs import Killed, killed_at

from labkit.book.studies.registry import Scale
from labkit.book.studies.table import TablePlan, run_table
from labkit.book.studies.table_picture import shown_pictures
from labkit.book.studies.table_rows import ARMS, FULL, TITLES, TableRow, row_config, table_runs
from labkit.cli import main
from labkit.errors import InputError
from labkit.evaluation.statistics import AS_REPORTED
from labkit.images import read_image
from labkit.nn.weights import read_metadata
from labkit.settings import MaskConfig
from labkit.training.checkpoint import read_metrics
from labkit.training.trainer import _Loop

SCALE = Scale(size=32, width=2, steps=2, batch=1, masks=MaskConfig(kind="rectangle", side=16))


@pytest.fixture
def plan(tmp_path: Path, squeezenet: Path) -> TablePlan:
    return TablePlan(
        scale=SCALE,
        pairs=write_pairs(tmp_path / "pairs", [0.2, 0.5]),
        runs=tmp_path / "runs",
        only=("base", "released"),
        sizes=(32,),
        squeezenet=str(squeezenet),
        accelerator="cpu",
        workers=0,
    )


def run(plan: TablePlan, **options) -> tuple[list[str], list[dict]]:
    lines: list[str] = []
    written: list[dict] = []
    run_table(plan, lines.append, written.append, **options)
    return lines, written


def test_every_row_differs_from_the_base_in_its_own_way() -> None:
    base = row_config(TableRow("base", 0), SCALE)
    about = {
        **dict.fromkeys(("se", "a2", "se-report", "a2-report"), "generator."),
        **dict.fromkeys(("laplacian", "released"), "objective.reconstruction.confidence."),
    }
    for name in ARMS.names[1:]:
        differing = row_config(TableRow(name, 0), SCALE).differences(base)
        assert differing and all(entry.startswith(about[name]) for entry in differing), name
    assert row_config(TableRow("base", 3), SCALE).differences(base) == ["seed"]
    full = row_config(TableRow(FULL, 0), Scale(steps=7000))
    assert (full.warm_up, full.has_second_stage, base.has_second_stage) == (5000, True, False)
    assert full.objective.id_mrf_weight > 0 and full.objective.adversarial_weight > 0


def test_every_row_comes_once_before_any_comes_again() -> None:
    runs = table_runs(3)
    assert [row.name for row in runs[: len(TITLES)]] == list(TITLES)
    assert [row.folder for row in runs[len(TITLES) :]] == [
        "base-1", "se-1", "a2-1", "base-2", "se-2", "a2-2",
    ]  # fmt: skip
    with pytest.raises(InputError, match="seeds 0"):
        table_runs(0)
    with pytest.raises(InputError, match="row 'sea' is unknown; one of base, se"):
        table_runs(1, ["sea"])


def test_a_table_from_start_to_result(plan: TablePlan, monkeypatch: pytest.MonkeyPatch) -> None:
    with killed_at(monkeypatch, 1), pytest.raises(Killed):
        run(plan)
    lines, written = run(plan)
    assert lines[0] == "3 runs, 0 of them done before"
    assert [line.split(":")[0] for line in lines[1:]] == ["base-0", "released-0", "base-1"]
    # Written before the first run, and again after each.
    assert [len(table["runs"]) for table in written] == [0, 1, 2, 3]
    table = written[-1]
    json.dumps(table, allow_nan=False)
    rows = {row["method"]: row for row in table["tables"]["32"]["rows"]}
    names = ["black", "mean", "telea", "ns", "biharmonic", "GMCNN", "GMCNN, released kernel"]
    assert [name for name in rows if not name.endswith(AS_REPORTED)] == names
    assert len(rows) == 2 * len(names)
    base = rows["GMCNN"]
    once = rows["GMCNN, released kernel"]["seeds"]
    assert list(base["seeds"]) == ["0", "1"] and list(once) == ["0"]
    assert base["psnr"]["mean"] == pytest.approx(np.mean([*base["seeds"].values()]), abs=1e-3)
    assert base["seeds"]["0"] != base["seeds"]["1"]
    assert all(base[m]["low"] <= base[m]["mean"] <= base[m]["high"] for m in ("l1", "lpips"))
    difference = table["tables"]["32"]["differences"][-1]
    assert difference["method"] == "GMCNN, released kernel" + AS_REPORTED
    both = [rows[f"{name}{AS_REPORTED}"] for name in ("GMCNN, released kernel", "GMCNN")]
    within = both[0]["seeds"]["0"] - both[1]["seeds"]["0"]  # base's seed 1 has no partner
    assert difference["seeds"] == {"0": pytest.approx(within, abs=1e-3)}
    assert difference["psnr"]["mean"] == pytest.approx(within, abs=1e-3)
    assert table["costs"]["GMCNN"] == table["costs"]["GMCNN, released kernel"]
    assert [record["seed"] for record in table["runs"]] == [0, 0, 1]

    again, (same,) = run(plan)[0], run(plan)[1]
    assert again == ["3 runs, 3 of them done before"] and same == table


def test_scores_that_were_kept_are_those_of_the_same_pairs(plan: TablePlan) -> None:
    _, (first, *_) = run(plan, training=False)
    write_pairs(plan.pairs, [0.3, 0.4])
    _, (second, *_) = run(plan, training=False)
    means = [t["tables"]["32"]["rows"][0]["psnr"]["mean"] for t in (first, second)]
    assert means[0] != means[1] and first["runs"] == []


def test_kept_scores_are_those_of_the_same_lpips(plan: TablePlan, tmp_path: Path) -> None:
    run(plan, training=False)
    other = tmp_path / "other.safetensors"
    save_file({key: -value for key, value in load_file(plan.squeezenet).items()}, other)
    found = [
        run(dataclasses.replace(plan, squeezenet=str(path)), training=False)[1][0]
        for path in (plan.squeezenet, other)
    ]
    means = [table["tables"]["32"]["rows"][0]["lpips"]["mean"] for table in found]
    assert means[0] != means[1]


def test_a_damaged_file_of_scores_is_made_anew(plan: TablePlan) -> None:
    _, (first,) = run(plan, training=False)
    (plan.runs / "telea-32.json").write_text("{")
    assert run(plan, training=False)[1] == [first]


def test_a_run_killed_before_its_last_checkpoint_is_not_complete(
    plan: TablePlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log holds the last step, its weights are of an earlier one."""

    validate, save = _Loop._validate, _Loop._save

    def killed(loop: _Loop, *arguments: object) -> None:
        if loop.step == SCALE.steps:
            raise Killed
        validate(loop, *arguments)
        save(loop)  # of the step before the last

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(_Loop, "_validate", killed)
        run(plan)
    folder = plan.folder(TableRow("base", 0))
    assert read_metrics(folder / "metrics.jsonl")[-1]["step"] == SCALE.steps
    assert read_metadata(folder)["steps"] == "1"
    lines, _ = run(plan)
    assert lines[0] == "3 runs, 0 of them done before"
    assert read_metadata(folder)["steps"] == str(SCALE.steps)


def test_a_complete_run_of_other_settings_is_not_taken(plan: TablePlan) -> None:
    run(plan)
    config = plan.folder(TableRow("base", 0)) / "config.json"
    config.write_text(config.read_text().replace('"batch": 1', '"batch": 2'))
    with pytest.raises(InputError, match=r"base-0.config\.json: .*other settings \(batch\)"):
        run(plan)


def test_on_the_command_line(plan: TablePlan, tmp_path: Path, capsys) -> None:
    target = tmp_path / "table.json"
    arguments = ["study", "table", "--size", "32", "--width", "2", "--steps", "1", "--batch", "1"]
    assert main(arguments) == 2
    assert "give --pairs" in capsys.readouterr().err
    for options in (["--jobs", "1"], ["--keep", "se"], ["--pictures", "8"]):
        assert main([*arguments, *options]) == 2
        problem = f"{' '.join(options)} means nothing to labkit study table"
        assert problem in capsys.readouterr().err
    assert main([*arguments, "--pairs", str(plan.pairs), "--output", "x.PNG"]) == 2
    assert "--output x.PNG: the fills take that name" in capsys.readouterr().err
    inside = plan.pairs / "table.json"
    assert main([*arguments, "--pairs", str(plan.pairs), "--output", str(inside)]) == 2
    assert f"--output {inside}: lies inside --pairs {plan.pairs}" in capsys.readouterr().err
    arguments += ["--pairs", str(plan.pairs), "--runs", str(plan.runs), "--seeds", "1"]
    arguments += ["--row", "a2", "--squeezenet", str(plan.squeezenet), "--device", "cpu"]
    assert main([*arguments, "--output", str(target)]) == 0
    found = json.loads(target.read_text())
    assert list(found["tables"]) == ["32", "256"]
    assert found["settings"]["padding"] == "zeros" and found["settings"]["schedule"] == "linear"
    assert [record["row"] for record in found["runs"]] == ["GMCNN + A²"]
    assert found["environment"]["command"].startswith("labkit study table --size 32")
    picture = read_image(target.with_suffix(".png"))
    images, masks = shown_pictures(32)
    assert picture.shape == (4 * 32, 3 * 32, 3)  # masked, the row, the truth
    masked, filled, truth = (picture[:, k : k + 32].reshape(images.shape) for k in (0, 32, 64))
    known = masks == 0
    assert (truth == images).all() and (filled[known] == images[known]).all()
    assert (masked[known] == images[known]).all() and np.ptp(masked[~known]) == 0
    assert (filled[~known] != masked[~known]).any()
