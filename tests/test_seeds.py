"""Streams of random numbers: names that are near to each other, and numbers that are recorded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.seeds import (
    AUGMENT,
    CRITICS,
    INTERPOLATION,
    MASK,
    SHUFFLE,
    numpy_generator,
    torch_generator,
)

# Zeros, small words and words about 2^32, of which a name of another length can be made.
WORDS = st.one_of(st.integers(0, 5), st.sampled_from([2**32 - 1, 2**32, 2**32 + 5, 2**64, 2**70]))
NAMES = st.lists(WORDS, max_size=7).map(tuple)


def starts(name: tuple[int, ...]) -> tuple[list[int], list[int]]:
    state = torch_generator(*name).initial_seed()
    return numpy_generator(*name).integers(2**63, size=2).tolist(), [state]


@given(st.sets(NAMES, min_size=2, max_size=20))
def test_two_names_share_no_numbers(names) -> None:
    for drawn in zip(*map(starts, names), strict=True):
        assert len(set(map(tuple, drawn))) == len(names)


@pytest.mark.parametrize(
    "names",
    [
        [(0, 3), (0, 3, 0), (0, 3, 0, 0)],
        [(5, 1, 0, 7), (5 + 2**32, 0, 7)],
        [(0,), (0, 0), (0, 0, 0), (0, 0, 0, 0), ()],
    ],
)
def test_names_that_numpy_takes_for_one_differ(names) -> None:
    for drawn in zip(*map(starts, names), strict=True):
        assert len(set(map(tuple, drawn))) == len(names)


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
def test_recorded_results_stand_on_numpys_own_numbers(seed) -> None:
    names = [(seed, purpose, step, slot) for purpose in (AUGMENT, MASK, INTERPOLATION)
             for step in (0, 3) for slot in (0, 5)]  # fmt: skip
    for name in [*names, (seed, SHUFFLE, 0), (seed, SHUFFLE, 9), (seed, CRITICS)]:
        plain = np.random.default_rng(name)
        assert numpy_generator(*name).bit_generator.state == plain.bit_generator.state
        word = np.random.SeedSequence(name).generate_state(1, np.uint64)[0]
        assert torch_generator(*name).initial_seed() == int(word >> np.uint64(1))
