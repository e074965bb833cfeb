"""A fixed set of pairs to evaluate on: photographs with a mask each, in a folder or a tar file.

Two layouts are understood, at any depth:

* ``NNN.jpg`` with its mask ``NNN.png`` beside it;
* ``images/NAME.*`` with its mask ``masks/NAME.*``.

A set is used whole or not at all: scores on part of it would be scores on another set. So a file
without its partner, or two files for one name, is an error and not a warning.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from labkit.archive import Entry, list_files
from labkit.errors import InputError
from labkit.files import PICTURES, composed, in_step
from labkit.images import decode_image
from labkit.masks.files import decode_mask, misfit

_OF_CAMERAS = (".jpg", ".jpeg", ".jpe", ".jfif", ".heic", ".heif")
_LAYOUTS = "a pair is NNN.jpg with its mask NNN.png, or images/NAME with masks/NAME"


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
    """Match paths of picture files, with forward slashes, to pairs.

    Args:
        where: what to call the set in an error.

    Returns:
        ``{pair's name: (image's path, mask's path)}``, sorted by name.

    Raises:
        InputError: a missing partner, two files for one name, or no pair at all.

    >>> match(["set/1.jpg", "set/1.png"], "set")
    {'1': ('set/1.jpg', 'set/1.png')}
    """
    images: dict[str, str] = {}
    masks: dict[str, str] = {}
    for name in sorted(names):
        key, role = _role(PurePosixPath(composed(name)))
        known = images if role == "image" else masks
        if key in known:
            raise InputError(
                f"{where}: {known[key]} and {name} are the same {role} twice", "remove one"
            )
        known[key] = name
    masks = in_step(images, masks)
    for role, ours, theirs in (("mask", images, masks), ("image", masks, images)):
        if lonely := [ours[key] for key in ours if key not in theirs]:
            more = f" and {len(lonely) - 3} more" if len(lonely) > 3 else ""
            raise InputError(f"{where}: no {role} for {', '.join(lonely[:3])}{more}", _LAYOUTS)
    if not images:
        raise InputError(f"{where}: no pairs", _LAYOUTS)
    shared = PurePosixPath(os.path.commonpath([f"{PurePosixPath(key).parent}/" for key in images]))
    return {
        "/".join(PurePosixPath(key).parts[len(shared.parts) :]): (images[key], masks[key])
        for key in sorted(images)
    }


def photographs(path: str | os.PathLike[str]) -> list[Entry]:
    """The photographs of a set of pairs; of what is no such set, or an incomplete one, every
    picture.

    Raises:
        InputError: no folder or tar file, or one without pictures.
    """
    entries = list_files(path, PICTURES)
    try:
        pairs = match((entry.name for entry in entries), str(path))
    except InputError:
        return entries
    images = {image for image, _ in pairs.values()}
    return [entry for entry in entries if entry.name in images]


def _role(path: PurePosixPath) -> tuple[str, str]:
    """The name a file shares with its partner, and whether it is the "image" or the "mask"."""
    stem = path.with_suffix("")
    for role, folder in (("image", "images"), ("mask", "masks")):
        folders = [part.lower() for part in path.parts[:-1]]
        if folder in folders:
            at = len(folders) - 1 - folders[::-1].index(folder)
            return str(PurePosixPath(*stem.parts[:at], *stem.parts[at + 1 :])), role
    return str(stem), "image" if path.suffix.lower() in _OF_CAMERAS else "mask"


class Pairs:
    """The pairs of a folder or a tar file, read one at a time.

    Args:
        invert: the masks are black where pixels are missing.

    Raises:
        InputError: nothing there, not a tar file, or files that do not make pairs (see `match`).
    """

    def __init__(self, path: str | os.PathLike[str], *, invert: bool = False) -> None:
        self.path, self.invert = Path(path), invert
        entries = list_files(self.path, PICTURES)
        self._entries = {entry.name: entry for entry in entries}
        # A tar file can hold a name twice, of which the dictionary above keeps one.
        self._pairs = match((entry.name for entry in entries), str(path))
        self._names = list(self._pairs)

    def __len__(self) -> int:
        return len(self._names)

    def read(self, index: int) -> Pair:
        """Pair number `index`.

        Raises:
            InputError: a damaged file, or a mask whose shape is not the image's.

        Warns:
            PolarityWarning: more than nine tenths of the picture are missing.
        """
        name = self._names[index]
        image_entry, mask_entry = (self._entries[member] for member in self._pairs[name])
        image_data, mask_data = image_entry.read(), mask_entry.read()
        image = decode_image(image_data, str(image_entry))
        mask = decode_mask(mask_data, str(mask_entry), invert=self.invert, option="--invert-mask")
        ours, theirs = image.shape[1::-1], mask.shape[::-1]
        # Sizes may differ, as both are resized; shapes may not, or the hole would be stretched.
        if remedy := misfit(mask.shape, image.shape):
            raise InputError(
                f"{self.path}: pair {name} has an image of {ours[0]}×{ours[1]} pixels "
                f"and a mask of {theirs[0]}×{theirs[1]}",
                f"a pair must have one aspect ratio; {remedy}",
            )
        manifest = {
            "pair": name,
            "image": image_entry.base_name,
            "image_sha256": hashlib.sha256(image_data).hexdigest(),
            "mask": mask_entry.base_name,
            "mask_sha256": hashlib.sha256(mask_data).hexdigest(),
        }
        return Pair(name, image, mask, manifest)
