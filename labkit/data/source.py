"""What every set of images offers, whether rendered, packaged or read from disk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np


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
