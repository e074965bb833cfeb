#!/usr/bin/env python3
"""Write what explorables cannot compute in the page.

    tools/explorables.py [--folder book/_static/explorables]

forehead.json is chapter 8's: a cat's forehead, its fill, and their cosines. It needs the features
of a network: the chapter's own, so that the page's counts are those that the chapter prints.
face.json is chapter 13's rendered face.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from labkit.data.photos import photo
from labkit.faces import RenderedFaces
from labkit.files import atomic_write
from labkit.images import to_tensor
from labkit.inpainting import inpaint
from labkit.losses.id_mrf import unit_vectors
from labkit.nn.features import Features

FOLDER = Path(__file__).resolve().parent.parent / "book/_static/explorables"
# Chapter 8's example.
NETWORK, LAYER, STRIDE = "random:0", "relu3_2", 4
HOLE = slice(36, 92)
# Cosines as 16-bit integers: the page then has them to 0.00002.
SCALE = 32767
# Chapter 13's example.
FACE, SIDE = 3, 64


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Target and fill, uint8 (128, 128, 3)."""
    target = photo("chelsea")[8:136, 174:302]
    missing = np.zeros(target.shape[:2], bool)
    missing[HOLE, HOLE] = True
    return target, inpaint(target, missing, method="telea")


def cosines(generated: np.ndarray, target: np.ndarray) -> torch.Tensor:
    """A row for each generated patch, a column for each target patch, (196, 196), float64."""
    extract = Features(NETWORK, [LAYER]).double()
    inside = slice(HOLE.start // STRIDE, HOLE.stop // STRIDE)
    with torch.no_grad():
        maps = [
            extract(to_tensor(picture[None]))[LAYER][..., inside, inside]
            for picture in (generated, target)
        ]
    mean = maps[1].mean(dim=(2, 3), keepdim=True)
    v, s = (unit_vectors(x - mean)[0] for x in maps)
    return v @ s.T


def png(picture: np.ndarray) -> str:
    """The hole of a picture, as a data: address."""
    packed = io.BytesIO()
    Image.fromarray(picture[HOLE, HOLE]).save(packed, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(packed.getvalue()).decode()


def forehead() -> dict[str, object]:
    """What chapter 8's page loads."""
    target, fill = pictures()
    matrix = cosines(fill, target).numpy()
    whole = np.round(matrix * SCALE).astype("<i2")
    return {
        "about": "Chapter 8's example, written by tools/explorables.py. cosines: base64 of 16-bit "
        "integers, low byte first, a row for each patch of the fill.",
        "side": (HOLE.stop - HOLE.start) // STRIDE,
        "scale": SCALE,
        "cosines": base64.b64encode(whole.tobytes()).decode(),
        "fill": png(fill),
        "target": png(target),
    }


def face() -> dict[str, object]:
    """What chapter 13's page loads."""
    pixels = RenderedFaces(SIDE, "test").batch([FACE])[0]  # uint8 (64, 64, 3)
    return {
        "about": "Chapter 13's example, written by tools/explorables.py. pixels: base64 of bytes, "
        "red, green and blue of each pixel, row by row.",
        "side": SIDE,
        "pixels": base64.b64encode(pixels.tobytes()).decode(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder = parser.parse_args().folder
    for name, document in (("forehead", forehead()), ("face", face())):
        output = folder / f"{name}.json"
        text = json.dumps(document, indent=1) + "\n"
        atomic_write(output, lambda file, text=text: file.write(text.encode()))
        print(f"{output.name}: {output.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
