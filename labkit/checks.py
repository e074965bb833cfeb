"""Checks of what a caller hands over: whole numbers, sizes, ranges, indices."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np

from labkit.errors import InputError


def check_whole(name: str, value: object, lowest: int, highest: int | None = None) -> int:
    """`value` as an int.

    Raises:
        InputError: not a whole number, below `lowest` or above `highest`.
    """
    if not _is(Integral, value) or value < lowest or (highest is not None and value > highest):
        bounds = f"at least {lowest}" if highest is None else f"{lowest} to {highest}"
        raise InputError(f"{name} {value!r} must be a whole number, {bounds}")
    return int(value)


def check_size(size: int | Sequence[int]) -> tuple[int, int]:
    """`size` as (height, width) in pixels; one number means a square.

    Raises:
        InputError: not one or two positive whole numbers.
    """
    sides = _pair(size)
    if len(sides) != 2 or not all(_is(Integral, side) and side > 0 for side in sides):
        raise InputError(f"mask size {size!r} must be a positive whole number, or (height, width)")
    return int(sides[0]), int(sides[1])


def check_range(name: str, value: object, *, whole: bool) -> tuple:
    """`value` as (low, high); one number means that number only.

    Args:
        whole: whole numbers of at least 1; else real ones in (0, 1].

    Raises:
        InputError: not such numbers, or low above high.
    """
    pair, kind, most = _pair(value), Integral if whole else Real, float("inf") if whole else 1
    numbers = len(pair) == 2 and all(_is(kind, end) for end in pair)
    if not numbers or not 0 < pair[0] <= pair[1] <= most:
        what = "a whole number of at least 1" if whole else "a number in (0, 1]"
        raise InputError(f"{name} {value!r} must be {what}, or (low, high) of such, low first")
    return tuple(int(end) if whole else float(end) for end in pair)


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


def _pair(value: object) -> tuple:
    """A sequence as a tuple, anything else twice."""
    return tuple(value) if isinstance(value, Sequence) else (value, value)


def _is(kind: type, value: object) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
