"""Make a fixed set of pairs, in the format of `labkit.evaluation.pairs`, to score on.

Which pictures and masks are taken, and how they are paired, follows from the seed and the files'
names alone; the tar file says nothing of the time and place it was made at. So whoever has the same
files makes the same set, byte for byte. Chapter 11.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice, zip_longest
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from labkit.archive import Entry, PathLike, list_files
from labkit.checks import check_whole
from labkit.errors import InputError
from labkit.files import PICTURES, atomic_write, composed, name_bytes
from labkit.images import decode_image, png_bytes
from labkit.masks.collection import MaskFiles
from labkit.masks.ratio import BINS
from labkit.settings.network import SMALLEST_SIDE

SCORED_AT = 256  # side in pixels at which hole ratios are measured, and by default pairs scored


def make_pairs(
    pictures: PathLike | Sequence[PathLike],
    masks: PathLike | Sequence[PathLike],
    out: PathLike,
    *,
    count: int = 200,
    seed: int = 0,
    size: int | None = None,
    invert: bool = False,
) -> list[int]:
    """Write `count` pairs to the tar file `out`: ``images/NAME.*`` and ``masks/NAME.png``.

    The hole-ratio bins take turns, each as far as its masks reach, and no mask comes twice before
    all have come. A mask is stretched to its picture.

    Args:
        pictures, masks: folders or tar files; of pictures of one name, one is taken.
        size: side in pixels of squares to cut the pictures to, as PNG; None keeps their bytes.
        invert: the masks are black where pixels are missing.

    Returns:
        how many pairs there are in each of `BINS`.

    Raises:
        InputError: a file `out`, too few usable pictures, or no mask with a hole ratio in the bins.
    """
    out = Path(out)
    check_whole("count", count, 1)
    check_whole("seed", seed, 0)
    if size is not None:
        check_whole("size", size, SMALLEST_SIDE, 1 << 14)
    if out.suffix.lower() != ".tar":
        raise InputError(f"{out}: pairs are written to a tar file", "use a name that ends in .tar")
    if out.exists():
        raise InputError(
            f"{out}: is there already, and scores on it would be scores on another set",
            "name a new file",
        )
    entries = list_files(pictures, PICTURES)
    entries.sort(key=lambda entry: _place(entry.name, seed))
    files = MaskFiles(masks, invert=invert)
    chosen = _in_turn(files, seed)
    pairs = islice(_pictures(entries, size), count)
    used: list[int] = []

    def write(file: BinaryIO) -> None:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive:
            for name, data, shape in tqdm(pairs, "pairs", count, disable=None, leave=False):
                mask = chosen[len(used) % len(chosen)]
                used.append(mask)
                _add(archive, f"images/{name}", data)
                hole = files.mask(mask, shape).astype(np.uint8) * 255
                _add(archive, f"masks/{PurePosixPath(name).stem}.png", png_bytes(hole))
        if len(used) < count:
            raise InputError(
                f"{pictures}: {len(used)} usable pictures of different names, for {count} pairs",
                f"ask for at most {len(used)}",
            )

    atomic_write(out, write)
    return np.bincount(files.bins(SCORED_AT)[used], minlength=len(BINS)).tolist()


def _place(name: str, seed: int) -> tuple[bytes, str]:
    """What files are sorted by: a base name has a place of its own, wherever the file lies and
    whatever others there are."""
    base = name_bytes(PurePosixPath(name).name)
    return hashlib.sha256(f"{seed} ".encode() + base).digest(), name


def _in_turn(files: MaskFiles, seed: int) -> list[int]:
    """Numbers of masks, the bins taking turns."""
    bins, names = files.bins(SCORED_AT), files.names
    order = sorted(range(len(files)), key=lambda number: _place(names[number], seed))
    queues = [[number for number in order if bins[number] == bin] for bin in range(len(BINS))]
    turns = [number for turn in zip_longest(*queues) for number in turn if number is not None]
    if not turns:
        raise InputError(
            f"none of the {len(files)} masks has a hole ratio above {BINS[0][0]} and up to "
            f"{BINS[-1][1]}",
            "use other masks",
        )
    return turns


def _pictures(
    entries: Sequence[Entry], size: int | None
) -> Iterator[tuple[str, bytes, tuple[int, int]]]:
    """Of each usable picture whose name has not been there: name, file, height and width."""
    seen = set()
    for entry in entries:
        stem = PurePosixPath(entry.base_name).stem
        key = composed(stem).casefold()
        if key in seen:
            continue
        data = entry.read()
        try:
            picture = decode_image(data, str(entry))
            if min(picture.shape[:2]) < SMALLEST_SIDE:
                raise InputError(f"{entry}: sides must be at least {SMALLEST_SIDE} pixels")
        except InputError as error:
            warnings.warn(f"picture left out: {error.problem}", stacklevel=2)
            continue
        seen.add(key)
        if size is None:
            yield entry.base_name, data, picture.shape[:2]
        else:
            square = ImageOps.fit(Image.fromarray(picture), (size, size), Image.Resampling.LANCZOS)
            yield f"{stem}.png", png_bytes(np.asarray(square)), (size, size)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # of the year 1970, and nobody's
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
