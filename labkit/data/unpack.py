"""Unpacking an archive from elsewhere, which may have been made in bad faith.

Nothing is written outside the folder, no link is made, and no more is written than the archive's
size lets expect. The files appear all at once: they are unpacked into a folder beside, which then
takes the name.
"""

from __future__ import annotations

import errno
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from labkit.archive import DamagedArchive, counts, refuse_truncated
from labkit.errors import InputError

# Pictures hardly compress: an archive of them is about as large as its contents.
LARGEST_GROWTH = 20
ALLOWANCE = 50_000_000  # bytes, however small the archive
MOST_FILES = 1_000_000
_PIECE = 1 << 20
# What reading a damaged archive raises, between them, besides OSError.
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, EOFError, RuntimeError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    open: object  # () → a binary file


def unpack(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    suffixes: Iterable[str],
    *,
    progress: bool | None = None,
) -> int:
    """Unpack the files with these suffixes from a zip or tar file into a new folder.

    Args:
        folder: must not exist, or be empty; folders inside the archive are kept.
        suffixes: such as (".jpg", ".png"), in either case; other members are left out.

    Returns:
        how many files.

    Raises:
        DamagedArchive: no archive, or a damaged or encrypted one.
        InputError: a folder that is taken, or that another process unpacks into; an archive with a
            member that points outside or is no plain file, one that would grow beyond measure, one
            without such files, or no room on the disk. Nothing is left behind.
    """
    archive, folder = Path(archive), Path(folder)
    if not vacant(folder):
        raise InputError(f"{folder}: exists already", "name another folder, or delete it")
    wanted = tuple(suffix.lower() for suffix in suffixes)
    home = folder.resolve()  # of a link, the place that it names
    with _workplace(home) as place, _opened(archive) as members:
        chosen = _chosen(archive, members, wanted)
        _check_size(archive, chosen, home)
        try:
            for member in tqdm(
                chosen, desc=folder.name, unit="file",
                disable=None if progress is None else not progress,
            ):  # fmt: skip
                _write(archive, member, place)
            if home.exists():
                home.rmdir()
            os.rename(place, home)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be written ({error.strerror or error})",
                "check the folder and the free space, or name a folder on another disk",
            ) from None
    return len(chosen)


def vacant(folder: Path) -> bool:
    """Whether nothing of that name stands in the way: none is there, or an empty folder."""
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder`, locked for this process and removed at the end.

    A lock goes with its process, however that ends: what a killed one left is removed here.
    """
    around = folder.with_name(f".{folder.name}.unpacking")
    place = around / "files"
    try:
        around.mkdir(parents=True, exist_ok=True)
        lock = open(around / "lock", "wb")  # noqa: SIM115
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made ({error.strerror or error})", "name another folder"
        ) from None
    with lock:
        try:
            _lock(lock)
            if place.exists():
                shutil.rmtree(place)
            place.mkdir()
        except OSError as error:
            raise InputError(
                f"{folder}: another process may be unpacking into it ({error.strerror or error})",
                f"wait until it has ended, or name another folder; {around} is where it works",
            ) from None
        try:
            yield place
        finally:
            shutil.rmtree(around, ignore_errors=True)


def _lock(file: IO[bytes]) -> None:
    """Raise OSError where another process holds the lock of this file."""
    if os.name == "nt":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def _reading(archive: Path) -> Iterator[None]:
    """Turn what reading a damaged archive raises into `DamagedArchive`.

    Decompressors raise OSError without a number; a damaged index seeks to before the beginning.
    """
    try:
        yield
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise InputError(
                f"{archive}: cannot be read ({error.strerror})", "check the file and its disk"
            ) from None
        raise DamagedArchive(
            f"{archive}: damaged or encrypted ({error})", "download it again"
        ) from None


class _opened:
    """The members of a zip or tar file, while it is open."""

    def __init__(self, archive: Path) -> None:
        if not archive.is_file():
            raise InputError(f"{archive}: no such file")
        self.archive = archive

    def __enter__(self) -> list[_Member]:
        with _reading(self.archive):
            if zipfile.is_zipfile(self.archive):
                self.file: zipfile.ZipFile | tarfile.TarFile = zipfile.ZipFile(self.archive)
                return list(self._zip(self.file))
            if tarfile.is_tarfile(self.archive):
                self.file = tarfile.open(self.archive)
                return list(self._tar(self.file))
        raise DamagedArchive(
            f"{self.archive}: is neither a zip nor a tar file",
            "what a browser saved may be a page about the file; download the file itself",
        )

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def _zip(self, file: zipfile.ZipFile) -> Iterator[_Member]:
        for info in file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                _refuse(self.archive, info.filename, "is no plain file")
            _check_name(self.archive, info.filename)
            if not info.is_dir():
                yield _Member(info.filename, info.file_size, lambda info=info: file.open(info))

    def _tar(self, file: tarfile.TarFile) -> Iterator[_Member]:
        for info in file:
            if not (info.isreg() or info.isdir()):
                _refuse(self.archive, info.name, "is no plain file")
            _check_name(self.archive, info.name)
            if info.isreg():
                yield _Member(info.name, info.size, lambda info=info: file.extractfile(info))
        refuse_truncated(self.archive, file)
        while file.fileobj.read(_PIECE):  # a compressed file is compared with its checksum there
            pass


def _check_name(archive: Path, name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
        _refuse(archive, name, "points outside of it")


def _refuse(archive: Path, name: str, problem: str) -> None:
    raise InputError(f"{archive}: its member {name!r} {problem}", "this archive cannot be trusted")


def _chosen(archive: Path, members: list[_Member], suffixes: tuple[str, ...]) -> list[_Member]:
    chosen = [member for member in members if counts(member.name, suffixes)]
    if not chosen:
        raise InputError(f"{archive}: holds no {' or '.join(suffixes)} files")
    if len({member.name for member in chosen}) < len(chosen):
        raise InputError(f"{archive}: holds a name twice", "this archive cannot be trusted")
    return chosen


def _check_size(archive: Path, chosen: list[_Member], folder: Path) -> None:
    total, room = sum(member.size for member in chosen), shutil.disk_usage(folder.parent).free
    most = LARGEST_GROWTH * archive.stat().st_size + ALLOWANCE
    if total > most or len(chosen) > MOST_FILES:
        raise InputError(
            f"{archive}: would unpack to {total / 1e9:.1f} GB in {len(chosen)} files",
            "no archive of pictures grows so much; it cannot be trusted",
        )
    if total > room:
        raise InputError(
            f"{folder}: {total / 1e9:.1f} GB do not fit the {room / 1e9:.1f} GB that are free",
            "make room, or name a folder on another disk",
        )


def _write(archive: Path, member: _Member, place: Path) -> None:
    target = place / PurePosixPath(member.name.replace("\\", "/"))
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "xb") as file:
        for piece in _pieces(archive, member):
            file.write(piece)


def _pieces(archive: Path, member: _Member) -> Iterator[bytes]:
    """The bytes of a member, as many as it says."""
    read = 0
    with _reading(archive):
        source: IO[bytes] = member.open()  # type: ignore[operator]
        with source:
            while piece := source.read(_PIECE):
                read += len(piece)
                if read > member.size:
                    _refuse(archive, member.name, "is larger than it says")
                yield piece
        if read < member.size:
            raise EOFError(f"{member.name} is cut short")
