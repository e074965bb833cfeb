"""Training: the loss falls, a killed run loses nothing, and trouble is named."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from training_runs import (
    CPU,
    Killed,
    assert_same_weights,
    killed_at,
    losses,
    start_run,
    wait_for,
)

from labkit.data.batches import BatchesByStep, draw_crop, load_batches, vary
from labkit.errors import InputError
from labkit.faces import RenderedFaces
from labkit.images import write_image
from labkit.nn.generator import GMCNN, GeneratorConfig
from labkit.nn.weights import read_metadata, save_generator
from labkit.settings import Augmentation, DataConfig, Hardware, MaskConfig, TrainConfig
from labkit.training import trainer as trainer_module
from labkit.training.checkpoint import RunFolder, read_metrics
from labkit.training.opening import open_data
from labkit.training.stages import Step
from labkit.training.trainer import train
from labkit.training.validation import Validation

SMALL = TrainConfig(
    generator=GeneratorConfig(width=2, padding="zeros", initialisation="he"),
    data=DataConfig(images=("faces",), masks=MaskConfig(kind="rectangle"), size=32),
    steps=6,
    batch=2,
    learning_rate=1e-3,
    validate_every=3,
    checkpoint_every=2,
    log_every=1,
    validation_images=2,
)


def test_training_lowers_the_loss_and_leaves_a_complete_folder(tmp_path) -> None:
    config = dataclasses.replace(
        SMALL,
        generator=GeneratorConfig(width=4, initialisation="he"),
        steps=120,
        batch=8,
        learning_rate=3e-4,
        validate_every=60,
        checkpoint_every=120,
        validation_images=16,
    )
    untrained = GMCNN(config.generator, rng=torch.Generator().manual_seed(config.seed))
    fixed = Validation(trainer_module.open_data(config.data)[1], config.data.masks, 16)
    before = fixed.run(untrained, torch.device("cpu"))[0]
    path = train(config, tmp_path / "run", hardware=CPU, progress=False)
    assert path == tmp_path / "run" / "generator.safetensors"
    values = [loss for _, loss in losses(tmp_path / "run")]
    assert len(values) == 120
    assert np.mean(values[-20:]) < 0.9 * np.mean(values[:20])
    assert json.loads((tmp_path / "run" / "config.json").read_text())["steps"] == 120
    scores = [r for r in read_metrics(tmp_path / "run" / "metrics.jsonl") if "validation_psnr" in r]
    assert [r["step"] for r in scores] == [60, 120]
    assert scores[-1]["validation_psnr"] > before + 1  # dB
    assert sorted(p.name for p in (tmp_path / "run" / "samples").iterdir()) == [
        "step-0000060.png",
        "step-0000120.png",
    ]
    assert list((tmp_path / "run").glob("events.out.tfevents.*"))
    assert read_metadata(path)["steps"] == "120"


def test_the_same_seed_gives_the_same_weights_and_another_does_not(tmp_path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(dataclasses.replace(SMALL, seed=seed), tmp_path / name, hardware=CPU, progress=False)
    assert_same_weights(tmp_path / "a", tmp_path / "b")
    with pytest.raises(AssertionError):
        assert_same_weights(tmp_path / "a", tmp_path / "c")


def test_worker_processes_change_nothing(tmp_path) -> None:
    train(SMALL, tmp_path / "none", hardware=CPU, progress=False)
    two = Hardware(accelerator="cpu", workers=2)
    train(SMALL, tmp_path / "two", hardware=two, progress=False)
    assert_same_weights(tmp_path / "none", tmp_path / "two")


@pytest.mark.parametrize("stop_at", [0, 1, 2, 3, 5])
def test_a_run_stopped_after_any_step_resumes_bit_for_bit(
    tmp_path, monkeypatch, stop_at: int
) -> None:
    train(SMALL, tmp_path / "whole", hardware=CPU, progress=False)
    with killed_at(monkeypatch, stop_at), pytest.raises(Killed):
        train(SMALL, tmp_path / "cut", hardware=CPU, progress=False)
    train(SMALL, tmp_path / "cut", hardware=CPU, resume=True, progress=False)
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")
    assert losses(tmp_path / "whole") == losses(tmp_path / "cut")


def test_a_run_with_a_prior_resumes_bit_for_bit(tmp_path, monkeypatch) -> None:
    generator = dataclasses.replace(SMALL.generator, prior="biharmonic")
    config = dataclasses.replace(SMALL, generator=generator, ema=0.9)
    train(config, tmp_path / "whole", hardware=CPU, progress=False)
    with killed_at(monkeypatch, 3), pytest.raises(Killed):
        train(config, tmp_path / "cut", hardware=CPU, progress=False)
    train(config, tmp_path / "cut", hardware=CPU, resume=True, progress=False)
    assert_same_weights(tmp_path / "whole", tmp_path / "cut")
    assert losses(tmp_path / "whole") == losses(tmp_path / "cut")
    assert TrainConfig.read(tmp_path / "cut" / "config.json") == config


@pytest.mark.parametrize(("file", "run"), [("biharmonic", "none"), ("none", "push-pull")])
def test_weights_of_another_prior_are_refused(tmp_path, file: str, run: str) -> None:
    weights = tmp_path / "weights.safetensors"
    generator = dataclasses.replace(SMALL.generator, prior=file)
    save_generator(GMCNN(generator), weights)
    generator = dataclasses.replace(SMALL.generator, prior=run)
    config = dataclasses.replace(SMALL, generator=generator, from_weights=str(weights))
    says = rf"weights\.safetensors: holds a generator with prior '{file}', and .* prior '{run}'"
    with pytest.raises(InputError, match=says):
        train(config, tmp_path / "run", hardware=CPU, progress=False)
    assert not (tmp_path / "run").exists()


def test_a_run_killed_with_sigkill_resumes_and_equals_an_uninterrupted_one(tmp_path) -> None:
    killed = tmp_path / "killed"
    process = start_run(killed)
    wait_for(killed / "state.previous.pt", process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    saved = TrainConfig.read(killed / "config.json")
    step = RunFolder(killed).load_state()["step"]
    assert step >= 3
    # A shorter schedule for both: constant rate, so that `steps` changes nothing before its end.
    config = dataclasses.replace(saved, steps=step + 4)
    (killed / "config.json").write_text(config.to_json())
    train(config, killed, hardware=CPU, resume=True, progress=False)
    train(config, tmp_path / "whole", hardware=CPU, progress=False)
    assert_same_weights(killed, tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_keeps_a_checkpoint_of_the_last_step(tmp_path, number: int) -> None:
    run = tmp_path / "run"
    process = start_run(run, "--checkpoint-every", "1000000", "--log-every", "1")
    wait_for(run / "metrics.jsonl", process)
    assert not (run / "state.pt").exists()
    process.send_signal(number)
    _, said = process.communicate(timeout=90)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "--resume" in said
    state = RunFolder(run).load_state()
    assert state["step"] >= 1
    assert state["step"] == losses(run)[-1][0]


@pytest.mark.skipif(sys.platform != "linux", reason="finds the second process in /proc")
@pytest.mark.parametrize("second", [False, True], ids=["the first", "the second"])
def test_a_signal_to_one_of_two_processes_stops_both_with_a_checkpoint(tmp_path, second) -> None:
    run = tmp_path / "run"
    process = start_run(run, "--checkpoint-every", "1000000", "--log-every", "1", "--devices", "2")
    wait_for(run / "metrics.jsonl", process)
    told = process.pid
    if second:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in children}
        told = int(next(pid for pid, words in commands.items() if b"train" in words))
    os.kill(told, signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    state = RunFolder(run).load_state()
    assert state["step"] == losses(run)[-1][0] >= 1


def test_a_kill_between_two_renames_loses_nothing(tmp_path) -> None:
    run = RunFolder(tmp_path)
    for step in (1, 2):
        run.save_state({"step": step})
    assert run.load_state()["step"] == 2
    # As if killed after the old checkpoint stepped aside and before the new one took its name.
    os.replace(run.state, tmp_path / "state.new.pt")
    assert run.load_state()["step"] == 2
    (tmp_path / "state.new.pt").unlink()
    assert run.load_state()["step"] == 1


def test_a_full_disk_stops_the_run_and_keeps_the_last_checkpoint(tmp_path, monkeypatch) -> None:
    original = os.fsync

    def full(handle: int) -> None:
        if (tmp_path / "run" / "state.pt").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(handle)

    monkeypatch.setattr(os, "fsync", full)
    config = dataclasses.replace(SMALL, validate_every=0)
    with pytest.raises(InputError, match=r"No space left"):
        train(config, tmp_path / "run", hardware=CPU, progress=False)
    monkeypatch.setattr(os, "fsync", original)
    assert RunFolder(tmp_path / "run").load_state()["step"] == 2
    train(config, tmp_path / "run", hardware=CPU, resume=True, progress=False)
    train(config, tmp_path / "whole", hardware=CPU, progress=False)
    assert_same_weights(tmp_path / "run", tmp_path / "whole")


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint(
    tmp_path, monkeypatch
):
    original = Step.__call__

    def diverging(self, step, target, mask):
        terms = original(self, step, target, mask)
        return {name: term * float("nan") for name, term in terms.items()} if step == 3 else terms

    monkeypatch.setattr(Step, "__call__", diverging)
    with pytest.raises(InputError, match=r"reconstruction loss became nan at step 4.*kept"):
        train(SMALL, tmp_path / "run", hardware=CPU, progress=False)
    assert RunFolder(tmp_path / "run").load_state()["step"] == 2


def test_a_run_that_diverges_at_once_says_what_can_be_done(tmp_path) -> None:
    config = dataclasses.replace(SMALL, explosion=1e-9)
    with pytest.raises(InputError, match=r"delete the folder.*lower --lr"):
        train(config, tmp_path / "run", hardware=CPU, progress=False)
    assert not RunFolder(tmp_path / "run").holds_a_checkpoint()


def test_a_kill_between_checkpoint_and_weights_loses_neither(tmp_path, monkeypatch) -> None:
    train(SMALL, tmp_path / "whole", hardware=CPU, progress=False)
    original = trainer_module.save_generator

    def killed(model, path, metadata):
        if metadata["steps"] == "6":
            raise Killed
        original(model, path, metadata)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(trainer_module, "save_generator", killed)
        train(SMALL, tmp_path / "run", hardware=CPU, progress=False)
    assert read_metadata(tmp_path / "run")["steps"] == "4"
    train(SMALL, tmp_path / "run", hardware=CPU, resume=True, progress=False)
    assert_same_weights(tmp_path / "run", tmp_path / "whole")


def test_the_last_step_is_recorded_and_validated(tmp_path) -> None:
    config = dataclasses.replace(SMALL, steps=2, validate_every=500, log_every=50)
    train(config, tmp_path / "run", hardware=CPU, progress=False)
    assert losses(tmp_path / "run")[-1][0] == 2
    assert "validation_psnr" in read_metrics(tmp_path / "run" / "metrics.jsonl")[-1]
    assert (tmp_path / "run" / "samples" / "step-0000002.png").is_file()


def test_scikit_images_photographs_train_and_validate(tmp_path) -> None:
    photos = dataclasses.replace(SMALL.data, images=("photos",))
    training, validation = trainer_module.open_data(photos)
    assert (training.describe()["split"], validation.describe()["split"]) == ("train", "test")
    faces = dataclasses.replace(SMALL.data, validation=("photos",))
    assert trainer_module.open_data(faces)[1].describe() == validation.describe()


def test_a_folder_in_use_and_other_settings_are_refused(tmp_path) -> None:
    train(SMALL, tmp_path / "run", hardware=CPU, progress=False)
    with pytest.raises(InputError, match=r"already holds a run.*--resume"):
        train(SMALL, tmp_path / "run", hardware=CPU, progress=False)
    other = dataclasses.replace(SMALL, batch=4, generator=GeneratorConfig(width=4))
    with pytest.raises(InputError, match=r"batch, generator\.initialisation, .*generator\.width"):
        train(other, tmp_path / "run", hardware=CPU, resume=True, progress=False)
    with pytest.raises(InputError, match=r"config"):
        train(SMALL, tmp_path / "none", hardware=CPU, resume=True, progress=False)


def test_a_truncated_checkpoint_is_named_and_the_one_before_it_can_be_used(tmp_path) -> None:
    train(SMALL, tmp_path / "run", hardware=CPU, progress=False)
    run = RunFolder(tmp_path / "run")
    run.state.write_bytes(run.state.read_bytes()[:-500])
    with pytest.raises(InputError, match=r"state\.pt: damaged.*--previous"):
        train(SMALL, tmp_path / "run", hardware=CPU, resume=True, progress=False)
    assert run.load_state(previous=True)["step"] == 4
    train(SMALL, tmp_path / "run", hardware=CPU, previous=True, progress=False)
    assert run.load_state()["step"] == 6
    assert run.load_state(previous=True)["step"] == 4, "the damaged one took its place"
    assert (run.path / "state.damaged.pt").is_file()


def test_a_last_metrics_line_cut_short_is_left_out(tmp_path) -> None:
    (tmp_path / "m.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [r["step"] for r in read_metrics(tmp_path / "m.jsonl")] == [1, 2]
    (tmp_path / "m.jsonl").write_text('{"step": 1}\n{"st\n{"step": 2}\n')
    with pytest.raises(InputError, match=r"line 2"):
        read_metrics(tmp_path / "m.jsonl")


def test_configurations_survive_json() -> None:
    config = dataclasses.replace(SMALL, betas=(0.1, 0.2))
    assert TrainConfig.from_dict(json.loads(config.to_json())) == config
    assert config.differences(SMALL) == ["betas"]
    with pytest.raises(InputError, match=r"unknown settings stpes"):
        TrainConfig.from_dict({"stpes": 3})


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"steps": 0}, "steps 0"),
        ({"batch": 0}, "batch 0"),
        ({"learning_rate": 0.0}, "learning_rate 0.0"),
        ({"betas": (0.5, 1.0)}, "betas"),
        ({"precision": "16"}, "must be '32', 'bf16' or '64'"),
        ({"schedule": "cosine"}, "must be 'constant' or 'linear'"),
        ({"clip_norm": -1.0}, "clip_norm -1.0: must be greater than or equal to 0"),
        ({"clip_norm": float("nan")}, "clip_norm nan"),
        ({"seed": -1}, "seed -1: must be greater"),
        ({"warm_up": 9_999_999}, "set both"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(wrong: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        dataclasses.replace(SMALL, **wrong)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"generator": 3}, "generator 3: must be a dictionary"),
        ({"steps": "abc"}, "steps 'abc': must be a valid integer"),
    ],
)
def test_a_configuration_edited_by_hand_names_the_entry(wrong: dict, says: str) -> None:
    with pytest.raises(InputError, match=rf"config\.json: {says}"):
        TrainConfig.from_dict(SMALL.to_dict() | wrong, "config.json")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"accelerator": "cpu:0"}, "must be 'auto', 'cpu', 'cuda' or 'mps'"),
        ({"devices": 0}, "devices 0"),
        ({"workers": -1}, "workers -1"),
    ],
)
def test_hardware_that_cannot_be_is_refused(wrong: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Hardware(**wrong)


def test_the_linear_schedule_ends_at_zero() -> None:
    config = dataclasses.replace(SMALL, schedule="linear", steps=10, learning_rate=1.0)
    assert [config.learning_rate_at(step) for step in (0, 5)] == [1.0, 0.5]
    assert config.learning_rate_at(10) == 0


# --- batches


def batches(batch: int = 4, **options) -> BatchesByStep:
    source = RenderedFaces(48, "val")
    return BatchesByStep(source, MaskConfig(kind="rectangle"), 32, batch, 7, **options)


def test_a_batch_depends_on_its_step_alone() -> None:
    options = {"augmentation": Augmentation(flip=True, smallest_crop=0.7)}
    first, second = batches(**options), batches(**options)
    for step in (5, 2):
        second[step]  # history must not matter
    for ours, theirs in zip(first[3], second[3], strict=True):
        assert torch.equal(ours, theirs)
    assert not torch.equal(first[3][0], first[4][0])


def test_processes_share_the_samples_of_one_process() -> None:
    options = {"augmentation": Augmentation()}
    images, masks = batches(**options)[11]
    for rank in range(2):
        part_images, part_masks = batches(rank=rank, world=2, **options)[11]
        assert torch.equal(part_images, images[rank::2])
        assert torch.equal(part_masks, masks[rank::2])


def test_an_epoch_shows_every_picture_once() -> None:
    stream = batches(batch=50)
    drawn = [stream._index(step, slot) for step in range(20) for slot in range(50)]
    assert sorted(drawn) == list(range(1000))
    again = [stream._index(step, slot) for step in range(20, 40) for slot in range(50)]
    assert sorted(again) == list(range(1000)) and again != drawn


def test_workers_start_although_opencv_has_run_threads_of_its_own() -> None:
    """In a process of its own: where this goes wrong, it waits for ever."""
    script = """
