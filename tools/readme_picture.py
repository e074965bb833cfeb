#!/usr/bin/env python3
"""Draw the README's picture: faces with a hole, filled by Telea's method and by the network.

    tools/readme_picture.py [--faces 5] [--output book/_static/hole-filled.png]

Faces come from the validation split, which the packaged network never saw; the network is the one
that comes with the package (`faces`), at the size at which it was trained.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch

from labkit.book.plotting import draw_images
from labkit.faces import RenderedFaces, box_around, face_regions
from labkit.files import atomic_write
from labkit.inpainting import inpaint
from labkit.nn.weights import load_generator

ROOT = Path(__file__).resolve().parent.parent
SIZE = 64
ROWS = ("picture", "hole", "Telea", "GMCNN")


def holes(faces: RenderedFaces, indices: list[int]) -> list[np.ndarray]:
    """For each face a mask over one feature, eyes, mouth and nose in turn, with a margin."""
    regions = face_regions(faces.seeds(indices), SIZE)
    names = list(regions)
    masks = []
    for k in range(len(indices)):
        masks.append(box_around(regions[names[k % len(names)]][k], 4, border=1))
    return masks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=5, help="how many")
    default = ROOT / "book" / "_static" / "hole-filled.png"
    parser.add_argument("--output", type=Path, default=default)
    arguments = parser.parse_args()

    torch.set_num_threads(2)
    faces = RenderedFaces(SIZE, split="val")
    indices = list(range(arguments.faces))
    images = list(faces.batch(indices))
    masks = holes(faces, indices)
    generator = load_generator("faces")
    pairs = list(zip(images, masks, strict=True))
    rows = [
        images,
        [inpaint(image, mask, "black") for image, mask in pairs],
        [inpaint(image, mask, "telea") for image, mask in pairs],
        [inpaint(image, mask, "gmcnn", generator=generator) for image, mask in pairs],
    ]
    pictures = [picture for row in rows for picture in row]
    figure = draw_images(pictures, columns=arguments.faces, row_labels=ROWS, dpi=150)
    atomic_write(arguments.output, lambda stream: figure.savefig(stream, format="png"))
    plt.close(figure)
    print(f"wrote {arguments.output}")


if __name__ == "__main__":
    main()
