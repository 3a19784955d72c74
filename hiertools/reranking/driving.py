"""Rankings through a method: which queries it gets, and what becomes of the others."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from hiertools.errors import UserError
from hiertools.files.items import Items
from hiertools.files.json import Document
from hiertools.files.rankings import Ranking
from hiertools.reranking.barring import Barring
from hiertools.reranking.gallery import Gallery
from hiertools.reranking.shortlist import Polygon, Reranked, Shortlist
from hiertools.search import choosing

Method = Callable[[Iterable[Shortlist], Gallery], Iterator[Reranked]]


@dataclass(frozen=True)
class Limits:
    """What is asked of a run.

    k: hits of a query, None for as many as it has; within: only hits that it has; until: when no
    more queries are taken, as `time.monotonic` has it, None for never; doubtful: whether a query is
    to be re-ranked at all.
    """

    k: int | None
    within: bool
    until: float | None
    doubtful: Callable[[Shortlist], bool]


@dataclass
class Tally:
    """What became of the queries: re-ranked, too late for the time, or certain already."""

    done: int = 0
    late: int = 0
    certain: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Drive:
    """A method by name, and all that it is run with. `results`: of their file, for messages."""

    name: str
    method: Method
    gallery: Gallery
    table: Items
    barring: Barring
    limits: Limits
    results: str
    tally: Tally = field(default_factory=Tally)

    def rankings(
        self, rankings: Iterable[Ranking], masked: Callable[[str, str, int, list[Polygon]], None]
    ) -> Iterator[Ranking]:
        """Yield every ranking, re-ranked or as it was, in order.

        masked: is told the query, the hit, its rank from 1 and the polygons of each mask, in the
        order of the hits.
        """
        start = time.monotonic()
        waiting: deque[tuple[Ranking, bool]] = deque()
        source = iter(rankings)
        for reranked in self.method(self._given(source, waiting), self.gallery):
            yield from self._skipped(waiting)
            ranking = self._again(waiting.popleft()[0], reranked)
            hits = zip(ranking.ids, reranked.rows.tolist(), strict=False)
            for rank, (key, row) in enumerate(hits, 1):
                if row in reranked.masks:
                    masked(ranking.query, key, rank, reranked.masks[row])
            self.tally.done += 1
            self.tally.seconds = time.monotonic() - start
            yield ranking
        yield from self._skipped(waiting)
        for ranking in source:  # what is left when the time is spent
            self.tally.late += 1
            yield self._cut(ranking)

    def _given(
        self, source: Iterator[Ranking], waiting: deque[tuple[Ranking, bool]]
    ) -> Iterator[Shortlist]:
        """Yield the shortlists that the method gets; all rankings that were read wait in order."""
        while not self._is_late():
            ranking = next(source, None)
            if ranking is None:
                return
            shortlist = self._shortlist(ranking)
            taken = self.limits.doubtful(shortlist)
            waiting.append((ranking, taken))
            if taken:
                yield shortlist

    def _is_late(self) -> bool:
        return self.limits.until is not None and time.monotonic() >= self.limits.until

    def _skipped(self, waiting: deque[tuple[Ranking, bool]]) -> Iterator[Ranking]:
        while waiting and not waiting[0][1]:
            self.tally.certain += 1
            yield self._cut(waiting.popleft()[0])

    def _shortlist(self, ranking: Ranking) -> Shortlist:
        rows = [self._row(ranking, key) for key in ranking.ids]
        found = np.array(rows, np.int64)
        barred = self.barring.rows(ranking.query, self.gallery.row(ranking.query))
        if self.limits.within:
            barred = np.setdiff1d(np.arange(len(self.gallery.ids)), found)
        k = len(rows) if self.limits.k is None else self.limits.k
        return Shortlist(ranking.query, found, ranking.scores, barred, k)

    def _row(self, ranking: Ranking, key: str) -> int:
        row = self.gallery.row(key)
        if row is None:
            raise UserError(
                f"{self.results}: the hit {key!r} of {ranking.query!r} is not in"
                f" {self.gallery.name}; name the index that was searched"
            )
        return row

    def _cut(self, ranking: Ranking) -> Ranking:
        """Return a ranking with as many hits as are wanted at the most."""
        k = self.limits.k
        if k is None or k >= len(ranking.ids):
            return ranking
        return replace(
            ranking, ids=ranking.ids[:k], scores=ranking.scores[:k], labels=ranking.labels[:k],
            initial=None if ranking.initial is None else ranking.initial[:k],
            explained=ranking.explained and ranking.explained[:k],
        )  # fmt: skip

    def _again(self, ranking: Ranking, reranked: Reranked) -> Ranking:
        """Return the new ranking of a query, with what is known of the hits that it had."""
        before = {key: place for place, key in enumerate(ranking.ids)}
        rows = reranked.rows
        ids = [self.gallery.ids[row] for row in rows.tolist()]
        scores = ranking.scores if ranking.initial is None else ranking.initial
        initial = [scores[before[key]] if key in before else np.nan for key in ids]
        labels = [
            ranking.labels[before[key]] if key in before else label
            for key, label in zip(ids, choosing.first_labels(self.table, rows), strict=True)
        ]
        told = [
            _told(ranking, before.get(key), self.name, reranked.explained.get(row))
            for key, row in zip(ids, rows.tolist(), strict=True)
        ]
        made = Ranking(
            ranking.query, ids, reranked.scores, labels, ranking.category,
            (*ranking.reranked, self.name), np.array(initial, np.float64),
            told if any(told) else None,
        )  # fmt: skip
        return self._cut(made)


def _told(
    ranking: Ranking, place: int | None, name: str, explained: Mapping[str, object] | None
) -> Document | None:
    """Return what all methods so far say of a hit, by method."""
    known = ranking.explained[place] if ranking.explained and place is not None else None
    if explained is None:
        return known
    return {**(known or {}), name: dict(explained)}
