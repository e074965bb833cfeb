"""Filling the holes of one photograph: every method behind one function.

NumPy in, NumPy out: uint8 (H, W, 3) RGB and bool (H, W) with True = missing. Whatever the method,
known pixels come back bit for bit. A large picture is filled crop by crop (`labkit.crops`).
Chapter 1.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from labkit.classical import CLASSICAL
from labkit.crops import crops
from labkit.errors import InputError
from labkit.settings.network import SMALLEST_SIDE

if TYPE_CHECKING:
    import torch

    from labkit.nn.generator import GMCNN

METHODS = ("gmcnn", *CLASSICAL)
"""Names that `inpaint` takes: the network first, then the classical methods."""

DEFAULT_WEIGHTS = "celeba"
"""Packaged weights that "gmcnn" uses when no generator is given."""

WHOLE_SIDE = 256
"""Pictures of at most the square of this many pixels are filled in one piece."""

LARGEST_SIDE = 1024
"""The network works on at most the square of this many pixels, for which the paper's width needs
about 3.5 GB."""

WHOLE_SIDE_WITH_PRIOR = LARGEST_SIDE
"""The same for a network with a prior, which sees all of it at the trained size. Measured on discs
(book/results/crops.json), crops were 0.8 dB better than that in photographs with celeba, and 4.3 dB
worse in faces of 1024 pixels with faces, which knows nothing but whole faces."""

PAPER_SIZE = 256
"""Side of the pictures that a network was trained on whose weights do not say."""

CONTEXT = 1.0
"""How far the network's crop reaches beyond the hole, in longer sides of its bounding box. In
photographs with celeba, 0.25 and 0.5 were half a decibel worse, and 2 at most 0.1 dB better."""

Scale = int | Literal["auto", "original"]


def inpaint(
    image: np.ndarray,
    mask: np.ndarray,
    method: str = "gmcnn",
    *,
    generator: GMCNN | None = None,
    device: torch.device | str = "cpu",
    scale: Scale = "auto",
) -> np.ndarray:
    """Fill the missing pixels of `image`.

    In a picture larger than `WHOLE_SIDE` squared (`WHOLE_SIDE_WITH_PRIOR` for a network with a
    prior, unless a scale is given), each hole is cut out with what is around it.
    The network sees the cut-out reduced to the size of the pictures it was trained on, if it is
    larger than those; how it differs there from a smooth fill is enlarged and added to the smooth
    fill of the full size.

    Args:
        image: uint8 or uint16 (H, W, 3), RGB. What lies under the mask is never looked at.
        mask: bool (H, W), True = missing.
        method: one of `METHODS`: "gmcnn" (the network), "telea", "ns" (Navier–Stokes),
            "biharmonic", "mean" (mean colour of the known pixels) or "black".
        generator: the network of "gmcnn", used on the device where it lies; None loads the packaged
            `DEFAULT_WEIGHTS` to `device`.
        device: where the packaged network runs.
        scale: of "gmcnn": "auto"; "original", cut-outs are not reduced unless they have more than
            `LARGEST_SIDE` squared pixels; or the side in pixels that they are reduced to.

    Returns:
        an array like `image`, a new one: `image` where the mask is False, the fill where it is
        True. A mask without a missing pixel gives the image back unchanged. Where all known pixels
        are grey, so is the fill: a network's is averaged over its three channels.

    Raises:
        InputError: arrays of another type or size, a mask that leaves nothing known, an unknown
            method or scale, or a picture too small for the network.

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
    hidden = np.where(mask[..., None], image.dtype.type(0), image)
    if method == "gmcnn":
        _check_network(mask, scale)
        generator = generator or _packaged(DEFAULT_WEIGHTS, str(device))
        plain = generator.config.prior == "none"
        most = WHOLE_SIDE if plain else WHOLE_SIDE_WITH_PRIOR
        whole = mask.size <= most**2 and scale == "auto"
        side = scale if isinstance(scale, int) else generator.config.trained_size or PAPER_SIZE
        size = None if whole else LARGEST_SIDE if scale == "original" else side
        fill, pieces = partial(_fill_with_network, generator, size), crops(mask, side, CONTEXT)
    else:
        fill, pieces = CLASSICAL[method], crops(mask)
        whole = mask.size <= WHOLE_SIDE**2 or method in ("mean", "black")
    if whole:
        filled = fill(hidden, mask)
    else:
        filled = hidden.copy()
        for window, hole in pieces:
            filled[window][hole] = fill(hidden[window], mask[window])[hole]
    if method == "gmcnn" and (hidden == hidden[..., :1]).all():  # the known pixels are grey
        filled[mask] = np.rint(filled[mask].mean(axis=1, keepdims=True))  # (missing pixels, 1)
    return np.where(mask[..., None], filled, image)


def check_pair(image: np.ndarray, mask: np.ndarray) -> None:
    """Raise InputError unless `image` is uint8 or uint16 (H, W, 3) and `mask` bool (H, W), of equal
    size."""
    odd = image.dtype not in (np.uint8, np.uint16)
    if odd or image.ndim != 3 or image.shape[-1] != 3 or not image.size:
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


def check_scale(scale: Scale) -> None:
    """Raise InputError for a scale that `inpaint` does not take."""
    if isinstance(scale, int) and SMALLEST_SIDE <= scale <= LARGEST_SIDE:
        return
    if scale not in ("auto", "original"):
        raise InputError(
            f"scale {scale!r} is unknown",
            f"auto, original, or {SMALLEST_SIDE} to {LARGEST_SIDE} pixels",
        )


def _check_network(mask: np.ndarray, scale: Scale) -> None:
    check_scale(scale)
    height, width = mask.shape
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(
            f"an image of {width}×{height} pixels is too small for gmcnn",
            f"both sides must be at least {SMALLEST_SIDE}; use telea or ns",
        )


def _fill_with_network(
    generator: GMCNN, size: int | None, image: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    levels = predict_grey_levels(generator, image, mask, size=size)
    return np.rint(levels).astype(image.dtype)


def predict_grey_levels(
    generator: GMCNN, image: np.ndarray, mask: np.ndarray, *, size: int | None = None
) -> np.ndarray:
    """One pass of a network in evaluation mode, not composed with the image.

    Shapes: uint8 or uint16 (H, W, 3) and bool (H, W) → float32 (H, W, 3) in the image's grey
    levels, unrounded. `size` is that of `GMCNN.predict`.
    """
    import torch

    from labkit.images import check_image

    device = next(generator.parameters()).device
    half = np.iinfo(image.dtype).max / 2
    tensor = torch.from_numpy(np.ascontiguousarray(image).astype(np.float32)).to(device)
    tensor = tensor.permute(2, 0, 1)[None].div(half).sub(1.0)  # (1, 3, H, W)
    hole = torch.from_numpy(mask).to(device, torch.float32)[None, None]  # (1, 1, H, W)
    with torch.inference_mode():
        prediction = generator.predict(tensor, hole, size=size).to(torch.float32)  # (1, 3, H, W)
    check_image(prediction, check_range=False)
    levels = prediction[0].clamp(-1.0, 1.0).add(1.0).mul(half)
    return levels.permute(1, 2, 0).cpu().numpy()  # (H, W, 3)


@lru_cache(maxsize=2)
def _packaged(name: str, device: str) -> GMCNN:
    from labkit.nn.weights import load_generator

    return load_generator(name, device=device)
