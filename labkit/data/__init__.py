"""Sets of images: rendered faces, packaged photographs, and a user's own files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from labkit.files import say_which

__all__ = ["ImageSource", "open_images"]


@runtime_checkable
class ImageSource(Protocol):
    """An indexed set of square colour pictures, whether rendered, packaged or read from disk.

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


def open_images(
    spec: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    size: int,
    split: str = "train",
    **options: object,
) -> ImageSource:
    """Open a set of images by name or by path.

    Args:
        spec: "faces" (rendered faces), "photos" (scikit-image's photographs), or the path, or
            several paths, of folders and tar files. A folder that is itself called "faces" or
            "photos" is reached as "./faces".
        size: side of the square pictures in pixels.
        split: which part of the set; see the class that is opened for the parts it has.
        options: passed on to `RenderedFaces`, `Photos` or `ImageFolder`.

    Raises:
        InputError: an unknown split, a bad size, or files that cannot be used.

    >>> open_images("faces", 64).batch([7, 8]).shape
    (2, 64, 64, 3)
    """
    if isinstance(spec, str) and spec in ("faces", "photos"):
        say_which(spec, "the built-in set")
    # Imported on demand: rendered faces need nothing but NumPy.
    if spec == "faces":
        from labkit.faces.render import RenderedFaces as Opened
    elif spec == "photos":
        from labkit.data.photos import Photos as Opened
    else:
        from labkit.data.folder import ImageFolder

        return ImageFolder(spec, size, split=split, **options)  # type: ignore[arg-type]
    return Opened(size, split, **options)  # type: ignore[arg-type]
