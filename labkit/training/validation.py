"""Validation on fixed pictures and holes: one number to steer by, and pictures to look at."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from labkit.classical import CLASSICAL
from labkit.data import ImageSource
from labkit.evaluation.metrics import finite_psnr
from labkit.images import compose, from_uint8, mask_input, to_uint8
from labkit.masks import sample_masks
from labkit.settings import MaskConfig

VALIDATION_SEED = 20_181_020  # fixed for every run, so that runs compare; the paper's date on arXiv


class Validation:
    """The first `count` pictures of a set, each with a hole that never changes.

    Args:
        source: validation pictures.
        masks: how holes are drawn.
        count: how many pictures; fewer where the set is smaller.
    """

    def __init__(self, source: ImageSource, masks: MaskConfig, count: int) -> None:
        count = min(count, len(source))
        self.images = source.batch(range(count))  # uint8 (N, S, S, 3)
        generator = torch.Generator().manual_seed(VALIDATION_SEED)
        holes = [sample_masks(masks, 1, source.size, generator) for _ in range(count)]
        self.masks = torch.cat(holes)  # (N, 1, S, S)

    def classical(self, method: str) -> float:
        """Mean composite PSNR in dB of a classical method."""
        scores = []
        for image, mask in zip(self.images, self.masks, strict=True):
            hole = mask[0].numpy() > 0.5
            filled = np.where(hole[..., None], CLASSICAL[method](image, hole), image)
            scores.append(finite_psnr(image, filled))
        return float(np.mean(scores))

    @torch.no_grad()
    def run(
        self, model: nn.Module, device: torch.device, *, rows: int = 8, batch: int = 16
    ) -> tuple[float, np.ndarray]:
        """Score and sample grid of a generator.

        Args:
            rows: pictures in the grid, the first of the set.
            batch: pictures at once; at least `rows`.

        Returns:
            the mean PSNR in dB of the composites, rounded to uint8, and a grid, uint8
            (rows · S, 4 · S, 3): input, prediction, composite, truth.
        """
        was_training = model.training
        model.eval()
        scores, grid = [], np.empty(0)
        for start in range(0, len(self.images), max(batch, rows)):
            chosen = slice(start, start + max(batch, rows))
            columns = [to_uint8(column) for column in self._composite(model, device, chosen)]
            pairs = zip(self.images[chosen], columns[2], strict=True)
            scores += [finite_psnr(truth, filled) for truth, filled in pairs]
            if start == 0:
                strips = [np.concatenate(list(column[:rows])) for column in columns]
                grid = np.concatenate(strips, axis=1)
        model.train(was_training)
        return float(np.mean(scores)), grid

    def _composite(
        self, model: nn.Module, device: torch.device, chosen: slice
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(masked input, prediction, composite, truth), each (B, 3, S, S)."""
        truth = from_uint8(torch.from_numpy(self.images[chosen]).to(device))
        mask = self.masks[chosen].to(device)
        dtype = next(model.parameters()).dtype
        prediction = model(truth.to(dtype), mask.to(dtype)).float()
        return mask_input(truth, mask), prediction, compose(truth, prediction, mask), truth
