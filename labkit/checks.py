"""Checks of what a caller hands over: whole numbers, sizes, ranges, indices, names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real

import numpy as np

from labkit.errors import InputError


def check_whole(name: str, value: object, lowest: int, highest: int | None = None) -> int:
    """`value` as an int.

    Raises:
        InputError: not a whole number, below `lowest` or above `highest`.
    """
    if not _is_whole(value) or value < lowest or (highest is not None and value > highest):
        bounds = f"at least {lowest}" if highest is None else f"{lowest} to {highest}"
        raise InputError(f"{name} {value!r} must be a whole number, {bounds}")
    return int(value)


def check_count(count: object) -> int:
    """`count` as an int, a number of masks.

    Raises:
        InputError: not a positive whole number.
    """
    return check_whole("number of masks", count, 1)


def check_size(size: int | Sequence[int]) -> tuple[int, int]:
    """`size` as (height, width) in pixels; one number means a square.

    Raises:
        InputError: not one or two positive whole numbers.
    """
    sides = _pair(size)
    if len(sides) != 2 or not all(map(_is_whole, sides)) or min(sides) < 1:
        raise InputError(f"mask size {size!r} must be a positive whole number, or (height, width)")
    return int(sides[0]), int(sides[1])


def check_whole_range(name: str, value: int | Sequence[int], lowest: int) -> tuple[int, int]:
    """`value` as (low, high), both whole and inclusive; one number means that number only.

    Raises:
        InputError: not whole, below `lowest`, or low above high.
    """
    pair = _pair(value)
    if len(pair) != 2 or not all(map(_is_whole, pair)) or not lowest <= pair[0] <= pair[1]:
        raise InputError(
            f"{name} {value!r} must be a whole number or (low, high), at least {lowest}, low first"
        )
    return int(pair[0]), int(pair[1])


def check_fraction_range(name: str, value: float | Sequence[float]) -> tuple[float, float]:
    """`value` as (low, high) in (0, 1]; one number means that number only.

    Raises:
        InputError: not numbers, outside (0, 1], or low above high.
    """
    pair = _pair(value)
    real = all(isinstance(bound, Real) and not isinstance(bound, bool) for bound in pair)
    if len(pair) != 2 or not real or not 0 < pair[0] <= pair[1] <= 1:
        raise InputError(f"{name} {value!r} must be a number or (low, high) in (0, 1], low first")
    return float(pair[0]), float(pair[1])


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


def check_split(split: str, known: Iterable[str]) -> str:
    """`split` itself.

    Raises:
        InputError: not among the known ones.
    """
    known = tuple(known)
    if split not in known:
        raise InputError(f"unknown split {split!r}", f"choose one of {', '.join(known)}")
    return split


def _pair(value: object) -> tuple:
    """A sequence as a tuple, anything else twice."""
    return tuple(value) if isinstance(value, Sequence) else (value, value)


def _is_whole(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)
