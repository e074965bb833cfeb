"""The windows of a checkerboard measure, their spectra, and what of these belongs to a period.

`labkit.book.checkerboard` says what is measured, and why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.linalg import toeplitz
from scipy.ndimage import maximum_filter, minimum_filter

from labkit.errors import check_choice

GRIDS = {2: 8, 4: 8, 8: 16}  # period → the grid whose odd multiples are its references
CHUNK = 4096  # windows transformed at once: 16 MB of spectra at 16×16


@dataclass(frozen=True)
class Comb:
    """What depends on the period alone; frequencies in the order of the FFT.

    Attributes:
        window: n, the side of a window in pixels.
        step: pixels between windows.
        taper: (n, n).
        lines: (n, n) weights.
        references: (n, n) weights.
        trend: (n, n) bool: the frequencies that the trend is fitted to.
        detrend: (fitted, n * n): log power there → the trend everywhere.
        real: (n, n) bool: frequencies whose coefficient is a real number.
        overlap: (n / step,): correlation of the power of windows 0, 1, … steps apart.
    """

    window: int
    step: int
    taper: np.ndarray
    lines: np.ndarray
    references: np.ndarray
    trend: np.ndarray
    detrend: np.ndarray
    real: np.ndarray
    overlap: np.ndarray

    def corners(self, region: np.ndarray) -> np.ndarray:
        """Top left corners (windows, 2) of those inside a region, counted from its first one.

        Counting from the region and not from the picture makes the score move with the hole.
        """
        n = self.window
        inside = minimum_filter(region, n, mode="constant", origin=-(n // 2))
        corners = np.argwhere(inside)
        return corners[((corners - corners[:1]) % self.step == 0).all(axis=1)]

    def powers(self, plane: np.ndarray, corners: np.ndarray, floor: float) -> Iterator[np.ndarray]:
        """Power spectra (windows, n, n), each over its geometric mean, some windows at a time.

        White noise of variance v has the power v; `floor` is added to every power.
        """
        taper = self.taper
        views = sliding_window_view(plane, taper.shape)
        for start in range(0, len(corners), CHUNK):
            patches = views[tuple(corners[start : start + CHUNK].T)]  # (windows, n, n)
            means = np.sum(patches * taper, axis=(1, 2), keepdims=True) / taper.sum()
            power = np.abs(np.fft.fft2((patches - means) * taper)) ** 2 / np.sum(taper**2)
            power += floor
            yield power / np.exp(np.log(power[:, self.trend]).mean(axis=1))[:, None, None]

    def excess(self, power: np.ndarray, independent: float) -> np.ndarray:
        """D(f) in dB of power (…, n, n) averaged over that many independent windows."""
        log = np.log(power)
        log = log - (log[..., self.trend] @ self.detrend).reshape(log.shape)
        # The logarithm of an average over few windows lies below the average's own, and at 0 and ½,
        # where a real coefficient has half the freedom of a complex one, by this much more: ln 2
        # for one window, 1 / (2m) for many. ψ(m) − ψ(m / 2) − ln 2, to within 0.06 dB.
        log[..., self.real] += 0.5 / independent + (np.log(2) - 0.5) / independent**2
        return 10 / np.log(10) * log

    def independent(self, corners: np.ndarray) -> float:
        """How many windows without overlap have as steady a mean as these, for white noise."""
        places = (corners - corners.min(axis=0)) // self.step
        taken = np.zeros(places.max(axis=0) + 1)
        taken[tuple(places.T)] = 1.0
        y, x = (toeplitz(np.pad(self.overlap, (0, size))[:size]) for size in taken.shape)
        return float(taken.sum() ** 2 / np.sum(taken * (y @ taken @ x)))


@lru_cache(maxsize=len(GRIDS), typed=True)
def comb_of(period: int) -> Comb:
    """The comb of a period of 2, 4 or 8 pixels.

    Raises:
        InputError: another period.
    """
    check_choice("period", str(period), map(str, GRIDS))
    grid = GRIDS[period]
    n = 2 * grid  # a grid's frequencies are two bins apart: a Hann taper spills into one
    index = np.arange(n)
    y, x = np.meshgrid(index, index, indexing="ij")

    def multiples(spacing: int) -> np.ndarray:
        return (y % spacing == 0) & (x % spacing == 0)

    own = multiples(n // period) & ~multiples(2 * n // period)
    odd = multiples(2) & ~multiples(4)  # odd multiples of 1 / grid
    around = np.stack(np.meshgrid((-2, 0, 2), (-2, 0, 2)), axis=-1).reshape(-1, 2)  # bins
    references = np.zeros((n, n))
    for line in np.argwhere(own):
        near = np.unique((line + around * (line != 0)) % n, axis=0)  # on an axis, along it
        near = near[odd[tuple(near.T)]]
        references[tuple(near.T)] += 1 / (len(near) * own.sum())

    # Every line of this grid's periods, the mean, and what the taper spills of them.
    reached = maximum_filter(multiples(4), 3, mode="wrap")
    radius = np.hypot(np.sin(np.pi * y / n), np.sin(np.pi * x / n)) / np.pi
    log = np.log(np.where(radius > 0, radius, 1.0)).ravel()
    basis = np.stack([np.ones_like(log), log, log**2], axis=1)  # (n * n, 3)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * index / n)
    step = n // 8
    apart = [np.sum(hann[shift:] * hann[: n - shift]) for shift in range(0, n, step)]
    return Comb(
        window=n,
        step=step,
        taper=np.outer(hann, hann),
        lines=own / own.sum(),
        references=references,
        trend=~reached,
        detrend=(basis @ np.linalg.pinv(basis[~reached.ravel()])).T,
        real=multiples(n // 2),
        overlap=(np.array(apart) / apart[0]) ** 2,
    )
