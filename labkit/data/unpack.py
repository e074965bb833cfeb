"""Unpacking an archive from elsewhere, which may have been made in bad faith.

Nothing is written outside the folder, no link is made, and no more is written than the archive's
size lets expect. The files appear all at once: they are unpacked into a hidden folder beside, which
then takes the name.
"""

from __future__ import annotations

import errno
import lzma
import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from labkit.archive import counts, refuse_unsafe
from labkit.errors import InputError

# Pictures hardly compress: an archive of them is about as large as its contents.
LARGEST_GROWTH = 20
ALLOWANCE = 50_000_000  # bytes, however small the archive
MOST_FILES = 1_000_000
# What reading a damaged archive raises, besides OSError.
_DAMAGE = (zipfile.BadZipFile, EOFError, RuntimeError, zlib.error, lzma.LZMAError)


class DamagedArchive(InputError):
    """An archive that is cut short, was changed on its way, or is none at all."""


def unpack(
    archive: str | os.PathLike[str], folder: str | os.PathLike[str], suffixes: Iterable[str]
) -> int:
    """Unpack the files with these suffixes from a zip file into a new folder.

    Args:
        folder: must not exist, or be empty; folders inside the archive are kept.
        suffixes: such as (".jpg", ".png"), in either case; other members are left out.

    Returns:
        how many files.

    Raises:
        DamagedArchive: no zip file, or a damaged or encrypted one.
        InputError: a folder that is taken; an archive with a member that points outside or is no
            plain file, one that would grow beyond measure, one without such files, or no room on
            the disk. Nothing is left behind, but by a process that is killed.
    """
    archive, folder = Path(archive), Path(folder)
    if not archive.is_file():
        raise InputError(f"{archive}: no such file")
    if not zipfile.is_zipfile(archive):
        raise DamagedArchive(
            f"{archive}: is no zip file",
            "what a browser saved may be a page about the file; download the file itself",
        )
    if not vacant(folder):
        raise InputError(f"{folder}: exists already", "name another folder, or delete it")
    wanted = tuple(suffix.lower() for suffix in suffixes)
    home = folder.resolve()  # of a link, the place that it names
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=home.parent) as beside:
            place = Path(beside) / "files"
            with zipfile.ZipFile(archive) as file:
                chosen = _checked(archive, file.infolist(), wanted)
                for member in tqdm(chosen, desc=folder.name, unit="file", disable=None):
                    target = place / member.filename.replace("\\", "/")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with file.open(member) as source, open(target, "xb") as copy:
                        shutil.copyfileobj(source, copy)
            if home.exists():
                home.rmdir()
            os.rename(place, home)
    except (*_DAMAGE, OSError) as error:
        # Decompressors raise OSError without a number; a damaged index seeks before the beginning.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise InputError(
                f"{archive}: cannot be unpacked into {folder} ({error.strerror})",
                "check both and the free space, or name a folder on another disk",
            ) from None
        raise DamagedArchive(
            f"{archive}: damaged or encrypted ({error})", "download it again"
        ) from None
    return len(chosen)


def vacant(folder: Path) -> bool:
    """Whether nothing of that name stands in the way: none is there, or an empty folder."""
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def _checked(
    archive: Path, members: list[zipfile.ZipInfo], suffixes: tuple[str, ...]
) -> list[zipfile.ZipInfo]:
    """The files asked for, of an archive that seems made in good faith."""
    for member in members:
        kind = stat.S_IFMT(member.external_attr >> 16)
        refuse_unsafe(archive, member.filename, kind in (0, stat.S_IFREG, stat.S_IFDIR))
    chosen = [m for m in members if not m.is_dir() and counts(m.filename, suffixes)]
    if not chosen:
        raise InputError(f"{archive}: holds no {' or '.join(suffixes)} files")
    if len({member.filename for member in chosen}) < len(chosen):
        raise InputError(f"{archive}: holds a name twice", "this archive cannot be trusted")
    total = sum(member.file_size for member in chosen)
    most = LARGEST_GROWTH * archive.stat().st_size + ALLOWANCE
    if total > most or len(chosen) > MOST_FILES:
        raise InputError(
            f"{archive}: would unpack to {total / 1e9:.1f} GB in {len(chosen)} files",
            "no archive of pictures grows so much; it cannot be trusted",
        )
    return chosen
