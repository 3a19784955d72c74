"""Intervals of means and medians over queries."""

import numpy as np
from numpy.typing import NDArray

BLOCK_COUNTS = 1 << 20


def interval(
    values: NDArray[np.float64], *, resamples: int, seed: int, level: float
) -> NDArray[np.float64] | None:
    """Return low and high end of a percentile bootstrap interval of the mean over queries.

    values: of q queries, or q x m of m metrics, which then share their resamples; finite. Returns
    2 numbers, or 2 x m; None for less than two queries, whose mean has no spread to be seen.
    Efron & Tibshirani 1993, chapter 13.
    """
    queries = len(values)
    if queries < 2:
        return None
    first = values[:1]  # taken off, so that equal values have an interval of exactly no width
    rng = np.random.default_rng(seed)
    rows = max(1, BLOCK_COUNTS // queries)
    blocks = [
        drawn(queries, min(rows, resamples - start), rng) @ (values - first) / queries
        for start in range(0, resamples, rows)
    ]
    tail = (1 - level) / 2
    ends: NDArray[np.float64] = np.quantile(np.concatenate(blocks), [tail, 1 - tail], axis=0)
    return first + ends


def median_interval(
    values: NDArray[np.float64],
    other: NDArray[np.float64] | None,
    *,
    resamples: int,
    seed: int,
    level: float,
) -> tuple[float, float] | None:
    """Return low and high end of a percentile bootstrap interval of the median over queries.

    other: values of the same queries whose median is taken off, in the same resamples; the
    interval is then of a difference. None for less than two queries.
    """
    queries = len(values)
    if queries < 2:
        return None
    rng = np.random.default_rng(seed)
    medians = np.empty(resamples)
    for i in range(resamples):
        drawn = rng.integers(queries, size=queries)
        medians[i] = np.median(values[drawn])
        if other is not None:
            medians[i] -= np.median(other[drawn])
    tail = (1 - level) / 2
    low, high = np.quantile(medians, [tail, 1 - tail])
    return float(low), float(high)


def drawn(queries: int, rows: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how often each query is drawn in each of some resamples: rows x queries."""
    places = rng.integers(queries, size=(rows, queries))
    places += np.arange(0, rows * queries, queries)[:, None]
    counts = np.bincount(places.ravel(), minlength=rows * queries)
    return counts.reshape(rows, queries).astype(np.float64)
