"""Answers to the exercises of chapter 14, right and wrong."""

from __future__ import annotations

import numpy as np
import torch

Shape = tuple[int, int, int]


def reorder(matrix: np.ndarray, shape: Shape) -> torch.Tensor:
    axes = matrix.reshape(*shape, -1)
    return torch.from_numpy(axes.transpose(3, 2, 0, 1).reshape(axes.shape[3], -1))


def only_transposed(matrix: np.ndarray, shape: Shape) -> torch.Tensor:
    return torch.from_numpy(matrix.T.copy())


def not_transposed(matrix: np.ndarray, shape: Shape) -> torch.Tensor:
    return reorder(matrix, shape).T


def rows_for_columns(matrix: np.ndarray, shape: Shape) -> torch.Tensor:
    axes = matrix.reshape(*shape, -1)
    return torch.from_numpy(axes.transpose(3, 2, 1, 0).reshape(axes.shape[3], -1))


ANSWERS = {
    "14.1": (
        reorder,
        [
            (only_transposed, "which axis runs fastest"),
            (not_transposed, "the weight should be"),
            (rows_for_columns, "which axis runs fastest"),
        ],
    ),
}
