"""The holes of a large picture, each cut out with what is around it.

Time and memory of a fill then follow the holes, and not the picture. A network sees things at the
size it was trained with, and the holes of one picture may each need another reduction.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

CELL = 8  # pixels; holes less than this far apart may count as one, and so much is seen around them

Window = tuple[slice, slice]


def crops(
    mask: np.ndarray, side: int = 1, context: float = 0.0
) -> Iterator[tuple[Window, np.ndarray]]:
    """Cut out every hole, largest first; smaller ones that lie in the same crop are taken with it.

    Args:
        mask: bool (H, W), True = missing.
        side: of the smallest crop in pixels. As far as the picture goes: so is `context`.
        context: how far a crop reaches beyond its hole, in longer sides of the hole's bounding box;
            8 pixels at least.

    Yields:
        a window of the picture, and bool (h, w) where in it missing pixels are to be taken from it.
        Every missing pixel is yielded once. There may be more of them in the window.

    >>> mask = np.zeros((100, 200), bool)
    >>> mask[40:50, 60:80] = True
    >>> [(window, int(hole.sum())) for window, hole in crops(mask, context=0.5)]
    [((slice(28, 68, None), slice(44, 92, None)), 200)]
    """
    from scipy import ndimage

    height, width = mask.shape
    grid = np.pad(mask, ((0, -height % CELL), (0, -width % CELL)))
    grid = grid.reshape(grid.shape[0] // CELL, CELL, -1, CELL).any(axis=(1, 3))
    labels, count = ndimage.label(grid, structure=np.ones((3, 3)))
    found = [[(s.start, s.stop) for s in box] for box in ndimage.find_objects(labels)]
    # First row and column of each hole's bounding box, and those after the last; whole cells.
    starts, ends = np.moveaxis(CELL * np.array(found, int).reshape(-1, 2, 2), 2, 0)  # (holes, 2)
    longest = (ends - starts).max(axis=1)  # (holes,)
    margins = np.maximum(np.rint(context * longest).astype(int), CELL)[:, None]  # (holes, 1)
    wanted_starts = np.maximum(starts - margins, 0)
    wanted_ends = np.minimum(ends + margins, mask.shape)
    left = np.ones(count, bool)
    for index in np.argsort(-longest, kind="stable"):
        if not left[index]:
            continue
        low, high = _widened(wanted_starts[index], wanted_ends[index], side, mask.shape)
        inside = ((wanted_starts >= low) & (wanted_ends <= high)).all(axis=1)
        if (high - low).max() > side:  # reduced perhaps, which must not cost the small ones detail
            inside &= 2 * longest >= longest[index]
        taken = left & inside
        left &= ~taken
        (top, bottom), (first, last) = zip(low.tolist(), high.tolist(), strict=True)
        # The cells under the window, as pixels, from the corner of the first of them.
        cells = labels[top // CELL : -(-bottom // CELL), first // CELL : -(-last // CELL)]
        mine = np.concatenate([[False], taken])[cells].repeat(CELL, axis=0).repeat(CELL, axis=1)
        window = slice(top, bottom), slice(first, last)
        here = mask[window]
        yield window, here & mine[top % CELL :, first % CELL :][: here.shape[0], : here.shape[1]]


def _widened(
    low: np.ndarray, high: np.ndarray, side: int, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """A box (2,) to (2,) made at least `side` long both ways, as far as the picture goes."""
    limits = np.array(shape)
    lacking = np.minimum(side, limits) - (high - low)
    low = np.where(lacking > 0, low - lacking // 2, low)
    low = np.clip(low, 0, None)
    high = np.where(lacking > 0, low + np.minimum(side, limits), high)
    over = np.maximum(high - limits, 0)
    return low - over, high - over
