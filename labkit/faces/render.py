"""Rendered colour faces: an endless, seeded set of our own, and the package's default images.

Every face is computed from its seed alone, with no file and no network: traits are drawn
(`traits`), pixels are located on a turned head (`geometry`), and the scene is painted
from back to front (`scene`, `features`) with NumPy over a batch of faces at once. Edges
are signed distances softened over one pixel and texture fades out before it aliases, so that one
seed is the same face at every size. The last bit of a pixel may differ between processors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from labkit.checks import check_indices, check_whole
from labkit.errors import InputError, check_choice
from labkit.faces.features import (
    beard,
    brows,
    eye_frame,
    eyes,
    glasses,
    mouth,
    mouth_frame,
    nostrils,
)
from labkit.faces.geometry import Geometry, locate
from labkit.faces.scene import (
    background,
    body,
    ears,
    hair_before,
    hair_behind,
    hair_colour,
    hairline,
    skin,
)
from labkit.faces.traits import Traits, draw_traits

SIZES = (32, 256)  # smallest and largest picture
SPLITS = {"train": 2**20, "val": 1000, "test": 1000}
_BLOCK = 2**20  # seeds set aside for one split
_PIXELS = 2**15  # pixels rendered at once: a field of them fits the processor's cache


def render_faces(seeds: Sequence[int] | np.ndarray, size: int) -> np.ndarray:
    """Draw the faces of `seeds`.

    Args:
        seeds: whole numbers from 0 to 2^63 - 1, one a face.
        size: side of the square pictures in pixels, 32 to 256.

    Returns:
        uint8 (B, size, size, 3), RGB. A face depends on its seed and on `size`, not on its batch.

    Raises:
        InputError: another size, or seeds that are not whole numbers from 0 up.

    >>> render_faces([7, 8], 64).shape
    (2, 64, 64, 3)
    """
    seeds = _check(seeds, size)
    pictures = np.empty((len(seeds), size, size, 3), dtype=np.uint8)
    for start, traits, geometry in _chunks(seeds, size):
        picture = render_traits(traits, geometry, size)
        pictures[start : start + len(picture)] = picture
    return pictures


def render_traits(traits: Traits, geometry: Geometry, size: int) -> np.ndarray:
    """Faces with traits of one's own choice: uint8 (B, size, size, 3); `geometry` is `locate`'s."""
    canvas = _paint_scene(traits, geometry)  # (3, B, P), linear light
    grey = np.sqrt(np.clip(canvas, 0.0, 1.0)) * 255.0 + 0.5  # exponent 2, near sRGB's curve
    return grey.astype(np.uint8).transpose(1, 2, 0).reshape(-1, size, size, 3)


def _paint_scene(t: Traits, g: Geometry) -> np.ndarray:
    canvas = background(t, g)
    edge = hairline(t, g)
    tone = hair_colour(t, g)
    outline = hair_behind(canvas, t, g, tone)
    body(canvas, t, g)
    ears(canvas, t, g)
    skin(canvas, t, g, edge)
    nostrils(canvas, t, g)
    eyes(canvas, t, g)
    brows(canvas, t, g)
    beard(canvas, t, g)
    mouth(canvas, t, g)
    glasses(canvas, t, g)
    hair_before(canvas, t, g, tone, outline, edge)
    return canvas


def face_regions(seeds: Sequence[int] | np.ndarray, size: int) -> dict[str, np.ndarray]:
    """Where the features of the same faces lie, to measure whether a fill put them there.

    Returns:
        "eyes" (both, with lids and lashes), "nose" (tip and nostrils) and "mouth" (lips and what is
        between them), each bool (B, size, size), with a small margin.

    Raises:
        InputError: as `render_faces`.
    """
    seeds = _check(seeds, size)
    shape = (len(seeds), size, size)
    regions = {name: np.empty(shape, dtype=bool) for name in ("eyes", "nose", "mouth")}
    for start, t, g in _chunks(seeds, size):
        e, m = eye_frame(t, g), mouth_frame(t, g)
        middle = 0.5 * (t.lid_low - t.lid_up)
        eyes_in = (e.ex / 1.2) ** 2 + ((e.ey - middle) / 0.62) ** 2 < 1.0
        nose_in = ((g.u - 0.12 * np.sin(t.yaw)) / (0.18 * t.nose_w)) ** 2 + (
            (g.v - t.nose_v + 0.03) / 0.13
        ) ** 2 < 1.0
        mouth_in = (np.abs(m.mx) < 1.12) & (m.my > m.top - 0.12) & (m.my < m.bottom + 0.12)
        for name, inside in (("eyes", eyes_in), ("nose", nose_in), ("mouth", mouth_in)):
            inside = (inside & (g.head < 0)).reshape(-1, size, size)
            regions[name][start : start + len(inside)] = inside
    return regions


def box_around(region: np.ndarray, margin: int, *, border: int = 0) -> np.ndarray:
    """The mask that covers a region whole: its bounding box, widened.

    Args:
        region: bool (H, W) with at least one pixel, one of those of `face_regions`.
        margin: pixels added on each side.
        border: pixels along the image's edge that the mask leaves free.

    Returns:
        bool (H, W), True = missing.
    """
    rows, columns = np.nonzero(region)
    height, width = region.shape
    mask = np.zeros_like(region, dtype=bool)
    mask[
        max(rows.min() - margin, border) : min(rows.max() + margin + 1, height - border),
        max(columns.min() - margin, border) : min(columns.max() + margin + 1, width - border),
    ] = True
    return mask


def _chunks(seeds: np.ndarray, size: int) -> Iterator[tuple[int, Traits, Geometry]]:
    """Seeds in runs that fit the cache: first position, traits and geometry of each."""
    count = max(1, _PIXELS // size**2)
    for start in range(0, len(seeds), count):
        traits = draw_traits(seeds[start : start + count])
        yield start, traits, locate(traits, size)


def _check(seeds: Sequence[int] | np.ndarray, size: int) -> np.ndarray:
    check_whole("size", size, *SIZES)
    array = np.asarray(seeds)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise InputError(f"seeds must be a list of whole numbers, not {array.dtype} {array.shape}")
    if array.size and (array.min() < 0 or array.max() >= 2**63):
        raise InputError("seeds must lie between 0 and 2^63 - 1")
    return array.astype(np.int64)


class RenderedFaces:
    """One split of the rendered faces, an `ImageSource`.

    Splits own separate blocks of seeds, so that no face is in two of them, whatever the seed.

    Args:
        size: side of the square pictures in pixels, 32 to 256.
        split: "train" (1,048,576 faces), "val" or "test" (1,000 each).
        seed: another seed gives a wholly different set of faces; 0 to 2^40 - 1.

    Raises:
        InputError: an unknown split, or a size or seed out of range.
    """

    def __init__(self, size: int, split: str = "train", seed: int = 0) -> None:
        self.size = check_whole("size", size, *SIZES)
        check_choice("split", split, SPLITS)
        self.split = split
        self.seed = check_whole("seed", seed, 0, 2**40 - 1)

    def __len__(self) -> int:
        return SPLITS[self.split]

    def seeds(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Seeds of the faces at `indices`, int64 (B,), for `render_faces` and `face_regions`."""
        block = self.seed * len(SPLITS) + list(SPLITS).index(self.split)
        return block * _BLOCK + check_indices(indices, len(self))

    def batch(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """uint8 (B, size, size, 3), RGB: the faces at `indices`."""
        return render_faces(self.seeds(indices), self.size)

    def describe(self) -> dict[str, object]:
        """Kind, split, size, seed and count, in values that JSON can hold."""
        return {
            "kind": "faces",
            "split": self.split,
            "size": self.size,
            "seed": self.seed,
            "count": len(self),
        }
