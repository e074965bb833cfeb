"""Answers to the exercises of chapter 10, right and wrong."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor


def as_transposed(
    weight: Tensor, *, flip: bool = True, by_phase: bool = False, rows_first: bool = True
) -> Tensor:
    outputs, inputs = len(weight) // 4, weight.shape[1]
    six = torch.zeros(inputs, outputs, 6, 6)
    for phase in range(4):
        row, column = divmod(phase, 2) if rows_first else divmod(phase, 2)[::-1]
        own = weight[phase * outputs : (phase + 1) * outputs] if by_phase else weight[phase::4]
        own = own.flip(2, 3) if flip else own
        six[:, :, row::2, column::2] = own.transpose(0, 1)
    return six


def axes_swapped(weight: Tensor) -> Tensor:
    return as_transposed(weight).transpose(0, 1)


ANSWERS = {
    "10.2": (
        as_transposed,
        [
            (partial(as_transposed, flip=False), "right weights in wrong places"),
            (partial(as_transposed, rows_first=False), "right weights in wrong places"),
            (partial(as_transposed, by_phase=True), "which four of the maps"),
            (axes_swapped, "and a square are wanted"),
        ],
    ),
}
