"""The data of `card.py`: one tar file of a bounded size, so that it goes wherever a card is.

It holds four tar files, which labkit reads as they are: training.tar and validation.tar, pictures
of one size as JPEG; masks.tar, of the same size, white = missing; and pairs.tar, the files of a set
of pairs, byte for byte. What room the others leave is filled with training pictures, drawn evenly,
none of which is among the pairs.
"""

from __future__ import annotations

import argparse
import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from speedrun import mask_config

from labkit.archive import list_files
from labkit.data import ImageSource
from labkit.errors import InputError
from labkit.evaluation.pairs import Pairs
from labkit.files import PICTURES, atomic_write
from labkit.images import png_bytes
from labkit.masks import sample_masks
from labkit.masks.collection import MaskFiles
from labkit.settings import DataConfig
from labkit.settings.data import BUILT_IN
from labkit.training.opening import left_out, open_data

MEGABYTE = 10**6
TRAINING, MASKS, VALIDATION, PAIRS = (
    f"{part}.tar" for part in ("training", "masks", "validation", "pairs")
)
MOST_MASKS = 2000
QUALITY, FINE_QUALITY = 85, 95  # of the JPEG files to train on, and of those to measure on
FEWEST = 16  # training pictures, below which there is no training
# Of the tar file of the training pictures and of the one around it, beyond their members.
ENDS = 2 * (tarfile.RECORDSIZE + 2 * tarfile.BLOCKSIZE) + tarfile.BLOCKSIZE

Files = Iterable[tuple[str, bytes]]


def prepare(options: argparse.Namespace) -> str:
    """Write `options.out`; returns lines on what is in it and what was left out.

    Raises:
        InputError: data that cannot be used, near copies of the pairs among them, or a limit that
            leaves no room to train.
    """
    images, validation = tuple(options.prepare), tuple(options.validation)
    exclude = () if options.pairs is None or images[0] in BUILT_IN else (str(options.pairs),)
    data = DataConfig(images=images, validation=validation, exclude=exclude, size=options.size)
    training, held_out = open_data(data)
    chosen = range(min(len(held_out), options.pictures))
    parts = {
        VALIDATION: pack(pictures(held_out, chosen, FINE_QUALITY)),
        MASKS: pack(masks(options)),
    }
    if options.pairs is not None:
        count = len(Pairs(options.pairs))  # which refuses what makes no pairs
        entries = list_files(options.pairs, PICTURES)
        parts[PAIRS] = pack((entry.name, entry.read()) for entry in entries)[0], count
    limit = int(options.limit * MEGABYTE)
    room = limit - ENDS - sum(len(data) + tarfile.BLOCKSIZE for data, _ in parts.values())
    order = np.random.default_rng(0).permutation(len(training))
    parts[TRAINING] = pack(pictures(training, order, QUALITY), room)
    count = parts[TRAINING][1]
    if count < min(FEWEST, len(training)):
        raise InputError(
            f"--limit {options.limit:g} MB leaves room for {count} training pictures",
            "raise it, or leave the pairs out",
        )
    whole, _ = pack((name, data) for name, (data, _) in parts.items())
    atomic_write(options.out, lambda file: file.write(whole))
    counts = {name.removesuffix(".tar"): count for name, (_, count) in parts.items()}
    held = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    lines = [
        f"{options.out}: {len(whole) / MEGABYTE:.1f} MB, holds {held}",
        f"no room for {len(training) - count:,} of {len(training):,} training pictures",
    ]
    return "\n".join([*left_out(data, training, held_out), *lines])


def pack(files: Files, room: float = float("inf")) -> tuple[bytes, int]:
    """A tar file of the first files that fit into `room` bytes, its end left out of the count, and
    how many they are."""
    buffer, count = io.BytesIO(), 0
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files:
            room -= tarfile.BLOCKSIZE * (1 + -(-len(data) // tarfile.BLOCKSIZE))
            if room < 0:
                break
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
            count += 1
    return buffer.getvalue(), count


def pictures(source: ImageSource, indices: Iterable[int], quality: int) -> Iterator:
    """Pictures of a set as JPEG files, named by their numbers."""
    for index in indices:
        buffer = io.BytesIO()
        picture = Image.fromarray(source.batch([int(index)])[0])
        picture.save(buffer, format="JPEG", quality=quality, optimize=True)
        yield f"{index:06d}.jpg", buffer.getvalue()


def masks(options: argparse.Namespace) -> Iterator[tuple[str, bytes]]:
    """Masks of the pictures' size as PNG files: those that were named, or drawn ones of a kind."""
    config = mask_config(options.masks)
    rng = torch.Generator().manual_seed(0)
    if config.kind == "files":
        files = MaskFiles(config.paths)
        chosen = torch.randperm(len(files), generator=rng)[:MOST_MASKS].tolist()
        drawn: Iterable = (files.mask(index, options.size) for index in sorted(chosen))
    else:
        some = range(MOST_MASKS)
        drawn = (sample_masks(config, 1, options.size, rng)[0, 0].numpy() > 0.5 for _ in some)
    for number, mask in enumerate(drawn):
        yield f"{number:06d}.png", png_bytes(np.uint8(255) * mask)


def unpack(path: Path, folder: Path) -> dict[str, Path]:
    """The tar files within one that `prepare` wrote, as files of `folder`, by name.

    Raises:
        InputError: it was not written by `prepare`.
    """
    found = {entry.name: entry for entry in list_files(path, (".tar",))}
    if lacking := sorted({TRAINING, MASKS, VALIDATION} - found.keys()):
        raise InputError(f"{path}: holds no {', '.join(lacking)}", "make it with --prepare")
    held = {name: folder / name for name in (TRAINING, MASKS, VALIDATION, PAIRS) if name in found}
    for name, place in held.items():
        place.write_bytes(found[name].read())
    return held
