"""LPIPS agrees with an independent implementation, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from test_evaluation import write_pairs

from labkit.cli import main
from labkit.errors import InputError
from labkit.evaluation.lpips import LAYERS, LPIPS
from labkit.evaluation.report import text_table


def pattern() -> np.ndarray:
    y, x = np.mgrid[0:96, 0:80]
    return np.stack([x * 3 % 256, y * 2 % 256, (x + y) * 5 % 256], axis=-1).astype(np.uint8)


def with_a_grey_square() -> np.ndarray:
    image = pattern()
    image[20:60, 10:50] = 128
    return image


# What torchmetrics 1.9.0 gives for the same images, with the same weights in its SqueezeNet.
@pytest.mark.parametrize(
    ("other", "expected"),
    [(with_a_grey_square(), 0.055916544), (255 - pattern(), 0.288398236)],
    ids=["square", "negative"],
)
def test_another_implementation_agrees(
    squeezenet: Path, other: np.ndarray, expected: float
) -> None:
    metric = LPIPS(squeezenet)
    assert metric.between(pattern(), other) == pytest.approx(expected, rel=1e-5)
    assert metric.between(other, pattern()) == pytest.approx(expected, rel=1e-5)
    assert metric.between(other, other) == 0


def test_another_implementation_agrees_with_trained_features(shared: Path) -> None:
    metric = LPIPS(shared / "weights" / "squeezenet1_1-features-imagenet.pth")
    found = metric.between(pattern(), with_a_grey_square())
    assert found == pytest.approx(0.150486827, rel=1e-5)


def test_a_batch_has_a_distance_each(squeezenet: Path) -> None:
    metric = LPIPS(squeezenet)
    generator = torch.Generator().manual_seed(1)
    ours, theirs = (torch.rand(3, 3, 40, 48, generator=generator) * 2 - 1 for _ in range(2))
    together = metric(ours, theirs)
    assert together.shape == (3,) and bool((together > 0).all())
    alone = torch.cat([metric(a[None], b[None]) for a, b in zip(ours, theirs, strict=True)])
    torch.testing.assert_close(together, alone)


def test_heads_weigh_and_never_reward_a_difference(squeezenet: Path) -> None:
    heads = [getattr(LPIPS(squeezenet), f"head_{layer}") for layer in LAYERS]
    assert [head.numel() for head in heads] == [64, 128, 256, 384, 384, 512, 512]
    assert all(bool((head >= 0).all()) and bool((head > 0).any()) for head in heads)


def test_what_is_refused(squeezenet: Path, tmp_path: Path) -> None:
    metric = LPIPS(squeezenet)
    with pytest.raises(InputError, match="different shapes"):
        metric.between(pattern(), pattern()[:-1])
    with pytest.raises(InputError, match="too small"):
        metric.between(pattern()[:8, :8], pattern()[:8, :8])
    with pytest.raises(InputError, match="no such weights file"):
        LPIPS(tmp_path / "missing.pth")
    torch.save({"0.weight": "not a tensor"}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="not a state dict of tensors"):
        LPIPS(tmp_path / "other.pth")


def test_evaluate_measures_it_on_request(squeezenet: Path, tmp_path: Path, capsys) -> None:
    pairs = write_pairs(tmp_path / "pairs", [0.2, 0.5])
    arguments = ["evaluate", "--pairs", str(pairs), "--size", "64", "--method", "mean", "--device"]
    out = tmp_path / "out"
    assert main([*arguments, "cpu", "--out", str(out), "--lpips-weights", str(squeezenet)]) == 0
    summary = json.loads((out / "summary.json").read_text())
    (row,) = summary["rows"]
    assert 0 < row["lpips"]["low"] <= row["lpips"]["mean"] <= row["lpips"]["high"]
    assert [b["lpips"] > 0 for b in row["by_hole_ratio"]] == [True, True]
    shown = capsys.readouterr().out.splitlines()
    (heads,) = [line for line in shown if line.startswith("lower is better")]
    assert heads.endswith("LPIPS         95 %")
    assert text_table([row]) in "\n".join(shown)
