"""The colour photographs that scikit-image's wheel carries, and square crops of them.

Nothing is downloaded: the files are looked for inside the installed package itself, never through
`skimage.data`, which fetches what it does not find. Grey pictures, drawings, micrographs, and the
stereo pair, whose terms scikit-image does not state, are left out.

Credits and terms are those given in the docstrings of `skimage.data`.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from labkit.checks import check_indices, check_whole
from labkit.errors import InputError, check_choice
from labkit.images import read_image


@dataclass(frozen=True)
class Photograph:
    """One photograph: its name, file in `skimage/data`, who made it, and its terms."""

    name: str
    file: str
    split: str
    credit: str
    terms: str


PHOTOS = (
    Photograph("astronaut", "astronaut.png", "test", "Eileen Collins, NASA Great Images database",
               "no known copyright restrictions, public domain"),
    Photograph("chelsea", "chelsea.png", "test", "Stefan van der Walt", "CC0"),
    Photograph("coffee", "coffee.png", "train", "Rachel Michetti, Pikolo Espresso Bar", "CC0"),
    Photograph("hubble", "hubble_deep_field.jpg", "train",
               "Hubble eXtreme Deep Field, NASA, HubbleSite",
               "may be freely used in the public domain"),
    Photograph("retina", "retina.jpg", "train", "Mikael Häggström, Wikimedia Commons", "CC0 1.0"),
    Photograph("rocket", "rocket.jpg", "train", "SpaceX", "released into the public domain"),
)  # fmt: skip
LENGTHS = {"train": 2**16, "test": 200}


def photo(name: str) -> np.ndarray:
    """One photograph by name, uint8 (H, W, 3), RGB; a fresh copy that may be written to.

    Raises:
        InputError: an unknown name, or a scikit-image that came without the file.

    >>> photo("chelsea").shape
    (300, 451, 3)
    """
    return _load(name).copy()


@lru_cache(maxsize=len(PHOTOS))
def _load(name: str) -> np.ndarray:
    known = {item.name: item for item in PHOTOS}
    if name not in known:
        raise InputError(f"unknown photograph {name!r}", f"choose one of {', '.join(known)}")
    package = importlib.util.find_spec("skimage")
    if package is None or not package.submodule_search_locations:
        raise InputError("scikit-image is not installed", "its wheel holds the photographs")
    path = Path(package.submodule_search_locations[0]) / "data" / known[name].file
    if not path.is_file():
        raise InputError(
            f"this scikit-image came without {known[name].file}", "install it from its wheel"
        )
    return read_image(path)


class Photos:
    """Seeded square crops of the photographs, an `ImageSource`.

    Train and test are split by photograph: none is in both. A crop's side is drawn evenly from
    `scale` times the photograph's shorter side, its place evenly over the photograph, and the crop
    is resized by area averaging, or by bicubic interpolation where it is smaller than `size`.

    Args:
        size: side of the square pictures in pixels, 8 to 1024.
        split: "train" (coffee, hubble, retina, rocket) or "test" (astronaut, chelsea).
        seed: another seed draws other crops; 0 to 2^32 - 1.
        scale: smallest and largest side of a crop over the photograph's shorter side.

    Raises:
        InputError: an unknown split, or a size, seed or scale out of range.
    """

    def __init__(
        self,
        size: int,
        split: str = "train",
        seed: int = 0,
        scale: tuple[float, float] = (0.4, 1.0),
    ) -> None:
        if len(scale) != 2 or not 0.05 <= scale[0] <= scale[1] <= 1.0:
            remedy = "choose 0.05 <= smallest <= largest <= 1"
            raise InputError(f"scale {scale!r} is not possible", remedy)
        self.size = check_whole("size", size, 8, 1024)
        check_choice("split", split, LENGTHS)
        self.split = split
        self.seed = check_whole("seed", seed, 0, 2**32 - 1)
        self.scale = (float(scale[0]), float(scale[1]))
        self.photographs = tuple(item for item in PHOTOS if item.split == split)

    def __len__(self) -> int:
        return LENGTHS[self.split]

    def batch(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """uint8 (B, size, size, 3), RGB: the crops at `indices`; photographs take turns."""
        crops = np.empty((len(indices), self.size, self.size, 3), dtype=np.uint8)
        for row, index in enumerate(check_indices(indices, len(self))):
            crops[row] = self._crop(int(index))
        return crops

    def _crop(self, index: int) -> np.ndarray:
        picture = _load(self.photographs[index % len(self.photographs)].name)
        height, width = picture.shape[:2]
        rng = np.random.default_rng((self.seed, list(LENGTHS).index(self.split), index))
        side = max(2, round(rng.uniform(*self.scale) * min(height, width)))
        top = int(rng.integers(height - side + 1))
        left = int(rng.integers(width - side + 1))
        crop = picture[top : top + side, left : left + side]
        how = cv2.INTER_AREA if side >= self.size else cv2.INTER_CUBIC
        return cv2.resize(crop, (self.size, self.size), interpolation=how)

    def describe(self) -> dict[str, object]:
        """What this set is, with the photographs' credits, in values that JSON can hold."""
        return {
            "kind": "photos",
            "split": self.split,
            "size": self.size,
            "seed": self.seed,
            "scale": list(self.scale),
            "count": len(self),
            "photographs": [asdict(item) for item in self.photographs],
        }
