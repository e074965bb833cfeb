"""Answers to the exercises of chapter 2."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_cdt, distance_transform_edt


def distance(mask: np.ndarray) -> np.ndarray:
    found = np.zeros(mask.shape)
    apart = np.argwhere(mask)[:, None] - np.argwhere(~mask)[None]  # (n, m, 2)
    found[mask] = (apart**2).sum(axis=2).min(axis=1) ** 0.5
    return found


def in_blocks(mask: np.ndarray) -> np.ndarray:
    return distance_transform_cdt(mask, metric="taxicab")


def border_known(mask: np.ndarray) -> np.ndarray:
    return distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]


def the_wrong_way_round(mask: np.ndarray) -> np.ndarray:
    return distance(~mask)


ANSWERS = {
    "02.1": (
        distance,
        [
            (in_blocks, "along diagonals"),
            (border_known, "does the border of the picture count"),
            (the_wrong_way_round, "a known pixel has a distance"),
        ],
    ),
}
