"""Checks of chapter 2."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

from labkit.book.checks import Hint, exercise
from labkit.masks import free_form, irregular, rectangle
from labkit.seeds import torch_generator

SIZE = (20, 31)


@exercise("02.1")
def distance(answer) -> str:
    """To the nearest known pixel."""
    drawn = [kind(1, SIZE, rng=torch_generator(2)) for kind in (irregular, free_form)]
    drawn.append(rectangle(1, SIZE, side=12, margin=0, rng=torch_generator(2)))
    masks = [mask[0, 0].numpy() > 0 for mask in drawn]
    masks.append(np.arange(31) > np.zeros((20, 1)) + 6)  # open to three sides of the picture
    for mask in masks:
        found, want = np.asarray(answer(mask.copy())), distance_transform_edt(mask)
        if found.shape != want.shape:
            raise Hint(f"the result has shape {found.shape}, not {want.shape}")
        if found[~mask].any():
            raise Hint("a known pixel has a distance; is it measured from the missing ones only?")
        if (found - want)[mask].min() < -1e-6:
            raise Hint(
                "some distances are too short: does the border of the picture count as known?"
            )
        if not np.allclose(found, want, atol=1e-6):
            raise Hint("some distances are too long; along diagonals?")
    return f"equal to SciPy's on {len(masks)} masks of {SIZE[0]}×{SIZE[1]} pixels"
