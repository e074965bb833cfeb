"""``labkit inpaint``: fill the hole of one picture, or of a folder of pictures."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from labkit.cli.common import make_folder, pick_device, refuse_checkpoints, refuse_options
from labkit.errors import InputError
from labkit.inpainting import DEFAULT_WEIGHTS, METHODS

if TYPE_CHECKING:
    import numpy as np

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")

Fill = Callable[["np.ndarray", "np.ndarray"], "np.ndarray"]


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
    device: Annotated[
        str, typer.Option(help="Of the network: auto, cpu, cuda, cuda:1, mps.")
    ] = "auto",
) -> None:
    """Fill the hole of a photograph.

    Known pixels come back as they were. A picture of any size will do (gmcnn: at least 32 × 32).
    The packaged network fills a large one smoothly at full size, and corrects that at the size it
    was trained at; a network without a prior fills it in overlapping tiles.

    Example: labkit inpaint photo.jpg hole.png -o filled.png --method telea
    """
    from labkit.images import check_suffix

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
        refuse_options(context, ("weights", "device"), f"--method {method}")
    target = out / f"{image.stem}.png" if out.is_dir() else out
    if not image.is_dir():
        check_suffix(target)
    fill = _opened(method, weights, device, progress=not image.is_dir())

    def fill_file(picture: Path, hole: Path, target: Path) -> None:
        _fill_file(fill, picture, hole, target, invert_mask, resize_mask)

    if image.is_dir():
        _fill_folder(fill_file, image, mask, out)
    else:
        fill_file(image, mask, target)


def _opened(method: str, weights: str | None, device: str, *, progress: bool) -> Fill:
    """The method, with its weights read once, so that what is wrong with them shows at once."""
    from labkit.inpainting import inpaint as fill

    if method not in METHODS:
        raise InputError(f"unknown method {method!r}", f"choose from {', '.join(METHODS)}")
    if method != "gmcnn":
        return lambda image, mask: fill(image, mask, method)
    from labkit.nn.weights import load_generator

    refuse_checkpoints(weights)
    generator = load_generator(weights or DEFAULT_WEIGHTS, device=pick_device(device))
    return lambda image, mask: fill(image, mask, generator=generator, progress=progress)


def _fill_file(
    fill: Fill, picture: Path, hole: Path, target: Path, invert: bool, resize: bool
) -> None:
    from labkit.images import read_icc_profile, read_image, write_image
    from labkit.masks.files import read_mask

    for source in (picture, hole):
        if target.exists() and target.samefile(source):
            raise InputError(
                f"{target}: the result would replace its own input", "name another file"
            )
    image = read_image(picture)
    size = image.shape[:2] if resize else None
    mask = read_mask(hole, size=size, invert=invert, resize=resize, option="--invert-mask")
    if mask.shape != image.shape[:2]:
        raise InputError(
            f"{hole} is {mask.shape[1]}×{mask.shape[0]} pixels and {picture} "
            f"{image.shape[1]}×{image.shape[0]}",
            "add --resize-mask, or make a mask of the picture's size",
        )
    if not mask.any():
        warnings.warn(_no_hole(hole, invert), stacklevel=2)
    try:
        filled = fill(image, mask)
    except InputError as error:
        raise InputError(f"{picture}: {error.problem}", error.remedy) from error
    write_image(target, filled, icc_profile=read_icc_profile(picture))


def _no_hole(hole: Path, invert: bool) -> str:
    """What to say of a mask without a missing pixel."""
    from labkit.images import read_image
    from labkit.masks.files import THRESHOLD

    values = read_image(hole).max(axis=2)  # (H, W)
    if ((values > THRESHOLD) ^ invert).any():
        why = "its hole was lost when it was resized"
    elif invert:
        why = f"its darkest value is {values.min()}, and --invert-mask takes up to {THRESHOLD}"
    else:
        why = f"its brightest value is {values.max()}, and values above {THRESHOLD} are missing"
    return f"{hole}: no pixel is missing, nothing was filled; {why}"


def _fill_folder(
    fill_file: Callable[[Path, Path, Path], None], images: Path, masks: Path, out: Path
) -> None:
    """Fill every picture; what fails is named and left out.

    Raises:
        InputError: the folders hold no pair at all.
        typer.Exit: with code 2, some pictures failed.
    """
    from tqdm import tqdm

    for folder in (images, masks):
        if out.resolve() == folder.resolve():
            raise InputError(
                f"{out}: the results would lie among their own inputs", "name another folder"
            )
    pictures, holes = _by_stem(images), _by_stem(masks)
    if not pictures.keys() & holes.keys():
        raise InputError(
            f"no picture in {images} has a mask of the same name in {masks}",
            "cat.jpg goes with cat.png",
        )
    make_folder(out)
    failures = 0

    def fail(problem: object) -> None:
        nonlocal failures
        failures += 1
        tqdm.write(f"labkit: error: {problem}", file=sys.stderr)

    for stem in sorted(holes.keys() - pictures.keys()):
        fail(f"{holes[stem][0]}: no picture of this name in {images}")
    for stem in tqdm(sorted(pictures), unit="picture", disable=None):
        found = pictures[stem], holes.get(stem, [])
        if not found[1]:
            fail(f"{found[0][0]}: no mask of this name in {masks}")
        elif any(len(paths) > 1 for paths in found):
            several = next(paths for paths in found if len(paths) > 1)
            fail(f"{several[0]} and {several[1].name}: the same name twice; rename one")
        else:
            try:
                fill_file(found[0][0], found[1][0], out / f"{stem}.png")
            except InputError as error:
                fail(error)
    if failures:
        total = len(pictures.keys() | holes.keys())
        print(f"labkit: {failures} of {total} failed", file=sys.stderr)
        raise typer.Exit(2)


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """The pictures of a folder by their name without suffix; hidden files are passed over."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in PICTURES and not path.name.startswith(".") and path.is_file():
            found.setdefault(path.stem, []).append(path)
    return found
