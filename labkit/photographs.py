"""Picture files: one, or folders of them, read, filled and written."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from labkit.archive import in_threads
from labkit.errors import InputError
from labkit.files import PICTURES, composed, in_step, make_folder
from labkit.images import read_image
from labkit.kept import Picture, check_target, read_picture, write_picture
from labkit.masks.files import THRESHOLD, hint_at_polarity, misfit, read_mask, resize_mask
from labkit.pillow import opened
from labkit.settings.holes import HoleConfig

_HEADER_BYTES = 1 << 16
_COLOUR_TOLERANCE = 16  # levels a channel: what JPEG makes of a painted colour
Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _read_hole(
    photograph: Picture, picture: Path, hole: Path | None, holes: HoleConfig
) -> np.ndarray:
    """bool (H, W), True = missing: the mask in the file `hole`, or in the picture itself."""
    size = photograph.pixels.shape[:2]
    if holes.source == "alpha":
        if photograph.alpha is None:
            raise InputError(f"{picture}: no pixel is transparent", "give a mask file")
        return photograph.alpha < np.iinfo(photograph.alpha.dtype).max
    if holes.colour is not None:
        pixels = photograph.pixels if hole is None else read_image(hole)
        mask = _painted(pixels, holes.colour, hole or picture) ^ holes.invert
    else:
        wanted = size if holes.resize else None
        mask = read_mask(
            hole, size=wanted, invert=holes.invert, resize=holes.resize, option="--invert-mask"
        )
    if mask.shape != size:
        remedy = misfit(mask.shape, size)
        if remedy or not holes.resize:
            raise InputError(
                f"{hole} is {mask.shape[1]}×{mask.shape[0]} pixels and {picture} "
                f"{size[1]}×{size[0]}",
                remedy or "add --resize-mask, or make a mask of the picture's size",
            )
        mask = resize_mask(mask, size)
    return mask


def _painted(pixels: np.ndarray, colour: tuple[int, ...], path: Path) -> np.ndarray:
    """bool (H, W): where a picture has about this colour."""
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    near = np.ones(pixels.shape[:2], bool)
    for channel, value in enumerate(colour):
        near &= pixels[..., channel] >= max(value - _COLOUR_TOLERANCE, 0)
        near &= pixels[..., channel] <= min(value + _COLOUR_TOLERANCE, 255)
    if not near.any():
        raise InputError(
            f"{path}: no pixel has the colour {','.join(map(str, colour))}",
            "paint with a hard brush, and save it as PNG",
        )
    return near


def fill_file(
    fill: Fill, picture: Path, hole: Path | None, target: Path, holes: HoleConfig
) -> dict[str, object]:
    """Fill the holes of one picture file; what the file holds beside its pixels is kept.

    Args:
        fill: (image, mask) → filled, as `labkit.inpainting.inpaint`.
        picture, hole, target: files to read, and to write; no `hole` where `holes` needs none.

    Returns:
        picture, mask and out, as names; missing, a share; seconds.

    Raises:
        InputError: files that cannot be read or written, or that do not go together.
    """
    start = time.perf_counter()
    for source in filter(None, (picture, hole)):
        if target.exists() and target.samefile(source):
            raise InputError(
                f"{target}: the result would replace its own input", "name another file"
            )
    photograph = read_picture(picture)
    mask = _read_hole(photograph, picture, hole, holes)
    if not mask.any():
        warnings.warn(_no_hole(hole or picture, holes.invert), stacklevel=2)
    check_target(target, photograph.filled(photograph.pixels, mask))
    try:
        filled = fill(photograph.pixels, mask)
    except InputError as error:
        raise InputError(f"{picture}: {error.problem}", error.remedy) from error
    write_picture(target, photograph.filled(filled, mask))
    return {
        "picture": str(picture),
        "mask": str(hole) if hole else None,
        "out": str(target),
        "missing": round(float(mask.mean()), 6),
        "seconds": round(time.perf_counter() - start, 2),
    }


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
    fill: Fill,
    images: Path,
    masks: Path | None,
    out: Path,
    holes: HoleConfig,
    *,
    workers: int = 1,
) -> dict[str, list]:
    """Fill every picture of a folder, at any depth. What fails is left out.

    A result that is newer than its picture and mask is left as it is.

    Args:
        masks: the folder of masks, of the pictures' names; none where `holes` needs none.
        workers: how many pictures at a time.

    Returns:
        filled, what `fill_file` returned; done_before, names of results; left_out, pictures and
        why.

    Raises:
        InputError: the folders hold no pair at all, or one that cannot be written to.
    """
    given = [images, *([masks] if masks else [])]
    for folder in given:
        if out.resolve() == folder.resolve():
            raise InputError(
                f"{out}: the results would lie among their own inputs", "name another folder"
            )
    pictures = _by_stem(images, [out, *given[1:]])
    marks = in_step(pictures, _by_stem(masks, [out, images])) if masks else {}
    if not (pictures.keys() & marks.keys() if masks else pictures):
        raise InputError(
            f"no picture in {images} has a mask of the same name in {masks}"
            if masks
            else f"{images}: holds no picture",
            "cat.jpg goes with cat.png" if masks else "name the folder that does",
        )
    make_folder(out)
    report: dict[str, list] = {"filled": [], "done_before": [], "left_out": []}
    work = []
    for name in sorted(pictures.keys() | marks.keys()):
        found = pictures.get(name, []), marks.get(name, [])
        several = next((paths for paths in found if len(paths) > 1), None)
        if not found[0]:
            why = f"{found[1][0]}: no picture of this name in {images}"
        elif masks and not found[1]:
            why = f"{found[0][0]}: no mask of this name in {masks}"
        elif several:
            why = f"{several[0]} and {several[1].name}: the same name twice; rename one"
        else:
            sources = [*found[0], *found[1]]
            target = (out / found[0][0].relative_to(images)).with_suffix(".png")
            if target.exists() and _newest([target]) > _newest(sources):
                report["done_before"].append(str(target))
            else:
                work.append((found[0][0], found[1][0] if masks else None, target))
            continue
        report["left_out"].append({"picture": str((found[0] or found[1])[0]), "why": why})
    for (picture, *_), result in zip(
        work, in_threads(partial(_attempt, fill, holes), work, "filling", workers), strict=True
    ):
        if isinstance(result, str):
            report["left_out"].append({"picture": str(picture), "why": result})
        else:
            report["filled"].append(result)
    if masks:
        ratios = [filled["missing"] for filled in report["filled"]]
        hint_at_polarity(ratios, str(masks), holes.invert, "--invert-mask")
    for item in report["left_out"]:
        tqdm.write(f"labkit: error: {item['why']}", file=sys.stderr)
    return report


def _attempt(fill: Fill, holes: HoleConfig, files: tuple[Path, Path | None, Path]) -> object:
    """What `fill_file` returns, or why the picture is left out."""
    try:
        return fill_file(fill, *files, holes)
    except InputError as error:
        return str(error)


def _newest(files: list[Path]) -> float:
    return max(file.stat().st_mtime for file in files)


def _by_stem(folder: Path, others: list[Path]) -> dict[str, list[Path]]:
    """The pictures at any depth by their place in a folder, without suffix; hidden files, and what
    lies in the other folders, are passed over."""
    apart = [other.resolve() for other in others if other.resolve() != folder.resolve()]
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if any(part.startswith(".") or part == "__MACOSX" for part in place.parts):
            continue
        if any(path.resolve().is_relative_to(other) for other in apart):
            continue
        if path.is_file() and _looks_like_a_picture(path):
            found.setdefault(composed(place.with_suffix("").as_posix()), []).append(path)
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
