"""Metrics, intervals, pairs, protocol and reports."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from labkit.errors import InputError
from labkit.evaluation import protocol, report
from labkit.evaluation.methods import Method, open_methods
from labkit.evaluation.metrics import l1, psnr, psnr_as_reported, ssim
from labkit.evaluation.pairs import Pairs, match
from labkit.evaluation.protocol import ProtocolConfig, evaluate, prepare, raw_output
from labkit.evaluation.statistics import (
    Score,
    bootstrap_mean,
    paired_differences,
    summarise,
    tenth_of,
)
from labkit.nn.generator import GMCNN, GeneratorConfig
from labkit.nn.weights import save_generator


def picture(height: int = 64, width: int = 64, seed: int = 0) -> np.ndarray:
    """Smooth colour blobs: something that a fill can get nearly right."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    return np.array(small.resize((width, height), Image.Resampling.BICUBIC))


def mask(side: int, share: float) -> np.ndarray:
    hole = np.zeros((side, side), bool)
    hole[2 : 2 + round(share * side), 1:-1] = True
    return hole


def encoded(array: np.ndarray, kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, format=kind)
    return file.getvalue()


def write_pairs(folder: Path, shares: list[float], side: int = 64) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index, share in enumerate(shares):
        (folder / f"{index:03}.jpg").write_bytes(encoded(picture(seed=index), "JPEG"))
        hole = mask(side, share).astype(np.uint8) * 255
        (folder / f"{index:03}.png").write_bytes(encoded(hole, "PNG"))
    return folder


# Metrics


@pytest.mark.parametrize("difference", [1, 5, 40])
def test_psnr_of_a_constant_difference(difference: int) -> None:
    truth = np.full((16, 16, 3), 100, np.uint8)
    expected = 20 * np.log10(255 / difference)
    assert psnr(truth, truth + np.uint8(difference)) == pytest.approx(expected, abs=1e-9)


def test_psnr_of_one_wrong_pixel() -> None:
    truth = np.zeros((10, 10, 3), np.uint8)
    wrong = truth.copy()
    wrong[3, 4, 1] = 255  # an error of one full range in one of 300 values
    assert psnr(truth, wrong) == pytest.approx(10 * np.log10(300), abs=1e-9)


def test_equal_images() -> None:
    image = picture()
    assert psnr(image, image) == float("inf")
    assert ssim(image, image) == pytest.approx(1.0, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.integers(8, 24))
def test_a_range_of_two_adds_six_decibels(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    truth, raw = rng.random((2, size, size, 3))
    honest = peak_signal_noise_ratio(truth, raw, data_range=1.0)
    assert psnr_as_reported(truth, raw) - honest == pytest.approx(20 * np.log10(2), abs=1e-9)


def test_l1_of_known_differences() -> None:
    black = np.zeros((8, 8, 3), np.uint8)
    assert l1(black, black) == 0 and l1(black, black + 255) == 100
    half = black.copy()
    half[:4] = 51
    # uint8 arithmetic would wrap around: the order must not matter.
    assert l1(black, half) == l1(half, black) == pytest.approx(10)


def test_ssim_of_unlike_images_is_low() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    assert ssim(one, other) < 0.1
    darker = (picture() * 0.9).astype(np.uint8)
    assert 0.8 < ssim(picture(), darker) < 1.0


@pytest.mark.parametrize(
    ("metric", "truth", "estimate", "words"),
    [
        (psnr, np.zeros((8, 8, 3)), np.zeros((8, 8, 3), np.uint8), "uint8"),
        (psnr, np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8), "shapes"),
        (ssim, np.zeros((6, 8, 3), np.uint8), np.zeros((6, 8, 3), np.uint8), "sides of 7"),
        (psnr_as_reported, np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3)), "float"),
        (psnr_as_reported, np.zeros((8, 8, 3)), np.full((8, 8, 3), 200.0), r"not in \[0, 1\]"),
    ],
)
def test_metrics_refuse_other_ranges(metric, truth, estimate, words: str) -> None:
    with pytest.raises(InputError, match=words):
        metric(truth, estimate)


# Statistics


