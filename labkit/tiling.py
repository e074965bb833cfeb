"""Pictures too large for one pass of a network: overlapping tiles, blended without seams.

Only tiles that hold a missing pixel are computed, so the cost follows the hole and not the picture.
Tiles lie on an even grid over the hole's bounding box and overlap; where they do, their predictions
are averaged with weights that fall linearly to the tiles' edges, so no tile ends abruptly.

A tile that is mostly hole shows the network too little to go by. Such a tile takes its content from
one pass over the whole picture made small, enlarged again: blurred, but in its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
from PIL import Image
from tqdm import tqdm

Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""uint8 (h, w, 3) and bool (h, w) → float32 (h, w, 3) in grey levels 0..255."""


def predict_tiled(
    predict: Predict,
    image: np.ndarray,
    mask: np.ndarray,
    *,
    tile: int,
    overlap: int = 256,
    most_hole: float = 0.5,
    smallest: int = 32,
) -> np.ndarray:
    """Fill the hole of a picture of any size with a predictor of limited size.

    Args:
        predict: fills one tile of about tile² pixels.
        image: uint8 (H, W, 3).
        mask: bool (H, W), True = missing; at least one pixel missing and one known.
        tile: longest side of a tile in pixels, more than `overlap`.
        overlap: pixels that neighbouring tiles share at least; half of it is what a hole at the rim
            of the tiled region sees beyond itself.
        most_hole: a tile with a larger share missing is taken from the picture made small.
        smallest: shortest side that `predict` takes, and the picture has.

    Returns:
        uint8 (H, W, 3): the picture with its hole filled, known pixels untouched.
    """
    rows, columns = (_span(mask.any(axis=axis), overlap // 2, tile) for axis in (1, 0))
    top, left = rows[0], columns[0]
    # Sums over the tiled region alone: memory follows the hole, too.
    total = np.zeros((rows[1] - top, columns[1] - left, 3), np.float32)
    weights = np.zeros(total.shape[:2], np.float32)
    coarse: np.ndarray | None = None
    grid = product(_starts(*rows, tile, overlap), _starts(*columns, tile, overlap))
    tiles = [(y, x, h, w) for (y, h), (x, w) in grid if mask[y : y + h, x : x + w].any()]
    # disable=None: no bar where stderr is no terminal
    for y, x, h, w in tqdm(tiles, unit="tile", disable=None, leave=False):
        window = np.s_[y : y + h, x : x + w]
        if mask[window].mean() > most_hole:
            if coarse is None:
                coarse = _coarse(predict, image, mask, tile, smallest)
            part = _enlarge(coarse, mask.shape, (x, y, x + w, y + h))
        else:
            part = predict(image[window], mask[window])  # (h, w, 3)
        ramp = np.outer(_ramp(h, overlap), _ramp(w, overlap))  # (h, w)
        here = np.s_[y - top : y - top + h, x - left : x - left + w]
        total[here] += part * ramp[..., None]
        weights[here] += ramp
    filled = image.copy()
    region = np.s_[top : rows[1], left : columns[1]]
    hole = mask[region]
    mean = total[hole] / weights[hole][:, None]  # (missing pixels, 3)
    filled[region][hole] = np.rint(np.clip(mean, 0, 255)).astype(np.uint8)
    return filled


def _span(occupied: np.ndarray, margin: int, tile: int) -> tuple[int, int]:
    """Start and end of the region to tile on one axis: the hole, its margin, at least one tile."""
    length = len(occupied)
    where = np.flatnonzero(occupied)
    low, high = max(int(where[0]) - margin, 0), min(int(where[-1]) + 1 + margin, length)
    lacking = min(tile, length) - (high - low)
    if lacking > 0:
        low = min(max(low - lacking // 2, 0), length - min(tile, length))
        high = low + min(tile, length)
    return low, high


def _starts(low: int, high: int, tile: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Start and length of every tile on one axis, evenly spread from `low` to `high`."""
    length = high - low
    if length <= tile:
        yield low, length
        return
    count = math.ceil((length - overlap) / (tile - overlap))
    for i in range(count):
        yield low + round(i * (length - tile) / (count - 1)), tile


def _ramp(length: int, overlap: int) -> np.ndarray:
    """float32 (length,): 1 inside, falling linearly over `overlap` pixels to both ends, never 0."""
    distance = np.minimum(np.arange(1, length + 1), np.arange(length, 0, -1))
    return np.minimum(distance / (overlap + 1), 1.0).astype(np.float32)


def _coarse(
    predict: Predict, image: np.ndarray, mask: np.ndarray, tile: int, smallest: int
) -> np.ndarray:
    """uint8 (h, w, 3): the whole picture, reduced to the area of one tile, with its hole filled."""
    height, width = mask.shape
    scale = min(tile / math.sqrt(height * width), 1.0)
    size = (max(round(width * scale), smallest), max(round(height * scale), smallest))
    small = np.array(Image.fromarray(image).resize(size, Image.Resampling.BOX))  # (h, w, 3)
    # A reduced pixel counts as known only where every pixel under it is.
    share = Image.fromarray(mask.astype(np.float32)).resize(size, Image.Resampling.BOX)
    missing = np.asarray(share) > 0  # (h, w)
    prediction = np.rint(np.clip(predict(small, missing), 0, 255)).astype(np.uint8)
    return np.where(missing[..., None], prediction, small)


def _enlarge(
    coarse: np.ndarray, shape: tuple[int, int], box: tuple[int, int, int, int]
) -> np.ndarray:
    """The part of `coarse` under `box` (left, top, right, bottom in full pixels), at full size."""
    height, width = coarse.shape[:2]
    sx, sy = width / shape[1], height / shape[0]
    left, top, right, bottom = box
    part = Image.fromarray(coarse).resize(
        (right - left, bottom - top),
        Image.Resampling.BILINEAR,
        box=(left * sx, top * sy, min(right * sx, width), min(bottom * sy, height)),
    )
    return np.asarray(part, dtype=np.float32)
