"""Public data sets the book's full training uses: where they are, under which terms, and how laid
out.

None of them is ours to hand on. `labkit download` fetches them from where their publishers offer
them, after showing the terms.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from labkit.archive import DamagedArchive
from labkit.data.remote import Remote, check, fetch
from labkit.data.unpack import unpack, vacant
from labkit.errors import InputError, check_choice
from labkit.files import atomic_write

PICTURES = (".jpg", ".jpeg", ".png")
_WITHOUT = "name the right file, or leave --file out to have it fetched"
_DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t&id="


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
                (f"{_DRIVE}1O89DVCoWsMhrIF3G8-wMOJ0h7LukmMdP",),
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
                ("https://www.dropbox.com/s/qp8cxqttta4zi70/irregular_mask.zip?dl=1",),
            ),
            "test": Remote(
                "test_mask.zip",
                ("https://www.dropbox.com/s/01dfayns9s0kevy/test_mask.zip?dl=1",),
            ),
        },
        use="labkit train --masks {to}/test",
    ),
}


def public_data(name: str) -> PublicData:
    """The data set called `name`.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    check_choice("data set", name, DATA)
    return DATA[name]


def download(
    data: PublicData,
    to: str | os.PathLike[str],
    *,
    files: Sequence[str | os.PathLike[str]] = (),
    progress: bool | None = None,
) -> dict[str, int]:
    """Fetch a data set and unpack it; parts that are there already are left as they are.

    An archive that was fetched and turns out to be damaged is deleted.

    Args:
        to: folder; each part becomes a folder in it.
        files: archives that the user has already, by their published names; they are not fetched,
            and stay where they are.

    Returns:
        part → how many files, of the parts that were unpacked now.

    Raises:
        InputError: a file that is none of the data set's, is not there or is not the published one,
            or what `fetch` and `unpack` raise.
    """
    to, own = Path(to), _own(files, list(data.parts.values()), data.title)
    done = {}
    for part, remote in data.parts.items():
        if not vacant(to / part):
            continue
        if remote.name in own:
            check(own[remote.name], remote, _WITHOUT)
            done[part] = unpack(own[remote.name], to / part, PICTURES, progress=progress)
            continue
        archive = fetch(remote, to, progress=progress)
        try:
            done[part] = unpack(archive, to / part, PICTURES, progress=progress)
        except DamagedArchive as error:
            archive.unlink()
            raise InputError(
                error.problem, "it was deleted; try again, which fetches it anew"
            ) from None
        archive.unlink()  # its contents lie beside it
    return done


def bring(
    remotes: Sequence[Remote],
    to: str | os.PathLike[str],
    title: str,
    *,
    files: Sequence[str | os.PathLike[str]] = (),
    progress: bool | None = None,
) -> None:
    """Put files that are used as they are into a folder, unless they are there already.

    Args:
        title: what they are, for a message.
        files: those that the user has already, by their published names; they are copied.

    Raises:
        InputError: a file that is none of these, is not there or is not the published one, or what
            `fetch` raises.
    """
    own = _own(files, remotes, title)
    for remote in remotes:
        if remote.name not in own:
            fetch(remote, to, progress=progress)
            continue
        check(own[remote.name], remote, _WITHOUT)
        with own[remote.name].open("rb") as source:
            atomic_write(Path(to) / remote.name, partial(shutil.copyfileobj, source))


def _own(
    files: Sequence[str | os.PathLike[str]], remotes: Sequence[Remote], title: str
) -> dict[str, Path]:
    """Name → file that the user has already.

    Raises:
        InputError: one that is none of `remotes`, or is not there.
    """
    own, names = {Path(file).name: Path(file) for file in files}, [r.name for r in remotes]
    if unknown := [name for name in own if name not in names]:
        raise InputError(
            f"{own[unknown[0]]}: is none of the files of {title}", f"one of {', '.join(names)}"
        )
    for file in own.values():
        if not file.is_file():
            raise InputError(f"{file}: no such file", _WITHOUT)
    return own
