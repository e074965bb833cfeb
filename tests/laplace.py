"""Laplace's equation in a hole, solved directly: what the page's diffusion is compared with."""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve


def diffuse(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill by Laplace's equation, solved directly: uint8 (H, W, 3)."""
    height, width = mask.shape
    numbers = np.arange(mask.size).reshape(mask.shape)
    pairs = np.concatenate(
        [
            np.stack([numbers[:, 1:].ravel(), numbers[:, :-1].ravel()]),
            np.stack([numbers[1:].ravel(), numbers[:-1].ravel()]),
        ],
        axis=1,
    )
    ones = np.ones(pairs.shape[1])
    adjacent = sparse.coo_array((ones, pairs), shape=(mask.size, mask.size)).tocsr()
    adjacent = adjacent + adjacent.T
    laplace = (sparse.diags_array(adjacent.sum(axis=1)) - adjacent).tocsr()
    hole = mask.ravel()
    values = image.reshape(-1, 3).astype(float)
    right = -laplace[hole][:, ~hole] @ values[~hole]
    values[hole] = spsolve(laplace[hole][:, hole].tocsc(), right).reshape(-1, 3)
    return np.floor(np.clip(values, 0, 255) + 0.5).astype(np.uint8).reshape(height, width, 3)
