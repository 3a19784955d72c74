"""Judges rankings against what is relevant: the compiled part of evaluation.

Rankings are never kept: of each query's there remain the numbers of which metrics are means.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from hiertools.evaluation.relevance import (
    EXCLUDED,
    NOT_IMAGE,
    RELEVANT,
    RIGHT,
    SAME_IMAGE,
    SELF,
    STATES,
    Direction,
)
from hiertools.evaluation.sets import IMAGE, Mask, Rows
from hiertools.metrics.ranking import (
    average_precision,
    hits_at,
    label_weights,
    order_into,
    precision_at_recalls,
    ranks_of,
)

Counts = NDArray[np.int64]


class Depths(NamedTuple):
    """How deep rankings are judged, each rising.

    small: ks of precision for the same class; deep: ks of class distributions; every: ks of
    recall and precision in the hierarchy, with those of `deep`; recalls: of the curve.
    """

    small: Counts
    deep: Counts
    every: Counts
    recalls: NDArray[np.float64]


class Judged(NamedTuple):
    """What q rankings came to, with m kinds of exclusion.

    candidates, relevant: how many there were (q x m); hits: relevant ones among the first k of
    `every` (q x m x k); precision: the average one (q x m); curve: that at `recalls` (q x m x r).
    pool, right, right_hits: the same as the first three for the same class, with the ks of `small`.
    """

    candidates: Counts
    relevant: Counts
    hits: Counts
    precision: NDArray[np.float64]
    curve: NDArray[np.float64]
    pool: Counts
    right: Counts
    right_hits: Counts


class _Given(NamedTuple):
    """What is the same for all queries: the candidates, and the bits of what is excluded.

    shares: of a candidate's weight of 1, for each of its codes; totals: the weight of each class
    among all candidates.
    """

    kind: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    codes: NDArray[np.int32]
    shares: NDArray[np.float64]
    totals: NDArray[np.float64]
    excluded: NDArray[np.uint8]
    not_same_class: np.uint8


@dataclass(frozen=True)
class Judge:
    """Judges the rankings of a direction. `exclude`: names of EXCLUDED."""

    direction: Direction
    depths: Depths
    exclude: tuple[str, ...]

    def ranked(self, rows: range) -> Rows:
        """Return those of some queries whose rankings are looked at.

        Nothing is said of the ranking of a query to which no candidate is relevant, as to a box of
        a class without children, unless its kind looks for its own class.
        """
        direction = self.direction
        relevant = (direction.asked(rows).bits & RELEVANT > 0) & self._there
        same_class = direction.queries.kind[rows.start : rows.stop] == direction.same_class_kind
        return rows.start + np.flatnonzero(same_class | relevant.any(axis=(1, 2)))

    def scores(
        self, scores: NDArray[np.float64], rows: range, *, ranked: Rows | None = None
    ) -> tuple[Judged, Any]:
        """Judge some queries by scores of all candidates (r x n).

        ranked: the queries whose scores these are, None for all; others find nothing. Returns also
        the weight of each class among the first k of `deep`, and among all candidates in the end
        (b x m x k + 1 x classes); without ks where children are not looked for.
        """
        judged, weights = self._room(len(rows))
        asked, parts = self.direction.asked(rows), numba.get_num_threads()
        found = np.full(len(rows), -1)
        found[slice(None) if ranked is None else ranked - rows.start] = np.arange(len(scores))
        _judge_scores(scores, found, self._given, self.depths, asked, judged, weights, parts)
        return judged, weights

    def places(self, rankings: list[NDArray[np.int32]], rows: range) -> tuple[Judged, Any]:
        """Judge some queries by their rankings: places of candidates, best first."""
        judged, weights = self._room(len(rows))
        asked = self.direction.asked(rows)
        for row, ranking in enumerate(rankings):
            _judge_places(ranking, row, self._given, self.depths, asked, judged, weights)
        return judged, weights

    @cached_property
    def _there(self) -> Mask:
        """Return which codes there are among the candidates of each kind (2 x classes)."""
        found, labels = self.direction.candidates, self.direction.candidates.labels
        there = np.zeros((2, len(self.direction.classes.names)), np.bool_)
        there[np.repeat(found.kind, np.diff(labels.offsets)), labels.codes] = True
        return there

    @cached_property
    def _given(self) -> _Given:
        found, classes = self.direction.candidates, self.direction.classes
        offsets, codes = found.labels.offsets, found.labels.codes
        counts = np.diff(offsets)
        shares = np.repeat(1 / np.maximum(counts, 1), counts)
        totals = np.bincount(codes, shares, len(classes.names)).astype(np.float64)
        excluded = np.array([EXCLUDED[name] for name in self.exclude], np.uint8)
        bits = self.direction.not_same_class
        return _Given(found.kind, offsets, codes, shares, totals, excluded, bits)

    def _room(self, b: int) -> tuple[Judged, Any]:
        depths, m = self.depths, len(self.exclude)
        counts = [np.zeros((b, m), np.int64) for _ in range(4)]
        hits, right_hits = (
            np.zeros((b, m, len(ks)), np.int64) for ks in (depths.every, depths.small)
        )
        precision, curve = np.zeros((b, m)), np.zeros((b, m, len(depths.recalls)))
        judged = Judged(
            counts[0], counts[1], hits, precision, curve, counts[2], counts[3], right_hits
        )
        slots = len(depths.deep) + 1 if self.direction.find == "children" else 0
        return judged, np.zeros((b, m, slots, len(self.direction.classes.names)))


@numba.njit(cache=True, parallel=True)  # type: ignore[misc]
def _judge_scores(scores, found, given, depths, asked, judged, weights, parts):  # type: ignore[no-untyped-def]
    b, n = len(found), scores.shape[1]
    for part in numba.prange(parts):
        places, starts = np.empty(n, np.int32), np.empty(n + 1, np.int32)
        sorted_scores, room = np.empty(n), _workspace(n)
        for q in range(part * b // parts, (part + 1) * b // parts):
            order = places[: n if found[q] >= 0 else 0]
            if len(order):
                order_into(scores[found[q]], order, sorted_scores, starts)
            _judge(order, q, given, depths, asked, judged, weights, room)


@numba.njit(cache=True)  # type: ignore[misc]
def _judge_places(order, q, given, depths, asked, judged, weights):  # type: ignore[no-untyped-def]
    _judge(order, q, given, depths, asked, judged, weights, _workspace(len(given.kind)))


@numba.njit(cache=True)  # type: ignore[misc]
def _workspace(n):  # type: ignore[no-untyped-def]
    """Return what judging a ranking needs for each candidate: state, slots and ranks."""
    return np.empty(n, np.uint8), np.empty(n, np.uint8), np.empty(n, np.int32)


@numba.njit(cache=True)  # type: ignore[misc]
def _judge(order, q, given, depths, asked, judged, weights, room):  # type: ignore[no-untyped-def]
    """Judge one ranking."""
    state, slots, ranks = room
    counts, small = _mark(q, given, asked, state), depths.small
    for m, barred in enumerate(given.excluded):
        relevant = _count(counts, RELEVANT, barred)
        judged.candidates[q, m], judged.relevant[q, m] = _count(counts, 0, barred), relevant
        if relevant:
            found = ranks_of(order, state, RELEVANT, barred, len(state), ranks)
            hits_at(found, depths.every, judged.hits[q, m])
            judged.precision[q, m] = average_precision(found, relevant)
            precision_at_recalls(found, relevant, depths.recalls, judged.curve[q, m])
            if weights.shape[2]:
                _weigh(order, q, barred, given, depths, asked, state, slots, weights[q, m])
        barred = barred | given.not_same_class
        judged.pool[q, m] = _count(counts, 0, barred)
        judged.right[q, m] = _count(counts, RIGHT, barred)
        if len(small):
            hits_at(
                ranks_of(order, state, RIGHT, barred, small[-1], ranks),
                small,
                judged.right_hits[q, m],
            )


@numba.njit(cache=True)  # type: ignore[misc]
def _mark(q, given, asked, state):  # type: ignore[no-untyped-def]
    """Write what each candidate is to a query, and return how many are each."""
    for place in range(len(state)):
        kind = given.kind[place]
        bits = np.uint8(0) if kind == IMAGE else NOT_IMAGE
        for i in range(given.offsets[place], given.offsets[place + 1]):
            bits |= asked.bits[q, kind, given.codes[i]]
        state[place] = bits
    for place in asked.members[asked.first[q] : asked.last[q]]:
        state[place] |= SAME_IMAGE
    if asked.own[q] >= 0:
        state[asked.own[q]] |= SELF
    counts = np.zeros(STATES, np.int64)
    for bits in state:
        counts[bits] += 1
    return counts


@numba.njit(cache=True)  # type: ignore[misc]
def _count(counts, wanted, barred):  # type: ignore[no-untyped-def]
    """Return how many candidates have a bit of `wanted`, if it has any, and none of `barred`."""
    found = 0
    for bits in range(len(counts)):
        if (bits & wanted or not wanted) and not bits & barred:
            found += counts[bits]
    return found


@numba.njit(cache=True)  # type: ignore[misc]
def _weigh(order, q, barred, given, depths, asked, state, slots, weights):  # type: ignore[no-untyped-def]
    """Write the weight of each class among the first k and, at last, among all candidates."""
    labels = given.offsets, given.codes, given.shares
    label_weights(order, state, barred, labels, depths.deep, slots, weights[:-1])
    weights[-1] = given.totals
    own = asked.own[q]
    for place in asked.members[asked.first[q] : asked.last[q]]:
        if place != own and state[place] & barred:
            _take_off(weights[-1], place, labels)
    if own >= 0:
        _take_off(weights[-1], own, labels)


@numba.njit(cache=True)  # type: ignore[misc]
def _take_off(weights, place, labels):  # type: ignore[no-untyped-def]
    offsets, codes, shares = labels
    for i in range(offsets[place], offsets[place + 1]):
        weights[codes[i]] -= shares[i]
