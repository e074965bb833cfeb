"""Rows with several seeds: means over them, differences within those that two rows share."""

from __future__ import annotations

import pytest

from labkit.book.studies.over_seeds import differences, mean_of_seeds, psnr_of_seeds
from labkit.evaluation.statistics import AS_REPORTED, Score


def run(composited: list[float], raw: float = 0.0) -> list[Score]:
    """A run's scores on three pairs; all other measures follow the PSNR."""
    return [
        Score(str(pair), "run" + suffix, 0.1 * pair, psnr + lift, psnr / 100, 50 - psnr)
        for suffix, lift in (("", 0.0), (AS_REPORTED, raw))
        for pair, psnr in enumerate(composited)
    ]


ROWS = {
    "base": {0: run([20.0, 22.0, 30.0]), 1: run([24.0, 26.0, 34.0])},  # the second 4 dB luckier
    "twice": {0: run([21.0, 22.0, 32.0], 2.0), 1: run([24.0, 27.0, 36.0], 4.0)},
    "once": {0: run([20.5, 22.5, 30.5])},
}
FIXED = [Score(str(pair), "telea", 0.1 * pair, 21.0, 0.5, 1.0) for pair in range(3)]


def test_a_row_has_the_mean_of_its_runs_on_each_pair() -> None:
    scores = list(mean_of_seeds(ROWS["twice"].values(), "twice"))
    assert [(s.method, s.psnr) for s in scores] == [
        ("twice", 22.5), ("twice", 24.5), ("twice", 34.0),
        ("twice, as reported", 25.5), ("twice, as reported", 27.5), ("twice, as reported", 37.0),
    ]  # fmt: skip
    assert scores[0].ssim == pytest.approx(0.225) and scores[0].l1 == pytest.approx(27.5)
    assert scores[0].lpips is None and scores[2].hole_ratio == pytest.approx(0.2)
    assert psnr_of_seeds(ROWS["twice"], "twice") == {"0": 25.0, "1": 29.0}
    assert psnr_of_seeds(ROWS["twice"], "twice, as reported") == {"0": 27.0, "1": 33.0}


def test_rows_are_compared_within_the_seeds_that_both_have() -> None:
    found = {(d["method"], d["minus"]): d for d in differences(FIXED, ROWS)}
    twice = found["twice", "base"]
    assert twice["psnr"]["mean"] == 1.0 and twice["seeds"] == {"0": 1.0, "1": 1.0}
    reported = found["twice, as reported", "base, as reported"]
    assert reported["psnr"]["mean"] == 4.0 and reported["seeds"] == {"0": 3.0, "1": 5.0}
    # Against the mean of both bases it would seem 1.5 dB behind.
    once = found["once", "base"]
    assert once["psnr"]["mean"] == 0.5 and once["seeds"] == {"0": 0.5}
    assert found["once", "twice"]["psnr"]["mean"] == -0.5
    # A fixed method has no seed: all of a row's runs count.
    assert found["base", "telea"]["psnr"]["mean"] == 5.0 and "seeds" not in found["base", "telea"]
    assert ("base", "twice") not in found and ("base, as reported", "telea") not in found


def test_rows_without_a_common_seed_are_not_compared() -> None:
    rows = {"base": {0: ROWS["base"][0]}, "other": {1: ROWS["base"][1]}}
    assert [(d["method"], d["minus"]) for d in differences(FIXED, rows)] == [
        ("base", "telea"), ("other", "telea"),
    ]  # fmt: skip