import cv2, numpy as np
from labkit.data.batches import BatchesByStep, draw_crop, load_batches, vary
from labkit.faces import RenderedFaces
from labkit.settings import MaskConfig
cv2.setNumThreads(4)
cv2.resize(np.zeros((2000, 2000, 3), np.uint8), (1500, 1500), interpolation=cv2.INTER_CUBIC)
batches = BatchesByStep(RenderedFaces(48, "val"), MaskConfig(kind="free-form"), 32, 2, 0)
print(len(list(load_batches(batches, 0, 3, workers=2))))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "3", done.stderr


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_in_a_worker_arrives_as_it_was(workers: int) -> None:
    class Spoilt(RenderedFaces):
        def batch(self, indices):
            raise InputError("face.png: damaged", "download it again")

    stream = BatchesByStep(Spoilt(32, "val"), MaskConfig(kind="rectangle"), 32, 2, 0)
    with pytest.raises(InputError, match=r"^face\.png: damaged; download it again$"):
        next(iter(load_batches(stream, 0, 1, workers=workers)))


def test_batches_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match=r"batch 2000 is larger than the set of 1000"):
        batches(batch=2000)
    with pytest.raises(InputError, match=r"multiple of the 3 processes"):
        batches(batch=4, world=3)
    with pytest.raises(InputError, match=r"48 px cannot train at 64 px"):
        BatchesByStep(RenderedFaces(48, "val"), MaskConfig(), 64, 2, 0)


