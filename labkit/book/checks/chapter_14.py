"""Checks of chapter 14."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F

from labkit.book.checks import Hint, exercise

_SHAPES = ((4, 4, 6, 1), (3, 5, 2, 4), (2, 2, 2, 3))  # height, width, channels, outputs


@exercise("14.1")
def reorder(answer: Callable[[np.ndarray, tuple[int, int, int]], torch.Tensor]) -> str:
    """A dense layer's matrix after a flattening, from TensorFlow's order to PyTorch's."""
    random = np.random.default_rng(0)
    for height, width, channels, outputs in _SHAPES:
        features = random.standard_normal((2, height, width, channels))
        matrix = random.standard_normal((height * width * channels, outputs))
        weight = torch.as_tensor(answer(matrix.copy(), (height, width, channels)))
        if weight.shape != matrix.T.shape:
            raise Hint(f"the weight should be {matrix.T.shape}, and is {tuple(weight.shape)}")
        wanted = features.reshape(2, -1) @ matrix
        flat = torch.from_numpy(features).permute(0, 3, 1, 2).flatten(1)
        if not np.allclose(F.linear(flat, weight.double()).numpy(), wanted):
            raise Hint("the scores differ: which axis runs fastest before, and which after?")
    return f"equal scores for {len(_SHAPES)} shapes, one of them not square"
