"""The best hits so far: candidates go in, in any order; what comes out does not depend on it.

Candidates are scored alone in float64 on the CPU, always in chunks of a multiple of 64: torch
computes the last few numbers of an array by other instructions, which may differ in the last bit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiertools.kernels import scans
from hiertools.search.beside import Beside
from hiertools.search.scores import GEOMETRIES, Scoring

CHUNK = 1024
NORMS = 1 << 13  # points whose norms are found together
NUMBERS = 1 << 14  # of an array, for which torch uses one thread: waiting for others costs more
MULTIPLE = 64  # of any vector register, unrolled

Rows = NDArray[np.int64]
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Wanted:
    """Which hits: `k` by `measure`, of a score of at least `least`, the best first.

    by_radius: of these the nearest to the origin, and minus the radius is their score.
    """

    measure: Scoring
    k: int
    least: float
    by_radius: bool


@dataclass(frozen=True)
class Collection:
    """What is searched: those `rows` (ascending) of `points` (n x d, float32), as measured.

    rank: the place of each point's id among all ids (n); group: points of a query's group are
    not among its hits (n, -1 for no group).
    """

    points: NDArray[np.float32] | Beside
    rows: Rows
    rank: Rows
    group: Rows

    @cached_property
    def norms(self) -> Scores:
        """Return the norms of the points that are searched, which all batches of queries share."""
        found = np.empty(len(self.rows))
        for start in range(0, len(self.rows), NORMS):
            part = slice(start, start + NORMS)
            found[part] = scans.norms(self.points[compactly(self.rows[part])])
        return found


@dataclass(frozen=True)
class Queries:
    """Query points (b x d, float32) and the group of each (b, -1 for no group)."""

    points: NDArray[np.float32]
    group: Rows


@dataclass(frozen=True)
class Hits:
    """The rows of a query's hits, best first, and their scores."""

    rows: Rows
    scores: Scores


class Best:
    """The best hits of b queries.

    floor: the least score with which a point may be among the hits still (b).
    """

    def __init__(self, wanted: Wanted, collection: Collection, queries: Queries) -> None:
        self._wanted, self._collection, self._queries = wanted, collection, queries
        self._kept = _Found.none()
        self._new: list[_Found] = []
        self.floor = np.full(len(queries.points), -np.inf)

    def add(self, query: Rows, row: Rows) -> None:
        """Score pairs of a query and a point, and keep them if they are good enough."""
        wanted, points = self._wanted, self._collection.points[row]
        score = in_chunks(wanted.measure.elementwise, self._queries.points[query], points)
        good = score >= wanted.least
        if wanted.by_radius:
            score = -radii(points, wanted.measure)
        self._new.append(_Found(query, row, score).take(good))
        if sum(len(found.row) for found in self._new) > len(self._kept.row) // 2:
            self._merge()

    def _merge(self) -> None:
        """Keep the best k of each query: by score, then by id."""
        found = _Found.joined([self._kept, *self._new])
        order = np.lexsort((self._collection.rank[found.row], -found.score, found.query))
        found = found.take(order)
        b, k = len(self.floor), self._wanted.k
        starts = np.searchsorted(found.query, np.arange(b + 1))
        place = np.arange(len(found.query)) - starts[found.query]
        self._kept, self._new = found.take(place < k), []
        full = np.diff(starts) >= k
        self.floor[full] = found.score[starts[:-1][full] + k - 1]

    def hits(self) -> list[Hits]:
        """Return the hits of each query."""
        self._merge()
        ends = np.searchsorted(self._kept.query, np.arange(1, len(self.floor)))
        rows, scores = np.split(self._kept.row, ends), np.split(self._kept.score, ends)
        return [Hits(*found) for found in zip(rows, scores, strict=True)]


@dataclass(frozen=True)
class _Found:
    query: Rows
    row: Rows
    score: Scores

    @classmethod
    def none(cls) -> "_Found":
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))

    @classmethod
    def joined(cls, parts: "list[_Found]") -> "_Found":
        columns = zip(*((part.query, part.row, part.score) for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))

    def take(self, places: NDArray[Any]) -> "_Found":
        return _Found(self.query[places], self.row[places], self.score[places])


def compactly(rows: Rows) -> Rows | slice:
    """Return rows as a slice where they follow each other, so that they need not be copied."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first == len(rows) - 1 else rows


def radii(points: NDArray[np.float32], measure: Scoring) -> Scores:
    """Return the distance of points from the origin."""
    geometry = GEOMETRIES[measure.geometry]
    return in_chunks(lambda x: geometry.radius(x.double(), measure.c), points)


def in_chunks(function: Callable[..., Tensor], *arrays: NDArray[np.float32]) -> Scores:
    """Return a function's number for each row of arrays, the same whatever the other rows are."""
    n, d = arrays[0].shape
    found = np.empty(n)
    step = min(CHUNK, max(1, NUMBERS // max(1, d) // MULTIPLE) * MULTIPLE)
    for start in range(0, n, step):
        rows = min(step, n - start)
        padded = [_padded(array[start : start + rows]) for array in arrays]
        found[start : start + rows] = function(*padded)[:rows].numpy()
    return found


def _padded(block: NDArray[np.float32]) -> Tensor:
    padded = np.zeros((-(-len(block) // MULTIPLE) * MULTIPLE, block.shape[1]), np.float32)
    padded[: len(block)] = block
    return torch.from_numpy(padded)
