"""The run on a card in miniature: its data fit, every part writes, and what ends it is told."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tarfile
from pathlib import Path

import card
import card_data
import card_steps
import numpy as np
import pytest
import torch

from labkit.evaluation.pairs import Pairs
from labkit.faces import RenderedFaces
from labkit.images import write_image
from labkit.masks import irregular
from labkit.masks.files import write_mask
from labkit.nn.weights import load_generator, read_metadata
from labkit.training.opening import open_data

TINY = ["--size", "64", "--width", "2", "--device", "cpu", "--id-mrf", "32", "64"]
LIMIT = 0.2  # MB


def parsed(*words: object) -> argparse.Namespace:
    return card.arguments().parse_args(list(map(str, words)))


def typed(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, "argv", ["card.py", *map(str, words)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Faces, masks and pairs as files."""
    folder = tmp_path_factory.mktemp("card")
    masks = irregular(14, 64, rng=torch.Generator().manual_seed(0))
    for number, face in enumerate(RenderedFaces(64, "train").batch(range(60))):
        write_image(folder / "faces" / f"{number}.png", face)
    for number, face in enumerate(RenderedFaces(64, "val").batch(range(6))):
        write_image(folder / "held-out" / f"{number}.png", face)
    for number, mask in enumerate(masks[:8, 0]):
        write_mask(folder / "masks" / f"{number}.png", mask.numpy())
    for number, face in enumerate(RenderedFaces(64, "val").batch(range(6, 12))):
        write_image(folder / "pairs" / f"pair-{number}.jpg", face)
        write_mask(folder / "pairs" / f"pair-{number}.png", masks[8 + number, 0].numpy())
    write_image(folder / "faces" / "pair-0.png", face)  # must not be trained on
    return folder


def words(folder: Path, out: Path, limit: float = LIMIT, pairs: bool = True) -> list[str]:
    given = ["--prepare", folder / "faces", "--masks", folder / "masks", "--out", out]
    given += ["--validation", folder / "held-out", "--size", 64, "--limit", limit]
    return list(map(str, [*given, "--pairs", folder / "pairs"] if pairs else given))


@pytest.fixture(scope="module")
def data(folder: Path) -> Path:
    out = folder / "card-data.tar"
    card_data.prepare(parsed(*words(folder, out)))
    return out


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, Path]:
    """A run of a few seconds: what its file holds, and where it lies."""
    out = tmp_path_factory.mktemp("run") / "card.json"
    torch.set_num_threads(1)  # steps are so small that two would wait for each other
    card.run(parsed(data, "--out", out, "--minutes", 0.1, *TINY))
    return json.loads(out.read_text()), out


@pytest.fixture
def job(data: Path, tmp_path: Path) -> card_steps.Job:
    """What the parts of a run get."""
    options = parsed(data, "--out", tmp_path / "card.json", *TINY)
    held = card_data.unpack(data, tmp_path)
    config = card.settings(options, held)
    pairs, clock = held[card_data.PAIRS], card.speedrun.Clock(60.0)
    return card_steps.Job(
        options, clock, lambda: None, config, *open_data(config.data), pairs, tmp_path
    )


def only(monkeypatch: pytest.MonkeyPatch, **parts: object) -> None:
    """Replace parts of a run, and the others by ones that fill a section at once."""
    for name in card.PARTS:
        quick = parts.get(name, lambda _, section, __: section.update(filled=True))
        monkeypatch.setitem(card.PARTS, name, quick)


def test_make_bench_gets_the_usage_and_no_minutes(monkeypatch, capsys) -> None:
    typed(monkeypatch)
    card.main()
    assert "usage: card.py" in capsys.readouterr().out


def test_the_plan_has_every_part_and_all_of_the_time() -> None:
    assert list(card.SHARES) == list(card.PARTS)
    assert sum(card.SHARES.values()) == pytest.approx(1.0)


