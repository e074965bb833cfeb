"""`labkit train` as it is called: what it refuses before anything is done, and what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import fails, run

from labkit import machine
from labkit.cli import main
from labkit.nn.weights import load_generator, read_metadata
from labkit.training import trainer as trainer_module

TINY = ["--size", "32", "--width", "2", "--padding", "zeros", "--batch", "2", "--steps", "2"]


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line of stderr of a command that must fail."""
    line = fails(capsys, "train", *arguments)
    assert "unexpected" not in line
    return line


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--seed", "-1"], "seed -1: must be greater than or equal to 0"),
        (["--workers", "-1"], "workers -1: must be greater than or equal to 0"),
        (["--devices", "0"], "devices 0"),
        (["--device", "cpu:0"], "must be 'auto', 'cpu', 'cuda' or 'mps'"),
        (["--clip-norm", "nan"], "clip_norm nan"),
        (["--critic-lr", "1"], "adversarial.critic_learning_rate: set, but there is no second"),
        (["--critics", "keras"], "say with --warm-up after how many steps it begins"),
        (["--id-mrf-weight", "0.2"], "objective.id_mrf_weight: set, but"),
        (["--resume"], "holds no run; name a run's folder"),
        (["--prior", "nonsense"], "prior 'nonsense': must be 'none', 'mean', 'push-pull'"),
    ],
)
def test_options_that_cannot_work_are_refused_and_leave_nothing(
    tmp_path: Path, capsys, options: list[str], says: str
) -> None:
    out = tmp_path / "run"
    assert says in refused(capsys, *TINY, *options, "--out", out)
    assert not out.exists()


def test_a_run_goes_on_with_its_own_settings(tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    assert main(["train", *TINY, "--workers", "0", "--device", "cpu", "--out", str(out)]) == 0
    capsys.readouterr()
    assert "--preset paper" in refused(capsys, "--resume", "--preset", "paper", "--out", out)


@pytest.mark.parametrize("begun", [False, True])
def test_ctrl_c_names_a_command_that_works(tmp_path: Path, monkeypatch, capsys, begun) -> None:
    out = tmp_path / "my run"

    def interrupted(config, folder, **_):
        if begun:
            folder.mkdir()
            (folder / "config.json").write_text(config.to_json())
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer_module, "train", interrupted)
    assert main(["train", *TINY, "--out", str(out)]) == 130
    said = capsys.readouterr().err
    assert (f"go on with: labkit train --resume --out '{out}'" in said) == begun


ONE_CPU = ["--workers", "0", "--device", "cpu", "--validate-every", "0"]


def trained(capsys: pytest.CaptureFixture[str], out: Path, *options: str) -> tuple[str, str]:
    """The precision in the run's folder, and the line that says on what it trains."""
    code, _, (said, *_) = run(capsys, "train", *TINY, *ONE_CPU, *options, "--out", out)
    assert code == 0
    return json.loads((out / "config.json").read_text())["precision"], said


@pytest.mark.parametrize(
    ("options", "fast", "precision", "says"),
    [
        ([], "AMX", "32", "in float32"),
        (["--precision", "auto"], "AMX", "bf16", "in bf16 (AMX)"),
        (["--precision", "auto"], None, "32", "in float32"),
        (["--precision", "bf16"], None, "bf16", "slower than float32; begin the run with --prec"),
    ],
)
def test_a_run_records_and_says_the_arithmetic_it_gets(
    tmp_path: Path, monkeypatch, capsys, options: list[str], fast: str | None, precision, says
) -> None:
    monkeypatch.setattr(machine, "fast_bf16", lambda device: fast)
    recorded, said = trained(capsys, tmp_path / "run", *options)
    assert recorded == precision
    assert said.startswith(f"training on {machine.cpu_model()} in ") and says in said


@pytest.mark.parametrize(("here", "there"), [(None, "AMX"), ("AMX", None)])
def test_a_run_goes_on_elsewhere_in_the_precision_it_began_with(
    tmp_path: Path, monkeypatch, capsys, here: str | None, there: str | None
) -> None:
    monkeypatch.setattr(machine, "fast_bf16", lambda device: here)
    begun, _ = trained(capsys, tmp_path / "run", "--precision", "auto")
    monkeypatch.setattr(machine, "fast_bf16", lambda device: there)
    again, _ = trained(capsys, tmp_path / "run", "--resume", "--precision", "auto")
    assert again == begun == ("bf16" if here else "32")


def test_a_run_with_a_prior_keeps_it_beside_its_weights(tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    trained(capsys, out, "--prior", "biharmonic")
    network = load_generator(out).config
    assert (network.prior, network.trained_size) == ("biharmonic", 32)
    assert json.loads(read_metadata(out)["run"])["generator"]["prior"] == "biharmonic"
