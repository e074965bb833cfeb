"""Masks on disk: white = missing, in any picture format.

Grey values above 127 are missing, so that the soft edges of a resized or JPEG-compressed mask fall to
one side or the other. Masks are resized by taking the nearest pixel, never by averaging.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from labkit.data.archive import Entry, PathLike, list_files
from labkit.errors import InputError
from labkit.images import atomic_write, decode_image
from labkit.masks.ratio import BINS, bin_index, hole_ratio
from labkit.masks.shape import check_count, check_size

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".gif")
THRESHOLD = 127
INVERTED_ABOVE = 0.9  # no one asks for more than nine tenths of a picture to be invented
_COLOUR_SPREAD, _COLOUR_SHARE = 64, 0.01


class PolarityWarning(UserWarning):
    """A mask is almost all hole: black and white are probably the wrong way round."""


def read_mask(
    path: PathLike,
    *,
    size: Sequence[int] | None = None,
    invert: bool = False,
    resize: bool = False,
) -> np.ndarray:
    """Read a mask file.

    A mask without a hole is returned as it is: there is nothing to fill, and filling leaves the picture
    unchanged.

    Args:
        size: (H, W) of the picture the mask is for; None takes any.
        invert: the file has the opposite polarity, white = known.
        resize: bring a mask of another size to `size` by nearest pixels, instead of refusing it.

    Returns:
        bool (H, W), True = missing.

    Raises:
        InputError: not a mask (see `decode_mask`), another size, or all missing.

    Warns:
        PolarityWarning: more than nine tenths are missing.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a mask")
    data = Entry(path.name, str(path)).read()
    return decode_mask(data, str(path), size=size, invert=invert, resize=resize)


def decode_mask(
    data: bytes,
    name: str,
    *,
    size: Sequence[int] | None = None,
    invert: bool = False,
    resize: bool = False,
) -> np.ndarray:
    """A mask from the bytes of its file; arguments and result as `read_mask`.

    Raises:
        InputError: not a picture; coloured, transparent or deeper than 8 bits; values 0 and 1 in place
            of 0 and 255; another size; or all missing.
    """
    mask = _threshold(data, name) ^ invert
    if size is not None:
        height, width = check_size(size)
        if mask.shape != (height, width) and not resize:
            raise InputError(
                f"{name}: the mask is {mask.shape[1]}×{mask.shape[0]} pixels, "
                f"the image {width}×{height}",
                "ask for the mask to be resized, or make one of the image's size",
            )
        mask = _resize(mask, (height, width))
    if mask.all():
        raise InputError(
            f"{name}: every pixel is missing, nothing is known to fill from",
            "white means missing; " + ("do not invert it" if invert else "invert the mask"),
        )
    ratio = float(hole_ratio(mask))
    if ratio > INVERTED_ABOVE:
        warnings.warn(
            f"{name}: {100 * ratio:.0f} % of the picture is missing; the mask looks inverted. White "
            f"means missing; {'do not invert it' if invert else 'invert it'} if it means known.",
            PolarityWarning,
            stacklevel=2,
        )
    return mask


def _threshold(data: bytes, name: str) -> np.ndarray:
    """bool (H, W), True where the file is white."""
    rgb = decode_image(data, name)
    # (H, W): a photograph given in a mask's place is the commonest mistake of all.
    spread = rgb.max(axis=2).astype(np.int16) - rgb.min(axis=2)
    if (spread > _COLOUR_SPREAD).mean() > _COLOUR_SHARE:
        raise InputError(
            f"{name}: a coloured picture, not a mask",
            "a mask is black, and white where pixels are missing",
        )
    grey = rgb.max(axis=2)
    if grey.max() == 1:
        raise InputError(
            f"{name}: values 0 and 1, which are both black", "save missing pixels as 255"
        )
    return grey > THRESHOLD


