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
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from tqdm import tqdm

from labkit.archive import DamagedArchive, counts, refuse_truncated, refuse_unsafe
from labkit.errors import InputError

# Pictures hardly compress: an archive of them is about as large as its contents.
LARGEST_GROWTH = 20
ALLOWANCE = 50_000_000  # bytes, however small the archive
MOST_FILES = 1_000_000
# What reading a damaged archive raises, between them, besides OSError.
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, EOFError, RuntimeError, zlib.error, lzma.LZMAError)


class _Member(NamedTuple):
    name: str
    size: int
    plain: bool  # a file or a folder, no link or device
    open: Callable[[], IO[bytes]] | None  # None for a folder


def unpack(
    archive: str | os.PathLike[str], folder: str | os.PathLike[str], suffixes: Iterable[str]
) -> int:
    """Unpack the files with these suffixes from a zip or tar file into a new folder.

    Args:
        folder: must not exist, or be empty; folders inside the archive are kept.
        suffixes: such as (".jpg", ".png"), in either case; other members are left out.

    Returns:
        how many files.

    Raises:
        DamagedArchive: no archive, or a damaged or encrypted one.
        InputError: a folder that is taken; an archive with a member that points outside or is no
            plain file, one that would grow beyond measure, one without such files, or no room on
            the disk. Nothing is left behind, but by a process that is killed.
    """
    archive, folder = Path(archive), Path(folder)
    if not archive.is_file():
        raise InputError(f"{archive}: no such file")
    if not vacant(folder):
        raise InputError(f"{folder}: exists already", "name another folder, or delete it")
    wanted = tuple(suffix.lower() for suffix in suffixes)
    home = folder.resolve()  # of a link, the place that it names
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{home.name}.", dir=home.parent) as beside:
            place = Path(beside) / "files"
            with _open(archive) as file:
                members = _zip(file) if isinstance(file, zipfile.ZipFile) else _tar(archive, file)
                chosen = _checked(archive, list(members), wanted)
                for member in tqdm(chosen, desc=folder.name, unit="file", disable=None):
                    target = place / member.name.replace("\\", "/")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with member.open() as source, open(target, "xb") as copy:
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


def _open(archive: Path) -> zipfile.ZipFile | tarfile.TarFile:
    if zipfile.is_zipfile(archive):
        return zipfile.ZipFile(archive)
    if tarfile.is_tarfile(archive):
        return tarfile.open(archive)
    raise DamagedArchive(
        f"{archive}: is neither a zip nor a tar file",
        "what a browser saved may be a page about the file; download the file itself",
    )


def _zip(file: zipfile.ZipFile) -> Iterator[_Member]:
    for info in file.infolist():
        plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
        get = None if info.is_dir() else partial(file.open, info)
        yield _Member(info.filename, info.file_size, plain, get)


def _tar(archive: Path, file: tarfile.TarFile) -> Iterator[_Member]:
    for info in file:
        get = partial(file.extractfile, info) if info.isreg() else None
        yield _Member(info.name, info.size, info.isreg() or info.isdir(), get)
    refuse_truncated(archive, file)
    while file.fileobj.read(1 << 20):  # a compressed file is compared with its checksum there
        pass


def _checked(archive: Path, members: list[_Member], suffixes: tuple[str, ...]) -> list[_Member]:
    """The files asked for, of an archive that seems made in good faith."""
    for member in members:
        refuse_unsafe(archive, member.name, member.plain)
    chosen = [member for member in members if member.open and counts(member.name, suffixes)]
    if not chosen:
        raise InputError(f"{archive}: holds no {' or '.join(suffixes)} files")
    if len({member.name for member in chosen}) < len(chosen):
        raise InputError(f"{archive}: holds a name twice", "this archive cannot be trusted")
    total = sum(member.size for member in chosen)
    most = LARGEST_GROWTH * archive.stat().st_size + ALLOWANCE
    if total > most or len(chosen) > MOST_FILES:
        raise InputError(
            f"{archive}: would unpack to {total / 1e9:.1f} GB in {len(chosen)} files",
            "no archive of pictures grows so much; it cannot be trusted",
        )
    return chosen
