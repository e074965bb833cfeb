"""Sets of images: rendered faces, packaged photographs, and a user's own files."""

from __future__ import annotations

import os
from collections.abc import Sequence

from labkit.data.source import ImageSource

__all__ = ["ImageSource", "open_images"]


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
    """
    # Imported on demand: rendered faces need nothing but NumPy.
    if spec == "faces":
        from labkit.faces.render import RenderedFaces

        return RenderedFaces(size, split, **options)  # type: ignore[arg-type]
    if spec == "photos":
        from labkit.data.photos import Photos

        return Photos(size, split, **options)  # type: ignore[arg-type]
    from labkit.data.folder import ImageFolder

    return ImageFolder(spec, size, split=split, **options)  # type: ignore[arg-type]
