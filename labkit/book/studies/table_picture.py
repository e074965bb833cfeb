"""What the rows of the table fill in, on pictures that may be shown: a photograph of scikit-image
and rendered faces, which no row has trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from labkit.data.photos import photo
from labkit.faces.render import RenderedFaces
from labkit.images import compose, mask_input, to_tensor, to_uint8
from labkit.masks import irregular
from labkit.nn.weights import load_generator

_SEED = 5  # of the irregular holes
_BIN = 2  # their hole ratio: 20 to 30 %
_FACES = (9, 33)  # of the split "test"


def shown_pictures(size: int) -> tuple[np.ndarray, np.ndarray]:
    """The pictures and their holes.

    Args:
        size: side in pixels, at least 32.

    Returns:
        uint8 (4, S, S, 3): a photographed face twice and two rendered ones; uint8 (4, S, S), 1 =
        missing: a rectangle over an eye and three irregular holes.
    """
    face = photo("astronaut")[20:196, 138:314]
    face = cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA)
    rendered = RenderedFaces(size, "test").batch(list(_FACES))
    images = np.concatenate([np.stack([face, face]), rendered])
    draw = torch.Generator().manual_seed(_SEED)
    masks = irregular(len(images), size, bin=_BIN, rng=draw)[:, 0].numpy().astype(np.uint8)
    eye = slice(round(0.32 * size), round(0.55 * size))  # from the top
    masks[0] = 0
    masks[0, eye, round(0.46 * size) : round(0.74 * size)] = 1
    return images, masks


@torch.no_grad()
def contact_sheet(weights: Sequence[Path], size: int) -> np.ndarray:
    """A line for each of `shown_pictures`: masked, filled by each of the generators, and the truth.

    Args:
        weights: of the generators, in the order of their columns.
        size: side of the pictures in pixels.

    Returns:
        uint8 (4·S, (n + 2)·S, 3)
    """
    images, masks = shown_pictures(size)
    image = to_tensor(images)  # (4, 3, S, S)
    mask = torch.from_numpy(masks)[:, None].float()  # (4, 1, S, S)
    columns = [to_uint8(mask_input(image, mask))]
    for path in weights:
        columns.append(to_uint8(compose(image, load_generator(path)(image, mask), mask)))
    columns.append(images)
    return np.concatenate([np.concatenate(list(column)) for column in columns], axis=1)
