"""Answers to the exercises of chapter 9, right and wrong."""

from __future__ import annotations

from torch import Tensor


def squeeze(x: Tensor, mask: Tensor) -> Tensor:
    known = 1 - mask
    return (x * known).sum(dim=(2, 3)) / known.sum(dim=(2, 3)).clamp_min(1)


def over_everything(x: Tensor, mask: Tensor) -> Tensor:
    return x.mean(dim=(2, 3))


def over_the_missing(x: Tensor, mask: Tensor) -> Tensor:
    return squeeze(x, 1 - mask)


def diluted(x: Tensor, mask: Tensor) -> Tensor:
    return (x * (1 - mask)).mean(dim=(2, 3))


def over_the_batch(x: Tensor, mask: Tensor) -> Tensor:
    return (x * (1 - mask)).sum(dim=(2, 3)) / (1 - mask).sum().clamp_min(1) * len(x)


def divided_by_none(x: Tensor, mask: Tensor) -> Tensor:
    known = 1 - mask
    return (x * known).sum(dim=(2, 3)) / known.sum(dim=(2, 3))


def kept_flat(x: Tensor, mask: Tensor) -> Tensor:
    return squeeze(x, mask)[:, :, None, None]


ANSWERS = {
    "09.5": (
        squeeze,
        [
            (over_everything, "what lies under the hole"),
            (over_the_missing, "what lies under the hole"),
            (diluted, "by how many is it divided"),
            (over_the_batch, "by how many is it divided"),
            (kept_flat, "one number a channel"),
        ],
    ),
}