def test_the_data_stay_below_the_limit_and_are_read_back(
    folder: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    out = tmp_path / "card-data.tar"
    typed(monkeypatch, *words(folder, out))
    card.main()
    size = out.stat().st_size
    assert 0.85 * LIMIT <= size / card_data.MEGABYTE <= LIMIT
    held = card_data.unpack(out, tmp_path)
    config = card.settings(parsed(out, *TINY), held)
    training, held_out = open_data(config.data)
    assert 16 <= len(training) < 60 and len(held_out) == 6
    said = capsys.readouterr().out
    assert f"6 validation, 8 masks, 6 pairs, {len(training)} training" in said
    assert f"no room for {60 - len(training)} of 60 training pictures" in said
    assert "1 training and 0 validation pictures" in said  # as the pairs hold them
    faces = RenderedFaces(64, "train").batch(range(60)).astype(int)
    number = int(training.names[0].removesuffix(".jpg"))
    order = sorted(range(60), key=lambda n: f"{n}.png")  # as a folder lists them
    difference = np.abs(training.batch([0])[0] - faces[order[number]])
    assert difference.mean() < 6  # grey levels, by JPEG
    with tarfile.open(held[card_data.MASKS]) as archive:
        assert len(archive.getnames()) == 8
    theirs, ours = Pairs(folder / "pairs"), Pairs(held[card_data.PAIRS])
    assert [theirs.read(i).manifest for i in range(6)] == [ours.read(i).manifest for i in range(6)]


def test_drawn_masks_and_a_held_out_part_do_for_a_folder_alone(
    folder: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(card_data, "MOST_MASKS", 3)
    out = tmp_path / "card-data.tar"
    given = ["--prepare", "faces", "--size", 32, "--pictures", 4, "--limit", 0.08, "--out", out]
    said = card_data.prepare(parsed(*given))
    assert "4 validation, 3 masks" in said and out.stat().st_size <= 80_000
    assert card_data.PAIRS not in card_data.unpack(out, tmp_path)


def test_data_without_room_to_train_are_refused(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "card-data.tar"
    with pytest.raises(card.InputError, match=r"--limit 0.08 MB leaves room for \d+ training"):
        card_data.prepare(parsed(*words(folder, out, limit=0.08)))
    assert list(tmp_path.iterdir()) == []


def test_a_miniature_run_writes_every_part(finished: tuple[dict, Path]) -> None:
    found, out = finished
    assert found["complete"] and found["running"] is None and found["failed"] == []
    assert {"cpu", "torch", "gpu", "cuda"} <= set(found["machine"])
    speed = found["speed"]
    assert speed["batch"] in [row["batch"] for row in speed["batches"]]
    assert speed["tflops"] == pytest.approx(
        speed["flops_per_picture"] * speed["pictures_per_second"] / 1e12, rel=1e-3
    )
    assert speed["share_of_peak"] is None and not speed["compile"]["used"]
    first = found["id_mrf"]["rows"][0]
    assert [row["image_px"] for row in found["id_mrf"]["rows"]] == [32, 64]
    assert first["baseline_s"] > 0 and first["streamed_relative_difference"] < 1e-5
    assert [row["prior"] for row in found["prior"]["rows"]] == ["none", "biharmonic"]
    training = found["training"]
    assert training["settings"]["data"]["images"] == ["training.tar"]
    assert training["settings"]["data"]["cache"] == "device"
    assert training["settings"]["generator"]["prior"] == "biharmonic"
    assert training["curve"][-1]["psnr"] == training["psnr"] > 10
    assert training["curve"][-1]["pictures"] == training["pictures"]
    assert found["pairs"]["pairs"] == 6 and found["pairs"]["psnr"]["mean"] > 10
    assert sum(tenth["pairs"] for tenth in found["pairs"]["by_hole_ratio"]) == 6
    assert not list(out.parent.glob("**/*.tar"))  # nothing unpacked is left behind


def test_the_weights_of_a_run_lie_beside_it_in_half_precision(finished: tuple[dict, Path]) -> None:
    found, out = finished
    weights = out.with_suffix(".safetensors")
    assert b'"dtype":"F16"' in weights.read_bytes() and b'"F32"' not in weights.read_bytes()
    assert int(read_metadata(weights)["steps"]) == found["training"]["steps"]
    assert load_generator(weights).config.trained_size == 64


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM", "error"])
def test_what_was_found_before_a_part_broke_off_is_kept(
    how: str, data: Path, tmp_path: Path, monkeypatch
) -> None:
    def broken(job: card_steps.Job, section: dict, seconds: float) -> None:
        section["half"] = 1
        if how == "error":
            raise ZeroDivisionError("in it\nand more")
        signal.raise_signal(signal.SIGINT if how == "Ctrl-C" else signal.SIGTERM)

    only(monkeypatch, prior=broken)
    out = tmp_path / "card.json"
    typed(monkeypatch, data, "--out", out, *TINY)
    with pytest.raises(SystemExit) as ended:
        card.main()
    found = json.loads(out.read_text())
    assert found["speed"]["filled"] and found["id_mrf"]["filled"] and found["prior"]["half"] == 1
    if how == "error":
        assert ended.value.code == f"failed: prior; see {out}"
        assert found["prior"]["error"] == "ZeroDivisionError: in it"
        assert found["complete"] and found["failed"] == ["prior"] and found["pairs"]["filled"]
    else:
        assert ended.value.code == 130
        assert not found["complete"] and found["running"] == "prior" and "training" not in found


def test_while_a_part_runs_the_file_says_so(data: Path, tmp_path: Path, monkeypatch) -> None:
    seen, out = {}, tmp_path / "card.json"
    only(monkeypatch, id_mrf=lambda *_: seen.update(json.loads(out.read_text())))
    card.run(parsed(data, "--out", out, *TINY))
    assert seen["running"] == "id_mrf" and not seen["complete"] and seen["speed"]["filled"]
    assert "prior" not in seen


def test_a_training_gets_the_steps_that_its_time_has_room_for(
    job: card_steps.Job, monkeypatch
) -> None:
    def train(config, folder: Path, **_: object) -> None:
        folder.mkdir()
        for step, seconds in enumerate((3.0, 0.5, 0.5, 0.4, 0.6), start=1):
            card.RunFolder(folder).log({"step": step, "seconds": seconds})

    monkeypatch.setattr(card, "train", train)
    found = card.fitted(job, 1000.0)
    # Those that were timed took no time here: their 2 seconds count as a start that took −2.
    assert found.steps == pytest.approx((970 + 2) / 0.5, rel=0.02)
    assert card.MOMENTS - 1 <= found.steps / found.validate_every <= card.MOMENTS
    changed = {"steps", "checkpoint_every", "validate_every"}
    assert set(found.differences(job.config)) == changed


def test_a_training_cut_off_leaves_its_curve_and_weights(job: card_steps.Job, monkeypatch) -> None:
    def train(config, folder: Path, *, observe, **_: object) -> None:
        run = card.RunFolder(folder)
        folder.mkdir()
        run.log({"step": 3, "validation_psnr": 21.5})
        observe(3, card.GMCNN(config.generator))
        raise KeyboardInterrupt

    monkeypatch.setattr(card, "fitted", lambda job, _: job.config)
    monkeypatch.setattr(card, "train", train)
    section: dict = {}
    with pytest.raises(KeyboardInterrupt):
        card.training(job, section, 60.0)
    assert [(point["step"], point["psnr"]) for point in section["curve"]] == [(3, 21.5)]
    assert read_metadata(job.weights)["steps"] == "3"


def test_batches_double_until_the_memory_is_full(job: card_steps.Job, monkeypatch) -> None:
    def measured(self, step, batch: int) -> dict:
        if batch > 4:
            raise torch.OutOfMemoryError
        return {"batch": batch, "step_seconds": 1.0, "peak_mib": 1.0, **self.rates(batch)}

    monkeypatch.setattr(card_steps.Job, "measured", measured)
    section: dict = {}
    card_steps.speed(job, section, 60.0)
    assert [row["batch"] for row in section["batches"]] == [1, 2, 4, 8]
    assert section["batches"][-1]["out_of_memory"]
    assert job.config.batch == section["batch"] == section["pictures_per_second"] == 4
    expected = 3e-4 * (4 / card_steps.BATCH) ** 0.5
    assert job.config.learning_rate == pytest.approx(expected)


@pytest.mark.parametrize(
    ("seconds", "says"),
    [(60.0, "RuntimeError: no compiler"), (0.0, "not done within 0 s"), (None, "no faster")],
)
def test_what_does_not_compile_is_left_out_and_says_why(
    job: card_steps.Job, monkeypatch, capsys, seconds: float | None, says: str
) -> None:
    def stepper(self, compile: bool) -> None:
        if seconds == 60.0:
            raise RuntimeError("no compiler\nand a traceback")
        while seconds is not None:  # until it is stopped
            pass

    row = {"batch": 2, "step_seconds": 1.0}
    monkeypatch.setattr(card_steps.Job, "stepper", stepper)
    monkeypatch.setattr(card_steps.Job, "measured", lambda *_: row)
    found = card_steps.compilation(job, row, 60.0 if seconds is None else seconds)
    assert not found["used"] and found["why"].startswith(says)
    assert f"not compiled: {says}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H200", 989),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", None),
        ("NVIDIA GH200 480GB", None),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100-SXM4-80GB MIG 1g.10gb", None),
        ("NVIDIA L4", 121),
        ("NVIDIA L40S", None),
        ("Tesla T4", 65),
        ("NVIDIA GeForce RTX 4090", 165),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA GeForce RTX 3090 Ti", None),
    ],
)
def test_a_card_has_the_peak_of_its_data_sheet(name: str, peak: float | None, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: name)
    assert card_steps.peak_tflops("cuda") == peak
    assert card_steps.peak_tflops("cpu") is None