def test_bootstrap_is_deterministic_and_near_the_normal_interval() -> None:
    values = np.random.default_rng(3).normal(25.0, 4.0, 400)
    first = bootstrap_mean(values, seed=7)
    assert first == bootstrap_mean(values, seed=7)
    assert first != bootstrap_mean(values, seed=8)
    assert first["mean"] == pytest.approx(values.mean(), abs=1e-12)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert first["mean"] - first["low"] == pytest.approx(half, rel=0.1)
    assert first["high"] - first["mean"] == pytest.approx(half, rel=0.1)


def test_bootstrap_in_slices_equals_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random(1000)
    sliced = bootstrap_mean(values, resamples=9000)  # three slices of 4,000 resamples at most
    rng = np.random.default_rng(0)
    means = [values[rng.integers(0, 1000, 1000)].mean() for _ in range(9000)]
    assert sliced["low"] == pytest.approx(np.percentile(means, 2.5), abs=1e-12)


@pytest.mark.parametrize("values", [[], [1.0, float("inf")], [[1.0]]])
def test_bootstrap_refuses(values: list) -> None:
    with pytest.raises(InputError, match="finite"):
        bootstrap_mean(values)


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [
        (0.0, (0.0, 0.1)),
        (0.0999, (0.0, 0.1)),
        (0.1, (0.1, 0.2)),
        (0.3, (0.3, 0.4)),
        (0.7, (0.7, 0.8)),
    ],
)
def test_bins_include_their_lower_end(ratio: float, expected: tuple[float, float]) -> None:
    assert tenth_of(ratio) == expected


def test_every_ratio_has_a_bin() -> None:
    for count in range(1025):
        low, high = tenth_of(count / 1024)
        assert low - 1e-9 <= count / 1024 <= high
    assert tenth_of(1.0) == (0.9, 1.0)


def test_summary_of_known_scores() -> None:
    scores = [
        Score("a", "telea", 0.05, 30.0, 0.9, 2.0),
        Score("b", "telea", 0.55, 20.0, 0.7, 2.0),
        Score("c", "telea", 0.52, 22.0, 0.8, 2.0),
        Score("a", "ns", 0.05, 31.0, 0.95, 2.0),
    ]
    telea, ns = summarise(scores)
    assert list(telea) == ["method", "pairs", "psnr", "ssim", "l1", "by_hole_ratio"]
    assert (telea["method"], telea["pairs"], ns["pairs"]) == ("telea", 3, 1)
    assert telea["psnr"]["mean"] == 24.0 and telea["ssim"]["mean"] == 0.8
    assert 20.0 <= telea["psnr"]["low"] < 24.0 < telea["psnr"]["high"] <= 30.0
    assert telea["by_hole_ratio"] == [
        {"from": 0.0, "to": 0.1, "pairs": 1, "psnr": 30.0, "ssim": 0.9, "l1": 2.0},
        {"from": 0.5, "to": 0.6, "pairs": 2, "psnr": 21.0, "ssim": 0.75, "l1": 2.0},
    ]
    assert ns["psnr"] == {"mean": 31.0, "low": 31.0, "high": 31.0}


def test_paired_differences_of_known_scores() -> None:
    scores = [
        Score("a", "telea", 0.05, 30.0, 0.9, 2.0),
        Score("b", "telea", 0.55, 20.0, 0.7, 2.0),
        Score("a", "ours", 0.05, 31.0, 0.95, 2.0),
        Score("b", "ours", 0.55, 21.0, 0.95, 2.0),
        Score("a", "partial", 0.05, 31.0, 0.95, 2.0),
    ]
    (row,) = paired_differences(scores)
    # The pairs lie 10 dB apart and the methods 1 dB on each of them: the difference is certain.
    assert row == {
        "method": "ours",
        "minus": "telea",
        "pairs": 2,
        "psnr": {"mean": 1.0, "low": 1.0, "high": 1.0},
        "ssim": {"mean": 0.15, "low": 0.05, "high": 0.25},
        "l1": {"mean": 0.0, "low": 0.0, "high": 0.0},
    }
    text = report.text_table(summarise(scores), paired_differences(scores))
    assert text.splitlines()[-1].split() == ["ours", "−", "telea", "+1.00", "+1.00", "to", "+1.00"]


# Pairs


