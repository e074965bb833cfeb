"""Checks of chapter 16."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labkit.book.checks import Hint, exercise

Window = tuple[slice, slice]


@exercise("16.2")
def windows(answer: Callable[[np.ndarray, float], list[Window]]) -> str:
    """One window for each hole of a mask."""
    mask = np.zeros((60, 90), bool)
    mask[10:20, 30:36] = True  # 10 rows, 6 columns
    mask[40, 70] = mask[41, 71] = True  # touch at a corner
    mask[0:4, 80:90] = True  # in a corner of the picture
    for context, wanted in (
        (0.5, {(5, 25, 25, 41), (39, 43, 69, 73), (0, 9, 75, 90)}),
        (1.0, {(0, 30, 20, 46), (38, 44, 68, 74), (0, 14, 70, 90)}),
    ):
        found = {(y.start, y.stop, x.start, x.stop) for y, x in answer(mask.copy(), context)}
        if len(found) == 4:
            raise Hint("two pixels that touch at a corner are one hole")
        if len(found) != 3:
            raise Hint(f"{len(found)} windows for three holes")
        if any(y < 0 or x < 0 or bottom > 60 or right > 90 for y, bottom, x, right in found):
            raise Hint("a window ends where the mask ends")
        if found != wanted:
            raise Hint("the margin is the same on every side: a share of the hole's longer side")
    if list(answer(np.zeros((8, 8), bool), 0.5)):
        raise Hint("a mask without a hole has no window")
    return "three holes, two contexts, windows as wide as the picture allows"
