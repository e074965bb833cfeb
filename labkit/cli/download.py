"""``labkit download``: data and feature weights, from where their publishers offer them."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from labkit.cli.common import refuse_options
from labkit.errors import InputError, check_choice

NAMES = ("celeba-hq", "nvidia-masks", "features")
FEATURES = ("vgg19", "squeezenet1_1")


def download(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="celeba-hq, nvidia-masks, or features: the ImageNet weights of the networks "
            "whose features ID-MRF compares.",
            show_default=False,
        ),
    ],
    to: Annotated[Path | None, typer.Option(help="Folder.", show_default="data/NAME")] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(
            help="An archive or a file of weights that you have already, under its published name; "
            "may be repeated.",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to the terms without asking.")] = False,
) -> None:
    """Fetch public data after showing its terms, check it, and unpack it.

    Nothing is unpacked from an archive that points outside its folder, holds links, or would grow
    beyond measure. A download that broke off begins anew: on a poor line, use --file.

    Example: labkit download nvidia-masks --to data/masks
    """
    check_choice("data set", name, NAMES)
    if name == "features":
        refuse_options(context, ("to", "yes"), "labkit download features")
        _download_features(file or ())
        return
    from labkit.data.download import DATA
    from labkit.data.download import download as fetch_all

    data, to = DATA[name], to or Path("data") / name
    print(f"{data.title}\n{data.terms}\n{data.page}")
    if unstated := [part.name for part in data.parts.values() if part.known_hash is None]:
        print(f"Its publisher states no hash of {', '.join(unstated)}: it cannot be compared.")
    if not yes:
        if not sys.stdin.isatty():
            raise InputError("nobody is here to agree to the terms", "add --yes if you agree")
        if not typer.confirm("Do you agree to these terms?"):
            raise InputError("the terms were not agreed to", "nothing was downloaded")
    done = fetch_all(data, to, files=file or ())
    for part, count in done.items():
        print(f"{to / part}: {count} files")
    print(f"{'ready' if done else 'was ready before'}: {data.use.format(to=to)}")


def _download_features(files: Sequence[Path]) -> None:
    """Put the user's own files where torch.hub looks for them, and load each network once, which
    fetches what is not there."""
    import torch
    from torchvision import models

    from labkit.data.download import own_files
    from labkit.files import atomic_write
    from labkit.losses.id_mrf import default_layers
    from labkit.nn.features import Features

    urls = [models.get_model_weights(network).DEFAULT.url for network in FEATURES]
    names = [url.rpartition("/")[2] for url in urls]
    # The publisher's name of a file ends in the first digits of its hash.
    known = {name: f"sha256:{name.removesuffix('.pth').rpartition('-')[2]}" for name in names}
    for name, own in own_files(files, known, "the feature networks").items():
        with own.open("rb") as source:
            place = Path(torch.hub.get_dir()) / "checkpoints" / name
            atomic_write(place, partial(shutil.copyfileobj, source))
    for network in FEATURES:
        Features(network, default_layers(network))
        print(f"{network}: its weights are here")
