"""Means and ratios of sums over items: their intervals, and whether two runs differ in them.

A metric is Σ numerator / Σ denominator over n items; a mean has denominators of 1, and one of some
of the items has 0 for the others.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.metrics.bootstrap import BLOCK_COUNTS, drawn

Floats = NDArray[np.float64]
ROUNDING = 1e-12  # by which sums in another order may differ


@dataclass(frozen=True)
class Ratios:
    """m metrics of n items: their numerators and denominators (n x m)."""

    numerators: Floats
    denominators: Floats

    def __len__(self) -> int:
        return len(self.numerators)

    def values(self) -> Floats:
        """Return the metrics (m)."""
        found: Floats = self.numerators.sum(axis=0) / self.denominators.sum(axis=0)
        return found


def interval(found: Ratios, *, resamples: int, seed: int, level: float) -> Floats | None:
    """Return low and high ends (2 x m) of percentile bootstrap intervals over items.

    All metrics share their resamples; one that draws none of a metric's items does not count for
    it. None for less than two items. Efron & Tibshirani 1993, chapter 13.
    """
    if len(found) < 2:
        return None
    return _ends(_resampled([found], resamples, seed)[0], level)


def difference_interval(
    one: Ratios, other: Ratios, *, resamples: int, seed: int, level: float
) -> Floats | None:
    """Return intervals of the differences of two runs, both with the same items in a resample."""
    if len(one) < 2:
        return None
    mine, its = _resampled([one, other], resamples, seed)
    return _ends(mine - its, level)


def _resampled(runs: list[Ratios], resamples: int, seed: int) -> list[Floats]:
    """Return the metrics of each run in each resample (resamples x m), NaN for 0 / 0."""
    size = len(runs[0])
    # taken off, so that equal ratios have an interval of exactly no width
    centres = [run.values() for run in runs]
    rest = [
        Ratios(run.numerators - run.denominators * centre, run.denominators)
        for run, centre in zip(runs, centres, strict=True)
    ]
    table = np.hstack([column for run in rest for column in _columns(run)])
    rng = np.random.default_rng(seed)
    rows = max(1, BLOCK_COUNTS // size)
    sums = np.concatenate(
        [
            drawn(size, min(rows, resamples - start), rng) @ table
            for start in range(0, resamples, rows)
        ]
    )
    found, start = [], 0
    for run, centre in zip(rest, centres, strict=True):
        width = sum(column.shape[1] for column in _columns(run))
        above, below = _sums(run, sums[:, start : start + width], float(size))
        start += width
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append(np.where(below > 0, above / below, np.nan) + centre)
    return found


def _columns(run: Ratios) -> tuple[Floats, Floats]:
    """Return what has to be summed: numerators, and denominators that are not 1 for all items."""
    return run.numerators, run.denominators[:, ~_of_means(run)]


def _of_means(run: Ratios) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.all(run.denominators == 1, axis=0)
    return found


def _sums(run: Ratios, sums: Floats, ones: float) -> tuple[Floats, Floats]:
    """Return sums of numerators and of denominators; ones: the sum of denominators of 1."""
    metrics = run.numerators.shape[1]
    below = np.full((len(sums), metrics), ones)
    below[:, ~_of_means(run)] = sums[:, metrics:]
    return sums[:, :metrics], below


def _ends(values: Floats, level: float) -> Floats:
    tail = (1 - level) / 2
    found: Floats = np.nanquantile(values, [tail, 1 - tail], axis=0)
    return found


def swap_test(one: Ratios, other: Ratios, *, resamples: int, seed: int) -> Floats:
    """Return how probable differences as great as these are if the runs are alike (m).

    A paired permutation test: in each resample the two runs' answers to each item change sides
    with probability 1/2. (1 + how often |difference| is as great) / (1 + resamples), two-sided:
    Phipson & Smyth 2010. Never below 1 / (1 + resamples).
    """
    size, metrics = one.numerators.shape
    sums = [each.sum(axis=0) for each in (one.numerators, one.denominators)]
    others = [each.sum(axis=0) for each in (other.numerators, other.denominators)]
    more = other.denominators - one.denominators
    differs = more.any(axis=0)  # mostly both runs are judged by the same items
    moved = np.hstack([other.numerators - one.numerators, more[:, differs]])
    observed = np.abs(one.values() - other.values())
    rng, rows = np.random.default_rng(seed), max(1, BLOCK_COUNTS // size)
    as_great = np.zeros(metrics, np.int64)
    for start in range(0, resamples, rows):
        many = min(rows, resamples - start)
        change = rng.integers(2, size=(many, size), dtype=np.int8).astype(np.float64) @ moved
        above, below = change[:, :metrics], np.zeros((many, metrics))
        below[:, differs] = change[:, metrics:]
        with np.errstate(invalid="ignore", divide="ignore"):
            mine = (sums[0] + above) / (sums[1] + below)
            its = (others[0] - above) / (others[1] - below)
        as_great += (np.abs(mine - its) >= observed - ROUNDING).sum(axis=0)
    return (1 + as_great) / (1 + resamples)


def mcnemar(one: Floats, other: Floats) -> float:
    """Return how probable it is, two-sided, that two runs are right on so different items.

    one, other: 1 where a run is right. Of the b + c items that only one run has right, b is
    binomial with 1/2 if the runs are alike: McNemar 1947, exact. 1 where there are none.
    """
    from scipy.stats import binomtest

    first, second = int((one > other).sum()), int((other > one).sum())
    if first + second == 0:
        return 1.0
    return float(binomtest(first, first + second).pvalue)
