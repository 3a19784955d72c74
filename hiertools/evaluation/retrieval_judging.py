"""Judges rankings of candidates by what each is worth: the compiled part.

Rankings are never kept: of each query's there remain the numbers of which metrics are means.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from hiertools.evaluation.retrieval_case import Case, Worth
from hiertools.metrics import retrieval
from hiertools.metrics.ranking import average_precision, hits_at, order_into
from hiertools.metrics.retrieval import (
    average_precision_at,
    best_gains,
    ranks_of_classes,
    weighted_gains,
)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Places = NDArray[np.int32]


class Depths(NamedTuple):
    """How deep rankings are judged, each rising.

    hits: ks of precision and recall; gains: ks of nDCG; near: ks of hierarchical precision.
    """

    hits: Counts
    gains: Counts
    near: Counts


class Judged(NamedTuple):
    """What q rankings came to, with m levels of relevance.

    candidates: how many there were to be found (q); relevant: those of each level (q x m);
    precision, at_r: the average precision, and that among the first R (q x m); hits: relevant ones
    of the first level among the first k (q x k); gains, best: sums of weighted gains among the
    first k, found and possible, and mean: that of all candidates (q); near, nearest, nearness: the
    same of similarities.
    """

    candidates: Counts
    relevant: Counts
    precision: Floats
    at_r: Floats
    hits: Counts
    gains: Floats
    best: Floats
    mean: Floats
    near: Floats
    nearest: Floats
    nearness: Floats


class _Given(NamedTuple):
    """What is the same for all queries: what is relevant, and the sums of weights of ranks."""

    relevant: NDArray[np.bool_]
    discounts: Floats
    ones: Floats


class _Asked(NamedTuple):
    """b queries: their rows, the codes of candidates, and what each may not find."""

    rows: Counts
    codes: NDArray[np.int32]
    first: Counts
    barred: Counts


@dataclass(frozen=True)
class Judge:
    """Judges the rankings of a case."""

    case: Case
    depths: Depths

    def scores(self, scores: Floats, queries: range) -> Judged:
        """Judge some queries by their scores of all candidates (b x n); equal ones go by id."""
        judged, asked = self._room(len(queries)), self._asked(queries)
        _judge_scores(scores, *self._given, asked, judged, numba.get_num_threads())
        return judged

    def places(self, rankings: Sequence[Places], queries: range) -> Judged:
        """Judge some queries by their rankings: places of candidates, best first."""
        judged, asked = self._room(len(queries)), self._asked(queries)
        for row, ranking in enumerate(rankings):
            _judge_places(ranking.astype(np.int32), row, *self._given, asked, judged)
        return judged

    @cached_property
    def _given(self) -> tuple[_Given, Worth, Worth, Depths]:
        n, found = len(self.case.gallery.ids), self.case.relevance
        weights = retrieval.log_discounts(n), retrieval.no_discounts(n)
        return _Given(found.relevant, *weights), found.gains, found.similarities, self.depths

    def _asked(self, queries: range) -> _Asked:
        case = self.case
        first = case.barred.first[queries.start : queries.stop + 1]
        rows = case.rows[queries.start : queries.stop]
        return _Asked(rows, case.codes(queries), first, case.barred.places)

    def _room(self, b: int) -> Judged:
        levels = len(self.case.relevance.levels)
        hits, gains, near = map(len, self.depths)
        return Judged(
            candidates=np.zeros(b, np.int64), relevant=np.zeros((b, levels), np.int64),
            precision=np.zeros((b, levels)), at_r=np.zeros((b, levels)),
            hits=np.zeros((b, hits), np.int64),
            gains=np.zeros((b, gains)), best=np.zeros((b, gains)), mean=np.zeros(b),
            near=np.zeros((b, near)), nearest=np.zeros((b, near)), nearness=np.zeros(b),
        )  # fmt: skip


def joined(parts: Sequence[Judged]) -> Judged:
    """Return what several blocks of queries came to, as one."""
    return Judged(*map(np.concatenate, zip(*parts, strict=True)))


@numba.njit(cache=True, parallel=True)  # type: ignore[misc]
def _judge_scores(scores, given, gains, near, depths, asked, judged, parts):  # type: ignore[no-untyped-def]
    b, n = scores.shape
    for part in numba.prange(parts):
        places, starts = np.empty(n, np.int32), np.empty(n + 1, np.int32)
        sorted_scores, room = np.empty(n), _workspace(n)
        for q in range(part * b // parts, (part + 1) * b // parts):
            order_into(scores[q], places, sorted_scores, starts)
            _judge(places, q, given, gains, near, depths, asked, judged, room)


@numba.njit(cache=True)  # type: ignore[misc]
def _judge_places(order, q, given, gains, near, depths, asked, judged):  # type: ignore[no-untyped-def]
    room = _workspace(asked.codes.shape[1])
    _judge(order, q, given, gains, near, depths, asked, judged, room)


@numba.njit(cache=True)  # type: ignore[misc]
def _workspace(n):  # type: ignore[no-untyped-def]
    """Return room for whether candidates are barred, for codes by rank and for ranks."""
    return np.zeros(n, np.bool_), np.empty(n, np.int32), np.empty(n, np.int32)


@numba.njit(cache=True)  # type: ignore[misc]
def _judge(order, q, given, gains, near, depths, asked, judged, room):  # type: ignore[no-untyped-def]
    """Judge one ranking."""
    barred, by_rank, ranks = room
    row = asked.rows[q]
    codes = asked.codes[q if len(asked.codes) > 1 else 0]
    own = asked.barred[asked.first[q] : asked.first[q + 1]]
    barred[own] = True
    found = _by_rank(order, codes, barred, by_rank)
    counts = _counts(codes, barred, given.relevant.shape[2])
    barred[own] = False
    judged.candidates[q] = len(codes) - len(own)
    for level in range(given.relevant.shape[1]):
        wanted = given.relevant[row, level]
        relevant = counts[wanted].sum()
        judged.relevant[q, level] = relevant
        if relevant:
            at = ranks_of_classes(found, wanted, ranks)
            judged.precision[q, level] = average_precision(at, relevant)
            judged.at_r[q, level] = average_precision_at(at, relevant, relevant)
            if level == 0:
                hits_at(at, depths.hits, judged.hits[q])
    weights, ks = given.discounts, depths.gains
    judged.mean[q] = _sums(found, counts, row, gains, weights, ks, judged.gains[q], judged.best[q])
    weights, ks = given.ones, depths.near
    if len(ks):
        judged.nearness[q] = _sums(
            found, counts, row, near, weights, ks, judged.near[q], judged.nearest[q]
        )


@numba.njit(cache=True)  # type: ignore[misc]
def _by_rank(order, codes, barred, by_rank):  # type: ignore[no-untyped-def]
    """Return the codes of the candidates of a ranking, best first."""
    found = 0
    for place in order:
        if not barred[place]:
            by_rank[found] = codes[place]
            found += 1
    return by_rank[:found]


@numba.njit(cache=True)  # type: ignore[misc]
def _counts(codes, barred, size):  # type: ignore[no-untyped-def]
    """Return how many candidates have each code."""
    counts = np.zeros(size, np.int64)
    for place, code in enumerate(codes):
        if not barred[place]:
            counts[code] += 1
    return counts


@numba.njit(cache=True)  # type: ignore[misc]
def _sums(found, counts, row, worth, weights, ks, out, best):  # type: ignore[no-untyped-def]
    """Write the sums of gains that a ranking has and could have, and return the mean gain."""
    gains = worth.gains[row]
    weighted_gains(found, gains, weights, ks, out)
    best_gains(counts, gains, worth.order[row], weights, ks, best)
    total = counts.sum()
    return (counts * gains).sum() / total if total else 0.0
