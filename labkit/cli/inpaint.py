"""``labkit inpaint``: fill the hole of one picture, or of a folder of pictures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from labkit.cli.common import pick_device, refuse_checkpoints, refuse_options
from labkit.errors import InputError
from labkit.inpainting import DEFAULT_WEIGHTS, LARGEST_SIDE, METHODS


def inpaint(
    context: typer.Context,
    image: Annotated[
        Path, typer.Argument(help="A picture, or a folder of pictures.", show_default=False)
    ],
    mask: Annotated[
        Path,
        typer.Argument(
            help="Its mask, white = missing; for a folder, a folder of masks with the same names.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            help="File to write, or a folder. PNG and other lossless formats keep known pixels "
            "bit-exact; in a folder, every result is a PNG.",
            show_default=False,
        ),
    ],
    method: Annotated[str, typer.Option(help=f"One of {', '.join(METHODS)}.")] = "gmcnn",
    weights: Annotated[
        str | None,
        typer.Option(
            help="Of the network: a packaged name, a safetensors file or the folder of a training "
            f"run. Default: {DEFAULT_WEIGHTS}.",
            show_default=False,
        ),
    ] = None,
    invert_mask: Annotated[
        bool, typer.Option("--invert-mask", help="The mask is black where pixels are missing.")
    ] = False,
    resize_mask: Annotated[
        bool, typer.Option("--resize-mask", help="Resize a mask of another size to its picture.")
    ] = False,
    scale: Annotated[
        str,
        typer.Option(
            help="Of the network. auto: it works on each hole's cut-out made as small as the "
            "pictures it was trained on, since it knows things at that size, and a cut-out that "
            "is no larger stays as it is; original: never made smaller, for texture, up to "
            f"{LARGEST_SIDE}² pixels; or a side in pixels."
        ),
    ] = "auto",
    device: Annotated[
        str, typer.Option(help="Of the network: auto, cpu, cuda, cuda:1, mps.")
    ] = "auto",
) -> None:
    """Fill the hole of a photograph.

    Known pixels come back as they were. A picture of any size will do (gmcnn: at least 32 × 32)
    up to 500 megapixels, or what LABKIT_MEGAPIXELS in the environment says.
    In a large one each hole is cut out with what is around it and filled at full size: smoothly,
    and what the network adds to that is enlarged from the size at which it works (--scale).

    Example: labkit inpaint photo.jpg hole.png -o filled.png --method telea
    """
    from labkit.images import check_suffix
    from labkit.photographs import fill_file, fill_folder

    for path in (image, mask):
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
    if image.is_dir() != mask.is_dir():
        file, folder = (image, mask) if mask.is_dir() else (mask, image)
        raise InputError(
            f"{folder} is a folder and {file} a file",
            "give two files, or two folders of the same names",
        )
    if method in METHODS and method != "gmcnn":
        refuse_options(context, ("weights", "device", "scale"), f"--method {method}")
    target = out / f"{image.stem}.png" if out.is_dir() else out
    if not image.is_dir():
        check_suffix(target)
    fill = _opened(method, weights, device, scale)

    if image.is_dir():
        failed = fill_folder(fill, image, mask, out, invert=invert_mask, resize=resize_mask)
        if failed:
            print(f"labkit: {failed}", file=sys.stderr)
            raise typer.Exit(2)
    else:
        fill_file(fill, image, mask, target, invert=invert_mask, resize=resize_mask)


def _opened(method: str, weights: str | None, device: str, scale: str):
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