def test_match_both_layouts() -> None:
    flat = match(["t/002.png", "t/001.jpg", "t/002.JPEG", "t/001.png"], "set")
    assert flat == {"001": ("t/001.jpg", "t/001.png"), "002": ("t/002.JPEG", "t/002.png")}
    split = match(["images/a.png", "images/x/b.jpg", "masks/a.png", "masks/x/b.png"], "set")
    assert split == {
        "a": ("images/a.png", "masks/a.png"),
        "x/b": ("images/x/b.jpg", "masks/x/b.png"),
    }
    deep = match(["d/e/images/a.jpg", "d/e/masks/a.png"], "set")
    assert deep == {"a": ("d/e/images/a.jpg", "d/e/masks/a.png")}
    assert list(match(["images/1.jpg", "masks/1.jpg"], "set").values()) == [
        ("images/1.jpg", "masks/1.jpg")
    ]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["1.jpg", "1.png", "2.jpg"], "no mask for 2.jpg"),
        (["1.jpg", "1.png", "2.png"], "no image for 2.png"),
        ([f"{i}.jpg" for i in range(9)], "0.jpg, 1.jpg, 2.jpg and 6 more"),
        (["1.jpg", "1.jpeg", "1.png"], "1.jpeg and 1.jpg are the same image twice"),
        (["images/1.jpg", "masks/1.png", "masks/1.webp"], "same mask twice"),
        ([], "no pairs"),
    ],
)
def test_match_names_what_is_wrong(names: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        match(names, "set")


def test_folder_and_tar_hold_the_same_pairs(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "pairs", [0.2, 0.5], side=32)
    with tarfile.open(tmp_path / "pairs.tar", "w") as archive:
        archive.add(folder, arcname="table")
    one, other = Pairs(folder), Pairs(tmp_path / "pairs.tar")
    assert len(one) == len(other) == 2
    for index in range(2):
        a, b = one.read(index), other.read(index)
        assert a.name == b.name == f"{index:03}"
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.mask, b.mask)
        np.testing.assert_array_equal(a.mask, mask(32, [0.2, 0.5][index]))
        data = (folder / f"{index:03}.jpg").read_bytes()
        assert a.manifest["image_sha256"] == hashlib.sha256(data).hexdigest()
        assert a.manifest["mask_sha256"] == b.manifest["mask_sha256"]
        assert a.manifest["image"] == f"{index:03}.jpg"


def test_a_pair_that_is_there_twice_is_named(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "pairs", [0.2, 0.3])
    for suffix in ("jpg", "png"):
        (folder / f"009.{suffix}").write_bytes((folder / f"001.{suffix}").read_bytes())
    black = open_methods(["black"])
    with pytest.warns(UserWarning, match="pairs 001 and 009 are the same image with the same mask"):
        found = evaluate(Pairs(folder), black, ProtocolConfig(size=32))
    assert len(found.scores) == 3


def test_pairs_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        Pairs(tmp_path / "nowhere")
    folder = write_pairs(tmp_path / "pairs", [0.2])
    (folder / "000.jpg").write_bytes(b"no picture at all")
    with pytest.raises(InputError, match=r"000.jpg"):
        Pairs(folder).read(0)
    (folder / "000.jpg").write_bytes(encoded(picture(64, 96), "JPEG"))
    with pytest.raises(InputError, match=r"000.*96×64.*64×64"):
        Pairs(folder).read(0)
    (tmp_path / "text.tar").write_text("not a tar file")
    with pytest.raises(InputError, match=r"text.tar"):
        Pairs(tmp_path / "text.tar")


# Protocol


