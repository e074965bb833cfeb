"""Answers to the exercises of chapter 16, right and wrong."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import ndimage


def windows(
    hole: np.ndarray,
    context: float,
    *,
    corners: bool = True,
    longer: bool = True,
    inside: bool = True,
) -> list[tuple[slice, slice]]:
    structure = np.ones((3, 3)) if corners else None
    found = []
    for box in ndimage.find_objects(ndimage.label(hole, structure)[0]):
        sides = [part.stop - part.start for part in box]
        margins = [round(context * (max(sides) if longer else side)) for side in sides]
        low = [part.start - margin for part, margin in zip(box, margins, strict=True)]
        high = [part.stop + margin for part, margin in zip(box, margins, strict=True)]
        if inside:
            low = [max(value, 0) for value in low]
            high = [min(value, side) for value, side in zip(high, hole.shape, strict=True)]
        found.append(tuple(slice(a, b) for a, b in zip(low, high, strict=True)))
    return found


def one_for_all(hole: np.ndarray, context: float) -> list[tuple[slice, slice]]:
    return [(slice(0, hole.shape[0]), slice(0, hole.shape[1]))]


ANSWERS = {
    "16.2": (
        windows,
        [
            (partial(windows, corners=False), "corner are one hole"),
            (partial(windows, longer=False), "longer side"),
            (partial(windows, inside=False), "ends where the mask ends"),
            (one_for_all, "1 windows for three holes"),
        ],
    ),
}
