"""Metrics of Revisited Oxford and Paris: Radenovic et al., CVPR 2018 (arXiv:1803.11285).

Average precision is that of the Oxford buildings (Philbin et al., CVPR 2007): the area under the
curve of precision and recall by trapezoids, so a lone positive at rank 2 has 0.25. Ranks count from
0 here, and images that are to be ignored are taken out before.
"""

import numpy as np
from numpy.typing import NDArray

Ranks = NDArray[np.int64]


def average_precision(ranks: Ranks, positives: int) -> float:
    """Return the average precision of a ranking.

    ranks: of the positives that were found, rising, from 0 (m); positives: how many there are.
    """
    if not positives:
        return float("nan")
    found = np.arange(len(ranks))
    before = np.where(ranks == 0, 1.0, found / np.maximum(ranks, 1))
    return float((before + (found + 1) / (ranks + 1)).sum() / (2 * positives))


def precision(ranks: Ranks, positives: int, *, k: int) -> float:
    """Return the precision of the first k, or of those up to the last positive if that is sooner.

    So a query with fewer positives than k can have 1. What was not found is beyond k.
    """
    if not positives:
        return float("nan")
    first = k
    if len(ranks) == positives:
        first = min(int(ranks[-1]) + 1, k)
    return float((ranks < first).sum() / first)


def expected_average_precision(positives: int, candidates: int, depth: int) -> float:
    """Return the mean average precision of all orders of candidates, of which `depth` are kept.

    With R of n positive, rank r is a positive's with probability R / n; of r candidates before it
    r (R - 1) / (n - 1) are positive in the mean.
    """
    if not positives:
        return float("nan")
    r = np.arange(min(depth, candidates), dtype=np.float64)
    before = r * (positives - 1) / max(candidates - 1, 1)
    low = np.where(r == 0, 1.0, before / np.maximum(r, 1))
    high = (before + 1) / (r + 1)
    return float((low + high).sum() / (2 * candidates))
