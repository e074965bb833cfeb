"""Pictures that must not be trained on, found by name, by content and by what they look like.

A picture is reduced to 16×16 grey values, and what counts is by how much each differs from its
neighbours, as one vector of the roots of the differences: a dHash, which is their signs alone, that
keeps something of their sizes. Two pictures are near copies where the cosine reaches `NEAR`.

Measured, with every picture also mirrored:

* Two of 800 rendered faces of 64 pixels, which differ in little, reach at most 0.889; two of
  scikit-image's photographs 0.35; 7,261 photographs of CelebA and the report's 200 of CelebA-HQ
  0.574.
* Copies of such faces at half the size and JPEG quality 30, of double size, grey or brighter reach
  at least 0.917; of photographs 0.988.
* The signs alone do not tell: of 480, the copies differ in up to 139, two faces in as few as 78.

Of crops the central square is found, of turned pictures the mirror image. Chapter 11.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from labkit.archive import Entry, in_threads
from labkit.errors import InputError
from labkit.files import composed
from labkit.pillow import opened, upright

NEAR = 0.9
_SIDE = 16
_DRAFT = 4 * _SIDE  # pixels that a JPEG is decoded to at least, where it has more


class Excluded:
    """Pictures to keep out of a training.

    Args:
        entries: their files.

    Raises:
        InputError: one of them is no picture, or damaged.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = list(entries)
        self._names = {_name(entry) for entry in entries}
        looked = in_threads(_look, self._entries, "excluded pictures")
        self._digests = {digest for digest, _ in looked}
        thumbs = np.stack([thumbs for _, thumbs in looked])  # (N, 2, 16, 16)
        both = np.concatenate([thumbs, thumbs[..., ::-1]], axis=1)  # as they are, and mirrored
        self._vectors = _differences(both)  # (N, 4, 480)

    def without(self, entries: Sequence[Entry], where: str) -> list[Entry]:
        """`entries` without the pictures that have the name, whatever its suffix, or the content of
        an excluded one.

        Args:
            where: what to call them in an error.

        Raises:
            InputError: a near copy under another name, or nothing left.
        """
        others = [entry for entry in entries if _name(entry) not in self._names]
        found = in_threads(self._compare, others, "comparing pictures")
        copies = [
            f"{ours} of {theirs}" for ours, (_, theirs) in zip(others, found, strict=True) if theirs
        ]
        if copies:
            more = f" and {len(copies) - 3} more" if len(copies) > 3 else ""
            raise InputError(
                f"near copies of excluded pictures: {', '.join(copies[:3])}{more}",
                "remove them, or give both the same name, and they are left out",
            )
        kept = [entry for entry, (same, _) in zip(others, found, strict=True) if not same]
        if not kept:
            raise InputError(
                f"{where}: all {len(entries)} pictures are excluded",
                "train on other pictures than those that are scored",
            )
        return kept

    def _compare(self, entry: Entry) -> tuple[bool, Entry | None]:
        """Whether an excluded picture has this one's content, and else the one that it copies."""
        try:
            digest, thumbs = _look(entry)
        except InputError:  # a damaged file is named when it is to be used
            return False, None
        if digest in self._digests:
            return True, None
        cosines = np.tensordot(self._vectors, _differences(thumbs), (2, 1))  # (N, 4, 2)
        likest = cosines.max(axis=(1, 2))
        return False, self._entries[likest.argmax()] if likest.max() >= NEAR else None


def _name(entry: Entry) -> str:
    return composed(PurePosixPath(entry.base_name).stem).casefold()


def _look(entry: Entry) -> tuple[bytes, np.ndarray]:
    """SHA-256 of a file, and float32 (2, 16, 16): its picture whole, and its central square."""
    data = entry.read()
    with opened(data, str(entry)) as picture:
        picture.draft("RGB", (_DRAFT, _DRAFT))
        grey = upright(picture).convert("RGB").convert("L")
        width, height = grey.size
        left, top = max(width - height, 0) / 2, max(height - width, 0) / 2
        thumbs = [
            grey.resize((_SIDE, _SIDE), Image.Resampling.BILINEAR, box)
            for box in ((0, 0, width, height), (left, top, width - left, height - top))
        ]
    return hashlib.sha256(data).digest(), np.stack(thumbs).astype(np.float32)


def _differences(thumbs: np.ndarray) -> np.ndarray:
    """(…, 16, 16) → float32 (…, 480), of length 1; zeros for a picture of one colour."""
    steps = [np.diff(thumbs, axis=axis) for axis in (-2, -1)]
    flat = [step.reshape(*thumbs.shape[:-2], -1) for step in steps]
    vectors = np.concatenate(flat, axis=-1)
    vectors = np.sign(vectors) * np.sqrt(np.abs(vectors))
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
