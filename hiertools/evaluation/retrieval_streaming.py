"""Scores of all candidates for blocks of queries, which come from files and are not kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.evaluation.streaming import Scorer
from hiertools.files.embeddings import Embeddings, Vectors, check_finite
from hiertools.files.index import Index
from hiertools.files.items import Items
from hiertools.profiling import stage
from hiertools.search.class_scores import ClassScorer
from hiertools.search.placing import Placer
from hiertools.search.scores import Measure

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Score = Callable[[Vectors, Items, str], Floats]


@dataclass(frozen=True)
class Files:
    """Embeddings of queries, in several files, and which rows of these under each other count."""

    files: Sequence[Embeddings]
    names: Sequence[str]
    rows: Rows

    def scores(self, queries: range, score: Score) -> Floats:
        """Return the scores of some queries. Raises `UserError` for one that is not finite."""
        rows = self.rows[queries.start : queries.stop]
        ends = np.cumsum([0, *(len(found.items) for found in self.files)])
        parts = []
        for found, name, (first, last) in zip(self.files, self.names, pairwise(ends), strict=True):
            chosen = rows[(rows >= first) & (rows < last)] - first
            if len(chosen):
                vectors, table = np.asarray(found.vectors[chosen]), found.items.take(chosen)
                check_finite(vectors, table, name)
                parts.append(score(vectors, table, name))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)


def by_measure(index: Index, rows: Rows, measure: Measure, device: torch.device) -> Score:
    """Return what scores rows of an index by their points."""
    placer = Placer(index.head, index.meta)
    scorer = Scorer(measure, index.points, rows, device)

    def score(vectors: Vectors, table: Items, name: str) -> Floats:
        with stage("placing"):
            placed = placer.place(vectors)
        return scorer(placed)

    return score


def by_classes(scorer: ClassScorer, rows: Rows) -> Score:
    """Return what scores rows of an index of classes by their points and their classes."""

    def score(vectors: Vectors, table: Items, name: str) -> Floats:
        truth = scorer.truth(table, name) if scorer.request.oracle else None
        return np.take(scorer.scores(vectors, truth), rows, axis=1)

    return score
