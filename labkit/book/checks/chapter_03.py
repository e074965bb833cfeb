"""Checks of chapter 3."""

from __future__ import annotations

import numpy as np
from skimage.metrics import structural_similarity

from labkit.book.checks import Hint, exercise

GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


@exercise("03.1")
def gaussian_ssim(answer) -> str:
    """The mean structural similarity of two grey pictures, with the paper's windows."""
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
        right, windows = structural_similarity(x, y, data_range=255, full=True, **GAUSSIAN)
        if np.isclose(found, right):
            continue
        if np.isclose(found, structural_similarity(x, y, data_range=255)):
            raise Hint("these are windows of 7 × 7 equal weights")
        if np.isclose(found, windows.mean()):
            raise Hint("nearly: some of your windows reach beyond the picture")
        raise Hint(
            f"{found:.3f} on a pair that has {right:.3f}; look at the weights, at the border, "
            "and at what stands before variances and covariance"
        )
    return f"equal to scikit-image's on {len(pairs)} pairs"
