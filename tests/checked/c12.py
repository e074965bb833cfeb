from __future__ import annotations

import numpy as np


def _ends(means, outside=2.5):
    return np.percentile(means, [outside, 100 - outside])


def interval(a, b):
    drawn = np.random.default_rng(0).integers(0, len(a), (5_000, len(a)))
    return _ends((a - b)[drawn].mean(axis=1))


def unpaired(a, b):
    rng = np.random.default_rng(0)
    one, two = rng.integers(0, len(a), (2, 5_000, len(a)))
    return _ends(a[one].mean(axis=1) - b[two].mean(axis=1))


def half(a, b):
    drawn = np.random.default_rng(0).integers(0, len(a), (5_000, len(a)))
    return _ends((a - b)[drawn].mean(axis=1), outside=25)


ANSWERS = {
    "12.5": (
        interval,
        [
            (unpaired, "scores of a pair stay together"),
            (half, "which share of the means lies outside"),
            (lambda a, b: interval(b, a), "which is subtracted from which"),
        ],
    )
}
