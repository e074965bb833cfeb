"""What tests of training share: starting, stopping and comparing runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from labkit.nn.weights import load_generator
from labkit.settings import Hardware
from labkit.training import trainer as trainer_module
from labkit.training.checkpoint import read_metrics

CPU = Hardware(accelerator="cpu", workers=0)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_generator(run).state_dict()


def assert_same_weights(a: Path, b: Path) -> None:
    for (name, ours), theirs in zip(weights(a).items(), weights(b).values(), strict=True):
        assert torch.equal(ours, theirs), name


def losses(run: Path) -> list[tuple[int, float]]:
    records = read_metrics(run / "metrics.jsonl")
    return [(r["step"], r["reconstruction"]) for r in records if "stage" in r]


class Killed(BaseException):
    """Stands for a kill: nothing in the package may catch it."""


@contextmanager
def killed_at(monkeypatch: pytest.MonkeyPatch, step: int) -> Iterator[None]:
    """Within, training dies where it would begin step `step` (from 0)."""
    original = trainer_module._Loop._place

    def stopping(self, images, masks):
        if self.step == step:
            raise Killed
        return original(self, images, masks)

    with monkeypatch.context() as patch:
        patch.setattr(trainer_module._Loop, "_place", stopping)
        yield


def start_run(out: Path, *extra: str) -> subprocess.Popen:
    command = [
        *(sys.executable, "-m", "labkit", "train", "--out", str(out), "--data", "faces"),
        *(
            "--size",
            "32",
            "--width",
            "2",
            "--padding",
            "zeros",
            "--batch",
            "2",
            "--steps",
            "100000",
        ),
        *("--checkpoint-every", "3", "--validate-every", "0", "--device", "cpu", "--workers", "1"),
        *extra,
    ]
    # As many threads as this process: sums of floats depend on how many share them.
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True)


def wait_for(path: Path, process: subprocess.Popen, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not path.exists():
        if process.poll() is not None:
            pytest.fail(f"the run ended early: {process.stderr.read()}")
        if time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"{path.name} did not appear")
        time.sleep(0.02)
