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

import torch

from labkit.book.plotting import draw_images
from labkit.faces import RenderedFaces, box_around, face_regions
from labkit.files import atomic_write
from labkit.inpainting import inpaint
from labkit.nn.weights import load_generator

OUTPUT = Path(__file__).resolve().parent.parent / "book" / "_static" / "hole-filled.png"
FACES, SIZE = 5, 64
ROWS = ("picture", "hole", "Telea", "GMCNN")


def main() -> None:
    torch.set_num_threads(2)
    faces, generator = RenderedFaces(SIZE, split="val"), load_generator("faces")
    pictures = list(faces.batch(range(FACES)))
    of = face_regions(faces.seeds(range(FACES)), SIZE)
    regions = [of["mouth" if k % 2 else "eyes"][k] for k in range(FACES)]
    pairs = [(im, box_around(r, 4, border=1)) for im, r in zip(pictures, regions, strict=True)]
    for method in ("black", "telea", "gmcnn"):
        pictures += [inpaint(*pair, method, generator=generator) for pair in pairs]
    figure = draw_images(pictures, columns=FACES, row_labels=ROWS, dpi=150)
    atomic_write(OUTPUT, lambda stream: figure.savefig(stream, format="png"))
    print(f"wrote {OUTPUT}")


if __name__ == "__main__":
    main()
