"""How much of a picture is missing, and NVIDIA's six bins of it.

The bins are those of the irregular mask test set of Liu et al., "Image Inpainting for Irregular
Holes Using Partial Convolutions" (ECCV 2018, arXiv 1804.07723).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labkit.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

# Each is open below and closed above: (0.01, 0.1], (0.1, 0.2], …
BINS: tuple[tuple[float, float], ...] = (
    (0.01, 0.1),
    (0.1, 0.2),
    (0.2, 0.3),
    (0.3, 0.4),
    (0.4, 0.5),
    (0.5, 0.6),
)


def hole_ratio(mask: Tensor | np.ndarray) -> np.ndarray:
    """The share of missing pixels of each mask, in [0, 1].

    Args:
        mask: (..., H, W), 1 or True = missing; a tensor on any device or an array.

    Returns:
        float64 (...): shape () for one mask (H, W), (B, 1) for a batch (B, 1, H, W).

    Raises:
        InputError: fewer than two dimensions, or an empty picture.

    >>> float(hole_ratio(np.eye(4)))
    0.25
    """
    if mask.ndim < 2 or 0 in mask.shape[-2:]:
        raise InputError(f"a mask must be (..., H, W) with pixels in it, not {tuple(mask.shape)}")
    height, width = mask.shape[-2:]
    # Counted in whole pixels: a float32 mean of ones is off in the seventh digit, which is enough
    # to put a mask at the edge of a bin into its neighbour.
    count = (mask > 0.5).sum((-2, -1))
    count = count if isinstance(count, (np.ndarray, np.generic)) else count.cpu().numpy()
    return np.asarray(np.asarray(count, dtype=np.float64) / (height * width))


def bin_index(ratio: float | np.ndarray) -> np.ndarray:
    """Which of `BINS` holds each hole ratio; -1 for ratios up to 0.01 or above 0.6.

    Args:
        ratio: hole ratios in [0, 1], of any shape.

    Returns:
        int64, shaped like `ratio`.

    >>> bin_index([0.005, 0.1, 0.25]).tolist()
    [-1, 0, 2]
    """
    edges = [BINS[0][0], *(high for _, high in BINS)]
    index = np.searchsorted(edges, np.asarray(ratio, dtype=np.float64), side="left") - 1
    return np.where(index < len(BINS), index, -1).astype(np.int64)
