"""All pictures of a set on the device that trains, as bytes.

7,000 pictures of 256×256 take 1.4 GB. A batch is then a gather on the device: no decoding, no copy,
no worker processes but for the masks.
"""

from __future__ import annotations

import torch
from torch import Tensor
from tqdm import tqdm

from labkit.data import ImageSource
from labkit.errors import InputError
from labkit.machine import available_memory

_CHUNK = 64


class PictureCache:
    """Every picture of `source`, uint8, on `device`.

    Raises:
        InputError: more bytes than the device has free.
    """

    def __init__(self, source: ImageSource, device: torch.device) -> None:
        size, count = source.size, len(source)
        wanted, free = count * size * size * 3, free_memory(device)
        if free is not None and wanted > free:
            raise InputError(
                f"{count} pictures of {size} px take {wanted / 2**30:.1f} GiB, and {device} has "
                f"{free / 2**30:.1f} GiB free",
                "cache them in memory, or not at all",
            )
        self.pictures = torch.empty(count, size, size, 3, dtype=torch.uint8, device=device)
        chunks = range(0, count, _CHUNK)
        for start in tqdm(chunks, f"{count} pictures to {device}", disable=None, leave=False):
            numbers = range(start, min(start + _CHUNK, count))
            self.pictures[start : numbers.stop] = torch.from_numpy(source.batch(numbers))

    def take(self, choice: Tensor) -> Tensor:
        """The pictures that a deferred item of `BatchesByStep` names: uint8 (B, S, S, 3)."""
        number, mirrored = choice.to(self.pictures.device, non_blocking=True).unbind(dim=1)
        taken = self.pictures[number]  # (B, S, S, 3)
        return torch.where(mirrored.bool()[:, None, None, None], taken.flip(2), taken)


def free_memory(device: torch.device) -> int | None:
    """Bytes free on a device; None where it does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return available_memory() if device.type == "cpu" else None
