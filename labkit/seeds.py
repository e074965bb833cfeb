"""One seed, many independent streams of random numbers, and draws from them.

A stream is named by whole numbers of any size, (seed, what for, step, …), none negative. Two names
never share numbers, and a name gives the same numbers whatever was drawn before.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

# What a stream is for: the second word of its name.
SHUFFLE, AUGMENT, MASK, CRITICS, INTERPOLATION = range(5)
# How many words the names of each have that the package uses.
_LENGTHS = {SHUFFLE: 3, AUGMENT: 4, MASK: 4, CRITICS: 2, INTERPOLATION: 4}
_BITS = 32  # SeedSequence cuts larger words into pieces of so many bits


def torch_generator(*words: int) -> torch.Generator:
    """A generator on the CPU, so that a name means the same numbers on every device.

    >>> torch.randint(1000, (3,), generator=torch_generator(7, MASK, 0, 2)).tolist()
    [228, 172, 586]
    """
    word = _sequence(words).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(word >> np.uint64(1)))  # 63 bits: never negative


def numpy_generator(*words: int) -> np.random.Generator:
    """A generator for NumPy.

    >>> numpy_generator(7, SHUFFLE, 0).permutation(5).tolist()
    [2, 0, 4, 1, 3]
    """
    return np.random.default_rng(_sequence(words))


def _sequence(words: tuple[int, ...]) -> np.random.SeedSequence:
    """SeedSequence pads a name with zeros to four words: (0, 3) and (0, 3, 0, 0) are one to it.

    So the names in use, whose length follows from what they are for, are handed over as they are,
    and all others with the lengths in them, and a fifth word, which no name in use has.
    """
    small = all(word >> _BITS == 0 for word in words)
    if small and len(words) > 1 and _LENGTHS.get(words[1]) == len(words):
        return np.random.SeedSequence(words)
    pieces = [len(words)]
    for word in words:
        count = -(-word.bit_length() // _BITS)
        pieces += [count, *np.frombuffer(word.to_bytes(4 * count, "little"), "<u4").tolist()]
    return np.random.SeedSequence(pieces, spawn_key=(0,))


def whole(
    low: int | Tensor, high: int | Tensor, shape: tuple[int, ...], rng: torch.Generator
) -> Tensor:
    """Whole numbers low … high, both included and each as likely; bounds may differ per element.

    Returns:
        int64 of `shape`, with which tensors given as bounds must broadcast, on the generator's
        device.
    """
    uniform = torch.rand(shape, generator=rng, device=rng.device)
    return low + (uniform * (high - low + 1)).long()


def between(low: float, high: float, shape: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """Uniform float32 of `shape` in [low, high), on the generator's device."""
    return low + (high - low) * torch.rand(shape, generator=rng, device=rng.device)
