"""Queries to rankings: what a request asks of an index, answered batch by batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.index import Index
from hiertools.files.items import Items
from hiertools.files.rankings import Ranking
from hiertools.profiling import stage
from hiertools.search import choosing, flat
from hiertools.search.approximate import Effort, Structure
from hiertools.search.beside import Beside
from hiertools.search.best import Collection, Hits, Queries, Wanted
from hiertools.search.choosing import Groups, Rows
from hiertools.search.placing import Placer, Vectors
from hiertools.search.scores import Measure, Scoring

ELSEWHERE = 0.1  # of its length is the gap of a point to another one of its picture at the most


@dataclass(frozen=True)
class Request:
    """What is asked of an index.

    max_angle: of a hit, in radians (None: any); by_radius: order hits by their distance from the
    origin; only: kind of the hits (None: any); exclude: `self`, `image` or `none`; effort: of
    approximate search (None: exact search); batch_size: queries that are searched for together.
    """

    k: int
    max_angle: float | None
    by_radius: bool
    only: str | None
    exclude: str
    effort: Effort | None
    device: torch.device
    batch_size: int


class View(Protocol):
    """How an index is looked at: rows of its items, what scores them for rows of queries, and
    where approximate search looks for candidates."""

    @property
    def points(self) -> Vectors | Beside:
        """Return the rows of the items."""

    @property
    def measure(self) -> Scoring:
        """Return what scores rows of queries and items."""

    @property
    def structure(self) -> Structure | None:
        """Return the structure, None for exact search."""

    def queries(self, features: Vectors, table: Items, name: str) -> Vectors:
        """Return the rows of queries with these features, which are the items of a table."""

    def categories(self, rows: Vectors) -> Sequence[str | None]:
        """Return the classes that rows of queries are taken for, None where there are none."""


class PointView:
    """An index of points that are ranked by a measure."""

    def __init__(self, index: Index, name: str, measure: Measure, *, approximate: bool) -> None:
        self.points, self.measure = index.points, measure
        self.structure = Structure(index, name) if approximate else None
        self._placer = Placer(index.head, index.meta)

    def queries(self, features: Vectors, table: Items, name: str) -> Vectors:
        """Return the points of queries."""
        return self._placer.place(features)

    def categories(self, rows: Vectors) -> list[None]:
        """Return None for each query."""
        return [None] * len(rows)


class Searcher:
    """An index that answers one kind of request. `size` is how many items may be hits.

    `namesakes` counts the queries so far that have the id of an item, and not its place.
    """

    def __init__(self, index: Index, name: str, view: View, request: Request) -> None:
        self._request, self._items, self._view = request, index.items, view
        rows = np.arange(len(index.items))
        if request.only is not None:
            rows = np.flatnonzero(choosing.of_kind(index.items, request.only, name))
        self._groups = Groups(index.items, request.exclude, name)
        ranks = choosing.ranks(index.items)
        self._collection = Collection(view.points, rows, ranks, self._groups.of_points)
        self.size, self.namesakes = len(rows), 0
        least = -np.inf if request.max_angle is None else -request.max_angle
        self._wanted = Wanted(
            view.measure, max(1, min(request.k, self.size)), least, request.by_radius
        )

    def rankings(
        self, table: Items, vectors: Vectors, rows: Rows, name: str
    ) -> Iterator[list[Ranking]]:
        """Yield the rankings of some rows of embeddings, batch by batch."""
        groups = self._groups.of(table, name)
        for start in range(0, len(rows), self._request.batch_size):
            batch = rows[start : start + self._request.batch_size]
            with stage("reading"):
                embeddings = np.asarray(vectors[batch])
            check_finite(embeddings, table, batch, name)
            with stage("placing"):
                asked = self._view.queries(embeddings, table.take(batch), name)
            self.namesakes += self._elsewhere(asked, self._groups.itself(groups[batch]))
            ids = [items.decode(key) for key in table.id[batch]]
            with stage("searching"):
                found = self._search(Queries(asked, groups[batch])), self._view.categories(asked)
            yield [self._ranking(*each) for each in zip(ids, *found, strict=True)]

    def _elsewhere(self, asked: Vectors, rows: Rows) -> int:
        """Return how many points of queries are not near those of items, of which -1 is none."""
        known = rows >= 0
        if not known.any() or not isinstance(self._view, PointView):
            return 0
        here, there = asked[known], self._view.points[rows[known]]
        gaps = np.linalg.norm(np.asarray(here) - there, axis=1)
        return int((gaps > ELSEWHERE * np.linalg.norm(there, axis=1)).sum())

    def _search(self, queries: Queries) -> list[Hits]:
        request, wanted, collection = self._request, self._wanted, self._collection
        if self._view.structure is not None and request.effort is not None:
            return self._view.structure.search(wanted, collection, queries, request.effort)
        return flat.search(wanted, collection, queries, device=request.device, block=None)

    def _ranking(self, query: str, hits: Hits, category: str | None) -> Ranking:
        ids = [items.decode(key) for key in self._items.id[hits.rows]]
        labels = choosing.first_labels(self._items, hits.rows)
        return Ranking(query, ids, hits.scores, labels, category)


def check_finite(vectors: Vectors, table: Items, rows: Rows, name: str) -> None:
    """Raise `UserError` for the first embedding that has a NaN or an infinity."""
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        key = items.decode(table.id[rows[int(np.argmax(bad))]])
        raise UserError(f"{name}: the vector of {key!r} is not finite")
