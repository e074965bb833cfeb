#!/usr/bin/env python3
"""Write what explorables cannot compute in the page.

    tools/explorables.py

forehead.json is chapter 8's: a cat's forehead, its fill, and their cosines. It needs the features
of a network: the chapter's own, so that the page's counts are those that the chapter prints.
face.json is chapter 13's rendered face.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import torch

from labkit.data.photos import photo
from labkit.faces import RenderedFaces
from labkit.files import write_text
from labkit.images import png_bytes, to_tensor
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


def cosines(generated: np.ndarray, target: np.ndarray) -> torch.Tensor:
    """A row for each generated patch, a column for each target patch, (196, 196), float64."""
    extract = Features(NETWORK, [LAYER]).double()
    inside = slice(HOLE.start // STRIDE, HOLE.stop // STRIDE)
    with torch.no_grad():
        features = [extract(to_tensor(picture[None]))[LAYER] for picture in (generated, target)]
    maps = [feature[..., inside, inside] for feature in features]
    mean = maps[1].mean(dim=(2, 3), keepdim=True)
    v, s = (unit_vectors(x - mean)[0] for x in maps)
    return v @ s.T


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def forehead() -> dict[str, object]:
    """What chapter 8's page loads."""
    target = photo("chelsea")[8:136, 174:302]
    missing = np.zeros(target.shape[:2], bool)
    missing[HOLE, HOLE] = True
    fill = inpaint(target, missing, method="telea")
    whole = np.round(cosines(fill, target).numpy() * SCALE).astype("<i2")
    pictures = {"fill": fill, "target": target}
    return {
        "about": "Chapter 8's example, written by tools/explorables.py. cosines: base64 of 16-bit "
        "integers, low byte first, a row for each patch of the fill.",
        "side": (HOLE.stop - HOLE.start) // STRIDE,
        "scale": SCALE,
        "cosines": base64_of(whole.tobytes()),
        **{
            name: "data:image/png;base64," + base64_of(png_bytes(picture[HOLE, HOLE]))
            for name, picture in pictures.items()
        },
    }


def face() -> dict[str, object]:
    """What chapter 13's page loads."""
    pixels = RenderedFaces(SIDE, "test").batch([FACE])[0]  # uint8 (64, 64, 3)
    return {
        "about": "Chapter 13's example, written by tools/explorables.py. pixels: base64 of bytes, "
        "red, green and blue of each pixel, row by row.",
        "side": SIDE,
        "pixels": base64_of(pixels.tobytes()),
    }


def main() -> None:
    for name, document in (("forehead", forehead()), ("face", face())):
        output = FOLDER / f"{name}.json"
        write_text(output, json.dumps(document, indent=1) + "\n")
        print(f"{output.name}: {output.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
