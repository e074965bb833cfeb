"""Answers to the exercises of chapter 15, right and wrong."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np


def from_any_frame(
    frames: Any,
    holes: Any,
    places: Any,
    *,
    reach: int = 99,
    later: bool = True,
    still: bool = False,
) -> tuple[Any, Any]:
    filled, left = frames.copy(), holes.copy()
    side = frames.shape[1]
    for t, (y, x) in enumerate(places):
        for u, (v, w) in enumerate(places):
            if u == t or abs(u - t) > reach or (u > t and not later):
                continue
            for row, column in np.argwhere(left[t]):
                there = (row, column) if still else (row + y - v, column + x - w)
                if 0 <= min(there) <= max(there) < side and not holes[(u, *there)]:
                    filled[t, row, column] = frames[(u, *there)]
                    left[t, row, column] = False
    return filled, left


def guessing(frames: Any, holes: Any, places: Any) -> tuple[Any, Any]:
    return from_any_frame(frames, holes, places)[0], np.zeros_like(holes)


def painting_over(frames: Any, holes: Any, places: Any) -> tuple[Any, Any]:
    filled, left = from_any_frame(frames, holes, places)
    return np.broadcast_to(filled[:1], filled.shape), left


ANSWERS = {
    "15.2": (
        from_any_frame,
        [
            (partial(from_any_frame, later=False), "earlier, later"),
            (partial(from_any_frame, reach=1), "earlier, later"),
            (guessing, "still missing"),
            (partial(from_any_frame, still=True), "is"),
            (painting_over, "known pixels"),
        ],
    ),
}
