"""`labkit train --dry-run`: what it counts, and that nothing comes of it."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import torch
from command_line import fails, run
from torch import nn

from labkit.errors import InputError
from labkit.nn.generator import GMCNN, count_parameters
from labkit.settings import DataConfig, GeneratorConfig, Hardware
from labkit.settings.presets import preset
from labkit.training import estimate as module
from labkit.training.estimate import cost, estimate, operations
from labkit.training.stages import Step

TINY = dataclasses.replace(
    preset("tiny"),
    generator=GeneratorConfig(width=2, padding="zeros"),
    data=DataConfig(size=32),
    batch=3,
)
CPU = Hardware(accelerator="cpu")


def number(pattern: str, text: str) -> float:
    return float(re.search(pattern, text)[1].replace(",", ""))


def test_operations_of_a_product() -> None:
    a, b = torch.ones(2, 3), torch.ones(3, 5)
    assert operations(lambda: a @ b) == 2 * 2 * 3 * 5


def test_the_cost_of_the_papers_network() -> None:
    assert cost(GeneratorConfig(), 256) == {"parameters": 12_561_891, "megaflop": 134_391.8}


def test_a_run_is_described_and_not_begun(tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    options = ["--preset", "tiny", "--width", 2, "--padding", "zeros", "--batch", 3, "--size", 32]
    options += [
        "--adversarial",
        "wgan-gp",
        "--confidence",
        "none",
        "--device",
        "cpu",
        "--dry-run",
        "--out",
        out,
    ]
    code, said, _ = run(capsys, "train", *options)
    assert code == 0 and not out.exists()
    lines = said.splitlines()
    assert [line.partition(":")[0] for line in lines[1:]] == [
        "parameters",
        *("warm-up", "adversarial") * 2,
        "in all",
    ]
    count = count_parameters(GMCNN(TINY.generator))
    assert f"{count:,} of the generator" in lines[1] and "of the critics" in lines[1]
    forward = cost(TINY.generator, 32)["megaflop"] / 1e6
    first, second = (number(r"([\d.e-]+) TFLOP a step of 3", line) for line in lines[2:4])
    assert 2.8 * 3 * forward < first < 3 * 3 * forward  # the first layers need no gradient of x
    assert second > 2 * first
    hours = [number(r"[\d,]+ in ([\d.e-]+) hours", line) for line in lines[4:6]]
    assert number(r"in all: ([\d.e-]+) hours for 200 steps", lines[6]) == pytest.approx(
        sum(hours), rel=0.02
    )
    rates = [number(r"; ([\d,]+) steps an hour", line) for line in lines[4:6]]
    assert hours == pytest.approx([150 / rates[0], 50 / rates[1]], rel=0.02)


def test_what_a_run_would_refuse_is_refused(tmp_path: Path, capsys) -> None:
    out = tmp_path / "run"
    for wrong, says in (
        (["--width", 3], "width 3"),
        (["--critics", "keras"], "no second stage"),
        (["--from-weights", tmp_path / "gone"], "gone: no such weights"),
    ):
        assert says in fails(capsys, "train", *wrong, "--dry-run", "--out", out)
    assert not out.exists()


def test_one_stage_and_no_critics() -> None:
    config = dataclasses.replace(TINY, warm_up=None, ema=0.9)
    lines = list(estimate(config, CPU))
    assert not [line for line in lines if "adversarial" in line or "critics" in line]
    bare = list(estimate(dataclasses.replace(config, ema=0.0), CPU))
    kept, without = (number(r", ([\d.e-]+) of weights", each[2]) for each in (lines, bare))
    parameters = count_parameters(GMCNN(TINY.generator))
    assert without == pytest.approx(4 * 4 * parameters / 1e9, rel=0.01)
    assert kept == pytest.approx(5 * 4 * parameters / 1e9, rel=0.01)


def test_on_a_slow_cpu_fewer_steps_of_fewer_pictures_are_timed() -> None:
    line = next(line for line in estimate(TINY, CPU, cpu_seconds=1e-3) if "steps an hour" in line)
    assert line.startswith("warm-up: 1 steps of 1 pictures in ")
    spent = number(r"in ([\d.]+) s", line)
    assert number(r"; ([\d,]+) steps", line) == pytest.approx(3600 / (3 * spent), rel=0.02)


def test_only_this_process_share_of_the_batch_is_counted() -> None:
    two = dataclasses.replace(CPU, devices=2)
    alone, shared = (
        next(line for line in estimate(TINY, each, cpu_seconds=1e-3) if "TFLOP a step" in line)
        for each in (CPU, two)
    )
    assert "a step of 3 pictures" in alone and "a step of 2 pictures" in shared


def test_too_little_memory_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(Step, "__call__", full)
    with pytest.raises(InputError, match="does not fit into the memory of cpu; lower --batch"):
        list(estimate(TINY, CPU))


def test_what_autograd_keeps_is_counted_once_and_given_back() -> None:
    layer = nn.Linear(6, 10)
    x = torch.ones(4, 6, requires_grad=True)
    with module._held([layer]) as most:
        for _ in range(2):  # the second time nothing is left of the first
            # Kept: x, and the result of exp, which sin keeps too; the weights do not count.
            layer(x).exp().sin().sum().backward()
    assert most == [4 * (4 * 6 + 4 * 10)]