def test_validation_pictures_of_their_own_hold_nothing_out(tmp_path) -> None:
    for name, count in (("train", 40), ("val", 3)):
        for index in range(count):
            picture = np.full((32, 32, 3), index, np.uint8)
            write_image(tmp_path / name / f"{index:02}.png", picture)
    train_folder, own = (str(tmp_path / name) for name in ("train", "val"))
    sizes = [len(part) for part in open_data(DataConfig(images=(train_folder,), size=32))]
    assert sum(sizes) == 40 and sizes[1] > 0
    held = DataConfig(images=(train_folder,), validation=(own,), size=32)
    assert [len(part) for part in open_data(held)] == [40, 3]


def test_the_linear_schedule_reaches_0_one_step_after_the_last() -> None:
    config = TrainConfig(steps=10, warm_up=4, learning_rate=1.0, schedule="linear")
    rates = [config.learning_rate_at(step) for step in range(10)]
    assert rates == pytest.approx([1, 3 / 4, 1 / 2, 1 / 4, *(k / 6 for k in range(6, 0, -1))])


def test_crops_have_the_size_asked_for_and_flips_mirror() -> None:
    image = np.arange(40 * 40 * 3, dtype=np.uint8).reshape(40, 40, 3)
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert vary(image, Augmentation(smallest_crop=0.5), 24, rng).shape == (24, 24, 3)
        assert vary(image, Augmentation(largest_crop=1.9), 24, rng).shape == (24, 24, 3)
    plain, flipped = Augmentation(flip=False), Augmentation(flip=True)
    assert (vary(image, plain, 40, rng) == image).all()
    results = {vary(image, flipped, 40, rng).tobytes() for _ in range(20)}
    assert results == {image.tobytes(), image[:, ::-1].tobytes()}


@pytest.mark.parametrize("seed", range(5))
def test_a_crop_wider_than_the_picture_holds_it_and_its_mirror_image(seed: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    wide = Augmentation(flip=False, largest_crop=1.5)
    side, top, left, _ = draw_crop(wide, 40, np.random.default_rng(seed))
    assert 40 < side <= 60 and 40 - side <= min(top, left) and max(top, left) <= 0
    drawn = vary(image, wide, side, np.random.default_rng(seed))  # not resized
    assert (drawn[-top : 40 - top, -left : 40 - left] == image).all()
    rows, columns = (np.abs(np.arange(side) + start) for start in (top, left))
    rows, columns = (np.where(line < 40, line, 78 - line) for line in (rows, columns))
    assert (drawn == image[rows[:, None], columns]).all()


@pytest.mark.parametrize("largest", [0.9, 2.0, float("nan")])
def test_a_crop_wider_than_a_mirror_reaches_is_refused(largest: float) -> None:
    with pytest.raises(InputError, match=r"largest_crop .*: must be"):
        Augmentation(largest_crop=largest)
