"""Rendered colour faces: an endless, seeded set of our own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labkit.data.source import check_indices
from labkit.errors import InputError

SPLITS = {"train": 2**20, "val": 1000, "test": 1000}


def render_faces(seeds: Sequence[int] | np.ndarray, size: int) -> np.ndarray:
    """Draw the faces of `seeds`: uint8 (B, size, size, 3), RGB."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    pictures = np.empty((len(seeds), size, size, 3), np.uint8)
    for picture, seed in zip(pictures, seeds, strict=True):
        draw = np.random.default_rng(int(seed)).random(12)
        x = (axis[None] - (draw[0] - 0.5) * 0.3) / 0.55
        y = (axis[:, None] - (draw[1] - 0.5) * 0.3) / 0.7
        canvas = draw[2:5] * np.ones((size, size, 1))
        for u, v, w, h, colour in (
            (0, 0, 1, 1, np.array([0.9, 0.7, 0.55]) * (0.4 + 0.6 * draw[5])),
            (-0.4, -0.1, 0.2, 0.1, np.ones(3)),
            (0.4, -0.1, 0.2, 0.1, np.ones(3)),
            (-0.4, -0.1, 0.08, 0.08, draw[6:9] * 0.5),
            (0.4, -0.1, 0.08, 0.08, draw[6:9] * 0.5),
            (0, 0.5, 0.35, 0.1, np.array([0.7, 0.2, 0.2])),
        ):
            inside = np.hypot((x - u) / w, (y - v) / h)
            cover = np.clip((1 - inside) * w * size / 4 + 0.5, 0, 1)[..., None]
            canvas = canvas + (colour - canvas) * cover
        picture[:] = np.round(canvas * 255)
    return pictures


class RenderedFaces:
    """A split of the rendered faces."""

    def __init__(self, size: int, split: str = "train", seed: int = 0) -> None:
        if split not in SPLITS:
            raise InputError(f"unknown split {split!r}", f"choose one of {', '.join(SPLITS)}")
        self.size, self.split, self.seed = size, split, seed

    def __len__(self) -> int:
        return SPLITS[self.split]

    def seeds(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """The seeds of the faces at `indices`: int64 (B,)."""
        block = self.seed * 4 + list(SPLITS).index(self.split)
        return block * 2**20 + check_indices(indices, len(self))

    def batch(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """uint8 (B, size, size, 3)."""
        return render_faces(self.seeds(indices), self.size)

    def describe(self) -> dict[str, object]:
        """JSON-able description."""
        return {"kind": "faces", "split": self.split, "size": self.size, "seed": self.seed,
                "count": len(self)}
