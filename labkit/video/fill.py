"""Filling a clip: two sweeps carry what other frames show, one painter does the rest.

Backward and forward, a missing pixel takes what it finds in the next frame, known or carried there
already. What no frame shows is filled in one frame, the one with the least of it, and carried on
from there in both directions; what does not come along is filled where it is first missing. So
nothing is painted twice that can be kept.

After Xu, Li, Zhou and Loy 2019, "Deep Flow-Guided Video Inpainting", who complete flow with a
network. Three frames are held at a time; all else lies in a `Store`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from labkit.errors import InputError
from labkit.inpainting import inpaint
from labkit.settings.network import SMALLEST_SIDE
from labkit.video.carry import Carried, blend, carry
from labkit.video.flow import sources
from labkit.video.store import Store

Fill = Callable[[np.ndarray, np.ndarray], np.ndarray]
Tick = Callable[[], object]
STEPS = 5
"""Visits of each frame: taken, compared with the next, carried to twice, finished."""

_SWEEPS = {"next": 1, "previous": -1}  # where a sweep's values come from


def inpaint_frames(
    frames: np.ndarray, masks: np.ndarray, fill: Fill = inpaint
) -> tuple[np.ndarray, np.ndarray]:
    """Fill a clip that is held in memory.

    Args:
        frames: uint8 (T, H, W, 3), RGB, at least 2 frames and 32 pixels a side.
        masks: bool (T, H, W), True = missing; (H, W) for all frames.
        fill: (image, mask) → filled, of what no frame shows.

    Returns:
        the filled frames, known pixels as they were, and bool (T, H, W): where a value was carried
        from a known pixel of another frame.

    Raises:
        InputError: another type or shape, one frame only, or nothing known.

    >>> frames = np.full((3, 32, 32, 3), 90, np.uint8)
    >>> mask = np.zeros((3, 32, 32), bool)
    >>> mask[1, 8:12, 8:12] = True
    >>> filled, copied = inpaint_frames(frames, mask)
    >>> bool((filled == 90).all()), int(copied.sum())
    (True, 16)
    """
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
        raise InputError(f"frames must be uint8 (T, H, W, 3), not {frames.dtype} {frames.shape}")
    if masks.dtype != np.bool_ or masks.shape not in (frames.shape[:3], frames.shape[1:3]):
        raise InputError(f"masks must be bool {frames.shape[:3]}, not {masks.dtype} {masks.shape}")
    masks = np.broadcast_to(masks, frames.shape[:3])
    check_clip(len(frames), frames.shape[1:3], bool(masks.all()), "the clip")
    store, copied = Store(), np.zeros_like(masks)
    fill_clip(store, zip(frames, masks, strict=True), len(frames), fill)
    filled = frames.copy()
    for number, mask in enumerate(masks):
        filled[number][mask], copied[number][mask] = result(store, number)
    return filled, copied


def check_clip(count: int, shape: tuple[int, int], nothing_known: bool, name: str) -> None:
    """Raise InputError for a clip in which nothing can be carried."""
    if count < 2:
        raise InputError(f"{name}: holds one frame", "labkit inpaint fills a single picture")
    if min(shape) < SMALLEST_SIDE:
        raise InputError(
            f"{name}: frames of {shape[1]}×{shape[0]} pixels",
            f"both sides must be at least {SMALLEST_SIDE}",
        )
    if nothing_known:
        raise InputError(
            f"{name}: every pixel of every frame is missing", "white means missing; invert the mask"
        )


def fill_clip(
    store: Store,
    pairs: Iterable[tuple[np.ndarray, np.ndarray]],
    count: int,
    fill: Fill,
    tick: Tick = lambda: None,
) -> None:
    """Fill a clip of `count` frames into a store, and go on where one was left off.

    Args:
        store: holds `result` of every frame afterwards.
        pairs: image and mask of every frame in turn, as `inpaint_frames` takes them.
        tick: called `STEPS` times for each frame.
    """
    for number, (image, mask) in enumerate(pairs):
        if ("frame", number) not in store:
            store.put("frame", number, image=_smooth(image, mask), mask=mask)
        tick()
    for number in range(count):
        if number + 1 < count and ("previous", number + 1) not in store:
            here, there = store.get("frame", number), store.get("frame", number + 1)
            forth, back = sources(here["image"], here["mask"], there["image"], there["mask"])
            store.put("next", number, places=forth)
            store.put("previous", number + 1, places=back)
        tick()
    for number in reversed(range(count)):
        _sweep(store, "next", number, count)
        tick()
    for number in range(count):
        _sweep(store, "previous", number, count)
        tick()
    left = [np.isinf(_blended(store, number)[1]).sum() for number in range(count)]
    key = min(range(count), key=lambda n: (left[n], abs(n - (count - 1) / 2)))
    for number in range(key, count):
        _finish(store, number, "previous" if number > key else None, fill)
        tick()
    for number in reversed(range(key)):
        _finish(store, number, "next", fill)
        tick()


def result(store: Store, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Of a frame's N missing pixels, row by row: uint8 (N, 3), and bool (N,), whether copied."""
    done = store.get("done", number)
    return np.rint(done["values"]).astype(np.uint8), done["copied"]


