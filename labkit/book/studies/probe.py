"""What is measured of a generator in a study: one fixed set of pictures, the same for every arm."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from labkit.book.checkerboard import checkerboard_scores
from labkit.classical import CLASSICAL
from labkit.data import ImageSource
from labkit.errors import InputError
from labkit.evaluation.metrics import finite_psnr
from labkit.images import compose, from_uint8, mask_input, to_uint8
from labkit.masks import sample_masks
from labkit.settings import MaskConfig

PROBE_SEED = 20_181_021  # of the holes; not the one that validation draws with
PERIODS = (2, 4)  # pixels, of the checkerboards that are looked for
_SHARES = (0.125, 0.25, 0.375, 0.5, 0.625)  # sides of the central holes, of the picture's side
_BATCH = 32

Measures = dict[str, float]


class Holes:
    """Pictures, each with a hole, and how these are filled.

    Args:
        truth: uint8 (N, S, S, 3).
        masks: float (N, 1, S, S).
    """

    def __init__(self, truth: np.ndarray, masks: Tensor) -> None:
        self.truth, self.masks = truth, masks
        self.holes = masks[:, 0].numpy() > 0.5  # (N, S, S)
        depths = [cv2.distanceTransform(h.astype(np.uint8), cv2.DIST_C, 3) for h in self.holes]
        self.depth = np.stack(depths).round().astype(int)  # (N, S, S), 0 where known

    @torch.no_grad()
    def fill(
        self, model: nn.Module, masks: Tensor | None = None, count: int | None = None
    ) -> np.ndarray:
        """Composites of the first `count` pictures, uint8 (N, S, S, 3), or with other masks."""
        parameter = next(model.parameters())
        masks = self.masks if masks is None else masks
        filled = []
        truth = torch.from_numpy(self.truth[:count])
        for some, mask in zip(truth.split(_BATCH), masks[:count].split(_BATCH), strict=True):
            image, hole = from_uint8(some).to(parameter), mask.to(parameter)
            filled.append(to_uint8(compose(image, model(image, hole), hole).float()))
        return np.concatenate(filled)

    def classical(self, method: str) -> np.ndarray:
        """Composites of a classical method, uint8 (N, S, S, 3)."""
        return np.stack(
            [
                np.where(hole[..., None], CLASSICAL[method](image, hole), image)
                for image, hole in zip(self.truth, self.holes, strict=True)
            ]
        )

    def psnr(self, filled: np.ndarray) -> float:
        """Mean over the pictures in dB."""
        return float(np.mean([finite_psnr(a, b) for a, b in zip(self.truth, filled, strict=True)]))


class Probe(Holes):
    """Pictures no arm has trained on, each with a hole, and what a fill of them is worth.

    Args:
        source: pictures.
        masks: how holes are drawn; the study's own.
        count: how many pictures; fewer where the set is smaller.
    """

    def __init__(self, source: ImageSource, masks: MaskConfig, count: int) -> None:
        count, size = min(count, len(source)), source.size
        generator = torch.Generator().manual_seed(PROBE_SEED)
        drawn = torch.cat([sample_masks(masks, 1, size, generator) for _ in range(count)])
        super().__init__(source.batch(range(count)), drawn)
        self.sides = [max(2, round(share * size)) // 2 * 2 for share in _SHARES]
        self._own = {period: self._strengths(self.truth, period) for period in PERIODS}

    def measure(self, model: nn.Module, *, thorough: bool = True) -> Measures:
        """Everything the studies show of a generator, which is left in evaluation mode.

        Args:
            thorough: also what is looked at once, after training.

        Returns:
            numbers by name.

            * "psnr": mean composite PSNR in dB.
            * "checkerboard P": mean strength in dB of a pattern of P pixels in the holes, over that
              of the truth.
            * "error at D" (thorough): mean absolute error in grey levels, D pixels from the nearest
              known one (to the power of two below the next), for D = 1, 2, 4, …
            * "centre of S", "psnr of S" (thorough): mean absolute error in the middle 2×2 pixels of
              a central square hole of side S, and the composites' mean PSNR.
        """
        model.eval()
        filled = self.fill(model)
        found: Measures = {"psnr": self.psnr(filled)}
        for period in PERIODS:
            strengths = self._strengths(filled, period) - self._own[period]
            found[f"checkerboard {period}"] = float(np.mean(strengths))
        if not thorough:
            return found
        error = np.abs(filled.astype(float) - self.truth).mean(axis=-1)  # (N, S, S)
        low = 1
        while (ring := (self.depth >= low) & (self.depth < 2 * low)).any():
            found[f"error at {low}"] = float(error[ring].mean())
            low *= 2
        for side in self.sides:
            size = self.truth.shape[1]
            start, middle = (size - side) // 2, size // 2
            mask = torch.zeros_like(self.masks)
            mask[..., start : start + side, start : start + side] = 1
            filled = self.fill(model, mask)
            error = np.abs(filled.astype(float) - self.truth)
            core = error[:, middle - 1 : middle + 1, middle - 1 : middle + 1]
            found[f"centre of {side}"] = float(core.mean())
            found[f"psnr of {side}"] = self.psnr(filled)
        return found

    def pictures(self, model: nn.Module, count: int = 4) -> np.ndarray:
        """The first composites with the study's own holes, one above the other."""
        model.eval()
        return np.concatenate(list(self.fill(model, count=count)))

    def margin(self, count: int = 4) -> tuple[np.ndarray, np.ndarray]:
        """What stands beside them: the masked pictures and the truth."""
        truth = from_uint8(torch.from_numpy(self.truth[:count]))
        masked = to_uint8(mask_input(truth, self.masks[:count]))
        return np.concatenate(list(masked)), np.concatenate(list(self.truth[:count]))

    def _strengths(self, images: np.ndarray, period: int) -> np.ndarray:
        """Of the pattern in each hole that has room for a window."""
        scores = checkerboard_scores(images, self.holes, period=period)
        measured = scores[~np.isnan(scores)]
        if not measured.size:
            raise InputError(
                "no hole of the study is large enough to look for checkerboards",
                "choose larger pictures or holes",
            )
        return measured
