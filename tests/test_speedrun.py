"""The speedrun ends at its limit, scores what there is, and keeps records that were beaten."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import speedrun

from labkit.faces import RenderedFaces
from labkit.nn.weights import read_metadata
from labkit.settings import TrainConfig
from labkit.training.checkpoint import RunFolder, read_metrics
from labkit.training.validation import Validation

TINY = ["--data", "faces", "--size", "32", "--width", "4", "--pictures", "4", "--threads", "2"]
TASK = {"minutes": 1.0, "size": 32}


def typed(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["speedrun.py", *map(str, words)])


def configured(*words: str) -> TrainConfig:
    return speedrun.settings(speedrun.arguments().parse_args([*words, *TINY]))


def test_make_bench_gets_the_usage_and_no_hour(monkeypatch, capsys) -> None:
    typed(monkeypatch)
    speedrun.main()
    assert "usage: speedrun.py" in capsys.readouterr().out


def test_starts_differ_in_what_the_columns_see() -> None:
    plain = configured("plain")
    assert plain.precision in ("32", "bf16") and plain.objective.reconstruction.confidence is None
    for start in ("push-pull", "biharmonic"):
        other = configured(start)
        assert set(plain.differences(other)) == {"generator.prior", "generator.trained_size"}
        assert other.generator.prior == start


def time_up_after(monkeypatch: pytest.MonkeyPatch, run: Path, records: int) -> None:
    """Let the time be up once a run has so many records, on however slow a machine."""

    class Timer(threading.Thread):
        def __init__(self, _: float, time_is_up: Callable[[], None]) -> None:
            super().__init__()
            self.time_is_up, self.cancelled = time_is_up, threading.Event()
            self.cancel = self.cancelled.set

        def run(self) -> None:
            metrics = RunFolder(run).metrics
            while not self.cancelled.wait(0.01):
                if metrics.exists() and len(metrics.read_text().splitlines()) >= records:
                    self.time_is_up()
                    return

    monkeypatch.setattr(speedrun.threading, "Timer", Timer)


def test_a_run_is_scored_and_recorded(tmp_path: Path, monkeypatch, capsys) -> None:
    path, out = tmp_path / "records.json", tmp_path / "run"
    monkeypatch.setattr(
        speedrun, "fitted", lambda config, *_: replace(config, steps=4, validate_every=2)
    )
    typed(monkeypatch, "biharmonic", *TINY, "--minutes", 9, "--record", path, "--out", out)
    speedrun.main()
    assert capsys.readouterr().out.startswith("biharmonic: ")
    whole = json.loads(path.read_text())
    assert [whole["task"][name] for name in ("minutes", "size", "pictures")] == [9, 32, 4]
    (record,) = whole["records"]
    assert record["standing"] and not record["stopped_early"]
    assert (
        record["command"]
        == f"python benchmarks/speedrun.py biharmonic {' '.join(TINY)} --minutes 9"
    )
    assert record["settings"]["generator"]["prior"] == record["start"] == "biharmonic"
    assert {"cpu", "cores", "torch", "threads", "bf16"} <= set(record["machine"])
    assert [point["pictures"] for point in record["curve"]] == [16, 32]
    scores = [each.get("validation_psnr") for each in read_metrics(out / "metrics.jsonl")]
    measured = [round(score, 3) for score in scores if score is not None]
    assert [point["psnr"] for point in record["curve"]] == measured
    assert record["psnr"] == measured[-1] and min(record["telea"], record["biharmonic"]) > 10
    minutes = [point["minutes"] for point in record["curve"]]
    assert 0 < minutes[0] <= minutes[1] <= record["seconds"] / 60 + 0.01
    typed(monkeypatch, "plain", *TINY, "--out", out)
    with pytest.raises(SystemExit):
        speedrun.main()
    assert "run: already holds a run; name another folder" in capsys.readouterr().err


def test_the_limit_stops_a_run_whose_steps_do_not_fit(tmp_path: Path, monkeypatch) -> None:
    out = tmp_path / "run"
    endless = {"steps": 10**6, "validate_every": 10**6, "checkpoint_every": 10**6, "log_every": 1}
    monkeypatch.setattr(speedrun, "fitted", lambda config, *_: replace(config, **endless))
    time_up_after(monkeypatch, out, records=3)
    words = ["plain", *TINY, "--out", str(out)]
    record = speedrun.run(speedrun.arguments().parse_args(words))
    assert record["stopped_early"] and record["steps"] >= 2
    (end,) = record["curve"]
    assert end["pictures"] == 8 * record["steps"] == record["pictures"]
    assert end["psnr"] == record["psnr"] > 5
    assert read_metadata(out)["steps"] == str(record["steps"])


def test_steps_are_timed_by_training(tmp_path: Path, monkeypatch) -> None:
    config = configured("push-pull")
    validation = Validation(RenderedFaces(32, "val"), config.data.masks, 2)
    time_up_after(monkeypatch, tmp_path / "timed", records=4)
    found = speedrun.fitted(config, validation, speedrun.Clock(10_000), tmp_path)
    assert found.steps > 1000 and found.differences(config) == [
        "checkpoint_every",
        "steps",
        "validate_every",
    ]


def test_steps_fill_the_time_that_is_left(tmp_path: Path, monkeypatch) -> None:
    def train(config: TrainConfig, folder: Path, **_: object) -> None:
        folder.mkdir(parents=True)
        for step, seconds in enumerate((3.0, 0.5, 0.5, 0.4, 0.6), start=1):
            RunFolder(folder).log({"step": step, "seconds": seconds})

    class Validation:
        def run(self, *_: object) -> None:
            pass

    monkeypatch.setattr(speedrun, "train", train)
    clock = speedrun.Clock(1000.0)
    config = speedrun.fitted(configured("plain"), Validation(), clock, tmp_path)
    expected = (
        980 + 5
    ) / 0.5  # the time that starting took is negative here: nothing was waited for
    assert config.steps == pytest.approx(expected, rel=0.01)
    assert config.steps / config.validate_every <= speedrun.MOMENTS
    assert config.schedule == "linear"


def test_an_interrupted_run_leaves_no_trace(tmp_path: Path, monkeypatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "records.json"
    monkeypatch.setattr(speedrun, "train", interrupted)
    typed(monkeypatch, "plain", *TINY, "--minutes", 1, "--record", path)
    with pytest.raises(SystemExit) as ended:
        speedrun.main()
    assert ended.value.code == 130
    assert list(tmp_path.iterdir()) == []


def test_beaten_records_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "records.json"
    for start, psnr in (("plain", 25.0), ("plain", 26.0), ("plain", 25.5), ("biharmonic", 25.0)):
        speedrun.add_record(path, TASK, {"start": start, "psnr": psnr})
    whole = json.loads(path.read_text())
    assert whole["task"] == TASK
    assert [each["psnr"] for each in whole["records"]] == [25.0, 26.0, 25.5, 25.0]
    assert [each["standing"] for each in whole["records"]] == [False, True, False, True]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (json.dumps({"task": TASK, "records": []}), "records of another task: question, minutes"),
        ("[]", "not a file of records"),
        ("{", "not a file of records"),
    ],
)
def test_a_file_that_cannot_be_added_to_is_refused_before_the_hour(
    tmp_path: Path, monkeypatch, capsys, text: str, says: str
) -> None:
    path = tmp_path / "records.json"
    path.write_text(text)
    monkeypatch.setattr(speedrun, "train", None)
    typed(monkeypatch, "plain", *TINY, "--record", path)
    with pytest.raises(SystemExit) as ended:
        speedrun.main()
    assert ended.value.code == 2 and says in capsys.readouterr().err
    assert path.read_text() == text


def test_files_are_named_without_where_they_lie(tmp_path: Path, monkeypatch) -> None:
    words = [
        "plain",
        "--data",
        "/a/b/train.tar",
        "--masks",
        "/c/masks.tar",
        "--record",
        "/d/e.json",
    ]
    config = speedrun.settings(speedrun.arguments().parse_args(words))
    data = speedrun.names_only(config.to_dict())["data"]
    assert (data["images"], data["masks"]["path"]) == (["train.tar"], ["masks.tar"])
    assert data["source_size"] == 256
    typed(monkeypatch, *words)
    said = "python benchmarks/speedrun.py plain --data train.tar --masks masks.tar"
    assert speedrun.command() == said
