"""Batches as a function of the step: the same step gives the same batch, whatever came before.

A training run that depends on nothing but (seed, step) can stop anywhere and go on exactly as if it
had not stopped, with any number of worker processes, and N processes that share a batch of B see
the very samples that one process would see.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from labkit.data.source import ImageSource
from labkit.errors import InputError
from labkit.masks import MaskConfig, sample_masks

# Streams of random numbers that must not overlap: one name each.
_SHUFFLE, _AUGMENT, _MASK = 0, 1, 2


@dataclass(frozen=True)
class Augmentation:
    """How a training picture is varied.

    Attributes:
        flip: mirror half of the pictures left to right.
        smallest_crop: a square crop whose side is drawn from [smallest_crop, 1] of the picture's,
            at a random place, then resized; 1 keeps the whole picture.
    """

    flip: bool = True
    smallest_crop: float = 1.0

    def __post_init__(self) -> None:
        if not 0.1 <= self.smallest_crop <= 1.0:
            raise InputError(f"smallest crop {self.smallest_crop} must lie in [0.1, 1]")

    def __call__(self, image: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
        """uint8 (S, S, 3) → uint8 (size, size, 3)."""
        source = image.shape[0]
        side = round(source * rng.uniform(self.smallest_crop, 1.0))
        top, left = rng.integers(0, source - side + 1, size=2)
        image = image[top : top + side, left : left + side]
        if side != size:
            # Area averaging where pixels are dropped, so that thin structures do not alias.
            how = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
            image = cv2.resize(image, (size, size), interpolation=how)
        if self.flip and rng.random() < 0.5:
            image = image[:, ::-1]
        return image


class BatchesByStep(Dataset):
    """Item `step` is this process's share of the batch of that step.

    Args:
        source: pictures, at least as large as `size`.
        masks: how holes are drawn.
        size: side of the training pictures in pixels.
        batch: pictures in the global batch, over all processes.
        seed: everything random follows from it and the step.
        augmentation: None for pictures as they are.
        rank, world: this process's number and how many there are; `batch` must divide by `world`.

    Items: (uint8 (batch/world, size, size, 3), uint8 (batch/world, 1, size, size) with 1 =
    missing).
    """

    def __init__(
        self,
        source: ImageSource,
        masks: MaskConfig,
        size: int,
        batch: int,
        seed: int,
        *,
        augmentation: Augmentation | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if batch < 1 or batch % world:
            raise InputError(f"batch {batch} must be a positive multiple of the {world} processes")
        if batch > len(source):
            raise InputError(f"batch {batch} is larger than the set of {len(source)} pictures")
        if source.size < size:
            raise InputError(f"pictures of {source.size} px cannot train at {size} px")
        self.source, self.masks, self.size = source, masks, size
        self.batch, self.seed = batch, seed
        self.augmentation = augmentation or Augmentation(flip=False)
        self.slots = range(rank, batch, world)
        self._permutation: tuple[int, np.ndarray] | None = None

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        images = self.source.batch([self._index(step, slot) for slot in self.slots])
        varied = [
            self.augmentation(
                image, self.size, np.random.default_rng((self.seed, _AUGMENT, step, slot))
            )
            for image, slot in zip(images, self.slots, strict=True)
        ]
        holes = [
            sample_masks(self.masks, 1, self.size, self._mask_generator(step, slot))
            for slot in self.slots
        ]
        return torch.from_numpy(np.stack(varied)), torch.cat(holes).to(torch.uint8)

    def _index(self, step: int, slot: int) -> int:
        """Which picture: every picture once an epoch, each epoch in an order of its own."""
        epoch, offset = divmod(step * self.batch + slot, len(self.source))
        if self._permutation is None or self._permutation[0] != epoch:
            rng = np.random.default_rng((self.seed, _SHUFFLE, epoch))
            self._permutation = (epoch, rng.permutation(len(self.source)))
        return int(self._permutation[1][offset])

    def _mask_generator(self, step: int, slot: int) -> torch.Generator:
        word = np.random.SeedSequence((self.seed, _MASK, step, slot)).generate_state(1, np.uint64)[
            0
        ]
        return torch.Generator().manual_seed(int(word >> np.uint64(1)))  # 63 bits: never negative


def load_batches(
    batches: BatchesByStep, start: int, stop: int, *, workers: int = 0, pin: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of steps start … stop−1, prepared ahead by `workers` processes."""
    loader = DataLoader(
        batches,
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        pin_memory=pin,
        worker_init_fn=_prepare_worker,
    )
    return iter(loader)


def _prepare_worker(_: int) -> None:
    """Ctrl-C reaches every process of a terminal; the training loop alone decides when to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(1)
