"""Checks of chapter 3."""

from __future__ import annotations

import numpy as np
from skimage.metrics import structural_similarity

from labkit.book.checks import Hint, exercise


@exercise("03.1")
def ssim(answer) -> str:
    """The mean structural similarity of two grey pictures."""
    rng = np.random.default_rng(3)
    pairs = []
    for shape in ((24, 24), (17, 31)):
        x = rng.uniform(0, 255, shape).cumsum(axis=1) % 256
        pairs.append((x, np.clip(x + rng.normal(0, 25, shape), 0, 255)))
    pairs.append((pairs[0][0], 255 - pairs[0][0]))
    for x, y in pairs:
        found = answer(x.copy(), y.copy())
        if np.shape(found):
            raise Hint(f"one number is asked for, not an array of shape {np.shape(found)}")
        if np.isclose(found, _ssim(x, y)):
            continue
        if np.isclose(found, _ssim(x, y, use_sample_covariance=False)):
            raise Hint("nearly: by what are variances and covariance divided?")
        if np.isclose(found, _ssim(x, y, full=True)):
            raise Hint("nearly: some of your windows reach beyond the picture")
        raise Hint(f"{found:.3f} on a pair that has {_ssim(x, y):.3f}; look at one window first")
    return f"equal to scikit-image's on {len(pairs)} pairs"


def _ssim(x: np.ndarray, y: np.ndarray, *, full: bool = False, **options: bool) -> float:
    """Scikit-image's; if full, the mean of all its windows, those beyond the border too."""
    mean, windows = structural_similarity(x, y, data_range=255, full=True, **options)
    return float(windows.mean() if full else mean)
