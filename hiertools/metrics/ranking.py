"""Rankings and what is relevant in them: the metrics of retrieval, compiled.

A ranking of n candidates is `order`: their places, best first. `state` says of each place, in bits,
what its candidate is to the query. Metrics take `ranks`: those of the relevant candidates that were
found, from 1 and rising; `relevant` is how many there are, found or not.
"""

import numba
import numpy as np
from numpy.typing import NDArray

FEW = 32  # of a bucket: as many as insertion sorts faster than merging
WIDTHS = (1e-300, 1e300)  # between scores, for which a bucket's number is a finite one

Places = NDArray[np.int32]
Scores = NDArray[np.float64]


def order(scores: Scores) -> Places:
    """Return the places of finite scores, the highest first; equal ones by place."""
    places = np.empty(len(scores), np.int32)
    order_into(scores, places, np.empty(len(scores)), np.empty(len(scores) + 1, np.int32))
    return places


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def order_into(scores, places, sorted_scores, starts):  # type: ignore[no-untyped-def]
    """Write `order` of scores into `places`. starts: a number more than buckets, to work with.

    Scores go into buckets by their size, and are sorted within each: six times as fast as a
    stable sort, exactly the same, and no slower where all fall into one bucket.
    """
    if len(scores) == 0:
        return
    high = scores.max()
    width = high - scores.min()
    buckets = len(starts) - 1
    scale = (buckets - 1) / width if WIDTHS[0] < width < WIDTHS[1] else 0.0
    starts[:] = 0
    for score in scores:
        starts[_bucket(score, high, scale) + 1] += 1
    for bucket in range(buckets):
        starts[bucket + 1] += starts[bucket]
    for place, score in enumerate(scores):
        bucket = _bucket(score, high, scale)
        places[starts[bucket]] = place
        sorted_scores[starts[bucket]] = score
        starts[bucket] += 1  # in the end it is where the next bucket starts
    begin = 0
    for bucket in range(buckets):
        end = starts[bucket]
        _sort(places[begin:end], sorted_scores[begin:end])
        begin = end


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def _bucket(score, high, scale):  # type: ignore[no-untyped-def]
    return np.int64((high - score) * scale) if scale else 0


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def _sort(places, scores):  # type: ignore[no-untyped-def]
    if len(scores) > FEW:
        places[:] = places[np.argsort(-scores, kind="mergesort")]
        return
    for i in range(1, len(scores)):
        score, place = scores[i], places[i]
        j = i
        while j > 0 and scores[j - 1] < score:
            scores[j], places[j] = scores[j - 1], places[j - 1]
            j -= 1
        scores[j], places[j] = score, place


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def ranks_of(order, state, wanted, barred, most, out):  # type: ignore[no-untyped-def]
    """Return the ranks, up to `most`, of candidates that have a bit of `wanted`, rising.

    Candidates with a bit of `barred` have no rank. out: room for the ranks.
    """
    rank = found = 0
    for place in order:
        if state[place] & barred:
            continue
        rank += 1
        if rank > most:
            break
        if state[place] & wanted:
            out[found] = rank
            found += 1
    return out[:found]


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def hits_at(ranks, ks, out):  # type: ignore[no-untyped-def]
    """Write how many relevant candidates are among the first k, for rising ks."""
    found = 0
    for i, k in enumerate(ks):
        while found < len(ranks) and ranks[found] <= k:
            found += 1
        out[i] = found


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def average_precision(ranks, relevant):  # type: ignore[no-untyped-def]
    """Return the mean, over relevant candidates, of the precision at the rank of each.

    Σ_i i/ranks[i] / relevant (Manning et al. 2008, section 8.4); those not found count 0.
    """
    total = 0.0
    for i, rank in enumerate(ranks):
        total += (i + 1) / rank
    return total / relevant


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def precision_at_recalls(ranks, relevant, recalls, out):  # type: ignore[no-untyped-def]
    """Write the greatest precision at any recall of at least each of rising `recalls`.

    The interpolated precision of Manning et al. 2008, section 8.4; 0 where the recall is not
    reached.
    """
    best, found = 0.0, len(ranks)
    for i in range(len(recalls) - 1, -1, -1):
        while found > 0 and found / relevant >= recalls[i]:
            best = max(best, found / ranks[found - 1])
            found -= 1
        out[i] = best


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def label_weights(order, state, barred, labels, ks, slots, out):  # type: ignore[no-untyped-def]
    """Write how often each class comes among the first k, for up to 255 rising ks: k x classes.

    labels: offsets, codes and shares; a candidate's `codes`, between its `offsets`, have the
    `shares` of its weight. slots: room for a number (uint8) for each candidate. Labels are read
    in the order of candidates, which memory serves ten times as fast as that of ranks.
    """
    offsets, codes, shares = labels
    slots[:] = len(ks)
    rank = slot = 0
    for place in order:
        if state[place] & barred:
            continue
        rank += 1
        while slot < len(ks) and rank > ks[slot]:
            slot += 1
        if slot == len(ks):
            break
        slots[place] = slot
    out[:] = 0
    for place, slot in enumerate(slots):
        if slot < len(ks):
            for i in range(offsets[place], offsets[place + 1]):
                out[slot, codes[i]] += shares[i]
    for slot in range(1, len(ks)):
        out[slot] += out[slot - 1]


def expected_average_precision(
    relevant: NDArray[np.int64], candidates: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the average precision that random rankings of so many candidates have in the mean.

    With R of n relevant, i/rank of a relevant candidate at rank k is in the mean
    (1 + (k - 1)(R - 1)/(n - 1))/k, and each k is as likely: ((R - 1)/(n - 1) (n - H) + H)/n with H
    the n-th harmonic number.
    """
    n = candidates.astype(np.float64)
    harmonic = np.concatenate([[0], np.cumsum(1 / np.arange(1, candidates.max(initial=0) + 1))])
    h = harmonic[candidates]
    found: NDArray[np.float64] = ((relevant - 1) / np.maximum(n - 1, 1) * (n - h) + h) / n
    return found
