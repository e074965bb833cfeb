"""Files that are whole or not there, and the names of those in a training run's folder.

Nothing here imports torch: commands look for a run before they load anything.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from labkit.errors import InputError

CONFIG = "config.json"
STATE, FRESH_STATE, PREVIOUS_STATE = "state.pt", "state.new.pt", "state.previous.pt"
WEIGHTS = "generator.safetensors"


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
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part"
        )
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp files are private; results are not
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error})",
            "check the folder and free space",
        ) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file as `atomic_write` does."""
    atomic_write(path, lambda file: file.write(text.encode()))


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
