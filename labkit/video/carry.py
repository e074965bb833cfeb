"""One step of a sweep: missing pixels take their values from where they are in the next frame.

A value's age is how many frames it has been carried: 0 where it is known, infinite where there is
none. Every step interpolates, and every frame between is a chance to go wrong: young values count
more. Along the edge of what has a value, only pixels that have one are interpolated.
"""

from __future__ import annotations

import cv2
import numpy as np

from labkit.video.flow import sample

Carried = tuple[np.ndarray, np.ndarray]
"""Values float32 (N, 3) in grey levels, and ages float32 (N,)."""


def carry(places: np.ndarray, image: np.ndarray, age: np.ndarray) -> Carried:
    """What a frame shows at places in it.

    Args:
        places: float32 (N, 2), x and y, NaN for none.
        image: float32 (H, W, 3); where there is no age, a smooth continuation.
        age: float32 (H, W).

    Returns:
        values and ages at the places, one frame older.

    >>> image, age = np.full((8, 8, 3), 70, np.float32), np.zeros((8, 8), np.float32)
    >>> values, ages = carry(np.array([[2, 3], [np.nan, np.nan]], np.float32), image, age)
    >>> values[0].tolist(), ages.tolist()
    ([70.0, 70.0, 70.0], [1.0, inf])
    """
    there = ~np.isnan(places[:, 0])
    values = np.zeros((len(places), 3), np.float32)
    ages = np.full(len(places), np.inf, np.float32)
    has = np.isfinite(age)
    share = sample(has.astype(np.float32), places[there])
    there[there] = share >= 0.5
    found, share = places[there], share[share >= 0.5]
    sharp = np.clip(sample(image, found, cv2.INTER_LANCZOS4), 0.0, 255.0)
    own = sample(np.where(has[..., None], image, np.float32(0)), found) / share[:, None]
    values[there] = np.where(share[:, None] > 0.99, sharp, own)
    ages[there] = sample(np.where(has, age, np.float32(0)), found) / share + 1.0
    return values, ages


def blend(one: Carried, other: Carried) -> Carried:
    """Both sweeps in one: means weighted by 1/age, with the smaller age.

    >>> near, far = (np.full((1, 3), 9.0), np.ones(1)), (np.full((1, 3), 1.0), np.full(1, 3.0))
    >>> blend(near, far)[0].tolist()
    [[7.0, 7.0, 7.0]]
    """
    (values, age), (others, other_age) = one, other
    weight, other_weight = 1.0 / age, 1.0 / other_age  # 0 where there is none
    total = np.maximum(weight + other_weight, 1e-12)
    mean = (values * weight[:, None] + others * other_weight[:, None]) / total[:, None]
    return mean.astype(np.float32), np.minimum(age, other_age)
