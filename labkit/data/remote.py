"""Fetching one large file over a line that may break: retries, mirrors, going on where it stopped.

pooch computes the hash; the transfer is ours, since pooch begins every one anew. What has arrived
lies in ``NAME.part`` until the file is complete, so that a download that was stopped at any moment,
even by force, goes on from there.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests
from tqdm import tqdm

from labkit.errors import InputError

TRIES = 5  # of each address without a byte more; each goes on from what has arrived
PAUSE = 1.0  # seconds before the second try; doubled each time
TIMEOUT = (10, 60)  # seconds to connect, and between two pieces
_PIECE = 1 << 16  # what is lost at most when the line breaks


@dataclass(frozen=True)
class Remote:
    """A file and where it can be had.

    Attributes:
        name: of the file here.
        urls: addresses, tried in order.
        known_hash: "sha256:…" or "md5:…" as its publisher states, in full or its first digits; None
            where nobody does.
    """

    name: str
    urls: tuple[str, ...]
    known_hash: str | None = None


class _Broken(Exception):
    """The transfer failed and may be tried again."""


class _Refused(Exception):
    """This address will not give the file."""


def fetch(remote: Remote, folder: str | os.PathLike[str], *, progress: bool | None = None) -> Path:
    """The file in `folder`, downloaded unless it is there already with the right hash.

    Args:
        progress: True shows a bar on stderr, None where stderr is a terminal.

    Raises:
        InputError: no address gave the file, a wrong hash, or a full disk. What arrived is kept,
            and the next call goes on from it, unless it was wrong.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be made ({error.strerror or error})", "name another folder"
        ) from None
    path = folder / remote.name
    if path.exists():
        check(path, remote)
        return path
    part = folder / f"{remote.name}.part"
    failures = []
    for url in remote.urls:
        try:
            _transfer(url, part, remote, progress)
        except (_Broken, _Refused) as error:
            failures.append(f"{urlsplit(url).hostname}: {error}")
            continue
        except OSError as error:
            raise InputError(
                f"{part}: cannot be written ({error.strerror or error})",
                "make room and try again, which goes on where this stopped, or name a folder on "
                "another disk",
            ) from None
        if not _may_be(remote, part):
            part.unlink()
            failures.append(f"{urlsplit(url).hostname}: the file has another hash than published")
            continue
        os.replace(part, path)
        return path
    raise InputError(
        f"{remote.name}: no address gave the file ({'; '.join(failures)})",
        "try again, which goes on where this stopped, or download it by hand and name it by --file",
    )


def check(path: Path, remote: Remote, remedy: str = "delete it and try again") -> None:
    """Raise InputError, with that remedy, unless a file has the published hash."""
    if not _may_be(remote, path):
        raise InputError(f"{path}: is not the published file, its hash differs", remedy)


def _may_be(remote: Remote, path: Path) -> bool:
    """Whether no published hash says that a file is another."""
    if remote.known_hash is None:
        return True
    algorithm, _, digest = remote.known_hash.partition(":")
    return pooch.file_hash(path, algorithm).startswith(digest)


def _transfer(url: str, part: Path, remote: Remote, progress: bool | None) -> None:
    """Bring all of the file into `part`. Tries are counted from the last one that brought any.

    Where a server tells nothing of the length, the file is whole when it has the published hash, or
    when a second answer ends where the first one did.
    """
    pause, arrived, failed, ended = PAUSE, _size(part), 0, 0
    while True:
        try:
            if _once(url, part, remote.name, progress):
                return
            if remote.known_hash and _may_be(remote, part):
                return
            if 0 < _size(part) == ended:
                return
            ended = _size(part)
            raise _Broken("the server does not say how long the file is")
        except _Broken as error:
            if _size(part) > arrived:
                arrived, pause, failed = _size(part), PAUSE, 0
            failed += 1
            if failed == TRIES:
                raise _Broken(f"{error}, {TRIES} times; {arrived / 1e6:.1f} MB arrived") from None
            time.sleep(pause)
            pause *= 2


def _once(url: str, part: Path, name: str, progress: bool | None) -> bool:
    """Ask for what is missing. Whether the file is known to be whole then."""
    have = _size(part)
    headers = {"Accept-Encoding": "identity"}  # the bytes of the file, which can be counted
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if have and response.status_code == 416:  # nothing is left to send
                total = response.headers.get("Content-Range", "").rpartition("/")[2]
                if total == str(have):
                    return True
                part.unlink()
                raise _Broken("what had arrived does not fit the file")
            if response.status_code >= 500 or response.status_code == 429:
                raise _Broken(f"the server answered {response.status_code}")
            if response.status_code >= 400:
                raise _Refused(f"the server answered {response.status_code}")
            if response.headers.get("Content-Type", "").startswith("text/html"):
                raise _Refused("the server answered with a page instead of the file")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise _Refused("the server sends the file compressed, though asked for it as it is")
            begin, total = _extent(response)
            if begin > have:
                part.unlink(missing_ok=True)
                raise _Broken("the server sent another piece than asked for")
            return _write(response, part, begin, total, name, progress)
    except requests.RequestException as error:
        raise _Broken(type(error).__name__) from None


def _extent(response: requests.Response) -> tuple[int, int | None]:
    """At which byte of the file an answer begins, and the file's length where it is said."""
    if response.status_code != 206:
        length = response.headers.get("Content-Length")
        return 0, None if length is None else int(length)
    given = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if given is None:
        raise _Refused("the server does not say which piece of the file it sent")
    return int(given[1]), None if given[2] == "*" else int(given[2])


def _write(
    response: requests.Response,
    part: Path,
    begin: int,
    total: int | None,
    name: str,
    progress: bool | None,
) -> bool:
    """Write what is sent from byte `begin` on. Whether the file is known to be whole then."""
    with (
        open(part, "r+b" if begin else "wb") as file,
        tqdm(
            desc=name,
            initial=begin,
            total=total,
            unit="B",
            unit_scale=True,
            disable=None if progress is None else not progress,
        ) as bar,
    ):
        file.seek(begin)
        for piece in response.iter_content(_PIECE):
            file.write(piece)
            bar.update(len(piece))
        file.flush()
        os.fsync(file.fileno())
    if total is not None and _size(part) < total:
        raise _Broken(f"broke off at {_size(part)} of {total} bytes")
    return total is not None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def missing_hash(remotes: Sequence[Remote]) -> list[str]:
    """Names of the files whose publisher states no hash."""
    return [remote.name for remote in remotes if remote.known_hash is None]
