"""Checks of chapter 4."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from labkit.book.checks import Hint, exercise

_STACKS = [
    (3, [(1, 1)]),
    (3, [(1, 2), (1, 4)]),
    (5, [(2, 1), (1, 1), (2, 1), (1, 3)]),
    (7, [(1, 1), (2, 1), (1, 1), (2, 1), (1, 8)]),
]


def _seen(kernel: int, layers: list[tuple[int, int]]) -> int:
    """The field, measured: how far apart the outermost pixels with a gradient lie."""
    x = torch.zeros(1, 1, 1024, dtype=torch.float64, requires_grad=True)
    y, weight = x, torch.ones(1, 1, kernel, dtype=torch.float64)
    for stride, dilation in layers:
        y = F.conv1d(y, weight, stride=stride, dilation=dilation)
    y[0, 0, y.shape[2] // 2].backward()
    found = x.grad[0, 0].nonzero()
    return int(found.max() - found.min()) + 1


@exercise("04.5")
def field(answer: Callable[[int, list[tuple[int, int]]], int]) -> str:
    for kernel, layers in _STACKS:
        found, seen = answer(kernel, layers), _seen(kernel, layers)
        if found != seen:
            stack = ", ".join(f"stride {s} dilation {d}" for s, d in layers)
            hint = f"kernel {kernel} with {stack} sees {seen} pixels, not {found}. "
            if all(stride == 1 for stride, _ in layers):
                raise Hint(hint + "By how much does one layer widen the view?")
            raise Hint(hint + "How far apart do a layer's inputs lie after the strides before it?")
    return f"equal to the field measured by gradient for {len(_STACKS)} stacks"