def test_prepare_resizes_as_the_protocol_says() -> None:
    image, hole = picture(96, 96), mask(48, 0.4)
    small, missing = prepare(image, hole, 32)
    expected = Image.fromarray(image).resize((32, 32), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(small, np.asarray(expected))
    assert missing.dtype == bool and missing.shape == (32, 32)
    same = prepare(small, missing, 32)
    np.testing.assert_array_equal(same[0], small)
    np.testing.assert_array_equal(same[1], missing)


def test_scores_are_of_the_composite(tmp_path: Path) -> None:
    pairs = Pairs(write_pairs(tmp_path / "pairs", [0.15, 0.35, 0.38, 0.55]))
    methods = open_methods(["black", "telea"])
    result = evaluate(pairs, methods, ProtocolConfig(size=64))
    assert [s.method for s in result.scores] == ["black", "telea"] * 4
    pair = pairs.read(1)
    truth, hole = prepare(pair.image, pair.mask, 64)
    black = np.where(hole[..., None], 0, truth)
    error = np.square(black.astype(float) - truth).mean()
    assert result.scores[2].psnr == pytest.approx(10 * np.log10(255**2 / error), abs=1e-9)
    assert result.scores[2].hole_ratio == hole.mean()
    by_method = {row["method"]: row for row in summarise(result.scores)}
    assert by_method["telea"]["psnr"]["mean"] > by_method["black"]["psnr"]["mean"] + 5
    # One example a tenth, in the order of hole ratio, each with every fill.
    assert [e.pair for e in result.examples] == ["000", "001", "003"]
    np.testing.assert_array_equal(result.examples[1].fills["black"], black)
    assert [m["pair"] for m in result.manifest] == ["000", "001", "002", "003"]


def test_a_perfect_fill_counts_as_a_hundred_decibels(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(encoded(np.full((64, 64, 3), 128, np.uint8), "JPEG"))
    (folder / "a.png").write_bytes(encoded(mask(64, 0.3).astype(np.uint8) * 255, "PNG"))
    result = evaluate(Pairs(folder), open_methods(["mean"]), ProtocolConfig(size=32))
    assert result.scores[0].psnr == protocol.PERFECT


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "pairs: pair 000: its mask 000.png marks no pixel"),
        (255, "000.png: every pixel is missing"),
    ],
)
def test_pairs_without_a_hole_are_named(tmp_path: Path, value: int, words: str) -> None:
    folder = write_pairs(tmp_path / "pairs", [0.3])
    hole = np.full((64, 64), value, np.uint8)
    (folder / "000.png").write_bytes(encoded(hole, "PNG"))
    with pytest.raises(InputError, match=words):
        evaluate(Pairs(folder), open_methods(["mean"]), ProtocolConfig(size=32))


def test_as_reported_scores_the_raw_output_with_a_range_of_two(tmp_path: Path) -> None:
    model = GMCNN(GeneratorConfig(width=2, initialisation="he")).eval()
    pairs = Pairs(write_pairs(tmp_path / "pairs", [0.4]))
    method = Method("gmcnn test", "gmcnn", model)
    result = evaluate(pairs, [method], ProtocolConfig(size=64, as_reported=True))
    assert [s.method for s in result.scores] == ["gmcnn test", "gmcnn test, as reported"]
    assert result.scores[0].hole_ratio == result.scores[1].hole_ratio
    pair = pairs.read(0)
    truth = pair.image / 255.0  # 64 px already: nothing to resize
    raw = raw_output(model, truth, pair.mask.astype(float))
    assert raw.shape == truth.shape and raw.min() >= 0 and raw.max() <= 1
    assert not np.allclose(raw[~pair.mask], truth[~pair.mask])  # known pixels are painted, too
    error = np.square(raw - truth).mean()
    assert result.scores[1].psnr == pytest.approx(10 * np.log10(4 / error), abs=1e-4)


