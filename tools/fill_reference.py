"""How the page fills holes by a network, in Python: for the picture that it shows before anyone has
painted, and for its tests.

`book/_static/fill/region.mjs` says what is cut out of a picture, and why.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve

CONTEXT = 3  # as in region.mjs

Box = tuple[int, int, int, int]
"""left, top, right, bottom; the last two lie outside."""
Square = tuple[Box, int, int, int]
"""A box of the hole, and the square that is cut out for it: its left, top and side."""
Network = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""image uint8 (S, S, 3), mask bool (S, S) → filled uint8 (S, S, 3)."""


def plan(mask: np.ndarray, size: int) -> list[Square]:
    """The squares that are cut out for a network of one size."""
    height, width = mask.shape
    # Of the hole's connected parts, in reading order of their first pixels.
    parts = ndimage.find_objects(ndimage.label(mask, structure=np.ones((3, 3)))[0])
    boxes = [(x.start, y.start, x.stop, y.stop) for y, x in parts]

    def side(box: Box) -> int:
        longest = max(box[2] - box[0], box[3] - box[1])
        return min(max(CONTEXT * longest, size), max(width, height))

    def joined(a: Box, b: Box) -> Box:
        return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])

    def begin(low: int, high: int, side: int, length: int) -> int:
        if side >= length:
            return -((side - length) // 2)
        return min(max((low + high - side) // 2, 0), length - side)

    before = math.inf
    while len(boxes) < before:
        before = len(boxes)
        merged: list[Box] = []
        for box in boxes:
            for k, other in enumerate(merged):
                if side(joined(box, other)) <= max(side(box), side(other)):
                    merged[k] = joined(other, box)
                    break
            else:
                merged.append(box)
        boxes = merged
    sides = map(side, boxes)
    return [
        (box, begin(box[0], box[2], side, width), begin(box[1], box[3], side, height), side)
        for box, side in zip(boxes, sides, strict=True)
    ]


def resampling(size: int, to: int) -> np.ndarray:
    """(to, size): a matrix that takes means over areas when there are fewer pixels, and
    interpolates linearly when there are more."""
    if size == to:
        return np.eye(size)
    scale = size / to
    edges = np.arange(size)
    pixels = np.arange(to)[:, None]
    if scale > 1:
        low, high = pixels * scale, (pixels + 1) * scale
        return np.clip(np.minimum(high, edges + 1) - np.maximum(low, edges), 0, None) / scale
    places = np.clip((pixels + 0.5) * scale - 0.5, 0, size - 1)
    return np.clip(1 - np.abs(places - edges), 0, None)


def resample(planes: np.ndarray, to: int) -> np.ndarray:
    """(S, S, C) → (to, to, C), float64."""
    matrix = resampling(len(planes), to)
    return np.einsum("yv,vuc,xu->yxc", matrix, planes, matrix, optimize=True)


def fill(image: np.ndarray, mask: np.ndarray, size: int, network: Network) -> np.ndarray:
    """Fill a picture of any size by a network of one size.

    Args:
        image: uint8 (H, W, 3).
        mask: bool (H, W), True = missing, neither empty nor full.
        size: S of the network.
        network: the network.

    Returns:
        uint8 (H, W, 3); known pixels as they were.
    """
    image, left = image.copy(), mask.copy()
    height, width = mask.shape
    for (x0, y0, x1, y1), x, y, side in plan(mask, size):
        rows = _mirrored(np.arange(y, y + side), height)
        columns = _mirrored(np.arange(x, x + side), width)
        known = ~left[np.ix_(rows, columns)][..., None]
        planes = np.concatenate([image[np.ix_(rows, columns)] * known, known], axis=-1)
        small = resample(planes.astype(float), size)
        share = small[..., 3:]
        colours = np.zeros_like(small[..., :3])
        np.divide(small[..., :3], share, out=colours, where=share > 0)
        filled = network(_rounded(colours), share[..., 0] < 0.5)
        large = resample(filled.astype(float), side)
        around = np.s_[max(y0 - 1, 0) : y1 + 1, max(x0 - 1, 0) : x1 + 1]  # where another may begin
        v, u = (np.arange(n)[at] for n, at in zip(mask.shape, around, strict=True))
        large = large[np.ix_(np.clip(v - y, 0, side - 1), np.clip(u - x, 0, side - 1))]
        lacking = np.where(left[around][..., None], 0, image[around] - large)
        if side > size:
            large += harmonic(lacking, left[around])
        box, inside = np.s_[y0:y1, x0:x1], np.s_[y0 - v[0] : y1 - v[0], x0 - u[0] : x1 - u[0]]
        image[box] = np.where(left[box][..., None], _rounded(large[inside]), image[box])
        left[box] = False
    return image


def harmonic(planes: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill by Laplace's equation, solved directly: float (H, W, C)."""
    steps = (sparse.diags_array([1.0, 1.0], offsets=(-1, 1), shape=(n, n)) for n in mask.shape)
    rows, columns = map(sparse.csgraph.laplacian, steps)
    laplace = sparse.kronsum(columns, rows).tocsr()
    hole = mask.ravel()
    values = planes.reshape(mask.size, -1).astype(float)
    right = -laplace[hole][:, ~hole] @ values[~hole]
    values[hole] = spsolve(laplace[hole][:, hole].tocsc(), right).reshape(len(right), -1)
    return values.reshape(planes.shape)


def diffuse(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The page's diffusion: uint8 (H, W, 3)."""
    return _rounded(harmonic(image, mask))


def _mirrored(places: np.ndarray, length: int) -> np.ndarray:
    if length == 1:
        return np.zeros_like(places)
    at = places % (2 * (length - 1))
    return np.minimum(at, 2 * (length - 1) - at)


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.floor(np.clip(values, 0, 255) + 0.5).astype(np.uint8)
