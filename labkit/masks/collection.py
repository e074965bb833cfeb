"""A set of mask files to draw from: a folder or tar shards, decoded as they are drawn."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from labkit.archive import Entry, PathLike, list_files
from labkit.checks import check_size, check_whole
from labkit.errors import InputError
from labkit.files import PICTURES
from labkit.masks.files import (
    INVERTED_ABOVE,
    TELLING,
    PolarityWarning,
    decode_mask,
    hint_at_polarity,
)
from labkit.masks.ratio import BINS, bin_index, hole_ratio

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_LOOKED_AT = 32  # files of a set, for its polarity


class MaskFiles:
    """The masks of a folder or tar file, to draw from.

    Files are decoded when first drawn, brought to the size asked for by nearest pixels, and kept
    with eight pixels to a byte: two thousand masks of 256×256 take 16 MB. A file that cannot be
    used (damaged, all known, all missing) is named in `rejected`, warned of once, and the next one
    takes its place.

    Args:
        path: a folder, a ``.tar`` file, or several of them.
        invert: the files have the opposite polarity, white = known.

    The methods' `size` is in pixels, one number or (height, width).

    Raises:
        InputError: nothing there to read, or masks for training and for testing in one.

    Warns:
        PolarityWarning: most of the first files looked at are mostly hole. In NVIDIA's training
            archive white is known, in its test archive white is missing.
    """

    def __init__(self, path: PathLike | Sequence[PathLike], *, invert: bool = False) -> None:
        self.invert = invert
        self.rejected: list[tuple[str, str]] = []
        self._entries = list_files(path, PICTURES)
        sides = set(map(_side, self._entries))
        if {"train", "test"} <= sides:
            raise InputError(
                f"{path}: holds masks for training and masks for testing",
                "name one of its parts, train or test",
            )
        self._packed: dict[tuple[int, tuple[int, int]], np.ndarray | None] = {}
        self._ratios: dict[tuple[int, int], np.ndarray] = {}
        self._looked_inverted = self._looks_inverted()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names(self) -> list[str]:
        return [entry.name for entry in self._entries]

    def mask(self, index: int, size: int | Sequence[int]) -> np.ndarray:
        """Mask number `index`, or the next usable one: bool (H, W), True = missing.

        Raises:
            InputError: no file can be used.
        """
        wanted = check_size(size)
        for step in range(len(self)):
            mask = self._load((index + step) % len(self), wanted)
            if mask is not None:
                return mask
        name, reason = self.rejected[-1]
        raise InputError(f"none of the {len(self)} mask files can be used; {name}: {reason}")

    def ratios(self, size: int | Sequence[int]) -> np.ndarray:
        """Hole ratio of every file at that size: float64 (N,), NaN for files that cannot be used.

        Decodes every file the first time.
        """
        wanted = check_size(size)
        if wanted not in self._ratios:
            numbers = tqdm(range(len(self)), "masks", disable=None, leave=False)
            masks = (self._load(index, wanted) for index in numbers)
            self._ratios[wanted] = np.array(
                [np.nan if mask is None else float(hole_ratio(mask)) for mask in masks]
            )
        return self._ratios[wanted]

    def bins(self, size: int | Sequence[int]) -> np.ndarray:
        """Which of `BINS` holds each file: int64 (N,), -1 outside of all and for unusable files."""
        return bin_index(np.nan_to_num(self.ratios(size), nan=0.0))

    def sample(
        self,
        n: int,
        size: int | Sequence[int],
        rng: torch.Generator,
        *,
        bin: int | None = None,
    ) -> Tensor:
        """`n` masks drawn with replacement, each flipped and turned at random.

        A mask that is not square is turned by half turns only.

        Args:
            rng: source of randomness; the masks lie on its device.
            bin: only masks whose hole ratio at this size lies in that bin.

        Returns:
            float32 (n, 1, H, W) in {0, 1}, 1 = missing.

        Raises:
            InputError: no mask in that bin, or no usable mask at all.
        """
        import torch

        n, wanted = check_whole("number of masks", n, 1), check_size(size)
        pool = np.arange(len(self))
        if bin is not None:
            check_whole("bin", bin, 0, len(BINS) - 1)
            pool = np.flatnonzero(self.bins(wanted) == bin)
        if not len(pool):
            low, high = BINS[bin]
            raise InputError(f"no mask file has a hole ratio in ({low}, {high}]", "use another bin")
        uniform = torch.rand(n, 3, generator=rng, device=rng.device).tolist()
        masks = []
        for chosen, turn, flip in uniform:
            mask = self.mask(int(pool[int(chosen * len(pool))]), wanted)
            step = 1 if wanted[0] == wanted[1] else 2
            mask = np.rot90(mask, step * int(turn * 4 / step))
            masks.append(mask[:, ::-1] if flip < 0.5 else mask)
        stacked = torch.from_numpy(np.stack(masks)[:, None])  # (n, 1, H, W)
        return stacked.to(rng.device).float()

    def _looks_inverted(self) -> bool:
        """Warn where the set as a whole is mostly hole, which no single mask need be."""
        ratios = []
        for entry in self._entries[:: max(1, len(self) // _LOOKED_AT)][:_LOOKED_AT]:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", PolarityWarning)
                    ratios.append(decode_mask(entry.read(), "", invert=self.invert).mean())
            except InputError:
                pass  # named in `rejected` when it is drawn
        if len(ratios) < TELLING:
            return False
        return hint_at_polarity(ratios, f"{self._entries[0]} and others", self.invert)

    def _load(self, index: int, size: tuple[int, int]) -> np.ndarray | None:
        """bool (H, W), or None for a file that cannot be used."""
        if (index, size) not in self._packed:
            mask = self._decode(index, size)
            self._packed[index, size] = None if mask is None else np.packbits(mask)
        packed = self._packed[index, size]
        if packed is None:
            return None
        return np.unpackbits(packed, count=size[0] * size[1]).reshape(size).view(bool)

    def _decode(self, index: int, size: tuple[int, int]) -> np.ndarray | None:
        entry = self._entries[index]
        try:
            with warnings.catch_warnings():
                if self._looked_inverted:  # a set of the wrong polarity is told of once
                    warnings.simplefilter("ignore", PolarityWarning)
                data = entry.read()
                mask = decode_mask(data, str(entry), size=size, invert=self.invert, stretch=True)
            self._looked_inverted |= mask.mean() > INVERTED_ABOVE
            if mask.any():
                return mask
            reason = f"{entry}: no pixel is missing"
        except InputError as error:
            reason = error.problem
        if entry.name not in dict(self.rejected):  # perhaps already at another size
            self.rejected.append((entry.name, reason))
            warnings.warn(f"mask left out: {reason}", stacklevel=5)
        return None


def _side(entry: Entry) -> str:
    """The first folder of a file's path, or its shard: where a set calls one part "train"."""
    if entry.offset is None:
        return PurePosixPath(entry.name).parts[0]
    return Path(entry.container).stem
