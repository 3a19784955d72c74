"""How deep rankings are judged, where nobody says."""

from collections.abc import Sequence

import numpy as np

from hiertools.evaluation.judging import Depths

PAPER = (150_000, 200_000, 250_000)  # arXiv:2411.17490, table 2
PERCENTS = (5, 10, 25, 50)  # of the candidates, where there are fewer
STEPS = (1, 2, 5)  # of each power of ten
RECALLS = 21  # from 0 to 1


def deep(candidates: int) -> tuple[int, ...]:
    """Return the ks of recall and class distributions among so many candidates."""
    if candidates > PAPER[-1]:
        return PAPER
    return tuple(sorted({-(-candidates * percent // 100) for percent in PERCENTS}))


def depths(small: Sequence[int], deep: Sequence[int], *, most: int) -> Depths:
    """Return how deep to judge rankings of up to `most` hits; no deeper k is left."""
    powers = [step * 10**power for power in range(len(str(most))) for step in STEPS]
    kept_small, kept_deep = (sorted({k for k in ks if k <= most}) for ks in (small, deep))
    every = sorted({k for k in (*powers, *kept_deep, most) if 0 < k <= most})
    first, second, third = (np.array(ks, np.int64) for ks in (kept_small, kept_deep, every))
    return Depths(first, second, third, np.linspace(0, 1, RECALLS))
