"""Training in the field: schedulers, compilers, containers, pictures that are easy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import fails
from field import save
from torch._inductor import config as inductor
from training_runs import CPU, assert_same_weights

from labkit.book.studies.probe import Holes
from labkit.data.batches import BatchesByStep, load_batches, naming_lost_workers
from labkit.data.folder import ImageFolder
from labkit.errors import InputError
from labkit.evaluation.metrics import PERFECT
from labkit.faces import RenderedFaces
from labkit.nn.weights import load_generator
from labkit.settings import DataConfig, GeneratorConfig, Hardware, MaskConfig, TrainConfig
from labkit.training import opening
from labkit.training.checkpoint import RunFolder, read_metrics
from labkit.training.opening import launch
from labkit.training.trainer import train
from labkit.training.validation import Validation

MASKS = MaskConfig(kind="rectangle")
SLURM = {"NTASKS": "4", "JOB_ID": "1", "JOB_NAME": "train", "LOCALID": "0", "NODEID": "0"}
SMALL = ("--size", "32", "--width", "2", "--batch", "2", "--steps", "2", "--validate-every", "0")


def refuse(constant: str) -> float:
    raise AssertionError(f"{constant} is not JSON")


def white(folder: Path) -> Path:
    for number in range(40):
        save(folder / f"{number}.png", np.full((40, 40, 3), 255, np.uint8))
    return folder


def test_white_pictures_have_a_score(tmp_path: Path) -> None:
    held_out = ImageFolder(white(tmp_path), 32, "all")
    assert Validation(held_out, MASKS, 4).classical("telea") == PERFECT
    truth = held_out.batch(range(2))
    assert Holes(truth, torch.zeros(2, 1, 32, 32)).psnr(truth) == PERFECT


def test_records_are_json_whatever_they_hold(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.metrics.write_text('{"step": 1, "psnr": Infinity}\n')  # as an earlier version wrote it
    run.log({"step": 2, "psnr": float("inf"), "loss": float("nan"), "rate": 0.5})
    run.truncate_metrics(2)
    lines = run.metrics.read_text().splitlines()
    records = [json.loads(line, parse_constant=refuse) for line in lines]
    assert records == read_metrics(run.metrics)
    assert records[0] == {"step": 1, "psnr": None}
    assert records[1] == {"step": 2, "psnr": None, "loss": None, "rate": 0.5}


@pytest.mark.parametrize(
    "line", [b"\xff\xfe", b"[1]", b'{"stage": 1}', b'{"step": Infinity}', b"7"]
)
def test_a_damaged_record_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 2}\n')
    with pytest.raises(InputError, match=r"metrics\.jsonl: line 2 is no record .*remove that line"):
        read_metrics(path)
    path.write_bytes(b'{"step": 1}\n' + line)  # cut short by a kill
    assert read_metrics(path) == [{"step": 1}]


def test_it_trains_on_white_pictures_where_a_scheduler_has_reserved(tmp_path, monkeypatch) -> None:
    for name, value in (SLURM | {"PROCID": "0"}).items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    config = TrainConfig(
        generator=GeneratorConfig(width=2, padding="zeros"),
        data=DataConfig(images=(str(white(tmp_path / "p")),), masks=MASKS, size=32),
        steps=1,
        batch=2,
        validate_every=1,
        validation_images=1,
    )
    train(config, tmp_path / "run", hardware=CPU, progress=False)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line, parse_constant=refuse) for line in lines]
    assert records[0] == {"step": 0, "validation_psnr_telea": PERFECT}


@pytest.mark.parametrize("name", ["SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMI_RANK"])
def test_a_second_copy_of_a_command_does_not_train(tmp_path, capsys, monkeypatch, name) -> None:
    monkeypatch.setenv(name, "3")
    line = fails(capsys, "train", *SMALL, "--out", tmp_path / "run")
    assert f"{name} is 3" in line and "srun --ntasks=1" in line
    assert not (tmp_path / "run").exists()


def test_more_devices_than_there_are(tmp_path: Path, capsys, monkeypatch) -> None:
    line = fails(capsys, "train", *SMALL, "--devices", 999, "--batch", 999, "--out", tmp_path / "r")
    assert f"has {os.cpu_count()} of cpu; say --devices {os.cpu_count()}" in line
    assert not (tmp_path / "r").exists()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=r"--devices 2: this machine has 1 of cuda"):
        launch(Hardware(accelerator="cuda", devices=2), "32")


def test_a_run_with_a_prior_compiles_its_network_alone(tmp_path: Path, monkeypatch) -> None:
    """The prior's small operations, some 3,000, would take minutes; what is computed stays."""
    graphs: list[int] = []

    def backend(graph: torch.fx.GraphModule, _: list) -> torch.fx.GraphModule:
        graphs.append(sum(node.op.startswith("call") for node in graph.graph.nodes))
        return graph

    monkeypatch.setattr(
        torch.nn.Module, "compile", partialmethod(torch.nn.Module.compile, backend=backend)
    )
    monkeypatch.setattr(opening, "_refuse_without_compiler", lambda device: None)
    config = TrainConfig(
        generator=GeneratorConfig(width=2, prior="biharmonic"),
        data=DataConfig(size=32, masks=MASKS),
        steps=2,
        batch=2,
        validate_every=0,
    )
    for name in ("plain", "compiled"):
        chosen = replace(config, compile=name == "compiled")
        train(chosen, tmp_path / name, hardware=CPU, progress=False)
    assert 4 <= len(graphs) <= 8 and sum(graphs) < 200  # three columns, one decoder
    assert_same_weights(tmp_path / "plain", tmp_path / "compiled")


