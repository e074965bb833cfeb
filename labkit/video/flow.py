"""Where a missing pixel is to be seen in the next frame: optical flow, completed in the holes.

Flow is measured by DIS (Kroeger, Timofte, Dai and Van Gool 2016, "Fast Optical Flow using Dense
Inverse Search") on frames whose holes hold the smooth fill. Forth and back, it must come home again
(Sundaram, Brox and Keutzer 2010). Where it does not, in holes and where it points into one, it says
nothing and is continued smoothly from around; a missing pixel that then does not come home has no
source.
"""

from __future__ import annotations

import cv2
import numpy as np

TOLERANCE, SHARE = 1.0, 0.05
"""A pixel that went forth and back may miss its place by so many pixels and by this share of the
way."""

CUT = 0.3
"""Where fewer of the known pixels come home, two frames show different things. Over a cut 0.01 to
0.2 of them do, and 0.9 or more of a scene that moves by 3 to 10 pixels or turns by 4°."""

NEAR = 8  # pixels around a hole whose flow follows what is in it: DIS compares patches of so many

_CYCLES = 3  # of multigrid, on every level
_ROW = 1 << 12  # places in a row: OpenCV takes no more than 32,767


def sources(
    image: np.ndarray, mask: np.ndarray, other: np.ndarray, other_mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The places that the missing pixels of two neighbouring frames have in the other of them.

    Args:
        image, other: uint8 (H, W, 3), their holes filled smoothly.
        mask, other_mask: bool (H, W), True = missing.

    Returns:
        float32 (N, 2) for the N missing pixels of `image`, row by row: x and y in `other`, NaN
        where the pixel left the frame or did not come home. And the same for `other`.

    >>> frame, mask = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), bool)
    >>> mask[10, 20] = True
    >>> sources(frame, mask, frame, mask)[0].tolist()
    [[20.0, 10.0]]
    """
    if not (mask.any() or other_mask.any()):
        return np.empty((0, 2), np.float32), np.empty((0, 2), np.float32)
    grey, other_grey = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (image, other))
    hole, other_hole = _widened(mask), _widened(other_mask)
    forth, back = _measured(grey, other_grey), _measured(other_grey, grey)
    places, home = _followed(forth, back)
    if (home & ~hole).sum() < CUT * (~hole).sum():
        nowhere = (np.full((int(m.sum()), 2), np.nan, np.float32) for m in (mask, other_mask))
        return next(nowhere), next(nowhere)
    forth, back = (
        _completed(forth, places, home, hole, other_hole),
        _completed(back, *_followed(back, forth), other_hole, hole),
    )
    return _checked(forth, back, mask), _checked(back, forth, other_mask)


def sample(picture: np.ndarray, places: np.ndarray, how: int = cv2.INTER_LINEAR) -> np.ndarray:
    """Values of a picture (H, W) or (H, W, C) at places (N, 2), x and y: (N,) or (N, C)."""
    wide = min(max(len(places), 1), _ROW)
    table = np.zeros((-(-len(places) // wide) or 1, wide, 2), np.float32)
    table.reshape(-1, 2)[: len(places)] = places
    found = cv2.remap(picture, table, None, how, borderMode=cv2.BORDER_REPLICATE)
    return found.reshape(-1, *picture.shape[2:])[: len(places)]


def _measured(grey: np.ndarray, other: np.ndarray) -> np.ndarray:
    """float32 (H, W, 2): how far each pixel moves, across and down."""
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(0)  # full size, where the preset stops at half of it
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # DIS cuts the frame by threads, and flow would differ with the machine
    try:
        return search.calc(grey, other, None)
    finally:
        cv2.setNumThreads(threads)


def _widened(hole: np.ndarray) -> np.ndarray:
    kernel = np.ones((2 * NEAR + 1, 2 * NEAR + 1), np.uint8)
    return cv2.dilate(hole.astype(np.uint8), kernel) > 0


def _completed(
    flow: np.ndarray,
    places: np.ndarray,
    home: np.ndarray,
    hole: np.ndarray,
    other_hole: np.ndarray,
) -> np.ndarray:
    """The flow, continued from around where it says nothing."""
    import torch

    from labkit.nn.prior import smooth_fill

    lost = cv2.remap(other_hole.astype(np.uint8), places, None, cv2.INTER_NEAREST) > 0
    unsure = hole | lost | ~home
    if unsure.all():
        return np.zeros_like(flow)
    scale = float(np.abs(flow[~unsure]).max()) or 1.0
    planes = torch.from_numpy(flow / scale).permute(2, 0, 1)[None]  # (1, 2, H, W)
    where = torch.from_numpy(unsure)[None, None]
    filled = smooth_fill(planes, where, "harmonic", cycles=_CYCLES)
    return np.ascontiguousarray(filled[0].permute(1, 2, 0).numpy()) * np.float32(scale)


def _checked(flow: np.ndarray, back: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Where the flow takes each missing pixel; NaN where it is refused."""
    places, home = _followed(flow, back)
    places[~home] = np.nan
    return places[mask]


def _followed(flow: np.ndarray, back: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where flow takes each pixel, (H, W, 2), and whether it is in the frame and comes home."""
    height, width = flow.shape[:2]
    last = np.array([width - 1, height - 1], np.float32)
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    places = (grid + flow).astype(np.float32)
    inside = ((places >= -0.5) & (places <= last + 0.5)).all(axis=-1)
    places = np.clip(places, 0.0, last)
    missed = np.linalg.norm(flow + cv2.remap(back, places, None, cv2.INTER_LINEAR), axis=-1)
    return places, inside & (missed < TOLERANCE + SHARE * np.linalg.norm(flow, axis=-1))
