"""A user's own photographs, in folders or tar shards, as square pictures of one size.

Which side of the 95/5 split a file falls on follows from a hash of its name alone: files that are
added, removed or moved to another folder change nothing for the others. Chapter 2.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from labkit.archive import Entry, PathLike, in_threads, list_files
from labkit.checks import check_indices, check_whole
from labkit.data.exclusion import Excluded
from labkit.errors import InputError, check_choice
from labkit.files import PICTURES, name_bytes
from labkit.images import decode_image
from labkit.machine import available_memory
from labkit.pillow import opened

SMALLEST_SIDE = 32
VAL_FRACTION = 0.05  # expected share of files on the validation side
_HEADER_BYTES = 1 << 16  # enough for the size of any picture without long EXIF or colour profile


class ImageFolder:
    """Photographs of any size from folders and tar files, cut to squares; an `ImageSource`.

    The shortest side is brought to `size` by Lanczos filtering and the centre is kept. When the set
    is opened, only the header of each file is read; a file that turns out to be damaged when it is
    decoded is named in `rejected` and warned of, and the next usable one takes its place. `scan`
    decodes every file beforehand, and so does `cache=True`; what they find is left out of the set.

    In worker processes, each has its own copy of `rejected`. The cache is shared with workers that
    are forked; workers that are spawned each receive a copy.

    Args:
        path: a folder (searched at any depth), a ``.tar`` file, or several of them.
        size: side of the squares in pixels.
        split: "train", "val", or "all".
        cache: decode everything now and keep it in memory.
        exclude: pictures that are to be left out.

    Attributes:
        names: of the pictures, in the order of their indices.
        rejected: (name, reason) of each file that was left out.
        excluded: how many were left out as `exclude` has them.

    Raises:
        InputError: nothing there to read or nothing usable, an empty side of the split, a near copy
            of an excluded picture, or a cache that would take more than half of the free memory.
    """

    def __init__(
        self,
        path: PathLike | Sequence[PathLike],
        size: int,
        split: str = "train",
        *,
        cache: bool = False,
        exclude: Excluded | None = None,
    ) -> None:
        check_choice("split", split, ("train", "val", "all"))
        self.size = check_whole("size", size, SMALLEST_SIDE, 1 << 14)
        self.split = split
        self.rejected: list[tuple[str, str]] = []
        paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
        self._paths, self._where = paths, ", ".join(map(str, paths))
        self._cache: np.ndarray | None = None
        self._damaged: set[int] = set()

        everything = list_files(paths, PICTURES)
        self._entries = [
            entry
            for entry in everything
            if split == "all" or is_validation(entry.base_name, VAL_FRACTION) == (split == "val")
        ]
        if not self._entries:
            raise InputError(
                f"{self._where}: none of the {len(everything)} pictures falls into split {split!r}",
                "use more pictures, or name a folder of its own for each split (--validation)",
            )
        self._leave_out(lambda at: _check_header(self._entries[at]), "pictures")
        usable = self._entries
        if exclude is not None:
            self._entries = exclude.without(usable, f"{self._where}, split {split!r}")
        self.excluded = len(usable) - len(self._entries)
        if cache:
            self._fill_cache()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names(self) -> list[str]:
        return [entry.name for entry in self._entries]

    def batch(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """uint8 (B, size, size, 3), RGB: the pictures at `indices`, in that order.

        Raises:
            InputError: an index outside the set, or not one usable picture left.
        """
        chosen = check_indices(indices, len(self))
        if self._cache is not None:
            return self._cache[chosen]
        pictures = np.empty((len(chosen), self.size, self.size, 3), dtype=np.uint8)
        for row, index in enumerate(chosen.tolist()):
            pictures[row] = self._load(index)
        return pictures

    def describe(self) -> dict[str, object]:
        """What this set is, in values that JSON can hold."""
        return {
            "kind": "files",
            "paths": [Path(path).name for path in self._paths],
            "split": self.split,
            "val_fraction": VAL_FRACTION,
            "size": self.size,
            "count": len(self),
            "rejected": len(self.rejected),
            "excluded": self.excluded,
        }

    def scan(self) -> list[tuple[str, str]]:
        """Decode every file, leave out the damaged ones, and return `rejected`.

        Raises:
            InputError: nothing usable is left.
        """
        if self._cache is None:
            self._damaged.clear()  # what was found at loading is found again, at its new index
            self._leave_out(self._read, "checking pictures")
        return self.rejected

    def _read(self, at: int) -> np.ndarray:
        """uint8 (size, size, 3).

        Raises:
            InputError: what `decode_image` raises.
        """
        image = Image.fromarray(decode_image(self._entries[at].read(), str(self._entries[at])))
        # Cut and resized in one go: Lanczos widens with the reduction, so that nothing aliases.
        return np.asarray(ImageOps.fit(image, (self.size, self.size), Image.Resampling.LANCZOS))

    def _leave_out(self, look: Callable[[int], object], title: str) -> list[int]:
        """Leave out the files of which `look`, given their index, raises InputError.

        Returns:
            indices of the files that are kept.
        """

        def problem(at: int) -> str | None:
            try:
                look(at)
            except InputError as error:
                return _without_place(error, self._entries[at])
            return None

        problems = in_threads(problem, range(len(self)), title)
        kept = [at for at, found in enumerate(problems) if found is None]
        bad = [(e.name, found) for e, found in zip(self._entries, problems, strict=True) if found]
        bad = [item for item in bad if item not in self.rejected]  # by `batch`, before a scan
        self._entries = [self._entries[at] for at in kept]
        self.rejected += bad
        if not kept:
            name, found = self.rejected[0]
            raise InputError(
                f"{self._where}: none of the {len(self.rejected)} pictures can be used; "
                f"{name}: {found}"
            )
        if bad:
            self._warn(bad)
        return kept

    def _fill_cache(self) -> None:
        needed = len(self) * self.size**2 * 3
        free = available_memory()
        if free is not None and needed > free / 2:
            raise InputError(
                f"{self._where}: a cache of {len(self)} pictures of {self.size} px takes "
                f"{needed / 1e9:.1f} GB, more than half of the {free / 1e9:.1f} GB that are free",
                "train without the cache, or at a smaller size",
            )
        pictures = np.empty((len(self), self.size, self.size, 3), dtype=np.uint8)

        def store(at: int) -> None:
            pictures[at] = self._read(at)

        kept = self._leave_out(store, "reading pictures")
        for new, old in enumerate(kept):  # in place: there may be no room for a copy
            if new != old:
                pictures[new] = pictures[old]
        self._cache = pictures[: len(kept)]

    def _load(self, index: int) -> np.ndarray:
        """uint8 (size, size, 3): picture `index`, or the next one that is not damaged."""
        for step in range(len(self)):
            at = (index + step) % len(self)
            if at in self._damaged:
                continue
            try:
                return self._read(at)
            except InputError as error:
                entry = self._entries[at]
                self._damaged.add(at)
                self.rejected.append((entry.name, _without_place(error, entry)))
                self._warn(self.rejected[-1:])
        raise InputError(f"{self._where}: not one usable picture is left", "look at `rejected`")

    def _warn(self, bad: Sequence[tuple[str, str]]) -> None:
        shown = "; ".join(f"{name}: {problem}" for name, problem in bad[:3])
        more = f"; and {len(bad) - 3} more, see `rejected`" if len(bad) > 3 else ""
        warnings.warn(f"{self._where}: {len(bad)} left out: {shown}{more}", stacklevel=4)


def is_validation(base_name: str, fraction: float) -> bool:
    """Whether a file of that name belongs to the validation side.

    The first 64 bits of the name's SHA-256, as a number in [0, 1), lie below `fraction`.
    """
    digest = hashlib.sha256(name_bytes(base_name)).digest()
    return int.from_bytes(digest[:8], "big") < fraction * 2**64


def _check_header(entry: Entry) -> None:
    """Raise InputError for what a look at the file's first bytes finds wrong."""
    try:
        width, height = _dimensions(entry.read(_HEADER_BYTES), entry)
    except InputError:  # perhaps only a header longer than that
        width, height = _dimensions(entry.read(), entry)
    if min(width, height) < SMALLEST_SIDE:
        raise InputError(f"only {width}×{height} pixels, sides must be at least {SMALLEST_SIDE}")


def _dimensions(data: bytes, entry: Entry) -> tuple[int, int]:
    with opened(data, str(entry)) as picture:
        return picture.size


def _without_place(error: InputError, entry: Entry) -> str:
    """The problem without the file's name in front, which `rejected` gives beside it."""
    return error.problem.removeprefix(f"{entry}: ")
