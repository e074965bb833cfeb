"""Studies: what is measured, that runs are shared and resumed, and what a result holds."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn
from training_runs import Killed, killed_at

from labkit.book.command import NAMES
from labkit.book.studies.probe import Probe
from labkit.book.studies.registry import STUDIES, Scale, Study, study
from labkit.book.studies.run import Plan, contact_sheet, run_one, run_study
from labkit.cli import main
from labkit.errors import InputError
from labkit.evaluation.metrics import psnr
from labkit.evaluation.statistics import student_interval
from labkit.faces import RenderedFaces
from labkit.images import from_uint8, read_image
from labkit.nn.generator import GMCNN
from labkit.nn.weights import load_generator
from labkit.settings import GeneratorConfig, Hardware, MaskConfig
from labkit.training.estimate import cost
from labkit.training.trainer import train

SQUARES = MaskConfig(kind="rectangle", side=32, margin=2)
SMALL = Scale(size=64, width=2, steps=8, batch=1, masks=SQUARES)
PAIR = Study(
    question="Which?",
    reference="base",
    generators={"base": {}, "plain": {"bottleneck": "plain"}},
)


class Oracle(nn.Module):
    """Answers with the truth, shifted by some grey levels, whatever is missing."""

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(shift / 127.5))

    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return image + self.shift


def plan(tmp_path, **options) -> Plan:
    return Plan(**{"scale": SMALL, "seeds": 2, "pictures": 3, "runs": tmp_path / "runs",
                   "accelerator": "cpu"} | options)  # fmt: skip


# --- intervals and measures ----------------------------------------------------------------------


def test_student_s_interval():
    """Two values a distance 2 apart: the standard error is 1, and t(0.975, 1) = 12.706."""
    found = student_interval([3.0, 5.0])
    assert found["mean"] == 4 and found["high"] - 4 == pytest.approx(12.7062, abs=1e-4)
    assert found["low"] + found["high"] == pytest.approx(8)
    assert student_interval([2.0]) == {"mean": 2.0, "low": 2.0, "high": 2.0}
    for bad in ([], [1.0, float("nan")]):
        with pytest.raises(InputError, match="finite"):
            student_interval(bad)


def test_the_probe_measures_a_known_error():
    probe = Probe(RenderedFaces(64, split="test"), SQUARES, 4)
    found = probe.measure(Oracle(3.0))
    rings = {name: value for name, value in found.items() if name.startswith("error at")}
    assert list(rings) == [f"error at {d}" for d in (1, 2, 4, 8, 16)]
    # Three grey levels everywhere; white pixels cannot become whiter.
    assert all(2.5 < value <= 3 for value in rings.values())
    for side in (8, 16, 24, 32, 40):
        assert 2.5 < found[f"centre of {side}"] <= 3
        expected = 20 * np.log10(255 / 3) - 10 * np.log10(side**2 / 64**2)
        assert found[f"psnr of {side}"] == pytest.approx(expected, abs=0.3)
    assert abs(found["checkerboard 2"]) < 0.5


def test_the_probe_s_psnr_is_that_of_the_composites():
    probe = Probe(RenderedFaces(64, split="test"), SQUARES, 3)
    model = GMCNN(GeneratorConfig(width=2)).eval()
    with torch.no_grad():
        predictions = model(from_uint8(torch.from_numpy(probe.truth)), probe.masks)
    raw = (127.5 * (predictions + 1)).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    filled = np.where(probe.holes[..., None], raw, probe.truth)
    expected = np.mean([psnr(a, b) for a, b in zip(probe.truth, filled, strict=True)])
    assert probe.measure(model, thorough=False)["psnr"] == pytest.approx(expected, abs=1e-3)


def test_the_probe_sees_a_planted_checkerboard():
    class Checkers(Oracle):
        def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            rows, columns = (torch.arange(side) for side in image.shape[2:])
            signs = 1.0 - 2.0 * ((rows[:, None] + columns) % 2)
            return image + 0.05 * signs

    probe = Probe(RenderedFaces(64, split="test"), SQUARES, 4)
    assert probe.measure(Checkers(), thorough=False)["checkerboard 2"] > 5


def test_holes_without_room_for_a_window_are_an_error():
    with pytest.raises(InputError, match="large enough"):
        Probe(RenderedFaces(32, split="test"), MaskConfig(kind="rectangle", side=8), 2)


def test_classical_fills_are_scored_on_the_same_holes():
    probe = Probe(RenderedFaces(64, split="test"), SQUARES, 3)
    mean, telea = (probe.psnr(probe.classical(method)) for method in ("mean", "telea"))
    assert 15 < mean < telea < 40


# --- the arms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STUDIES)
def test_arms_differ_in_what_the_question_is_about_alone(name):
    chosen, scale = study(name), Scale()
    about = ("objective.reconstruction.confidence",) if chosen.kernels else ("generator.",)
    reference = chosen.arm(chosen.reference, scale)
    for arm in chosen.names:
        differing = chosen.arm(arm, scale).differences(reference)
        assert bool(differing) == (arm != chosen.reference), arm
        assert all(name.startswith(about) for name in differing)


def test_the_command_line_knows_every_study():
    assert sorted(NAMES) == sorted(STUDIES)
    with pytest.raises(InputError, match="'columns' is unknown; one of bottleneck, confidence"):
        study("columns")


def test_bottlenecks_are_compared_at_equal_parameters():
    scale = Scale()
    counts = [
        cost(study("bottleneck").arm(arm, scale).generator, scale.size)["parameters"]
        for arm in study("bottleneck").names
    ]
    assert max(counts) < 1.02 * min(counts)


def test_the_scale_of_confidence_follows_the_picture():
    assert (Scale(size=256).confidence("gaussian").size, Scale().confidence("gaussian").size) == (
        65,
        17,
    )
    assert Scale().confidence("gaussian").scale == 10


# --- running -------------------------------------------------------------------------------------


def test_a_study_from_start_to_result(tmp_path):
    lines: list[str] = []
    found = run_study(PAIR, plan(tmp_path), lines.append)
    assert lines[0] == "4 runs, 0 of them done before" and len(lines) == 5
    json.dumps(found, allow_nan=False)
    base, plain = found["arms"]
    assert (base["arm"], plain["arm"]) == ("base", "plain")
    assert base["curves"]["psnr"]["step"] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert np.shape(base["curves"]["psnr"]["runs"]) == (2, 8)
    assert "differences" not in base
    gain = plain["differences"]["psnr"]
    expected = np.subtract(plain["final"]["psnr"]["runs"], base["final"]["psnr"]["runs"])
    assert gain["runs"] == pytest.approx(expected, abs=1e-4)
    assert gain["low"] <= gain["mean"] <= gain["high"]
    assert [run[-1] for run in base["curves"]["psnr"]["runs"]] == base["final"]["psnr"]["runs"]
    assert found["telea"] > found["arms"][0]["final"]["psnr"]["mean"]

    again: list[str] = []
    assert run_study(PAIR, plan(tmp_path), again.append) == found
    assert again == ["4 runs, 4 of them done before"]
    sheet = contact_sheet(PAIR, plan(tmp_path))
    assert sheet.shape == (3 * 64, 4 * 64, 3)
    probe = Probe(RenderedFaces(64, split="val"), SQUARES, 3)
    assert np.array_equal(sheet[:, -64:], np.concatenate(list(probe.truth)))


def test_more_seeds_use_the_runs_that_are_there(tmp_path):
    few = plan(tmp_path, seeds=1)
    run_study(PAIR, few, lambda _: None)
    lines: list[str] = []
    run_study(PAIR, plan(tmp_path), lines.append)
    assert lines[0] == "4 runs, 2 of them done before"


def test_several_jobs_give_the_same_result(tmp_path):
    one = Study(question="", reference="base", generators={"base": {}})
    settings = {"seeds": 2}
    together = run_study(one, plan(tmp_path / "a", jobs=2, **settings), lambda _: None)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the jobs: sums of floats depend on how many share them
    try:
        alone = run_study(one, plan(tmp_path / "b", **settings), lambda _: None)
    finally:
        torch.set_num_threads(threads)
    assert together["arms"] == alone["arms"]


def test_a_run_that_was_killed_goes_on(tmp_path, monkeypatch):
    whole, broken = plan(tmp_path / "a"), plan(tmp_path / "b")
    config = whole.config(PAIR, "plain", 0)
    run_one(config, whole)
    with killed_at(monkeypatch, 5), pytest.raises(Killed):
        run_one(config, broken)
    kept = json.loads((broken.folder(config) / "curve.json").read_text())
    assert [entry["step"] for entry in kept] == [1, 2, 3, 4, 5]
    run_one(config, broken)
    curves = [(p.folder(config) / "curve.json").read_text() for p in (whole, broken)]
    assert curves[0] == curves[1]


def test_no_run_outlives_its_study(tmp_path, monkeypatch):
    """A worker whose study was killed outright stops where it would be measured next."""

    class Dead:
        def is_alive(self) -> bool:
            return False

    mine = plan(tmp_path)
    config = mine.config(PAIR, "base", 0)
    monkeypatch.setattr("multiprocessing.parent_process", Dead)
    with pytest.raises(KeyboardInterrupt):
        run_one(config, mine)
    assert not (mine.folder(config) / "measured.json").exists()


def test_watching_does_not_change_a_run(tmp_path):
    config = plan(tmp_path).config(PAIR, "base", 0)
    cpu = Hardware(accelerator="cpu", workers=0)
    seen: list[int] = []

    def observe(step: int, model: GMCNN) -> None:
        seen.append(step)
        model.eval()

    one = train(config, tmp_path / "one", hardware=cpu, progress=False)
    two = train(config, tmp_path / "two", hardware=cpu, progress=False, observe=observe)
    assert seen == list(range(1, 9))
    states = [load_generator(path).state_dict() for path in (one, two)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "seeds 0 must be at least 1"),
        ({"scale": Scale(steps=12)}, "steps 12 are not a multiple of 8"),
    ],
)
def test_plans_that_cannot_be(tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        plan(tmp_path, **options)


def test_on_the_command_line(tmp_path, capsys):
    target = tmp_path / "out.json"
    arguments = ["study", "confidence", "--seeds", "1", "--steps", "8", "--width", "2"]
    arguments += ["--batch", "1", "--pictures", "2", "--runs", str(tmp_path / "runs")]
    assert main([*arguments, "--keep", "none", "--output", str(target), "--device", "cpu"]) == 0
    found = json.loads(target.read_text())
    assert [row["arm"] for row in found["arms"]] == ["gaussian", "laplacian", "released", "none"]
    assert found["environment"]["command"].startswith("labkit study confidence --seeds 1")
    assert read_image(target.with_suffix(".png")).shape == (2 * 64, 6 * 64, 3)
    kept = load_generator(tmp_path / "out-none.safetensors")
    assert kept.config.width == 2
    assert str(target) in capsys.readouterr().out
    assert main([*arguments, "--keep", "gauss"]) == 2
    assert "'gauss' is unknown; one of gaussian" in capsys.readouterr().err
    assert main(["study", "nothing"]) == 2
    assert "'nothing' is unknown; one of attention" in (line := capsys.readouterr().err)
    assert "upsampling, table" in line


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--output", "x.png"], "--output x.png: the fills take that name; name a .json file"),
        (["--output", "."], "--output .: is a folder"),
        (["--output", "file/x.json"], "file: is a file"),
        (["--pairs", "p"], "--pairs p means nothing to labkit study confidence; leave it out"),
        (["--row", "se", "--row", "a2"], "--row se a2 means nothing"),
        (["--padding", "zeros"], "--padding zeros means nothing"),
        (["--weights", "faces"], "--weights faces means nothing"),
        (["--squeezenet", "s.pth"], "--squeezenet s.pth means nothing"),
        (["--no-train"], "--no-train means nothing"),
        (["--device", "cpu:0"], "device 'cpu:0' is unknown; one of auto"),
    ],
)
def test_what_cannot_be_done_is_said_before_any_run(
    tmp_path, monkeypatch, capsys, options, message
):
    def ran(*_: object, **__: object) -> None:
        raise RuntimeError("it ran")

    monkeypatch.setattr("labkit.book.studies.run.run_study", ran)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert main(["study", "confidence", *options]) == 2
    assert message in capsys.readouterr().err