def test_raw_output_of_a_hard_mask_is_the_networks_prediction() -> None:
    import torch

    model = GMCNN(GeneratorConfig(width=2, initialisation="he")).eval()
    image, hole = picture(), mask(64, 0.4)
    with torch.no_grad():
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 127.5 - 1
        expected = model(tensor, torch.from_numpy(hole)[None, None].float())
    raw = raw_output(model, image / 255.0, hole.astype(float))
    np.testing.assert_allclose(raw * 2 - 1, expected[0].permute(1, 2, 0).numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"size": 16}, "size 16: must be greater"),
        ({"size": 250, "as_reported": True}, "multiple of 4"),
        ({"seed": -1}, "seed -1: must be greater"),
    ],
)
def test_protocol_settings_are_checked(settings: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        ProtocolConfig(**settings)


# Methods


def test_weights_become_rows_named_apart(tmp_path: Path) -> None:
    model = GMCNN(GeneratorConfig(width=2))
    for name in ("first/generator", "second/generator", "third"):
        save_generator(model, tmp_path / f"{name}.safetensors")
    weights = [str(tmp_path / "first" / "generator.safetensors"), str(tmp_path / "second")]
    weights += [str(tmp_path / "third.safetensors")]
    methods = open_methods(["gmcnn", "ns", "ns"], weights)
    assert [m.label for m in methods] == ["ns", "gmcnn first", "gmcnn second", "gmcnn third"]
    digest = hashlib.sha256((tmp_path / "third.safetensors").read_bytes()).hexdigest()
    assert methods[-1].weights_sha256 == digest
    save_generator(model, tmp_path / "lr0.001" / "generator.safetensors")
    (run,) = open_methods([], [str(tmp_path / "lr0.001")])
    assert run.label == "gmcnn lr0.001"
    save_generator(model, tmp_path / "other" / "third.safetensors")
    twice = [str(tmp_path / "third.safetensors"), str(tmp_path / "other" / "third.safetensors")]
    assert [m.label for m in open_methods([], twice)] == [f"gmcnn {spec}" for spec in twice]


def test_methods_that_do_not_exist() -> None:
    with pytest.raises(InputError, match="choose from gmcnn, telea"):
        open_methods(["magic"])
    with pytest.raises(InputError, match="nothing to evaluate"):
        open_methods([])


# Reports


def test_report_files(tmp_path: Path) -> None:
    pairs = Pairs(write_pairs(tmp_path / "pairs", [0.15, 0.45]))
    methods = open_methods(["black", "mean"])
    config = ProtocolConfig(size=64, seed=3, as_reported=True)
    result = evaluate(pairs, methods, config)
    rows = summarise(result.scores, seed=3)
    about = report.environment(methods, config, device="cpu", command="labkit evaluate")
    differences = paired_differences(result.scores, seed=3)
    report.write_report(tmp_path / "out", result, rows, about, differences)
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert list(summary) == ["rows", "differences", "environment"]
    assert summary["rows"] == rows and summary["differences"] == differences
    assert [(d["method"], d["minus"]) for d in differences] == [
        ("mean", "black"),
        ("mean, as reported", "black, as reported"),
    ]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert f"{rows[1]['psnr']['mean']:.2f}" in page and "mountCompare" in page
    assert re.findall(r'(?:src|href)="?https?:', page) == []
    expected = {"python", "torch", "numpy", "skimage", "opencv", "platform", "cpu", "cores", "gpu"}
    expected |= {"device", "seed", "size", "date", "weights", "command"}
    assert set(summary["environment"]) == expected
    assert all(summary["environment"][key] for key in ("cpu", "torch", "date"))
    with (tmp_path / "out" / "per-image.csv").open(newline="") as file:
        records = list(csv.DictReader(file))
    assert len(records) == 8
    columns = ["pair", "method", "hole_ratio", "psnr", "ssim", "l1", "lpips"]
    assert list(records[0]) == columns and {record["lpips"] for record in records} == {""}
    assert records[2]["method"] == "black, as reported"
    mean = np.mean([float(r["psnr"]) for r in records if r["method"] == "mean"])
    assert mean == pytest.approx(rows[1]["psnr"]["mean"], abs=1e-3)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [entry["pair"] for entry in manifest] == ["000", "001"]
    with Image.open(tmp_path / "out" / "contact-sheet.png") as sheet:
        assert sheet.width > 4 * 64 and sheet.height > 2 * 64


def test_text_table_lines_up() -> None:
    scores = [
        Score("a", "telea", 0.05, 30.0, 0.9, 2.0),
        Score("a", "gmcnn x", 0.05, 9.5, 0.95, 2.0),
    ]
    text = report.text_table(summarise(scores))
    lines = text.splitlines()
    heads = "method pairs PSNR dB 95 % SSIM 95 %"
    assert lines[0].split() == heads.split()
    assert lines[1].startswith("telea") and " 30.00 " in lines[1] and "0.900" in lines[1]
    assert lines[4].endswith("0.0–0.1") and lines[7].endswith(" 9.50")
    assert lines[9].endswith("L1 %       95 %")  # LPIPS was not measured
    assert lines[10].endswith(" 2.00  2.00–2.00")
    for block in (lines[:3], lines[4:8], lines[9:]):
        assert len({len(line) for line in block}) == 1


# Against figures measured on real photographs, by another program that shares no code with this one


FIRST_TWELVE = {"black": 14.355, "mean": 19.910, "telea": 27.502, "ns": 27.582}


def test_classical_baselines_on_real_photographs(shared: Path) -> None:
    pairs = Pairs(shared / "data" / "table1.tar")
    assert len(pairs) == 200

    class Few(Pairs):
        def __len__(self) -> int:
            return 12

    methods = open_methods(["black", "mean", "telea", "ns"])
    result = evaluate(Few(shared / "data" / "table1.tar"), methods)
    means = {row["method"]: row["psnr"]["mean"] for row in summarise(result.scores)}
    assert means == pytest.approx(FIRST_TWELVE, abs=0.05)
