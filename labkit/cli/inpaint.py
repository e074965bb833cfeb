"""``labkit inpaint``: fill the holes of one picture, or of folders of pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from labkit.cli.common import pick_device, refuse_checkpoints, refuse_options
from labkit.cli.options import given, with_options
from labkit.errors import InputError
from labkit.inpainting import DEFAULT_WEIGHTS, LARGEST_SIDE, METHODS
from labkit.settings.holes import HoleConfig

EXIT_SOME_FAILED = 3

Weights = Annotated[
    str | None,
    typer.Option(
        help="Of the network: a packaged name, a safetensors file or the folder of a training "
        f"run. Default: {DEFAULT_WEIGHTS}.",
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option(help="Of the network: auto, cpu, cuda, cuda:1, mps.")]


def inpaint(
    context: typer.Context,
    image: Annotated[
        Path, typer.Argument(help="A picture, or a folder of pictures.", show_default=False)
    ],
    mask: Annotated[
        Path | None,
        typer.Argument(
            help="Its mask, white = missing; for a folder, a folder of masks with the same names.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            help="File to write, or a folder. PNG, TIFF and WebP are written without loss and keep "
            "known pixels bit-exact; a JPEG is written with the tables of the JPEG it was, and "
            "changes known pixels. In a folder, every result is a PNG, and one that is newer than "
            "its picture and mask is left as it is.",
            show_default=False,
        ),
    ] = ...,
    method: Annotated[str, typer.Option(help=f"One of {', '.join(METHODS)}.")] = "gmcnn",
    weights: Weights = None,
    scale: Annotated[
        str,
        typer.Option(
            help="Of the network. auto: it works on each hole's cut-out made as small as the "
            "pictures it was trained on, since it knows things at that size, and a cut-out that "
            "is no larger stays as it is; for a network with a prior, a picture of up to "
            f"{LARGEST_SIDE}² pixels is one cut-out. original: cut-outs are not made smaller, for "
            f"texture, up to {LARGEST_SIDE}² pixels. Or the side of a cut-out in pixels: 128 is "
            "best for small holes in photographs with celeba."
        ),
    ] = "auto",
    device: Device = "auto",
    workers: Annotated[
        int, typer.Option(min=1, help="How many pictures of a folder are filled at a time.")
    ] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="Say what was done as one JSON object on stdout.")
    ] = False,
    **options: Any,
) -> None:
    """Fill the holes of a photograph.

    Known pixels come back as they were, and so do 16 bits a channel, EXIF but for its thumbnail,
    colour profile, resolution, the text of a PNG, and transparency; what was missing is opaque.
    A picture of any size will do (gmcnn: at least 32 × 32)
    up to 500 megapixels, or what LABKIT_MEGAPIXELS in the environment says.
    In a large one each hole is cut out with what is around it and filled at full size: smoothly,
    and what the network adds to that is enlarged from the size at which it works (--scale).
    A folder is searched at any depth; where some of its pictures fail, the exit code is 3.

    Example: labkit inpaint photo.jpg hole.png -o filled.png --method telea
    """
    from labkit.images import kind_of
    from labkit.photographs import fill_file, fill_folder

    holes = HoleConfig(**given(options))
    if mask is not None and holes.source:
        raise InputError(f"{mask} means nothing to --mask alpha", "leave one of them out")
    if mask is None and not holes.source and not holes.color:
        raise InputError("no mask is named", "give a mask file, --mask alpha or --mask-color")
    for path in filter(None, (image, mask)):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
    if mask and image.is_dir() != mask.is_dir():
        file, folder = (image, mask) if mask.is_dir() else (mask, image)
        raise InputError(
            f"{folder} is a folder and {file} a file",
            "give two files, or two folders of the same names",
        )
    if method in METHODS and method != "gmcnn":
        refuse_options(context, ("weights", "device", "scale"), f"--method {method}")
    if not image.is_dir():
        refuse_options(context, ("workers",), "one picture")
        out = out / f"{image.stem}.png" if out.is_dir() else out
        kind_of(out)
    fill = open_fill(method, weights, device, scale)

    if not image.is_dir():
        filled = fill_file(fill, image, mask, out, holes)
        report = {"filled": [filled], "done_before": [], "left_out": []}
    else:
        report = fill_folder(fill, image, mask, out, holes, workers=workers)
    if as_json:
        print(json.dumps({"method": method, **report}, ensure_ascii=False))
    elif image.is_dir():
        done, before, failed = (len(report[key]) for key in ("filled", "done_before", "left_out"))
        again = f", {before} done before (delete them to fill them anew)" if before else ""
        print(f"{done} filled{again}, {failed} left out")
    if report["left_out"]:
        raise typer.Exit(EXIT_SOME_FAILED)


with_options(inpaint, {"": HoleConfig}, {})


def open_fill(method: str, weights: str | None, device: str, scale: str = "auto"):
    """The method, with its weights read once, so that what is wrong with them shows at once."""
    from labkit.inpainting import check_scale
    from labkit.inpainting import inpaint as fill

    if method not in METHODS:
        raise InputError(f"unknown method {method!r}", f"choose from {', '.join(METHODS)}")
    if method != "gmcnn":
        return lambda image, mask: fill(image, mask, method)
    from labkit.nn.weights import load_generator

    at = int(scale) if scale.isdecimal() else scale
    check_scale(at)
    refuse_checkpoints(weights)
    generator = load_generator(weights or DEFAULT_WEIGHTS, device=pick_device(device))
    return lambda image, mask: fill(image, mask, generator=generator, scale=at)
