"""Checks of chapter 11."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from labkit.book.checks import Hint, exercise
from labkit.losses.reconstruction import area_normalised_l1

Part = tuple[Tensor, Tensor, Tensor]


def _parts(holes: Sequence[int]) -> list[Part]:
    """Four pictures for each process, with square holes of its side."""
    rng = torch.Generator().manual_seed(0)
    parts = []
    for side in holes:
        target, prediction = torch.rand(2, 4, 3, 16, 16, generator=rng, dtype=torch.float64)
        mask = torch.zeros(4, 1, 16, 16, dtype=torch.float64)
        mask[..., :side, :side] = 1
        parts.append((prediction, target, mask))
    return parts


@exercise("11.5")
def losses(answer: Callable[[list[Part]], Sequence[Tensor]]) -> str:
    for holes in ((8, 8), (3, 14), (2, 5, 15)):
        parts = _parts(holes)
        found = [torch.as_tensor(loss) for loss in answer(parts)]
        if len(found) != len(parts):
            raise Hint(f"{len(parts)} processes want {len(parts)} losses, not {len(found)}")
        whole = [torch.cat(column) for column in zip(*parts, strict=True)]
        wanted, mean = area_normalised_l1(*whole, whole[2]), torch.stack(found).mean()
        if not torch.isclose(mean, wanted):
            raise Hint(
                f"with holes of {holes} pixels the mean is {mean:.4f} and the batch has "
                f"{wanted:.4f}. By which area does each process divide?"
            )
        changed = [(parts[0][0] + 1, *parts[0][1:]), *parts[1:]]
        if not torch.isclose(torch.as_tensor(answer(changed)[1]), found[1]):
            raise Hint("the loss of the second process changes with a prediction of the first")
    return "the mean is the loss of the batch for 2 and 3 processes"
