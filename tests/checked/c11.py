from __future__ import annotations

import torch


def _loss(prediction, target, mask, share):
    error = (prediction - target).abs()
    known = 1.2 * (error * (1 - mask)).mean() / (1 - share)
    return 1.4 * (error * mask).mean() / share + known


def losses(parts):
    share = torch.stack([mask.mean() for _, _, mask in parts]).mean()
    return [_loss(*part, share) for part in parts]


def own_areas(parts):
    return [_loss(*part, part[2].mean()) for part in parts]


def everybody_the_same(parts):
    whole = [torch.cat(column) for column in zip(*parts, strict=True)]
    return [_loss(*whole, whole[2].mean())] * len(parts)


ANSWERS = {
    "11.5": (
        losses,
        [
            (own_areas, "By which area does each process divide?"),
            (everybody_the_same, "changes with a prediction of the first"),
            (lambda parts: losses(parts)[:1], "want 2 losses, not 1"),
        ],
    )
}
