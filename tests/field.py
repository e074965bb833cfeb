"""What tests of files share: one picture and its mask, and odd files made of it."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from labkit.masks.files import write_mask

ROWS, COLUMNS = np.mgrid[:64, :96]
PICTURE = np.stack([COLUMNS * 2, ROWS * 3, ROWS + COLUMNS], axis=-1).astype(np.uint8)
HOLE = np.zeros((64, 96), bool)
HOLE[20:40, 30:60] = True
METHOD = ("--method", "telea")


def encode(picture: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """A picture file."""
    file = io.BytesIO()
    Image.fromarray(np.asarray(picture)).save(file, kind, **options)
    return file.getvalue()


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files, by their names in a folder."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def exif(*entries: tuple[int, int, int, bytes]) -> bytes:
    """A block of EXIF with these entries: tag, type, count, value."""
    offset, table, rest = 14 + 12 * len(entries), b"", b""
    for tag, kind, count, value in entries:
        table += struct.pack("<HHI", tag, kind, count)
        if len(value) <= 4:
            table += value.ljust(4, b"\0")
        else:
            table += struct.pack("<I", offset + len(rest))
            rest += value
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(entries)) + table + bytes(4) + rest


def turned(number: int) -> tuple[int, int, int, bytes]:
    """EXIF's entry of the orientation."""
    return 0x112, 3, 1, struct.pack("<H", number)


def save(path: Path, picture: np.ndarray = PICTURE, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, **options)
    return path


def save_mask(path: Path, hole: np.ndarray = HOLE) -> Path:
    write_mask(path, hole)
    return path
