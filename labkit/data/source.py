"""What every set of images offers, whether rendered, packaged or read from disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from labkit.errors import InputError


@runtime_checkable
class ImageSource(Protocol):
    """An indexed set of square colour pictures.

    An index always gives the same picture: shuffling, augmentation and batching are the business of
    whoever asks, so that a training run can be repeated or resumed from its step number alone.
    """

    size: int
    """Side of every picture in pixels."""

    def __len__(self) -> int:
        """How many pictures there are."""
        ...

    def batch(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """uint8 (B, size, size, 3), RGB: the pictures at `indices`, in that order."""
        ...

    def describe(self) -> dict[str, object]:
        """What this set is, in values that JSON can hold: kind, split, size, counts."""
        ...


def check_indices(indices: Sequence[int] | np.ndarray, length: int) -> np.ndarray:
    """The indices as int64 (B,).

    Raises:
        InputError: not one-dimensional, not whole numbers, or outside 0..length-1. Negative indices
            are refused: a wrapped index would repeat a picture without a word.
    """
    array = np.asarray(indices)
    if array.size == 0 and array.ndim == 1:
        return np.zeros(0, dtype=np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(
            f"indices must be a list of whole numbers, not {array.dtype} of shape {array.shape}"
        )
    if array.min() < 0 or array.max() >= length:
        wrong = array[(array < 0) | (array >= length)][0]
        raise InputError(f"index {wrong} is outside 0..{length - 1}")
    return array.astype(np.int64)


def check_whole(name: str, value: object, low: int, high: int) -> int:
    """`value` as an int.

    Raises:
        InputError: not a whole number in [low, high].
    """
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not low <= value <= high:
        raise InputError(f"{name} {value!r} is not possible", f"choose {low} to {high}")
    return int(value)


def check_split(split: str, known: Iterable[str]) -> str:
    """`split` itself.

    Raises:
        InputError: not among the known ones.
    """
    known = tuple(known)
    if split not in known:
        raise InputError(f"unknown split {split!r}", f"choose one of {', '.join(known)}")
    return split
