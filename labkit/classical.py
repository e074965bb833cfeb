"""Filling a hole without learning: five fills that see nothing but the picture itself.

* `black` and `mean_colour` mark the floor: what scoring nothing, or one colour, is worth.
* `telea`: fast marching, each pixel a weighted mean of known neighbours (Telea 2004, "An Image
  Inpainting Technique Based on the Fast Marching Method"), by OpenCV.
* `navier_stokes`: isophotes continued as the stream lines of a fluid (Bertalmio, Bertozzi and
  Sapiro 2001, "Navier-Stokes, Fluid Dynamics, and Image and Video Inpainting"), by OpenCV.
* `biharmonic`: the solution of Δ²u = 0 in the hole (Damelin and Hoang 2018, "On Surface Completion
  and Image Inpainting by Biharmonic Functions"), by scikit-image, by multigrid where it is large.

Every function maps uint8 or uint16 (H, W, 3) RGB and bool (H, W), True = missing, to an array like
the first. Known pixels may come back changed; `labkit.inpainting.inpaint` puts the originals back.
At least one pixel must be known: that is checked there too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

OPENCV_RADIUS = 3  # pixels around each missing one that OpenCV's methods look at

SPARSE_LIMIT = 256**2  # pixels of a picture or cut-out; above, scikit-image takes seconds a hole
CYCLES = 4  # of multigrid, on every level

ClassicalFill = Callable[[np.ndarray, np.ndarray], np.ndarray]


def black(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Black in the hole."""
    return np.where(mask[..., None], image.dtype.type(0), image)  # (H, W, 3)


def mean_colour(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The mean colour of the known pixels in the hole."""
    mean = np.rint(image[~mask].mean(axis=0)).astype(image.dtype)  # (3,)
    return np.where(mask[..., None], mean, image)  # (H, W, 3)


def telea(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Telea's fast marching with a radius of 3 pixels; in a picture of one row or column, the
    nearest known pixel."""
    import cv2

    return _opencv(image, mask, cv2.INPAINT_TELEA)


def navier_stokes(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The Navier–Stokes method with a radius of 3 pixels; in a picture of one row or column, the
    nearest known pixel."""
    import cv2

    return _opencv(image, mask, cv2.INPAINT_NS)


def _opencv(image: np.ndarray, mask: np.ndarray, flag: int) -> np.ndarray:
    import cv2

    if min(mask.shape) == 1:  # OpenCV looks at a row and a column on both sides, and here outside
        from scipy import ndimage

        nearest = ndimage.distance_transform_edt(mask, return_distances=False, return_indices=True)
        return image[tuple(nearest)]
    # OpenCV fills each colour plane for itself, so RGB need not become BGR.
    image, hole = np.ascontiguousarray(image), mask.astype(np.uint8)
    if image.dtype == np.uint8:
        return cv2.inpaint(image, hole, OPENCV_RADIUS, flags=flag)
    planes = [cv2.inpaint(plane, hole, OPENCV_RADIUS, flags=flag) for plane in cv2.split(image)]
    return cv2.merge(planes)


def biharmonic(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The biharmonic surface through the known pixels.

    Up to 256×256 pixels by scikit-image, one sparse linear system with an unknown for every missing
    pixel: 2.5 s for 70,000 of them on one core. In larger pictures by multigrid, 0.5 s for as many,
    within 0.1 dB of it on photographs (`labkit.nn.prior`).
    """
    top = np.iinfo(image.dtype).max
    if mask.size > SPARSE_LIMIT:
        return _biharmonic_by_multigrid(image, mask, top)
    from skimage.restoration import inpaint_biharmonic

    filled = inpaint_biharmonic(image / float(top), mask, channel_axis=-1)  # float64 (H, W, 3)
    return np.rint(np.clip(filled, 0.0, 1.0) * top).astype(image.dtype)


def _biharmonic_by_multigrid(image: np.ndarray, mask: np.ndarray, top: int) -> np.ndarray:
    import torch

    from labkit.nn.prior import smooth_fill

    filled = np.empty_like(image)
    missing = torch.from_numpy(mask)[None, None]  # (1, 1, H, W)
    for channel in range(3):  # one at a time: memory
        plane = torch.from_numpy(image[..., channel].astype(np.float32))[None, None]
        plane = smooth_fill(plane.mul_(2.0 / top).sub_(1.0), missing, tension=0.0, cycles=CYCLES)
        filled[..., channel] = plane[0, 0].add_(1.0).mul_(top / 2.0).round_().numpy()
    return filled


CLASSICAL: dict[str, ClassicalFill] = {
    "telea": telea,
    "ns": navier_stokes,
    "biharmonic": biharmonic,
    "mean": mean_colour,
    "black": black,
}
"""The classical methods by the names that `inpaint` and the command line use."""