def _resize(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """bool (h, w) → bool (H, W) by nearest pixels."""
    if mask.shape == size:
        return mask
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(picture.resize(size[::-1], Image.Resampling.NEAREST)) > THRESHOLD


def write_mask(path: PathLike, mask: np.ndarray) -> None:
    """Write a mask as a black and white PNG, white = missing, atomically.

    Args:
        path: a ``.png`` file; other formats could blur the edges.
        mask: (H, W), bool, or numbers that are all 0 or 1.

    Raises:
        InputError: another suffix, shape or value, or a file that cannot be written.
    """
    path, mask = Path(path), np.asarray(mask)
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: masks are written as PNG", "use a name that ends in .png")
    if mask.ndim != 2 or mask.size == 0 or not ((mask == 0) | (mask == 1)).all():
        raise InputError(f"{path}: a mask must be (H, W) of zeros and ones, not {mask.shape}")
    picture = Image.fromarray((mask != 0).astype(np.uint8) * 255)
    atomic_write(path, lambda file: picture.save(file, format="PNG", optimize=True))


class MaskFiles:
    """The masks of a folder or tar file, to draw from.

    Files are decoded when first drawn, brought to the size asked for by nearest pixels, and kept with
    eight pixels to a byte: two thousand masks of 256×256 take 16 MB. A file that cannot be used
    (damaged, all known, all missing) is named in `rejected`, warned of once, and the next one takes its place.

    Args:
        path: a folder, a ``.tar`` file, or several of them.
        size: default for the methods' `size`: in pixels, one number or (height, width).
        invert: the files have the opposite polarity, white = known.

    Raises:
        InputError: nothing there to read.
    """

    def __init__(
        self,
        path: PathLike | Sequence[PathLike],
        size: int | Sequence[int] | None = None,
        *,
        invert: bool = False,
    ) -> None:
        self.size = None if size is None else check_size(size)
        self.invert = invert
        self.rejected: list[tuple[str, str]] = []
        self._entries = list_files(path, SUFFIXES)
        self._packed: dict[tuple[int, int], dict[int, np.ndarray | None]] = {}
        self._ratios: dict[tuple[int, int], np.ndarray] = {}
        self._warned_of_polarity = False

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names(self) -> list[str]:
        return [entry.name for entry in self._entries]

    def mask(self, index: int, size: int | Sequence[int] | None = None) -> np.ndarray:
        """Mask number `index`, or the next usable one: bool (H, W), True = missing.

        Raises:
            InputError: no file can be used.
        """
        wanted = self._size(size)
        for step in range(len(self)):
            mask = self._load((index + step) % len(self), wanted)
            if mask is not None:
                return mask
        name, reason = self.rejected[-1]
        raise InputError(f"none of the {len(self)} mask files can be used; {name}: {reason}")

    def ratios(self, size: int | Sequence[int] | None = None) -> np.ndarray:
        """Hole ratio of every file at that size: float64 (N,), NaN for files that cannot be used.

        Decodes every file the first time.
        """
        wanted = self._size(size)
        if wanted not in self._ratios:
            masks = (self._load(index, wanted) for index in range(len(self)))
            self._ratios[wanted] = np.array(
                [np.nan if mask is None else float(hole_ratio(mask)) for mask in masks]
            )
        return self._ratios[wanted]

    def bins(self, size: int | Sequence[int] | None = None) -> np.ndarray:
        """Which of `BINS` holds each file: int64 (N,), -1 outside of all and for unusable files."""
        return bin_index(np.nan_to_num(self.ratios(size), nan=0.0))

    def sample(
        self,
        n: int,
        size: int | Sequence[int] | None,
        generator: torch.Generator,
        *,
        bin: int | None = None,
    ) -> Tensor:
        """`n` masks drawn with replacement, each flipped and turned at random.

        A mask that is not square is turned by half turns only.

        Args:
            size: None for the size given at construction.
            generator: source of randomness; the masks lie on its device.
            bin: only masks whose hole ratio at this size lies in that bin.

        Returns:
            float32 (n, 1, H, W) in {0, 1}, 1 = missing.

        Raises:
            InputError: no mask in that bin, or no usable mask at all.
        """
        import torch

        n, wanted = check_count(n), self._size(size)
        pool = np.arange(len(self)) if bin is None else np.flatnonzero(self.bins(wanted) == bin)
        if not len(pool):
            low, high = BINS[bin]
            raise InputError(f"no mask file has a hole ratio in ({low}, {high}]", "use another bin")
        uniform = torch.rand(n, 3, generator=generator, device=generator.device).tolist()
        masks = []
        for chosen, turn, flip in uniform:
            mask = self.mask(int(pool[int(chosen * len(pool))]), wanted)
            step = 1 if wanted[0] == wanted[1] else 2
            mask = np.rot90(mask, step * int(turn * 4 / step))
            masks.append(mask[:, ::-1] if flip < 0.5 else mask)
        stacked = torch.from_numpy(np.stack(masks)[:, None])  # (n, 1, H, W)
        return stacked.to(generator.device).float()

    def _size(self, size: int | Sequence[int] | None) -> tuple[int, int]:
        if size is not None:
            return check_size(size)
        if self.size is None:
            raise InputError("no mask size was given", "name one in pixels")
        return self.size

    def _load(self, index: int, size: tuple[int, int]) -> np.ndarray | None:
        """bool (H, W), or None for a file that cannot be used."""
        known = self._packed.setdefault(size, {})
        if index not in known:
            known[index] = self._decode(self._entries[index], size)
        packed = known[index]
        if packed is None:
            return None
        pixels = size[0] * size[1]
        return np.unpackbits(packed, count=pixels).reshape(size).view(bool)

    def _decode(self, entry: Entry, size: tuple[int, int]) -> np.ndarray | None:
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", PolarityWarning)
                mask = decode_mask(
                    entry.read(), str(entry), size=size, invert=self.invert, resize=True
                )
            if not mask.any():
                raise InputError(f"{entry}: no pixel is missing")
        except InputError as error:
            self._reject(entry, error.problem)
            return None
        # A whole set of the wrong polarity is told of once, not once a file.
        for warning in caught:
            if issubclass(warning.category, PolarityWarning) and self._warned_of_polarity:
                continue
            self._warned_of_polarity |= issubclass(warning.category, PolarityWarning)
            warnings.warn(warning.message, stacklevel=4)
        return np.packbits(mask)

    def _reject(self, entry: Entry, reason: str) -> None:
        name = os.fspath(entry.name)
        if any(known == name for known, _ in self.rejected):
            return
        self.rejected.append((name, reason))
        warnings.warn(f"mask left out: {reason}", stacklevel=5)