def _smooth(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The frame with its hole filled smoothly."""
    if not mask.any():
        return image
    import torch

    from labkit.images import to_tensor, to_uint8
    from labkit.nn.prior import smooth_fill

    return to_uint8(smooth_fill(to_tensor(image), torch.tensor(mask)[None, None]))[0]


def _sweep(store: Store, side: str, number: int, count: int) -> None:
    """Carry to one frame what its neighbour on that side has."""
    if (f"from-{side}", number) in store:
        return
    frame = store.get("frame", number)
    values = frame["image"][frame["mask"]].astype(np.float32)
    age = np.full(len(values), np.inf, np.float32)
    neighbour = number + _SWEEPS[side]
    if 0 <= neighbour < count and len(values):
        there, known = store.get("frame", neighbour), store.get(f"from-{side}", neighbour)
        image, ages = there["image"].astype(np.float32), np.zeros(there["mask"].shape, np.float32)
        image[there["mask"]], ages[there["mask"]] = known["values"], known["age"]
        carried, age = carry(store.get(side, number)["places"], image, ages)
        reached = np.isfinite(age)
        values[reached] = carried[reached]
    store.put(f"from-{side}", number, values=values, age=age)


def _blended(store: Store, number: int) -> Carried:
    one, other = (store.get(f"from-{side}", number) for side in _SWEEPS)
    return blend((one["values"], one["age"]), (other["values"], other["age"]))


def _finish(store: Store, number: int, side: str | None, fill: Fill) -> None:
    """Fill what the sweeps left: from the finished neighbour on that side, then by `fill`."""
    if ("done", number) in store:
        return
    frame = store.get("frame", number)
    image, mask = frame["image"].astype(np.float32), frame["mask"]
    values, age = _blended(store, number)
    copied = np.isfinite(age)
    rest = ~copied
    before = None
    if side is not None and rest.any():
        there = store.get("frame", number + _SWEEPS[side])
        before = there["image"].astype(np.float32)
        before[there["mask"]] = store.get("done", number + _SWEEPS[side])["values"]
        places = store.get(side, number)["places"][rest]
        carried, age = carry(places, before, np.zeros(mask.shape, np.float32))
        came = np.isfinite(age)
        values[np.flatnonzero(rest)[came]] = carried[came]
        rest[rest] = ~came
    if rest.any():
        image[mask] = values
        hole = np.zeros_like(mask)
        hole[mask] = rest
        # A frame of which nothing at all is known stays as its neighbour is.
        lost = hole.all() and before is not None
        filled = before if lost else fill(np.rint(image).astype(np.uint8), hole)
        values[rest] = filled[hole]
    store.put("done", number, values=values, copied=copied)
