"""Filling the hole of one photograph: every method behind one function.

NumPy in, NumPy out: uint8 (H, W, 3) RGB and bool (H, W) with True = missing. Whatever the method,
known pixels come back bit for bit. Chapter 1.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from labkit.classical import CLASSICAL
from labkit.errors import InputError
from labkit.tiling import predict_tiled

if TYPE_CHECKING:
    import torch

    from labkit.nn.generator import GMCNN

METHODS = ("gmcnn", *CLASSICAL)
"""Names that `inpaint` takes: the network first, then the classical methods."""

DEFAULT_WEIGHTS = "celeba"
"""Packaged weights that "gmcnn" uses when no generator is given."""

LARGEST_SIDE = 1024
"""The network takes at most the square of this many pixels in one pass, for which the paper's width
needs about 3.5 GB; a larger picture is filled in tiles of this side. A network with a prior
corrects a larger picture at the size it was trained at, in one window around the hole."""

CONTEXT = 0.5
"""How far that window reaches beyond the hole, in longer sides of the hole's bounding box."""


def inpaint(
    image: np.ndarray,
    mask: np.ndarray,
    method: str = "gmcnn",
    *,
    generator: GMCNN | None = None,
    device: torch.device | str = "cpu",
) -> np.ndarray:
    """Fill the missing pixels of `image`.

    Args:
        image: uint8 (H, W, 3), RGB. What lies under the mask is never looked at.
        mask: bool (H, W), True = missing.
        method: one of `METHODS`: "gmcnn" (the network), "telea", "ns" (Navier–Stokes),
            "biharmonic", "mean" (mean colour of the known pixels) or "black".
        generator: the network of "gmcnn", used on the device where it lies; None loads the packaged
            `DEFAULT_WEIGHTS` to `device`.
        device: where the packaged network runs.

    Returns:
        uint8 (H, W, 3), a new array: `image` where the mask is False, the fill where it is True. A
        mask without a missing pixel gives the image back unchanged. Where all known pixels are
        grey, so is the fill: a network's is averaged over its three channels.

    Raises:
        InputError: arrays of another type or size, a mask that leaves nothing known, an unknown
            method, or a picture too small for the network.

    >>> image, mask = np.full((40, 40, 3), 90, np.uint8), np.zeros((40, 40), bool)
    >>> mask[10:30, 10:30] = True
    >>> int(inpaint(image, mask, "mean")[20, 20, 0])
    90
    """
    check_pair(image, mask)
    if method not in METHODS:
        raise InputError(f"unknown method {method!r}", f"choose from {', '.join(METHODS)}")
    if not mask.any():
        return image.copy()
    if mask.all():
        raise InputError(
            "the mask leaves no pixel known: there is nothing to fill from",
            "white in a mask file (True in an array) means missing; invert a reversed mask",
        )
    # Hiding the pixels under the mask here means that no method can make use of them.
    image_with_hole = np.where(mask[..., None], np.uint8(0), image)
    if method == "gmcnn":
        if generator is None:
            generator = _packaged(DEFAULT_WEIGHTS, str(device))
        filled = _fill_with_network(generator, image_with_hole, mask)
        if (image_with_hole == image_with_hole[..., :1]).all():  # the known pixels are grey
            filled[mask] = np.rint(filled[mask].mean(axis=1, keepdims=True))  # (missing pixels, 1)
    else:
        filled = CLASSICAL[method](image_with_hole, mask)
    return np.where(mask[..., None], filled, image)


def check_pair(image: np.ndarray, mask: np.ndarray) -> None:
    """Raise InputError unless `image` is uint8 (H, W, 3) and `mask` bool (H, W), of equal size."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3 or not image.size:
        raise InputError(f"an image must be uint8 (H, W, 3), not {image.dtype} {image.shape}")
    if mask.dtype != np.bool_ or mask.ndim != 2:
        raise InputError(
            f"a mask must be bool (H, W), not {mask.dtype} {mask.shape}",
            "True marks missing pixels; mask > 127 makes one of a white-is-hole picture",
        )
    if mask.shape != image.shape[:2]:
        raise InputError(
            f"the mask is {mask.shape[1]}×{mask.shape[0]} pixels and the image "
            f"{image.shape[1]}×{image.shape[0]}",
            "they must have the same size",
        )


def _fill_with_network(generator: GMCNN, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    from labkit.nn.generator import SMALLEST_SIDE

    height, width = mask.shape
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(
            f"an image of {width}×{height} pixels is too small for gmcnn",
            f"both sides must be at least {SMALLEST_SIDE}; use telea or ns",
        )

    predict = partial(predict_grey_levels, generator)
    if height * width <= LARGEST_SIDE**2:
        return np.rint(predict(image, mask)).astype(np.uint8)
    if generator.config.prior == "none":
        return predict_tiled(predict, image, mask, tile=LARGEST_SIDE, smallest=SMALLEST_SIDE)
    window = _window(mask, SMALLEST_SIDE)
    filled = image.copy()
    filled[window] = np.rint(predict(image[window], mask[window])).astype(np.uint8)
    return filled


def _window(mask: np.ndarray, smallest: int) -> tuple[slice, slice]:
    """The hole's bounding box with `CONTEXT` around it, as far as the picture goes."""
    spans = []
    for axis in (1, 0):
        where = np.flatnonzero(mask.any(axis=axis))
        spans.append((int(where[0]), int(where[-1]) + 1))
    margin = max(round(CONTEXT * max(high - low for low, high in spans)), smallest)
    return tuple(
        slice(max(low - margin, 0), min(high + margin, side))
        for (low, high), side in zip(spans, mask.shape, strict=True)
    )


def predict_grey_levels(generator: GMCNN, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """One pass of a network in evaluation mode, not composed with the image.

    Shapes: uint8 (H, W, 3) and bool (H, W) → float32 (H, W, 3) in grey levels 0..255, unrounded.
    """
    import torch

    from labkit.images import check_image, to_tensor

    device = next(generator.parameters()).device
    tensor = to_tensor(image, device)  # (1, 3, H, W)
    hole = torch.from_numpy(mask).to(device, torch.float32)[None, None]  # (1, 1, H, W)
    with torch.inference_mode():
        prediction = generator.predict(tensor, hole).to(torch.float32)  # (1, 3, H, W)
    check_image(prediction, check_range=False)
    levels = prediction[0].clamp(-1.0, 1.0).add(1.0).mul(127.5)
    return levels.permute(1, 2, 0).cpu().numpy()  # (H, W, 3)


@lru_cache(maxsize=2)
def _packaged(name: str, device: str) -> GMCNN:
    from labkit.nn.weights import load_generator

    return load_generator(name, device=device)
