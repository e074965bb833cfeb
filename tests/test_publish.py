"""What goes from a run or an evaluation into the results: numbers, and no folder of the machine."""

from __future__ import annotations

import json
from pathlib import Path

import publish
import pytest

from labkit.book.studies.table_picture import shown_pictures
from labkit.images import write_image
from labkit.settings import AdversarialStage, DataConfig, TrainConfig


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of four steps, half of them with critics."""
    run = tmp_path / "somewhere" / "second"
    run.mkdir(parents=True)
    data = DataConfig(images=(f"{tmp_path}/photos.tar",), size=64)
    config = TrainConfig(data=data, steps=4, warm_up=2, adversarial=AdversarialStage())
    (run / "config.json").write_text(config.to_json())
    records = [
        {"step": 0, "validation_psnr_telea": 20.5},
        {"step": 1, "stage": "warm-up", "learning_rate": 1e-4, "reconstruction": 0.5, "seconds": 9},
        {"step": 2, "stage": "warm-up", "learning_rate": 1e-4, "reconstruction": 0.4, "seconds": 1},
        {"step": 2, "validation_psnr": 21.0},
        {"step": 4, "stage": "adversarial", "learning_rate": 1e-4, "id_mrf": 2.0, "seconds": 8},
        {"step": 4, "validation_psnr": 22.00049},
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    return run


def test_a_run(folder: Path) -> None:
    found = publish.record(folder)
    assert found["run"] == "second" and found["config"]["data"]["images"] == ["photos.tar"]
    assert found["curves"]["step"] == [1, 2, 4]
    assert found["curves"]["reconstruction"] == [0.5, 0.4, None]
    assert found["validation"] == [{"step": 2, "psnr": 21.0}, {"step": 4, "psnr": 22.0}]
    assert found["telea"] == 20.5 and found["minutes"] == 0.3
    assert found["seconds_per_step"] == {"warm-up": 1, "adversarial": 4}
    assert str(folder.parent) not in json.dumps(found)


def test_what_was_tried(folder: Path) -> None:
    (found,) = publish.tried([folder])
    assert (found["steps"], found["validation"], found["telea"]) == (4, 22.0, 20.5)
    settings = found["settings"]
    assert settings["data.size"] == 64 and settings["warm_up"] == 2
    assert settings["objective.adversarial_weight"] == 0.001
    assert settings["reconstruction.known"] == 1.2
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"warm_up": 2', '"warm_up": null'))
    (found,) = publish.tried([folder])
    assert not any(name.startswith(("objective.", "adversarial.")) for name in found["settings"])


def test_runs_that_are_listed_stay_unless_given_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "RESULTS", tmp_path)
    first = folder.rename(folder.with_name("first"))
    publish.write_tried(photographs=[first])
    publish.write_tried(faces=[first])
    second = first.rename(first.with_name("second"))
    for _ in range(2):
        publish.write_tried(photographs=[second])
    found = json.loads((tmp_path / "tried.json").read_text())
    assert [entry["run"] for entry in found["photographs"]] == ["first", "second"]
    assert [entry["run"] for entry in found["faces"]] == ["first"]
    assert all(entry["environment"]["date"] for entry in found["photographs"])


def scored(method: str, psnr: float) -> dict:
    return {"method": method, "psnr": {"mean": psnr}}


def less(method: str, minus: str, psnr: float) -> dict:
    return {"method": method, "minus": minus, "psnr": {"mean": psnr}}


@pytest.fixture
def table() -> dict:
    """Telea, a network, and a trained row."""
    names = ["telea", "net", "net, as reported", "base"]
    rows = [scored(name, 20.0 + k) for k, name in enumerate(names)]
    differences = [less("net", "telea", 1.0), less("base", "net", 2.0), less("base", "telea", 3.0)]
    return {"tables": {"32": {"rows": rows, "differences": differences}}, "environment": {}}


def summary_of(telea: float, size: int = 32) -> dict:
    rows = [scored("telea", telea), scored("net", 30.0), scored("net, as reported", 31.0)]
    environment = {"size": size, "cpu": "some", "date": "2026-01-01", "weights": {"net": "abc"}}
    return {"rows": rows, "differences": [less("net", "telea", 10.0)], "environment": environment}


def test_the_row_of_a_network_evaluated_anew(table: dict) -> None:
    publish.replace(table, "net", summary_of(telea=20.0))
    part = table["tables"]["32"]
    assert [row["psnr"]["mean"] for row in part["rows"]] == [20.0, 30.0, 31.0, 23.0]
    assert part["differences"] == [less("base", "telea", 3.0), less("net", "telea", 10.0)]
    assert table["environment"]["evaluated later"]["net, 32 px"]["weights"] == {"net": "abc"}


def test_a_row_of_other_pairs_is_refused(table: dict) -> None:
    for name, summary, message in (
        ("net", summary_of(telea=20.5), "telea: scored otherwise"),
        ("other", summary_of(telea=20.0), "other: not a row of both"),
        ("net", summary_of(telea=20.0, size=64), "no table at 64 px"),
    ):
        with pytest.raises(SystemExit, match=message):
            publish.replace(table, name, summary)
    assert "environment" in table and len(table["tables"]["32"]["differences"]) == 3


def test_a_table_and_its_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = f"labkit study table --pairs {tmp_path}/table1.tar --size 32"
    table = tmp_path / "own.json"
    table.write_text(json.dumps({"environment": {"command": command}}))
    write_image(table.with_suffix(".png"), shown_pictures(32)[0][0])
    results = tmp_path / "results"
    results.mkdir()
    monkeypatch.setattr(publish, "RESULTS", results)
    publish.summary(table, "table")
    found = json.loads((results / "table.json").read_text())
    assert found["environment"]["command"] == "labkit study table --pairs table1.tar --size 32"
    assert (results / "table.png").read_bytes() == table.with_suffix(".png").read_bytes()
