"""Queries to rankings: what a request asks of an index, answered batch by batch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.index import Index
from hiertools.files.items import Items
from hiertools.files.rankings import Ranking
from hiertools.search import choosing, flat
from hiertools.search.approximate import Effort, Structure
from hiertools.search.best import Collection, Hits, Queries, Wanted
from hiertools.search.choosing import Groups, Rows
from hiertools.search.placing import Placer, Vectors
from hiertools.search.scores import Measure


@dataclass(frozen=True)
class Request:
    """What is asked of an index.

    max_angle: of a hit, in radians (None: any); by_radius: order hits by their distance from the
    origin; only: kind of the hits (None: any); exclude: `self`, `image` or `none`; effort: of
    approximate search (None: exact search); batch_size: queries that are searched for together.
    """

    measure: Measure
    k: int
    max_angle: float | None
    by_radius: bool
    only: str | None
    exclude: str
    effort: Effort | None
    device: torch.device
    batch_size: int


class Searcher:
    """An index that answers one kind of request. `size` is how many items may be hits."""

    def __init__(self, index: Index, name: str, request: Request) -> None:
        self._request, self._items = request, index.items
        self._placer = Placer(index.head, index.meta)
        rows = np.arange(len(index.items))
        if request.only is not None:
            rows = np.flatnonzero(choosing.of_kind(index.items, request.only, name))
        self._groups = Groups(index.items, request.exclude, name)
        ranks = choosing.ranks(index.items)
        self._collection = Collection(index.points, rows, ranks, self._groups.of_points)
        self._structure = None if request.effort is None else Structure(index, name)
        self.size = len(rows)
        least = -np.inf if request.max_angle is None else -request.max_angle
        self._wanted = Wanted(
            request.measure, max(1, min(request.k, self.size)), least, request.by_radius
        )

    def rankings(
        self, table: Items, vectors: Vectors, rows: Rows, name: str
    ) -> Iterator[list[Ranking]]:
        """Yield the rankings of some rows of embeddings, batch by batch."""
        groups = self._groups.of(table, name)
        for start in range(0, len(rows), self._request.batch_size):
            batch = rows[start : start + self._request.batch_size]
            embeddings = np.asarray(vectors[batch])
            check_finite(embeddings, table, batch, name)
            queries = Queries(self._placer.place(embeddings), groups[batch])
            ids = [items.decode(key) for key in table.id[batch]]
            hits = self._search(queries)
            yield [self._ranking(*each) for each in zip(ids, hits, strict=True)]

    def _search(self, queries: Queries) -> list[Hits]:
        request, wanted, collection = self._request, self._wanted, self._collection
        if self._structure is not None and request.effort is not None:
            return self._structure.search(wanted, collection, queries, request.effort)
        return flat.search(wanted, collection, queries, device=request.device, block=None)

    def _ranking(self, query: str, hits: Hits) -> Ranking:
        ids = [items.decode(key) for key in self._items.id[hits.rows]]
        return Ranking(query, ids, hits.scores, choosing.first_labels(self._items, hits.rows))


def check_finite(vectors: Vectors, table: Items, rows: Rows, name: str) -> None:
    """Raise `UserError` for the first embedding that has a NaN or an infinity."""
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        key = items.decode(table.id[rows[int(np.argmax(bad))]])
        raise UserError(f"{name}: the vector of {key!r} is not finite")
