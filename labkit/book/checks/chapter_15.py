"""Checks of chapter 15."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from labkit.book.checks import Hint, exercise

_SIDE = 9
Filled = tuple[np.ndarray, np.ndarray]


@exercise("15.2")
def from_any_frame(answer: Callable[[Any, Any, Sequence[tuple[int, int]]], Filled]) -> str:
    """Missing pixels of a film, from whatever frame shows them."""
    random = np.random.default_rng(0)
    scene = random.integers(1, 256, (30, 30, 3), dtype=np.uint8)
    for places in ([(2, 3), (3, 5), (4, 7), (5, 9)], [(8, 1), (6, 1), (4, 1)], [(5, 5)] * 3):
        truth = np.stack([scene[y : y + _SIDE, x : x + _SIDE] for y, x in places])
        holes = random.random(truth.shape[:3]) < 0.5
        seen = np.zeros(scene.shape[:2], bool)
        for (y, x), hole in zip(places, holes, strict=True):
            seen[y : y + _SIDE, x : x + _SIDE] |= ~hole
        shown = np.stack([seen[y : y + _SIDE, x : x + _SIDE] for y, x in places])
        frames = np.where(holes[..., None], np.uint8(0), truth)
        filled, left = answer(frames.copy(), holes.copy(), places)
        if not np.array_equal(filled[~holes], truth[~holes]):
            raise Hint("known pixels must stay as they are")
        if (left & ~holes).any() or (left & ~shown).sum() < (holes & ~shown).sum():
            raise Hint("a pixel that no frame shows is still missing")
        if (left & shown).any():
            raise Hint("some frame shows pixels that are left: earlier, later, or further away?")
        if not np.array_equal(filled[~left], truth[~left]):
            raise Hint("a pixel comes from the wrong place: how has the camera moved in between?")
    return "every seen pixel found, in 3 films that pan both ways or stand still"
