"""Files that are whole or not there, and what their names mean: in a run's folder, or in a pair.

Nothing here imports torch: commands look for a run before they load anything.
"""

from __future__ import annotations

import errno
import os
import secrets
import tempfile
import unicodedata
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

from labkit.errors import InputError

CONFIG = "config.json"
STATE, FRESH_STATE, PREVIOUS_STATE = "state.pt", "state.new.pt", "state.previous.pt"
WEIGHTS = "generator.safetensors"

# Suffixes of what looks like a picture. Whether it can be read is seen when it is: a file that
# cannot be is named, and not passed over.
PICTURES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".tif", ".tiff"),
    *(".gif", ".avif", ".heic", ".heif", ".jxl", ".jp2", ".ppm", ".pgm", ".pbm", ".pnm", ".tga"),
    *(".psd", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"),
)
T = TypeVar("T")


def atomic_write(
    path: str | os.PathLike[str], write: Callable[[BinaryIO], object], *, durable: bool = True
) -> None:
    """Write a file so that `path` is always either the old file or the complete new one.

    The bytes go to a temporary file in the same folder, are synced to the disk, and take the name
    in one rename. Whatever fails on the way, `path` is left as it was.

    Args:
        write: called with the open binary file.
        durable: sync before the rename, so that the file also survives a loss of power.

    Raises:
        InputError: the folder is missing or read-only, or the disk is full.
    """
    path = Path(path)
    # Made with the permissions of any new file, so that none need be set: some shares refuse to.
    # The name says nothing of the file's own, which may be as long as a name can be.
    temporary = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as file:
            write(file)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        short = error.errno == errno.ENAMETOOLONG
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error})",
            "use a shorter name" if short else "check the folder and free space",
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_text(path: str | os.PathLike[str], text: str) -> None:
    r"""Write a text file in UTF-8 as `atomic_write` does.

    A name that is not UTF-8 is written with escapes, as JSON has them: "caf\udce9".
    """
    atomic_write(path, lambda file: file.write(text.encode(errors="backslashreplace")))


def make_folder(path: Path) -> None:
    """Make a folder for results, before the work of which they are the end.

    Raises:
        InputError: a file of that name, or a place where nothing can be written.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file", "name a folder for the results")
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written to ({error.strerror or error})", "name another folder"
        ) from None


def composed(name: str) -> str:
    """A name as it looks: letters with accents as one character each, however they were stored."""
    return unicodedata.normalize("NFC", name)


def name_bytes(name: str) -> bytes:
    """What a file's name is hashed by: UTF-8 as it looks, and bytes that are no UTF-8 as they
    are."""
    return composed(name).encode(errors="surrogateescape")


def in_step(ours: Mapping[str, T], theirs: Mapping[str, T]) -> dict[str, T]:
    """`theirs` under the names of `ours` where capitals are the only difference.

    Names that are the same go together first; of the others, one of each side.

    >>> in_step({"IMG_1": 1, "b": 2}, {"img_1": 3, "B": 4, "b": 5})
    {'IMG_1': 3, 'B': 4, 'b': 5}
    """
    alike: dict[str, tuple[list[str], list[str]]] = defaultdict(lambda: ([], []))
    for side, names in enumerate((ours.keys() - theirs.keys(), theirs.keys() - ours.keys())):
        for name in names:
            alike[name.casefold()][side].append(name)
    new = {b[0]: a[0] for a, b in alike.values() if len(a) == len(b) == 1}
    return {new.get(name, name): value for name, value in theirs.items()}


def say_which(name: str, taken: str) -> None:
    """Warn where `name`, taken for something of the package's own, also names a file or folder."""
    if os.path.exists(name):
        warnings.warn(
            f"{name}: taken for {taken}, not for what lies here under that name; "
            f"that is reached as {os.path.join('.', name)}",
            stacklevel=1,  # the same is said once, wherever it is asked
        )
