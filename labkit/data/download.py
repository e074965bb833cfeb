"""Public data sets the book's full training uses: where they are, under which terms, and how laid
out.

None of them is ours to hand on. `labkit download` fetches them from where their publishers offer
them, after showing the terms. pooch transfers and compares hashes; a transfer that broke off begins
anew.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests

from labkit.data.unpack import DamagedArchive, unpack, vacant
from labkit.errors import InputError

PICTURES = (".jpg", ".jpeg", ".png")
RETRIES = 3  # pooch waits 1, 2, 3 seconds before them
TIMEOUT = (10, 60)  # seconds to connect, and between two pieces
_PIECE = 1 << 16  # bytes
_DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t&id="


@dataclass(frozen=True)
class Remote:
    """A file and where it can be had.

    Attributes:
        name: of the file here.
        url: its address.
        known_hash: "sha256:…" or "md5:…" as its publisher states; None where nobody does.
    """

    name: str
    url: str
    known_hash: str | None = None


@dataclass(frozen=True)
class PublicData:
    """A data set.

    Attributes:
        title: its name.
        terms: under which it may be used, in a sentence or two.
        page: its publisher's page.
        parts: folder → the file that is unpacked into it.
        use: how a training or an evaluation is told of it; "{to}" is the folder.
    """

    title: str
    terms: str
    page: str
    parts: dict[str, Remote]
    use: str


DATA: dict[str, PublicData] = {
    "celeba-hq": PublicData(
        title="CelebA-HQ, 30,000 photographs of faces at 256×256 pixels (Karras et al. 2018)",
        terms="For non-commercial research and education only (CC BY-NC 4.0); the photographs "
        "themselves belong to others, and may not be published, sold or handed on (CelebA's "
        "agreement).",
        page="https://github.com/tkarras/progressive_growing_of_gans",
        parts={
            "images": Remote(
                "data256x256.zip",
                f"{_DRIVE}1O89DVCoWsMhrIF3G8-wMOJ0h7LukmMdP",
                "md5:a3042632250934feed5a59180b289826",
            )
        },
        use="labkit train --data {to}/images",
    ),
    "nvidia-masks": PublicData(
        title="NVIDIA Irregular Mask Dataset (Liu et al. 2018): masks to train and to test with",
        terms="For non-commercial use, shared alike and with attribution (CC BY-NC-SA 4.0).",
        page="https://nv-adlr.github.io/publication/partialconv-inpainting",
        parts={
            "train": Remote(
                "irregular_mask.zip",
                "https://www.dropbox.com/s/qp8cxqttta4zi70/irregular_mask.zip?dl=1",
            ),
            "test": Remote(
                "test_mask.zip",
                "https://www.dropbox.com/s/01dfayns9s0kevy/test_mask.zip?dl=1",
            ),
        },
        # White is known in the archive to train with, and missing in the one to test with.
        use="labkit train --masks {to}/train --invert-masks; "
        "labkit evaluate wants white holes, as in {to}/test",
    ),
}


def download(
    data: PublicData,
    to: str | os.PathLike[str],
    *,
    files: Sequence[str | os.PathLike[str]] = (),
) -> dict[str, int]:
    """Fetch a data set and unpack it; parts that are there already are left as they are.

    Args:
        to: folder; each part becomes a folder in it.
        files: archives that the user has already; they are not fetched, and stay where they are.

    Returns:
        part → how many files, of the parts that were unpacked now.

    Raises:
        InputError: what `own_files`, `fetch` and `unpack` raise. An archive that was fetched and
            turns out to be damaged is deleted.
    """
    remotes = {remote.name: remote.known_hash for remote in data.parts.values()}
    to, own = Path(to), own_files(files, remotes, data.title)
    done = {}
    for part, remote in data.parts.items():
        if not vacant(to / part):
            continue
        archive = own.get(remote.name) or fetch(remote, to)
        try:
            done[part] = unpack(archive, to / part, PICTURES)
        except DamagedArchive as error:
            if remote.name in own:
                raise
            archive.unlink()
            raise InputError(
                error.problem, "it was deleted; try again, which fetches it anew"
            ) from None
        if remote.name not in own:
            archive.unlink()  # its contents lie beside it
    return done


def fetch(remote: Remote, folder: str | os.PathLike[str]) -> Path:
    """The file in `folder`, downloaded unless it is there already with the right hash.

    Raises:
        InputError: no file at the address, a line that broke each time, another hash than
            published, or a folder that cannot be written to. Nothing of the file is kept.
    """
    pooch.get_logger().setLevel("ERROR")
    shelf = pooch.create(
        path=folder,
        base_url="",
        registry={remote.name: remote.known_hash},
        urls={remote.name: remote.url},
        retry_if_failed=RETRIES,
    )
    get = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=_PIECE, timeout=TIMEOUT)
    try:
        return Path(shelf.fetch(remote.name, downloader=get))
    except (requests.RequestException, ValueError) as error:
        raise InputError(
            f"{remote.name}: could not be fetched from {remote.url} ({error})",
            "try again, or download it by hand and name it by --file",
        ) from None
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written to ({error.strerror or error})",
            "make room and try again, or name another folder",
        ) from None


def own_files(
    files: Sequence[str | os.PathLike[str]], known: Mapping[str, str | None], title: str
) -> dict[str, Path]:
    """Files that the user has already, by their published names.

    Args:
        known: name → hash, in full or its first digits, as of `Remote`.
        title: what the files are, for a message.

    Raises:
        InputError: a file that is none of these, is not there, or is not the published one.
    """
    remedy = "name the right file, or leave --file out to have it fetched"
    own = {Path(file).name: Path(file) for file in files}
    for name, file in own.items():
        if name not in known:
            raise InputError(
                f"{file}: is none of the files of {title}", f"one of {', '.join(known)}"
            )
        if not file.is_file():
            raise InputError(f"{file}: no such file", remedy)
        algorithm, _, digits = (known[name] or "").partition(":")
        if digits and not pooch.file_hash(file, algorithm).startswith(digits):
            raise InputError(f"{file}: is not the published file, its hash differs", remedy)
    return own