def test_a_compiler_that_is_not_there(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(inductor.cpp, "cxx", (None, "/nonexistent"))
    out = tmp_path / "run"
    code_and_line = ("train", *SMALL, "--compile", "--device", "cpu", "--out", out)
    from labkit.cli import main

    assert main([str(argument) for argument in code_and_line]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("labkit: error: --compile: nothing can be compiled for cpu here")
    assert "/nonexistent" in line and "leave --compile out" in line
    assert not out.exists()


def test_batches_need_no_shared_memory() -> None:
    """In a process of its own: where this goes wrong, it waits for ever."""
    script = """
import torch
from labkit.data.batches import BatchesByStep, load_batches
from labkit.faces import RenderedFaces
from labkit.settings import MaskConfig
def full(self):
    raise RuntimeError("unable to allocate shared memory: No space left on device (28)")
torch.UntypedStorage._share_fd_cpu_ = torch.UntypedStorage._share_filename_cpu_ = full
batches = BatchesByStep(RenderedFaces(32, "val"), MaskConfig(kind="rectangle"), 32, 2, 0)
for ours, theirs in zip(load_batches(batches, 0, 3, workers=2), load_batches(batches, 0, 3)):
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs))
    print("same")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.split() == ["same"] * 3, done.stderr


def test_a_worker_that_is_killed_is_told_of() -> None:
    class Killing(BatchesByStep):
        def __getitem__(self, step: int):
            os.kill(os.getpid(), signal.SIGKILL)

    stream = Killing(RenderedFaces(32, "val"), MASKS, 32, 2, 0)
    with (
        pytest.raises(InputError, match=r"run: a process .* was lost .*--resume --workers 0"),
        naming_lost_workers(Path("run")),
    ):
        next(iter(load_batches(stream, 0, 1, workers=1)))
    with pytest.raises(RuntimeError, match=r"^a defect$"), naming_lost_workers(Path("run")):
        raise RuntimeError("a defect")


def test_a_run_in_a_folder_whose_name_is_not_utf8(tmp_path: Path) -> None:
    config = TrainConfig(
        generator=GeneratorConfig(width=2, padding="zeros"),
        data=DataConfig(masks=MASKS, size=32),
        steps=1,
        batch=2,
        validate_every=0,
    )
    run = tmp_path / os.fsdecode(b"caf\xe9")
    with pytest.warns(UserWarning, match=r"TensorBoard takes no name that is not UTF-8"):
        train(config, run, hardware=CPU, progress=False)
    with pytest.warns(UserWarning, match=r"TensorBoard"):  # no name may reach pytest's own report
        train(config, run, hardware=CPU, resume=True, progress=False)
    assert load_generator(run).config.width == 2
    assert [record["step"] for record in read_metrics(run / "metrics.jsonl")] == [1]
