"""From scores of single pairs to the rows of a result: means, intervals, means by hole ratio.

An interval is {"mean", "low", "high"}, low and high its 95 % bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student_t

from labkit.errors import InputError

RESAMPLES = 10_000
BIN_WIDTH = 0.1
_SLICE = 4_000_000  # values drawn at a time, so that large sets need no giant array at once
MEASURES = ("psnr", "ssim", "l1", "lpips")
AS_REPORTED = ", as reported"
"""Ends the names of methods that were scored in the student report's way."""


@dataclass(frozen=True)
class Score:
    """One method on one pair.

    Attributes:
        hole_ratio: as a share of all pixels.
        psnr: in dB.
        l1: in per cent of the range.
        lpips: None where it was not asked for.
    """

    pair: str
    method: str
    hole_ratio: float
    psnr: float
    ssim: float
    l1: float
    lpips: float | None = None


def bootstrap_mean(
    values: Sequence[float] | np.ndarray, *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, float]:
    """The mean and its percentile bootstrap interval (Efron and Tibshirani 1993, chapter 13).

    Equal seeds draw the same pairs for every method, so that intervals can be compared.

    Raises:
        InputError: no values, or values that are not finite.

    >>> {key: round(value, 2) for key, value in bootstrap_mean([24.0, 25.0, 29.0]).items()}
    {'mean': 26.0, 'low': 24.0, 'high': 29.0}
    """
    array, rng, means = _finite(values), np.random.default_rng(seed), []
    step = max(1, _SLICE // array.size)
    for start in range(0, resamples, step):
        drawn = rng.integers(0, array.size, (min(step, resamples - start), array.size))
        means.append(array[drawn].mean(axis=1))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return {"mean": float(array.mean()), "low": float(low), "high": float(high)}


def student_interval(values: Sequence[float]) -> dict[str, float]:
    """The mean of a handful of independent runs and its interval by Student's t.

    A single run says nothing of its spread; low and high are then its value.

    Raises:
        InputError: no values, or values that are not finite.

    >>> {key: round(value, 2) for key, value in student_interval([25.6, 25.5, 25.7]).items()}
    {'mean': 25.6, 'low': 25.35, 'high': 25.85}
    """
    array = _finite(values)
    mean, half = float(array.mean()), 0.0
    if array.size > 1:
        quantile = float(student_t.ppf(0.975, array.size - 1))
        half = quantile * float(array.std(ddof=1)) / array.size**0.5
    return {"mean": mean, "low": mean - half, "high": mean + half}


def _finite(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """The values as float64 (N,), N at least 1."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size or not np.isfinite(array).all():
        raise InputError("an interval needs a list of finite values")
    return array


def tenth_of(hole_ratio: float) -> tuple[float, float]:
    """The tenth that a hole ratio lies in, lower end included: 0.25 → (0.2, 0.3).

    Not NVIDIA's bins (`labkit.masks.ratio.bin_index`), which include their upper end.
    """
    # A ratio such as 0.3 is stored a little below itself in places: 1e-9 is less than one pixel.
    index = min(int(hole_ratio / BIN_WIDTH + 1e-9), round(1 / BIN_WIDTH) - 1)
    return round(index * BIN_WIDTH, 1), round((index + 1) * BIN_WIDTH, 1)


def summarise(scores: Sequence[Score], *, seed: int = 0) -> list[dict[str, object]]:
    """The rows of ``summary.json``, one a method, in the order the methods first appear.

    Returns:
        "method", "pairs", an interval each of "psnr", "ssim", "l1" and "lpips", and
        "by_hole_ratio", a list with "from", "to", "pairs" and the means; without "lpips" where it
        was not measured, and with those tenths only that hold a pair.
    """
    rows: list[dict[str, object]] = []
    for method in dict.fromkeys(score.method for score in scores):
        own = [score for score in scores if score.method == method]
        bins: dict[tuple[float, float], list[Score]] = {}
        for score in sorted(own, key=lambda s: s.hole_ratio):
            bins.setdefault(tenth_of(score.hole_ratio), []).append(score)
        by_hole_ratio = [
            {"from": low, "to": high, "pairs": len(members)}
            | {m: _round(np.mean(v)) for m, v in _columns(members).items()}
            for (low, high), members in bins.items()
        ]
        row = {"method": method, "pairs": len(own), **_intervals(_columns(own), seed)}
        rows.append(row | {"by_hole_ratio": by_hole_ratio})
    return rows


def paired_differences(scores: Sequence[Score], *, seed: int = 0) -> list[dict[str, object]]:
    """What was measured of each method minus that of each before it, pair by pair.

    Pairs differ far more from each other than methods do on one pair; the difference on the same
    pair is free of that, and its interval is much narrower than those of the means.

    Returns:
        ``[{"method", "minus", "pairs", "psnr": interval, "ssim": …}]``, for methods that were
        scored on the same pairs.

    >>> psnr = {("a", "x"): 25.0, ("b", "x"): 20.0, ("a", "y"): 26.0, ("b", "y"): 21.0}
    >>> scores = [Score(*key, 0.2, value, 0.9, 1.0) for key, value in psnr.items()]
    >>> paired_differences(scores)[0]["psnr"]
    {'mean': 1.0, 'low': 1.0, 'high': 1.0}
    """
    by_method: dict[str, dict[str, Score]] = {}
    for score in scores:
        by_method.setdefault(score.method, {})[score.pair] = score
    rows: list[dict[str, object]] = []
    names = list(by_method)
    for index, name in enumerate(names):
        own = by_method[name]
        for other in names[:index]:
            same_way = name.endswith(AS_REPORTED) == other.endswith(AS_REPORTED)
            if not same_way or own.keys() != by_method[other].keys():
                continue
            ours = _columns(list(own.values()))
            theirs = _columns([by_method[other][pair] for pair in own])
            gains = {m: np.subtract(ours[m], theirs[m]) for m in ours if m in theirs}
            row = {"method": name, "minus": other, "pairs": len(own), **_intervals(gains, seed)}
            rows.append(row)
    return rows


def _columns(scores: Sequence[Score]) -> dict[str, list[float]]:
    """Measure → its value on each pair, for what was measured on all of them."""
    columns = {m: [getattr(score, m) for score in scores] for m in MEASURES}
    return {m: values for m, values in columns.items() if None not in values}


def _intervals(
    columns: Mapping[str, Sequence[float] | np.ndarray], seed: int
) -> dict[str, dict[str, float]]:
    return {
        m: {key: _round(value) for key, value in bootstrap_mean(values, seed=seed).items()}
        for m, values in columns.items()
    }


def _round(value: float) -> float:
    return round(float(value), 4)  # beyond what sums on two machines agree on
