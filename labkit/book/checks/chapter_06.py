"""Checks of chapter 6."""

from __future__ import annotations

import torch

from labkit.book.checks import Hint, exercise
from labkit.losses.confidence import confidence_weights, kernel_1d
from labkit.masks import rectangle
from labkit.settings import ConfidenceConfig

CASES = (("gaussian", 9, 1), ("laplacian", 7, 3), ("released", 11, 7))  # kernel, taps, iterations


@exercise("06.1")
def two_passes(answer) -> str:
    """The confidence weights with a separable kernel."""
    masks = rectangle(2, 48, side=20, margin=0, rng=torch.Generator().manual_seed(6)).double()
    masks[0] = masks[0].roll(-int(masks[0, 0].any(dim=0).int().argmax()), dims=-1)  # at the border
    for kernel, size, iterations in CASES:
        config = ConfidenceConfig(kernel=kernel, size=size, scale=4.0, iterations=iterations)
        want = confidence_weights(masks, config)
        found = answer(masks, kernel_1d(config), iterations)
        if found.shape != want.shape:
            raise Hint(f"the result has shape {tuple(found.shape)}, not {tuple(want.shape)}")
        if (found * (1 - masks)).any():
            raise Hint("known pixels have a weight too; what does the last equation multiply by?")
        if torch.allclose(found, want):
            continue
        if torch.allclose(found[1], want[1]):
            raise Hint("right in the picture and wrong at its border: how is it padded?")
        if iterations > 1:
            raise Hint(
                "right after one iteration, wrong after more: what does the blur start from?"
            )
        raise Hint("wrong after one iteration: are both passes made, and the mask applied after?")
    return f"equal to labkit for {len(CASES)} kernels, 1 to 7 iterations, a hole at the border"
