"""Answers to the exercises of chapter 8, right and wrong."""

from __future__ import annotations

from functools import partial

import torch.nn.functional as F
from torch import Tensor

from labkit.losses.id_mrf import relative_similarity


def layer_loss(
    generated: Tensor, target: Tensor, patch: int, *, of: Tensor | None = None, asks: int = 0
) -> Tensor:
    mean = target.mean(dim=(2, 3), keepdim=True) if of is None else of
    v, s = (F.unfold(x - mean, patch)[0].T for x in (generated, target))
    v, s = (F.normalize(x, dim=1) for x in (v, s))
    return -relative_similarity(v, s).amax(dim=asks).mean().log()


def uncentred(generated: Tensor, target: Tensor, patch: int) -> Tensor:
    return layer_loss(generated, target, patch, of=0 * target)


def each_its_own_mean(generated: Tensor, target: Tensor, patch: int) -> Tensor:
    own = generated.mean(dim=(2, 3), keepdim=True)
    shifted = generated - own + target.mean(dim=(2, 3), keepdim=True)
    return layer_loss(shifted, target, patch)


def without_patches(generated: Tensor, target: Tensor, patch: int) -> Tensor:
    return layer_loss(generated, target, 1)


def not_summed_up(generated: Tensor, target: Tensor, patch: int) -> Tensor:
    return layer_loss(generated, target, patch)[None]


ANSWERS = {
    "08.5": (
        layer_loss,
        [
            (uncentred, "still in the vectors"),
            (each_its_own_mean, "which mean"),
            (without_patches, "single positions"),
            (partial(layer_loss, asks=1), "who asks"),
            (not_summed_up, "one number"),
        ],
    ),
}
