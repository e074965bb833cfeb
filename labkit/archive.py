"""Files in folders and tar shards, listed and read in one way.

A tar file is indexed once, by the offset and length of its members; a member is then read by
opening the archive, seeking and reading. No handle is kept, so that entries can be pickled and used
in any worker process, forked or spawned, and an archive is never held in memory. Nothing is ever
extracted; even so, an archive whose members point outside of it is refused, for it was not made in
good faith.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from tqdm import tqdm

from labkit.errors import InputError

PathLike = str | os.PathLike[str]
T, R = TypeVar("T"), TypeVar("R")
_BLOCK = 512  # a tar file is made of blocks of so many bytes
_COMPRESSED = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".zip")


@dataclass(frozen=True)
class Entry:
    """One file in a folder, or one member of a tar file.

    Attributes:
        name: its path inside the folder or archive, with forward slashes.
        container: the file that holds its bytes: itself, or the tar file.
        offset: where its bytes start in `container`; None for a file of its own.
        length: how many bytes they are, where `offset` is given.
    """

    name: str
    container: str
    offset: int | None = None
    length: int = 0

    def __str__(self) -> str:
        return self.container if self.offset is None else f"{self.container}: {self.name}"

    @property
    def base_name(self) -> str:
        """The name without its folders."""
        return PurePosixPath(self.name).name

    def read(self, most: int | None = None) -> bytes:
        """The first `most` bytes, or all of them.

        Raises:
            InputError: the file has gone, was cut short, or cannot be read.
        """
        try:
            with open(self.container, "rb") as file:
                if self.offset is None:
                    return file.read(-1 if most is None else most)
                file.seek(self.offset)
                wanted = self.length if most is None else min(most, self.length)
                data = file.read(wanted)
        except OSError as error:
            raise InputError(f"{self}: cannot be read ({error.strerror})") from None
        if len(data) < wanted:
            raise InputError(f"{self.container}: changed or cut short while in use")
        return data


def list_files(path: PathLike | Sequence[PathLike], suffixes: Iterable[str]) -> list[Entry]:
    """The files in a folder (at any depth) or tar file, or in several, sorted by name within each.

    A folder that holds no such file itself but holds ``.tar`` files is read as a set of shards.
    Hidden files are passed over.

    Args:
        path: a folder, a ``.tar`` file, or a sequence of them.
        suffixes: which files count, such as (".jpg", ".png"), in either case.

    Raises:
        InputError: a path that is missing or neither; a compressed, truncated or unsafe archive; or
            nothing that counts.
    """
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    if not paths:
        raise InputError("no folder or tar file was named")
    wanted = tuple(suffix.lower() for suffix in suffixes)
    entries: list[Entry] = []
    for place in map(Path, paths):
        found = _list_folder(place, wanted) if place.is_dir() else _list_tar(place, wanted)
        if not found:
            raise InputError(
                f"{place}: holds no {', '.join(wanted[:4])} files",
                "name the folder or tar file that does",
            )
        entries += found
    return entries


def counts(name: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a file is one of those asked for: no hidden one, and with one of the suffixes.

    >>> [counts(name, (".png",)) for name in ("a/b.PNG", "a/.b.png", "__MACOSX/b.png")]
    [True, False, False]
    """
    path = PurePosixPath(name)
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return not hidden and path.suffix.lower() in suffixes


def _list_folder(folder: Path, suffixes: tuple[str, ...]) -> list[Entry]:
    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})")

    names: list[str] = []
    for root, _, files in os.walk(folder, onerror=refuse):
        names += [(Path(root) / file).relative_to(folder).as_posix() for file in files]
    names.sort()
    entries = [Entry(name, str(folder / name)) for name in names if counts(name, suffixes)]
    if entries:
        return entries
    shards = [name for name in names if counts(name, (".tar",))]
    return [entry for shard in shards for entry in _list_tar(folder / shard, suffixes)]


def _list_tar(path: Path, suffixes: tuple[str, ...]) -> list[Entry]:
    if not path.exists():
        raise InputError(f"{path}: no such folder or tar file")
    if path.suffix.lower() in _COMPRESSED:
        raise InputError(
            f"{path}: a compressed archive cannot be read at random places",
            "unpack it, and name the folder or the .tar file",
        )
    entries = []
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                plain = (member.isreg() or member.isdir()) and not member.issparse()
                refuse_unsafe(path, member.name, plain)
                if member.isreg() and counts(member.name, suffixes):
                    entries.append(Entry(member.name, str(path), member.offset_data, member.size))
            # tarfile takes an archive that breaks off or is damaged between two members for a whole
            # one; a block of zeros follows the last of those.
            archive.fileobj.seek(archive.offset)
            if archive.fileobj.read(_BLOCK) != bytes(_BLOCK):
                raise EOFError("truncated or damaged")
    except (tarfile.TarError, EOFError) as error:
        raise InputError(
            f"{path}: not a tar file, or a truncated or damaged one ({error})",
            "copy or download it again",
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    return sorted(entries, key=lambda entry: entry.name)


def refuse_unsafe(archive: Path, name: str, plain: bool) -> None:
    """Raise InputError for a member that points outside of its archive, or is no plain file or
    folder: the archive was not made in good faith."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
        problem = "points outside of it"
    elif not plain:
        problem = "is no plain file"
    else:
        return
    raise InputError(
        f"{archive}: its member {name!r} {problem}",
        "this archive cannot be trusted; make it again from plain files",
    )


def in_threads(
    look: Callable[[T], R], items: Sequence[T], title: str, workers: int | None = None
) -> list[R]:
    """What `look` makes of each item, in their order; on a terminal a bar shows how far it is."""
    with ThreadPoolExecutor(workers or min(os.cpu_count() or 1, 8)) as pool:
        return list(tqdm(pool.map(look, items), title, len(items), disable=None, leave=False))
