"""One clip file filled into another, by way of a work folder from which a later run goes on."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from labkit.crops import Window, crops
from labkit.errors import InputError
from labkit.files import write_text
from labkit.inpainting import CONTEXT, WHOLE_SIDE
from labkit.masks.files import hint_at_polarity, misfit
from labkit.settings.network import SMALLEST_SIDE
from labkit.video.fill import STEPS, Fill, check_clip, fill_clip, result
from labkit.video.reading import Clip, open_clip
from labkit.video.store import Store
from labkit.video.writing import CODECS, DEFAULT_RATE, check_target, write_clip

PLAN = "plan.json"


def inpaint_clip(
    open_fill: Callable[[], Fill],
    clip: Path,
    masks: Path,
    out: Path,
    *,
    invert: bool = False,
    settings: dict[str, object] | None = None,
) -> str:
    """Fill the holes of a clip.

    What is done of it lies in a folder beside `out`, with `.work` after its name, until `out` is
    there. The same call goes on where it was left off, at any moment.

    Args:
        open_fill: gives (image, mask) → filled, of what no frame shows. Called when the files are
            known to be in order.
        clip, masks, out: files or folders; masks may be one picture for all frames.
        invert: the masks are black where pixels are missing.
        settings: what else the result depends on, in values that JSON can hold: a work folder
            of others is refused.

    Returns:
        what was done, in words.

    Raises:
        InputError: files that cannot be read or written or do not go together.
    """
    source, holes = open_clip(clip), open_clip(masks)
    if source.kind == "picture":
        raise InputError(f"{clip}: holds one frame", "labkit inpaint fills a single picture")
    first = next(source.frames(), None)
    if first is None:
        raise InputError(f"{clip}: holds no frame", "copy or download it again")
    check_target(out, first.shape[:2])
    count, window = _survey(source, holes, invert)
    durations = _durations(source, count, out)
    work = out.with_name(f"{out.name}.work")
    _open_work(work, [source.state(), holes.state(), invert, settings or {}])
    store = Store(work)
    fill = open_fill()

    def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for frame, mask in zip(source.frames(), holes.masks(invert), strict=False):
            yield frame[window], mask[window]

    with tqdm(total=STEPS * count, unit="step", disable=None) as bar:
        fill_clip(store, pairs(), count, fill, bar.update)
    missing = copied = 0

    def filled() -> Iterator[np.ndarray]:
        nonlocal missing, copied
        for number, frame in enumerate(source.frames()):
            values, from_others = result(store, number)
            missing, copied = missing + len(values), copied + int(from_others.sum())
            frame[window][store.get("frame", number)["mask"]] = values
            yield frame

    write_clip(out, filled(), source, count, durations, work)
    shutil.rmtree(work)
    return f"{out}: {count} frames, {copied / max(missing, 1):.0%} of the missing pixels copied"


def _survey(clip: Clip, holes: Clip, invert: bool) -> tuple[int, Window]:
    """How many frames there are, and the part of them in which all holes lie, with what is around.

    A hole is filled from where its pixels are in the next frame, and by the network from around it:
    nothing further away is looked at.
    """
    masks, ratios, shape = holes.masks(invert), [], next(clip.frames()).shape[:2]
    ever, always = np.zeros(shape, bool), np.ones(shape, bool)
    for number, frame in enumerate(clip.frames()):
        mask = next(masks, None)
        if mask is None:
            raise _lengths(clip, holes)
        if frame.shape[:2] != shape:
            raise InputError(
                f"{clip.path}: frame {number + 1} has another size than the first",
                "a clip's frames must have one size",
            )
        if mask.shape != shape:
            raise InputError(
                f"{holes.path} is {mask.shape[1]}×{mask.shape[0]} pixels and {clip.path} "
                f"{shape[1]}×{shape[0]}",
                misfit(mask.shape, shape) or "make masks of the clip's size",
            )
        ever, always = ever | mask, always & mask
        ratios.append(float(mask.mean()))
    if holes.kind != "picture" and next(masks, None) is not None:
        raise _lengths(clip, holes)
    check_clip(len(ratios), shape, bool(always.all()), str(holes.path))
    hint_at_polarity(ratios, str(holes.path), invert, "--invert-mask")
    if not ever.any():
        warnings.warn(f"{holes.path}: no pixel is missing, nothing was filled", stacklevel=3)
        return len(ratios), (slice(0, SMALLEST_SIDE), slice(0, SMALLEST_SIDE))
    y, x = np.nonzero(ever)
    box = np.zeros_like(ever)
    box[y.min() : y.max() + 1, x.min() : x.max() + 1] = True
    return len(ratios), next(crops(box, WHOLE_SIDE, CONTEXT))[0]


def _lengths(clip: Clip, holes: Clip) -> InputError:
    counts = [sum(1 for _ in frames) for frames in (clip.frames(), holes.masks())]
    return InputError(
        f"{clip.path} holds {counts[0]} frames and {holes.path} {counts[1]}",
        "give a mask for each frame, or one picture for all",
    )


def _durations(clip: Clip, count: int, out: Path) -> list[float]:
    """Of the frames to be written, in milliseconds; says where they cannot be kept."""
    durations = clip.durations()
    if durations is None:
        if out.suffix:
            warnings.warn(
                f"{clip.path}: a folder has no frame rate, {DEFAULT_RATE:g} a second are written",
                stacklevel=3,
            )
        return [1000.0 / DEFAULT_RATE] * count
    mean = float(np.mean(durations))
    if max(durations) - min(durations) > 0.1 * mean + 2.0 and out.suffix.lower() in CODECS:
        warnings.warn(
            f"{clip.path}: variable frame rate; every frame is kept, at the mean rate of "
            f"{1000.0 / mean:.3g} a second",
            stacklevel=3,
        )
    return durations if len(durations) == count else [mean] * count


def _open_work(work: Path, plan: list[object]) -> None:
    """Make the work folder, or find in it what was left off."""
    text, path = json.dumps(plan), work / PLAN
    if work.exists() and (not path.is_file() or path.read_text(encoding="utf-8") != text):
        raise InputError(f"{work}: is left of another command", "remove it, or name another output")
    write_text(path, text)
