"""Searches an index for blocks of queries, so that scores and rankings are never kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.evaluation import keys, outcome
from hiertools.evaluation.distributions import Ground
from hiertools.evaluation.judging import Judge
from hiertools.evaluation.outcome import Outcome
from hiertools.evaluation.sets import Rows, Set
from hiertools.files.embeddings import Embeddings, Vectors, check_finite
from hiertools.files.index import Index
from hiertools.search import best
from hiertools.search.flat import LEAST_POINTS, PAIRS
from hiertools.search.placing import Placer
from hiertools.search.scores import Measure
from hiertools.terminal import progress

ROWS = 1 << 14  # of points that are taken from the file together


@dataclass(frozen=True)
class Scorer:
    """Ranks candidates, which are `rows` of points, for queries, as a measure scores them."""

    measure: Measure
    points: Vectors
    rows: Rows
    device: torch.device

    def __call__(self, queries: Vectors) -> NDArray[np.float64]:
        """Return a number of each candidate for each query (b x n): the higher, the better."""
        if self.device.type == "cpu":
            return keys.keys(self.measure, queries, self.points, self.rows, self._norms)
        scores = np.empty((len(queries), len(self.rows)))
        x = torch.from_numpy(queries).to(self.device).double()
        step = max(LEAST_POINTS, PAIRS[self.device.type] // max(1, len(queries)))
        for start in range(0, len(self.rows), step):
            rows = self.rows[start : start + step]
            y = torch.from_numpy(self.points[rows]).to(self.device)
            scores[:, start : start + step] = self.measure.pairwise(x, y).cpu().numpy()
        return scores

    @cached_property
    def _norms(self) -> NDArray[np.float64]:
        return keys.norms(self.points, self.rows)


@dataclass(frozen=True)
class Streamed:
    """An index, and the points of queries, whose rows are theirs."""

    index: Index
    queries: Vectors
    measure: Measure
    device: torch.device
    batch_size: int

    def search(self, judge: Judge, ground: Ground) -> Outcome:
        """Return what one direction of search comes to."""
        direction = judge.direction
        measure = replace(self.measure, find=direction.find)
        scorer = Scorer(measure, self.index.points, direction.candidates.rows, self.device)
        points = self.queries[direction.queries.rows]
        with progress(f"searching {direction.find}", len(points)) as tick:
            return outcome.of_scores(
                judge,
                ground,
                lambda rows: scorer(points[rows]),
                batch_size=self.batch_size,
                tick=tick,
            )


def place(files: Sequence[Embeddings], names: Sequence[str], index: Index, queries: Set) -> Vectors:
    """Return the points of queries, whose rows are those of several files under each other.

    Raises `UserError` for an embedding that is not finite.
    """
    placer = Placer(index.head, index.meta)
    points = np.empty((len(queries), index.points.shape[1]), np.float32)
    ends = np.cumsum([0, *(len(found.items) for found in files)])
    for found, name, (first, last) in zip(files, names, pairwise(ends), strict=True):
        of_file = np.flatnonzero((queries.rows >= first) & (queries.rows < last))
        for start in range(0, len(of_file), ROWS):
            places = of_file[start : start + ROWS]
            rows = queries.rows[places] - first
            vectors = np.asarray(found.vectors[rows])
            check_finite(vectors, found.items.take(rows), name)
            points[places] = placer.place(vectors)
    return points


def radii(points: Vectors, rows: Rows, measure: Measure) -> NDArray[np.float64]:
    """Return the distance of some points from the origin."""
    blocks = (rows[start : start + ROWS] for start in range(0, len(rows), ROWS))
    return np.concatenate([best.radii(points[block], measure) for block in blocks])
