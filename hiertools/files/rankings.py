"""Rankings, in whatever format they come: what the hits of a query are, best first."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files.json import Document


@dataclass(frozen=True)
class Ranking:
    """The hits of a query, best first: HIGHER scores are better.

    ids, scores (float64) and labels (the first label of a hit, None if it has none) have the
    same length, which may be 0. category: the class that the query was taken for, where classes
    counted. Of a ranking that was made of another: reranked, the methods that did so, in their
    order; initial, the score that each hit had before the first of them (float64, NaN where it
    was no hit); explained, what is known of why a hit stands where it does.
    """

    query: str
    ids: list[str]
    scores: NDArray[np.float64]
    labels: list[str | None]
    category: str | None = None
    reranked: tuple[str, ...] = ()
    initial: NDArray[np.float64] | None = None
    explained: list[Document | None] | None = None


Placed = tuple[str, Ranking]  # where a ranking stands in its file, and the ranking


def checked(rankings: Iterable[Placed], name: str, *, ordered: bool) -> Iterator[Ranking]:
    """Yield rankings. Raises `UserError` at the first that is none.

    Scores are finite, and fall or stay if `ordered`; no query and no hit of a query comes twice.
    """
    queries: set[str] = set()
    for place, ranking in rankings:
        problem = _problem(ranking, ordered)
        if ranking.query in queries:
            problem = f"the query {ranking.query!r} is there twice"
        if problem:
            raise UserError(f"{name}: {place}: {problem}")
        queries.add(ranking.query)
        yield ranking


def _problem(ranking: Ranking, ordered: bool) -> str:
    ids, scores = ranking.ids, ranking.scores
    if not len(ids) == len(scores) == len(ranking.labels):
        return f"{len(ids)} ids, {len(scores)} scores, {len(ranking.labels)} labels"
    finite = np.isfinite(scores)
    if not finite.all():
        return f"the score of {ids[int(np.argmin(finite))]!r} is not finite"
    if len(set(ids)) != len(ids):
        return f"the hit {next(key for key in ids if ids.count(key) > 1)!r} is there twice"
    if ranking.initial is not None and len(ranking.initial) != len(ids):
        return f"{len(ids)} ids, {len(ranking.initial)} initial scores"
    if ranking.initial is not None and np.isinf(ranking.initial).any():
        return (
            f"the initial score of {ids[int(np.argmax(np.isinf(ranking.initial)))]!r} is not finite"
        )
    rises = scores[1:] > scores[:-1]
    if ordered and rises.any():
        return f"the hit {ids[int(np.argmax(rises)) + 1]!r} has a higher score than the one before"
    return ""
