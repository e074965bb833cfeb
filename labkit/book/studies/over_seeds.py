"""Scores of rows that were trained with several seeds: means over them, differences within them.

A row's mean takes all of its runs. The difference of two rows is taken over the seeds that both
have, lest a row that was trained once be charged for the luck of another's second seed: within a
seed all rows see the same pictures with the same holes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

import numpy as np

from labkit.evaluation.statistics import AS_REPORTED, MEASURES, Score, paired_differences

Rows = dict[str, dict[int, Sequence[Score]]]
"""Title of a row → seed → the scores of that run, in both protocols."""


def mean_of_seeds(runs: Iterable[Sequence[Score]], title: str) -> Iterator[Score]:
    """The scores of a row: on each pair the mean over its runs.

    Args:
        runs: the scores of each run, all in the same order.
        title: the method's name in what is returned; scores in the report's way keep their suffix.
    """
    for same in zip(*runs, strict=True):
        first = same[0]
        means = {
            measure: float(np.mean([getattr(score, measure) for score in same]))
            for measure in MEASURES
            if getattr(first, measure) is not None
        }
        reported = AS_REPORTED if first.method.endswith(AS_REPORTED) else ""
        yield Score(first.pair, title + reported, first.hole_ratio, **means)


def psnr_of_seeds(runs: Mapping[int, Sequence[Score]], title: str) -> dict[str, float]:
    """Seed → mean PSNR of its run in dB, in the report's way where the title ends as it does."""
    reported = title.endswith(AS_REPORTED)
    means = {}
    for seed, scores in runs.items():
        own = [s.psnr for s in scores if s.method.endswith(AS_REPORTED) == reported]
        means[str(seed)] = round(float(np.mean(own)), 4)
    return means


def differences(fixed: Sequence[Score], rows: Rows) -> list[dict[str, object]]:
    """Paired differences of each method and row less each before it.

    Returns:
        what `paired_differences` does. Between two rows, "seeds" is the difference of their mean
        PSNR in dB within each seed that both have.
    """
    means = [mean for title, runs in rows.items() for mean in mean_of_seeds(runs.values(), title)]
    against_fixed = [
        entry
        for entry in paired_differences([*fixed, *means])
        if str(entry["minus"]).removesuffix(AS_REPORTED) not in rows
    ]
    among_rows = [d for one, other in combinations(rows, 2) for d in _between(rows, one, other)]
    return [*against_fixed, *among_rows]


def _between(rows: Rows, one: str, other: str) -> Iterator[dict[str, object]]:
    """The second row less the first."""
    common = [seed for seed in rows[other] if seed in rows[one]]
    of_one, of_other = ({seed: rows[title][seed] for seed in common} for title in (one, other))
    means = [*mean_of_seeds(of_one.values(), one), *mean_of_seeds(of_other.values(), other)]
    for entry in paired_differences(means):
        ours, theirs = (
            psnr_of_seeds(runs, str(entry[key]))
            for runs, key in ((of_other, "method"), (of_one, "minus"))
        )
        yield entry | {"seeds": {seed: round(ours[seed] - theirs[seed], 4) for seed in ours}}
