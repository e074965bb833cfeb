"""Checks of chapter 12."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labkit.book.checks import Hint, exercise
from labkit.evaluation.statistics import bootstrap_mean

Interval = Callable[[np.ndarray, np.ndarray], tuple[float, float]]


@exercise("12.5")
def interval(answer: Interval) -> str:
    rng = np.random.default_rng(1)
    for pairs, lead in ((40, 1.0), (200, -0.2)):
        easy = rng.normal(25, 5, pairs)  # what both methods share
        a, b = easy + lead + rng.normal(0, 1, pairs), easy + rng.normal(0, 1, pairs)
        low, high = (float(end) for end in answer(a, b))
        if low >= high:
            raise Hint(f"the lower end {low:.2f} is not below the upper end {high:.2f}")
        wanted = bootstrap_mean(a - b)
        width, right = high - low, wanted["high"] - wanted["low"]
        if width > 1.6 * right:
            raise Hint(
                f"{pairs} pairs give {width:.1f} dB, and {right:.1f} dB where the two scores of a "
                "pair stay together"
            )
        if width < 0.7 * right:
            raise Hint(f"{width:.2f} dB is too narrow: which share of the means lies outside?")
        if max(abs(low - wanted["low"]), abs(high - wanted["high"])) > 0.25 * right:
            raise Hint("the width is right and the middle is not: which is subtracted from which?")
    return "as labkit's for 40 and 200 pairs"