def packed(folder: Path, *names: str) -> Path:
    """A tar file that holds tar files of those names, with one text each."""
    text, _ = card_data.pack([("read.me", b"no picture")])
    path = folder / "data.tar"
    path.write_bytes(card_data.pack((name, text) for name in names)[0])
    return path


@pytest.mark.parametrize(
    ("names", "more", "says"),
    [
        (None, [], "data.tar: no such folder or tar file"),
        ((), [], "data.tar: holds no .tar files"),
        (("training.tar",), [], "data.tar: holds no masks.tar, validation.tar; make it with"),
        (("training.tar", "masks.tar", "validation.tar"), [], "training.tar: holds no .png"),
        (("training.tar",), ["--minutes", "0"], "--minutes 0.0 must be above 0"),
        (("training.tar",), ["--id-mrf", "8"], "--id-mrf 8 must be a whole number, 32 to 1024"),
        (("training.tar",), ["--prepare", "faces"], "either a run's data or --prepare"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    names: tuple[str, ...] | None, more: list[str], says: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    path = tmp_path / "data.tar" if names is None else packed(tmp_path, *names)
    typed(monkeypatch, path, "--out", tmp_path / "card.json", *TINY, *more)
    with pytest.raises(SystemExit) as ended:
        card.main()
    assert ended.value.code == 2 and says in capsys.readouterr().err
    assert not (tmp_path / "card.json").exists()


def test_a_card_that_is_not_there_is_named(data: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(card.InputError, match="--device cuda: there is no card here"):
        card.run(parsed(data, "--out", tmp_path / "card.json"))
