"""Answers to the exercises of chapter 3."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import ndimage

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(x: np.ndarray, y: np.ndarray, *, divided_by: int = 48, border: int = 3) -> float:
    def mean(values: np.ndarray) -> np.ndarray:
        inside = slice(border, -border or None)
        return ndimage.uniform_filter(values, 7)[inside, inside]

    mx, my = mean(x), mean(y)
    vx, vy, vxy = (
        49 / divided_by * value
        for value in (mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my)
    )
    brightness = (2 * mx * my + C1) / (mx**2 + my**2 + C1)
    return float((brightness * (2 * vxy + C2) / (vx + vy + C2)).mean())


def one_window(x: np.ndarray, y: np.ndarray) -> float:
    mx, my = x.mean(), y.mean()
    brightness = (2 * mx * my + C1) / (mx**2 + my**2 + C1)
    vxy = np.cov(x.ravel(), y.ravel())
    return brightness * (2 * vxy[0, 1] + C2) / (vxy[0, 0] + vxy[1, 1] + C2)


ANSWERS = {
    "03.1": (
        ssim,
        [
            (partial(ssim, divided_by=49), "by what are variances and covariance divided"),
            (partial(ssim, border=0), "reach beyond the picture"),
            (one_window, "look at one window first"),
            (lambda x, y: (x - y) ** 2, "one number is asked for"),
        ],
    ),
}
