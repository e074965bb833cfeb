"""Answers to the exercises of chapter 13, right and wrong."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor


def jacobi(
    image: Tensor,
    mask: Tensor,
    sweeps: int,
    *,
    start: float | None = None,
    wide: bool = False,
) -> Tensor:
    known = 1 - mask
    mean = (image * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True)
    mean = mean if start is None else torch.full_like(mean, start)
    u = image * known + mean * mask
    for _ in range(sweeps):
        p = F.pad(u, (1, 1, 1, 1), mode="replicate")
        four = (p[..., :-2, 1:-1] + p[..., 2:, 1:-1] + p[..., 1:-1, :-2] + p[..., 1:-1, 2:]) / 4
        u = four if wide else torch.where(mask > 0, four, u)
    return u


def peeking(image: Tensor, mask: Tensor, sweeps: int) -> Tensor:
    for _ in range(sweeps):
        p = F.pad(image, (1, 1, 1, 1), mode="replicate")
        four = (p[..., :-2, 1:-1] + p[..., 2:, 1:-1] + p[..., 1:-1, :-2] + p[..., 1:-1, 2:]) / 4
        image = torch.where(mask > 0, four, image)
    return image


def corners(image: Tensor, mask: Tensor, sweeps: int) -> Tensor:
    u = jacobi(image, mask, 0)
    for _ in range(sweeps):
        p = F.pad(u, (1, 1, 1, 1), mode="replicate")
        four = (p[..., :-2, :-2] + p[..., 2:, 2:] + p[..., :-2, 2:] + p[..., 2:, :-2]) / 4
        u = torch.where(mask > 0, four, u)
    return u


def shrink(values: Tensor, known: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    share = F.avg_pool2d(known, factor)
    return F.avg_pool2d(values, factor) / share.clamp_min(1e-9), (share > 0).to(values)


def diluted(values: Tensor, known: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    return F.avg_pool2d(values, factor), shrink(values, known, factor)[1]


def shares(values: Tensor, known: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    return shrink(values, known, factor)[0], F.avg_pool2d(known, factor)


def sampled(values: Tensor, known: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    return shrink(values, known, 1)


ANSWERS = {
    "13.1": (
        jacobi,
        [
            (partial(jacobi, wide=True), "known pixels must stay"),
            (peeking, "pixels that are missing"),
            (corners, "which four pixels"),
            (partial(jacobi, start=0.0), "before the first sweep"),
        ],
    ),
    "13.2": (
        shrink,
        [(diluted, "by how many"), (shares, "counts 1 then"), (sampled, "cells")],
    ),
}
