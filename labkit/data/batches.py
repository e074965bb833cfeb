"""Batches as a function of the step: the same step gives the same batch, whatever came before.

A training run that depends on nothing but (seed, step) can stop anywhere and go on exactly as if it
had not stopped, with any number of worker processes, and N processes that share a batch of B see
the very samples that one process would see.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from labkit.data import ImageSource
from labkit.errors import InputError
from labkit.masks import sample_masks
from labkit.seeds import AUGMENT, MASK, SHUFFLE, numpy_generator, torch_generator
from labkit.settings import Augmentation, MaskConfig


def draw_crop(
    augmentation: Augmentation, source: int, rng: np.random.Generator
) -> tuple[int, int, int, bool]:
    """The crop's side, top and left in a picture of side `source`, negative where it begins
    outside; whether to mirror it."""
    side = round(source * rng.uniform(augmentation.smallest_crop, augmentation.largest_crop))
    spare = source - side
    top, left = rng.integers(min(0, spare), max(0, spare) + 1, size=2)
    return side, int(top), int(left), bool(augmentation.flip and rng.random() < 0.5)


def vary(
    image: np.ndarray, augmentation: Augmentation, size: int, rng: np.random.Generator
) -> np.ndarray:
    """A crop of a picture, resized, perhaps mirrored: uint8 (S, S, 3) → uint8 (size, size, 3)."""
    source = image.shape[0]
    side, top, left, mirrored = draw_crop(augmentation, source, rng)
    if side > source:  # (side, side, 3)
        after = side - source
        edges = (-top, after + top, -left, after + left)
        image = cv2.copyMakeBorder(image, *edges, cv2.BORDER_REFLECT_101)
    else:
        image = image[top : top + side, left : left + side]
    if side != size:
        # Area averaging where pixels are dropped, so that thin structures do not alias.
        how = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
        image = cv2.resize(image, (size, size), interpolation=how)
    return image[:, ::-1] if mirrored else image


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
        deferred: leave the pictures where they are and say which to take: pictures of a
            `PictureCache`, which must be used whole.

    Items: (uint8 (batch/world, size, size, 3), uint8 (batch/world, 1, size, size) with 1 =
    missing). Deferred, the first is int64 (batch/world, 2): a picture's number, and 1 where it is
    mirrored.
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
        deferred: bool = False,
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
        self.deferred = deferred
        self._permutation: tuple[int, np.ndarray] | None = None

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        numbers = [self._index(step, slot) for slot in self.slots]
        draws = [numpy_generator(self.seed, AUGMENT, step, slot) for slot in self.slots]
        rngs = [torch_generator(self.seed, MASK, step, slot) for slot in self.slots]
        drawn = [sample_masks(self.masks, 1, self.size, rng) for rng in rngs]
        holes = torch.cat(drawn).to(torch.uint8)  # (B, 1, S, S)
        if self.deferred:
            mirrored = [draw_crop(self.augmentation, self.size, rng)[3] for rng in draws]
            return torch.tensor([numbers, mirrored]).T.contiguous(), holes
        varied = [
            vary(image, self.augmentation, self.size, rng)
            for image, rng in zip(self.source.batch(numbers), draws, strict=True)
        ]
        return torch.from_numpy(np.stack(varied)), holes

    def _index(self, step: int, slot: int) -> int:
        """Which picture: every picture once an epoch, each epoch in an order of its own."""
        epoch, offset = divmod(step * self.batch + slot, len(self.source))
        if self._permutation is None or self._permutation[0] != epoch:
            rng = numpy_generator(self.seed, SHUFFLE, epoch)
            self._permutation = (epoch, rng.permutation(len(self.source)))
        return int(self._permutation[1][offset])


def load_batches(
    batches: BatchesByStep, start: int, stop: int, *, workers: int = 0, pin: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of steps start … stop−1, prepared ahead by `workers` processes.

    With workers, OpenCV is set to one thread in this process. A forked child inherits its pool of
    threads as a record of threads that do not exist there, and would wait for them for ever, even
    to be told to use one only.
    """
    if workers:
        cv2.setNumThreads(1)
    loader = DataLoader(
        _Plain(batches),
        batch_size=None,
        sampler=range(start, stop),
        num_workers=workers,
        collate_fn=_as_it_is,
        worker_init_fn=_prepare_worker,
    )
    for item in loader:
        if isinstance(item, InputError):
            raise item
        images, masks = map(torch.from_numpy, item)
        yield (images.pin_memory(), masks.pin_memory()) if pin else (images, masks)


@contextmanager
def naming_lost_workers(run: Path) -> Iterator[None]:
    """Within, a process that prepares batches and is killed ends in an `InputError`.

    PyTorch tells of it by an error that is raised wherever the loop is at that moment.
    """
    try:
        yield
    except RuntimeError as error:
        said = str(error).partition("\n")[0]
        if not re.search(r"DataLoader worker .* (killed|exited)", said):
            raise
        raise InputError(
            f"{run}: a process that prepares batches was lost ({said})",
            "the memory may not suffice: go on with --resume --workers 0, which starts none",
        ) from None


class _Plain(Dataset):
    """Batches as arrays, which come through a pipe: tensors would need room in shared memory, of
    which a container may have little, and where that is full PyTorch waits for ever.

    An `InputError` is handed over as an item: raised in a worker process, it would arrive as the
    text of a traceback.
    """

    def __init__(self, batches: BatchesByStep) -> None:
        self.batches = batches

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray] | InputError:
        try:
            images, masks = self.batches[step]
        except InputError as error:
            return error
        return images.numpy(), masks.numpy()


def _as_it_is(item: object) -> object:
    return item


def _prepare_worker(_: int) -> None:
    """Ctrl-C reaches every process of a terminal; the training loop alone decides when to stop.

    A worker prepares batches ahead: where cores are short, the training step goes first.
    """
    if hasattr(os, "nice"):
        os.nice(10)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
