"""Checks of chapter 5."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from labkit.book.checks import Hint, exercise

CASES = ((12, 12, 3, 2), (12, 15, 3, 3), (11, 14, 5, 2))  # rows, columns, kernel, dilation


@exercise("05.1")
def interleaved(answer) -> str:
    """A dilated convolution out of ordinary ones."""
    rng = torch.Generator().manual_seed(5)
    for rows, columns, kernel, d in CASES:
        x = torch.randn(2, 3, rows, columns, generator=rng, dtype=torch.float64)
        weight = torch.randn(4, 3, kernel, kernel, generator=rng, dtype=torch.float64)
        want = F.conv2d(x, weight, dilation=d, padding=d * (kernel // 2))
        found = answer(x, weight, d)
        if found.shape != want.shape:
            raise Hint(f"the result has shape {tuple(found.shape)}, not {tuple(want.shape)}")
        if torch.allclose(found, F.conv2d(x, weight, padding=kernel // 2)):
            raise Hint("neighbours are read at distance 1; what is it that has to be d apart?")
        if not torch.allclose(found, want):
            raise Hint(
                "some outputs differ: are all d·d small pictures convolved, each with zeros "
                "around it, and does each result go back to the places that it came from?"
            )
    return f"equal to F.conv2d on {len(CASES)} sizes, kernels and dilations"
