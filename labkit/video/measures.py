"""How good a filled clip is: each frame for itself, and from frame to frame.

A flow is float32 (T - 1, H, W, 2): how far each pixel moves to the next frame, across and down, NaN
where that is not known. Differences are in per cent of the range of 255.
"""

from __future__ import annotations

import numpy as np

from labkit.evaluation.metrics import finite_psnr, ssim
from labkit.video.flow import sample


def score(
    truth: np.ndarray, filled: np.ndarray, masks: np.ndarray, flows: np.ndarray
) -> dict[str, float]:
    """All measures of a clip.

    Args:
        truth, filled: uint8 (T, H, W, 3).
        masks: bool (T, H, W), True = missing.
        flows: true ones.

    Returns:
        "psnr" and "ssim", means over frames; "hole_psnr", of the missing pixels of all frames
        together; "warping_inside" and "warping_outside" the holes; "flicker".
    """
    pairs = list(zip(truth, filled, strict=True))
    error = np.square(truth[masks].astype(np.float64) - filled[masks]).mean()
    return {
        "psnr": float(np.mean([finite_psnr(*pair) for pair in pairs])),
        "ssim": float(np.mean([ssim(*pair) for pair in pairs])),
        "hole_psnr": float(10.0 * np.log10(255.0**2 / max(error, 1e-6))),
        "warping_inside": warping_error(filled, flows, masks),
        "warping_outside": warping_error(filled, flows, ~masks),
        "flicker": flicker(truth, filled, masks),
    }


def warping_error(frames: np.ndarray, flows: np.ndarray, region: np.ndarray) -> float:
    """Mean difference between a pixel and the place in the next frame to which it moves.

    Of the pixels of `region`, bool (T, H, W), that have a flow and stay in the frame; NaN where
    there are none. (Lai et al. 2018, "Learning Blind Video Temporal Consistency", with true flow.)

    >>> frames = np.stack([np.eye(8), np.roll(np.eye(8), 1, axis=1)])[..., None].repeat(3, 3) * 255
    >>> flows, region = np.zeros((1, 8, 8, 2), np.float32), np.ones((2, 8, 8), bool)
    >>> flows[..., 0] = 1
    >>> warping_error(frames.astype(np.uint8), flows, region)
    0.0
    """
    total = number = 0.0
    height, width = frames.shape[1:3]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    for frame, following, flow, inside in zip(frames, frames[1:], flows, region, strict=False):
        places = (grid + flow).astype(np.float32)
        with np.errstate(invalid="ignore"):
            stays = ((places >= 0) & (places <= (width - 1, height - 1))).all(axis=-1)
        seen = inside & stays
        moved = sample(following.astype(np.float32), places[seen])
        total += np.abs(frame[seen] - moved).sum()
        number += moved.size
    return float(100.0 / 255.0 * total / number) if number else float("nan")


def flicker(truth: np.ndarray, filled: np.ndarray, masks: np.ndarray) -> float:
    """How far the change to the next frame is from the true change, on average, of pixels that are
    missing in both; NaN where there are none.

    >>> truth = np.zeros((3, 2, 2, 3), np.uint8)
    >>> filled = truth + np.array([0, 51, 0], np.uint8)[:, None, None, None]
    >>> flicker(truth, filled, np.ones((3, 2, 2), bool))
    20.0
    """
    error = filled.astype(np.float32) - truth
    both = masks[1:] & masks[:-1]
    change = np.abs(np.diff(error, axis=0))[both]
    return float(100.0 / 255.0 * change.mean()) if change.size else float("nan")
