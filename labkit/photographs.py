"""Picture files: one, or a folder of them, read, filled and written."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from labkit.errors import InputError
from labkit.files import PICTURES, composed, in_step, make_folder
from labkit.images import read_icc_profile, read_image, write_image
from labkit.masks.files import THRESHOLD, hint_at_polarity, misfit, read_mask
from labkit.pillow import opened

_HEADER_BYTES = 1 << 16
Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


def fill_file(
    fill: Fill,
    picture: Path,
    hole: Path,
    target: Path,
    *,
    invert: bool = False,
    resize: bool = False,
) -> float:
    """Fill the hole of one picture file.

    Args:
        fill: (image, mask) → filled, as `labkit.inpainting.inpaint`.
        picture, hole, target: files to read, and to write.
        invert: the mask is black where pixels are missing.
        resize: bring a mask of another size to its picture's.

    Returns:
        the share of the picture that was missing.

    Raises:
        InputError: files that cannot be read or written, or that do not go together.
    """
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
            misfit(mask.shape, image.shape)
            or "add --resize-mask, or make a mask of the picture's size",
        )
    if not mask.any():
        warnings.warn(_no_hole(hole, invert), stacklevel=2)
    try:
        filled = fill(image, mask)
    except InputError as error:
        raise InputError(f"{picture}: {error.problem}", error.remedy) from error
    write_image(target, filled, icc_profile=read_icc_profile(picture))
    return float(mask.mean())


def _no_hole(hole: Path, invert: bool) -> str:
    """What to say of a mask without a missing pixel."""
    values = read_image(hole).max(axis=2)  # (H, W)
    if ((values > THRESHOLD) ^ invert).any():
        why = "its hole was lost when it was resized"
    elif invert:
        why = f"its darkest value is {values.min()}, and --invert-mask takes up to {THRESHOLD}"
    else:
        why = f"its brightest value is {values.max()}, and values above {THRESHOLD} are missing"
    return f"{hole}: no pixel is missing, nothing was filled; {why}"


def fill_folder(
    fill: Fill, images: Path, masks: Path, out: Path, *, invert: bool = False, resize: bool = False
) -> str:
    """Fill every picture of a folder; what fails is named on stderr and left out.

    Returns:
        how many failed, in words; empty where none did.

    Raises:
        InputError: the folders hold no pair at all.
    """
    for folder in (images, masks):
        if out.resolve() == folder.resolve():
            raise InputError(
                f"{out}: the results would lie among their own inputs", "name another folder"
            )
    pictures, holes = _by_stem(images), _by_stem(masks)
    holes = in_step(pictures, holes)
    if not pictures.keys() & holes.keys():
        raise InputError(
            f"no picture in {images} has a mask of the same name in {masks}",
            "cat.jpg goes with cat.png",
        )
    make_folder(out)
    failures, ratios = 0, []

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
                where = found[0][0], found[1][0], out / f"{found[0][0].stem}.png"
                ratios.append(fill_file(fill, *where, invert=invert, resize=resize))
            except InputError as error:
                fail(error)
    hint_at_polarity(ratios, str(masks), invert, "--invert-mask")
    total = len(pictures.keys() | holes.keys())
    return f"{failures} of {total} failed" if failures else ""


def _by_stem(folder: Path) -> dict[str, list[Path]]:
    """The pictures of a folder by their name without suffix; hidden files are passed over."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and path.is_file() and _looks_like_a_picture(path):
            found.setdefault(composed(path.stem), []).append(path)
    return found


def _looks_like_a_picture(path: Path) -> bool:
    """By its suffix, or by its first bytes, which alone count where a file is named alone."""
    if path.suffix.lower() in PICTURES:
        return True
    try:
        with path.open("rb") as file, opened(file.read(_HEADER_BYTES), str(path)):
            return True
    except (InputError, OSError):
        return False
