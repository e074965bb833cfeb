"""One seed, many independent streams of random numbers.

A stream is named by whole numbers, (seed, what for, step, …); two names never share numbers, and a
name gives the same numbers whatever was drawn before.
"""

from __future__ import annotations

import numpy as np
import torch

# What a stream is for: the second word of its name.
SHUFFLE, AUGMENT, MASK, CRITICS, INTERPOLATION = range(5)


def torch_generator(*words: int) -> torch.Generator:
    """A generator on the CPU, so that a name means the same numbers on every device."""
    word = np.random.SeedSequence(words).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(word >> np.uint64(1)))  # 63 bits: never negative


def numpy_generator(*words: int) -> np.random.Generator:
    return np.random.default_rng(words)
