#!/usr/bin/env python3
"""Draw the README's picture: faces with a hole, filled by Telea's method and by the network.

    tools/readme_picture.py

Faces come from the validation split, which the packaged network never saw; the network is the one
that comes with the package (`faces`), at the size at which it was trained.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import numpy as np
import torch

from labkit.book.plotting import draw_images
from labkit.faces import RenderedFaces, box_around, face_regions
from labkit.files import atomic_write
from labkit.inpainting import inpaint
from labkit.nn.weights import load_generator

OUTPUT = Path(__file__).resolve().parent.parent / "book" / "_static" / "hole-filled.png"
FACES, SIZE = 5, 64
ROWS = ("picture", "hole", "Telea", "GMCNN")


def holes(faces: RenderedFaces, indices: list[int]) -> list[np.ndarray]:
    """For each face a mask over eyes or mouth, in turn, with a margin."""
    of = face_regions(faces.seeds(indices), SIZE)
    regions = [of["eyes"], of["mouth"]]
    return [box_around(regions[k % len(regions)][k], 4, border=1) for k in range(len(indices))]


def main() -> None:
    torch.set_num_threads(2)
    faces, indices = RenderedFaces(SIZE, split="val"), list(range(FACES))
    pairs = list(zip(faces.batch(indices), holes(faces, indices), strict=True))
    generator = load_generator("faces")
    pictures = [image for image, _ in pairs]
    for method in ("black", "telea", "gmcnn"):
        pictures += [inpaint(image, mask, method, generator=generator) for image, mask in pairs]
    figure = draw_images(pictures, columns=FACES, row_labels=ROWS, dpi=150)
    atomic_write(OUTPUT, lambda stream: figure.savefig(stream, format="png"))
    print(f"wrote {OUTPUT}")


if __name__ == "__main__":
    main()
