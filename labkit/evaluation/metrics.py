"""PSNR, SSIM and L1 as this project reports them, and PSNR as the student report computed it.

PSNR = 10·log10(L² / MSE) with L the range of the data; L1 is the mean absolute error. SSIM after
Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity", in
scikit-image's form: a uniform 7×7 window, the mean over the colour planes. Chapter 3.

Raise `InputError` for another dtype or range than stated, or shapes that differ.
"""

from __future__ import annotations

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from labkit.errors import InputError

SMALLEST_SIDE = 7  # the window of SSIM
PERFECT = 100.0
"""PSNR in dB that counts for a fill without any error, so that a mean exists."""


def psnr(truth: np.ndarray, estimate: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 images; infinite where they are equal.

    >>> black = np.zeros((8, 8, 3), np.uint8)
    >>> round(psnr(black, black + np.uint8(51)), 2)  # a fifth of the range
    13.98
    """
    _check(truth, estimate)
    return _psnr(truth, estimate, data_range=255.0)


def finite_psnr(truth: np.ndarray, estimate: np.ndarray) -> float:
    """`psnr`, and `PERFECT` where that is more."""
    return min(psnr(truth, estimate), PERFECT)


def ssim(truth: np.ndarray, estimate: np.ndarray) -> float:
    """Structural similarity in [-1, 1] of two uint8 images (H, W, 3), sides of 7 or more; 1 where
    they are equal.

    >>> ramp = np.tile(np.arange(0, 240, 30, dtype=np.uint8)[:, None, None], (1, 8, 3))
    >>> round(ssim(ramp, ramp // 2), 3), round(ssim(ramp, ramp[::-1]), 3)
    (0.642, -0.945)
    """
    _check(truth, estimate)
    if truth.ndim != 3 or min(truth.shape[:2]) < SMALLEST_SIDE:
        raise InputError(
            f"SSIM needs images (H, W, 3) with sides of {SMALLEST_SIDE} or more, not {truth.shape}"
        )
    return float(structural_similarity(truth, estimate, data_range=255, channel_axis=-1))


def l1(truth: np.ndarray, estimate: np.ndarray) -> float:
    """Mean absolute error of two uint8 images, in per cent of their range of 255.

    >>> black = np.zeros((8, 8, 3), np.uint8)
    >>> l1(black, black + np.uint8(51))
    20.0
    """
    _check(truth, estimate)
    return 100.0 / 255.0 * float(np.abs(truth.astype(np.int16) - estimate).mean())


def psnr_as_reported(truth: np.ndarray, raw: np.ndarray) -> float:
    """PSNR in dB as the student report computed it: float images in [0, 1], but a range of 2.

    A range twice the true one adds 20·log10(2) = 6.02 dB to every score.

    >>> black = np.zeros((8, 8, 3), np.float32)
    >>> round(psnr_as_reported(black, black + 0.2), 2)  # 13.98 dB and 6.02
    20.0
    """
    _check(truth, raw, np.floating)
    for image in (truth, raw):
        if image.size and (image.min() < -1e-6 or image.max() > 1 + 1e-6):
            values = f"[{image.min():.3g}, {image.max():.3g}]"
            raise InputError(f"image values lie in {values}, not in [0, 1]")
    return _psnr(truth, raw, data_range=2.0)


def _psnr(truth: np.ndarray, estimate: np.ndarray, data_range: float) -> float:
    if np.array_equal(truth, estimate):
        return float("inf")  # scikit-image gets there too, by a division by zero that it warns of
    return float(peak_signal_noise_ratio(truth, estimate, data_range=data_range))


def _check(truth: np.ndarray, estimate: np.ndarray, kind: type = np.uint8) -> None:
    for image in (truth, estimate):
        if not np.issubdtype(image.dtype, kind):
            wanted = "uint8 images" if kind is np.uint8 else "float images in [0, 1]"
            raise InputError(f"needs {wanted}, not {image.dtype}")
    if truth.shape != estimate.shape:
        raise InputError(f"images of different shapes: {truth.shape} and {estimate.shape}")
