"""A fixed set of pairs to evaluate on: photographs with a mask each, in a folder or a tar file.

Two layouts are understood, at any depth:

* ``NNN.jpg`` with its mask ``NNN.png`` beside it;
* ``images/NAME.*`` with its mask ``masks/NAME.*``.

A set is used whole or not at all: scores on part of it would be scores on another set. So a file
without its partner, or two files for one name, is an error and not a warning.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from labkit.errors import InputError

_JPEG = (".jpg", ".jpeg")
_PICTURES = (*_JPEG, ".png", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Pair:
    """One pair as it is stored.

    Attributes:
        name: unique in its set.
        image: uint8 (H, W, 3), RGB.
        mask: bool (h, w), True = missing; of the image's shape, though perhaps not of its size.
        manifest: the names and SHA-256 of both files.
    """

    name: str
    image: np.ndarray
    mask: np.ndarray
    manifest: dict[str, str]


def match(names: Iterable[str], where: str) -> dict[str, tuple[str, str]]:
    """Match file names to pairs.

    Args:
        names: POSIX paths; hidden files and files that are no pictures are passed over.
        where: what to call the set in an error.

    Returns:
        {pair's name: (image's path, mask's path)}, sorted by name.

    Raises:
        InputError: a missing partner, two files for one name, or no pair at all.
    """
    images: dict[str, str] = {}
    masks: dict[str, str] = {}
    for name in sorted(names):
        path = PurePosixPath(name)
        if path.suffix.lower() not in _PICTURES or path.name.startswith("."):
            continue
        key, role = _role(path)
        known = images if role == "image" else masks
        if key in known:
            raise InputError(
                f"{where}: {known[key]} and {name} are the same {role} twice", "remove one"
            )
        known[key] = name
    for role, ours, theirs in (("mask", images, masks), ("image", masks, images)):
        if lonely := [ours[key] for key in ours if key not in theirs]:
            more = f" and {len(lonely) - 3} more" if len(lonely) > 3 else ""
            raise InputError(
                f"{where}: no {role} for {', '.join(lonely[:3])}{more}",
                "a pair is NNN.jpg with its mask NNN.png, or images/NAME with masks/NAME",
            )
    if not images:
        raise InputError(
            f"{where}: no pairs",
            "a pair is NNN.jpg with its mask NNN.png, or images/NAME with masks/NAME",
        )
    # Without the folders that all have in common.
    depth = len(
        PurePosixPath(os.path.commonpath([f"{PurePosixPath(k).parent}/" for k in images])).parts
    )
    return {
        "/".join(PurePosixPath(key).parts[depth:]): (images[key], masks[key])
        for key in sorted(images)
    }


def _role(path: PurePosixPath) -> tuple[str, str]:
    """The name a file shares with its partner, and whether it is the "image" or the "mask"."""
    stem = path.with_suffix("")
    for role, folder in (("image", "images"), ("mask", "masks")):
        if folder in path.parts[:-1]:
            at = len(path.parts) - 2 - path.parts[:-1][::-1].index(folder)
            return str(PurePosixPath(*stem.parts[:at], *stem.parts[at + 1 :])), role
    return str(stem), "image" if path.suffix.lower() in _JPEG else "mask"
