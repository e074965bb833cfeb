"""Masks on disk: white = missing, in any picture format.

Grey values above 127 are missing, so that the soft edges of a resized or JPEG-compressed mask fall
to one side or the other. Masks are resized by taking the nearest pixel, never by averaging.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from labkit.archive import PathLike
from labkit.checks import check_size
from labkit.errors import InputError
from labkit.files import atomic_write
from labkit.images import decode_image, read_bytes
from labkit.masks.ratio import hole_ratio

THRESHOLD = 127
INVERTED_ABOVE = 0.9  # no one asks for more than nine tenths of a picture to be invented
SHAPE_TOLERANCE = 0.01  # relative difference of aspect ratios that rounding may cause
_COLOUR_SPREAD, _COLOUR_SHARE = 64, 0.01
TELLING = 8  # of fewer masks each may happen to have a large hole


class PolarityWarning(UserWarning):
    """A mask is almost all hole: black and white are probably the wrong way round."""


def read_mask(path: PathLike, **options) -> np.ndarray:
    """Read a mask file: `decode_mask` of its bytes, with the same options and errors."""
    return decode_mask(read_bytes(path, "mask"), str(path), **options)


def decode_mask(
    data: bytes,
    name: str,
    *,
    size: Sequence[int] | None = None,
    invert: bool = False,
    resize: bool = False,
    stretch: bool = False,
    option: str = "",
) -> np.ndarray:
    """A mask from the bytes of its file.

    A mask without a hole is returned as it is: there is nothing to fill, and filling leaves the
    picture unchanged.

    Args:
        name: what to call it in an error.
        size: (H, W) of the picture the mask is for; None takes any.
        invert: the file has the opposite polarity, white = known.
        resize: bring a mask of another size to `size` by nearest pixels, instead of refusing it;
            its aspect ratio must be the picture's.
        stretch: bring it there from any aspect ratio, for a mask that belongs to no picture.
        option: the caller's name for `invert`, to be said where that may be the remedy.

    Returns:
        bool (H, W), True = missing.

    Raises:
        InputError: not a picture; coloured, transparent or deeper than 8 bits; values 0 and 1 in
            place of 0 and 255; another size; or all missing.

    Warns:
        PolarityWarning: more than nine tenths are missing.
    """
    mask = _threshold(data, name) ^ invert
    if size is not None:
        height, width = check_size(size)
        remedy = misfit(mask.shape, (height, width))
        if mask.shape != (height, width) and not stretch and (remedy or not resize):
            raise InputError(
                f"{name}: the mask is {mask.shape[1]}×{mask.shape[0]} pixels, "
                f"the image {width}×{height}",
                remedy or "ask for the mask to be resized, or make one of the image's size",
            )
        mask = resize_mask(mask, (height, width))
    by = f" ({option})" if option else ""
    if mask.all():
        remedy = "do not invert it" if invert else "invert the mask"
        raise InputError(
            f"{name}: every pixel is missing, nothing is known to fill from",
            f"white means missing; {remedy}{by}",
        )
    ratio = float(hole_ratio(mask))
    if ratio > INVERTED_ABOVE:
        remedy = f"it was inverted on reading{by}: leave that out" if invert else f"invert it{by}"
        share = f"{100 * ratio:.0f}" if ratio < 0.995 else "more than 99"
        warnings.warn(
            f"{name}: {share} % of the picture is missing, the mask looks inverted; "
            f"white must mean missing: {remedy} if it is the other way round",
            PolarityWarning,
            stacklevel=2,
        )
    return mask


def misfit(mask: Sequence[int], image: Sequence[int]) -> str:
    """What to do about a mask whose aspect ratio is not its picture's; empty where it is.

    Args:
        mask, image: their shapes, height and width first.

    >>> misfit((640, 480), (1280, 960)), misfit((480, 640), (1280, 960))[:19]
    ('', 'one lies on its sid')
    """
    (height, width), (tall, wide) = mask[:2], image[:2]
    if abs(width * tall / (height * wide) - 1) <= SHAPE_TOLERANCE:
        return ""
    if abs(height * tall / (width * wide) - 1) <= SHAPE_TOLERANCE:
        return (
            "one lies on its side: a picture is read as its EXIF orientation turns it, so turn the "
            "mask to the picture as it is seen"
        )
    return "make a mask of the picture's aspect ratio"


def _threshold(data: bytes, name: str) -> np.ndarray:
    """bool (H, W), True where the file is white."""
    try:
        picture = decode_image(data, name)
    except InputError as error:
        if not error.problem.startswith(f"{name}: transparent"):
            raise
        raise InputError(
            error.problem,
            "a mask is read by its colours: save it without transparency, black, and white where "
            "pixels are missing",
        ) from None
    red, green, blue = np.moveaxis(picture, 2, 0)  # (H, W) each
    # Channel by channel: NumPy reduces an axis of three ten times slower.
    grey = np.maximum(np.maximum(red, green), blue)
    spread = grey - np.minimum(np.minimum(red, green), blue)
    # A photograph given in a mask's place is the commonest mistake of all.
    if np.count_nonzero(spread > _COLOUR_SPREAD) > _COLOUR_SHARE * spread.size:
        raise InputError(
            f"{name}: a coloured picture, not a mask",
            "a mask is black, and white where pixels are missing",
        )
    if grey.max() == 1:
        raise InputError(
            f"{name}: values 0 and 1, which are both black", "save missing pixels as 255"
        )
    return grey > THRESHOLD


def hint_at_polarity(ratios: Sequence[float], where: str, invert: bool, option: str = "") -> bool:
    """Warn where a set of masks is mostly hole, which no single one need be; whether it is.

    Args:
        ratios: the share of each that is missing. Of fewer than eight, every one must be large.
        where: what to call the set.
        invert, option: as in `decode_mask`.
    """
    middle = np.median(ratios) if len(ratios) >= TELLING else min(ratios, default=0.0)
    if middle <= 0.5:
        return False
    which = "the middle one misses" if len(ratios) >= TELLING else "each misses at least"
    by = f" ({option})" if option else ""
    warnings.warn(
        f"{where}: of {len(ratios)} masks {which} {100 * middle:.0f} % of the picture, the set "
        f"looks inverted; white must mean missing: "
        f"{'leave the inversion out' if invert else 'invert it'}{by} if it is the other way round, "
        "as in NVIDIA's training archive",
        PolarityWarning,
        stacklevel=3,
    )
    return True


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """bool (h, w) → bool (H, W) by nearest pixels.

    >>> resize_mask(np.array([[True, False]]), (2, 4)).astype(int)
    array([[1, 1, 0, 0],
           [1, 1, 0, 0]])
    """
    # As bytes: Pillow hands a picture of bits over as a bool array whose true is 255.
    picture = Image.fromarray(mask.astype(np.uint8))
    return np.asarray(picture.resize(size[::-1], Image.Resampling.NEAREST)).astype(bool)


def write_mask(path: PathLike, mask: np.ndarray) -> None:
    """Write a mask, (H, W) of zeros and ones or bool, as a black and white PNG, white = missing.

    Raises:
        InputError: a suffix but ``.png``, as other formats could blur the edges; another shape or
            value, or a file that cannot be written.
    """
    path, mask = Path(path), np.asarray(mask)
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: masks are written as PNG", "use a name that ends in .png")
    if mask.ndim != 2 or mask.size == 0 or not ((mask == 0) | (mask == 1)).all():
        raise InputError(f"{path}: a mask must be (H, W) of zeros and ones, not {mask.shape}")
    picture = Image.fromarray((mask != 0).astype(np.uint8) * 255)
    atomic_write(path, lambda file: picture.save(file, format="PNG", optimize=True))
