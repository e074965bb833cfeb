"""Answers to the exercises of chapter 3."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import ndimage

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
gaussian = partial(ndimage.gaussian_filter, sigma=1.5, truncate=3.5)
uniform = partial(ndimage.uniform_filter, size=7)


def ssim(x: np.ndarray, y: np.ndarray, *, blur=gaussian, factor=1.0, border: int = 5) -> float:
    def mean(values: np.ndarray) -> np.ndarray:
        inside = slice(border, -border or None)
        return blur(values)[inside, inside]

    mx, my = mean(x), mean(y)
    vx, vy, vxy = (
        factor * value
        for value in (mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my)
    )
    brightness = (2 * mx * my + C1) / (mx**2 + my**2 + C1)
    return float((brightness * (2 * vxy + C2) / (vx + vy + C2)).mean())


ANSWERS = {
    "03.1": (
        ssim,
        [
            (partial(ssim, factor=49 / 48), "what stands before variances"),
            (partial(ssim, border=0), "reach beyond the picture"),
            (partial(ssim, blur=uniform, factor=49 / 48, border=3), "equal weights"),
            (lambda x, y: (x - y) ** 2, "one number is asked for"),
        ],
    ),
}
