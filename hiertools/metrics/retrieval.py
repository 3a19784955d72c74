"""Graded metrics of a ranking, compiled; and what random rankings come to, exactly.

A ranking is `codes`: the class of each candidate that was found, best first. `gains` says how much
a candidate of each class is worth to the query, `counts` how many candidates of each class there
are to be found. `sums[i]` is the sum of the weights of the first i ranks: weights of 1/log2(1 + i)
make nDCG, weights of 1 hierarchical precision.
"""

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def log_discounts(n: int) -> Floats:
    """Return the sums of the first 0 … n discounts 1/log2(1 + i), i from 1.

    Järvelin & Kekäläinen 2002, eq. 3, in the form of Burges et al. 2005: the first rank counts 1.
    """
    return np.append(0.0, np.cumsum(1 / np.log2(np.arange(2, n + 2))))


def no_discounts(n: int) -> Floats:
    """Return the sums of the first 0 … n weights of 1."""
    return np.arange(n + 1, dtype=np.float64)


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def ranks_of_classes(codes, relevant, out):  # type: ignore[no-untyped-def]
    """Return the ranks, from 1 and rising, of candidates of relevant classes (booleans).

    out: room for the ranks.
    """
    found = 0
    for i, code in enumerate(codes):
        if relevant[code]:
            out[found] = i + 1
            found += 1
    return out[:found]


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def average_precision_at(ranks, relevant, k):  # type: ignore[no-untyped-def]
    """Return the sum of the precision at each relevant rank up to k, divided by `relevant`.

    With k = `relevant` this is MAP@R of Musgrave et al. 2020 (arXiv:2003.08505), section 3.2; with
    all ranks the average precision.
    """
    total = 0.0
    for i, rank in enumerate(ranks):
        if rank > k:
            break
        total += (i + 1) / rank
    return total / relevant


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def weighted_gains(codes, gains, sums, ks, out):  # type: ignore[no-untyped-def]
    """Write the sum of weighted gains of the first k, for rising ks. What is not found gains 0."""
    total = 0.0
    slot = 0
    for i, code in enumerate(codes):
        while slot < len(ks) and ks[slot] <= i:
            out[slot] = total
            slot += 1
        if slot == len(ks):
            return
        total += gains[code] * (sums[i + 1] - sums[i])
    out[slot:] = total


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def best_gains(counts, gains, order, sums, ks, out):  # type: ignore[no-untyped-def]
    """Write the greatest sum of weighted gains that the first k can have, for rising ks.

    order: of the classes, by falling gain. The ideal is of all candidates, found or not.
    """
    out[:] = 0.0
    first = 0
    for code in order:
        if len(ks) == 0 or first >= ks[-1]:
            break
        last = first + counts[code]
        for slot, k in enumerate(ks):
            if first < k and first < last:
                out[slot] += gains[code] * (sums[min(k, last)] - sums[first])
        first = last


def expected_precision_at(relevant: Counts, candidates: Counts, ranks: Counts) -> Floats:
    """Return the average precision that random rankings have in the mean, cut at so many ranks.

    With R of n relevant, rank r is a relevant one's with probability R/n, and of the r - 1 before
    it (r - 1)(R - 1)/(n - 1) are then relevant in the mean. So with H the k-th harmonic number it
    is (H + (R - 1)/(n - 1) (k - H))/n; k = n for whole rankings, k = R for MAP@R.
    """
    k = np.minimum(ranks, candidates)
    harmonic = np.append(0.0, np.cumsum(1 / np.arange(1, k.max(initial=0) + 1)))
    h = harmonic[k]
    n = candidates.astype(np.float64)
    found: Floats = (h + (relevant - 1) / np.maximum(n - 1, 1) * (k - h)) / n
    return found


def expected_gains(mean: Floats, sums: Floats, ks: Counts, candidates: Counts) -> Floats:
    """Return the sum of weighted gains that random rankings have in the mean: q x k.

    mean: the gain of a candidate of each of q queries; each rank has it in the mean.
    """
    reached = np.minimum(ks[None], candidates[:, None])
    found: Floats = mean[:, None] * sums[reached]
    return found
