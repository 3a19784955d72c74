"""What a method of re-ranking is given for a query, and what it makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hiertools.files.json import Document

Rows = NDArray[np.int64]
Scores = NDArray[np.float64]
Polygon = list[tuple[float, float]]  # x, y in pixels of the image, at least three corners


@dataclass(frozen=True)
class Shortlist:
    """The hits of a query: `rows` of the gallery's items, best first, with falling `scores`.

    barred: rows that are no hits of this query, whatever they look like, in rising order;
    k: how many hits are wanted.
    """

    query: str
    rows: Rows
    scores: Scores
    barred: Rows
    k: int


@dataclass(frozen=True)
class Reranked:
    """New hits of a query, best first. HIGHER scores are better.

    Methods that search may find rows that the shortlist has not, but no barred ones. explained: of
    a row, why it stands where it does; masks: of a row, where in its image the query's object is.
    """

    rows: Rows
    scores: Scores
    explained: Mapping[int, Document] = field(default_factory=dict)
    masks: Mapping[int, list[Polygon]] = field(default_factory=dict)


def best(scores: Scores, shortlist: Shortlist, *, ranks: Rows) -> tuple[Rows, Scores]:
    """Return the rows and scores of the k best items of a gallery, without barred ones.

    scores: of all items, -inf for those that are no hits; ranks: of their ids in text order, by
    which ties are broken.
    """
    allowed = np.isfinite(scores)
    allowed[shortlist.barred] = False
    rows = np.flatnonzero(allowed)
    if len(rows) > shortlist.k > 0:
        least = np.partition(scores[rows], len(rows) - shortlist.k)[len(rows) - shortlist.k]
        rows = rows[scores[rows] >= least]
    order = np.lexsort((ranks[rows], -scores[rows]))[: shortlist.k]
    return rows[order], scores[rows[order]]


def with_rest(rows: Rows, scores: Scores, shortlist: Shortlist) -> tuple[Rows, Scores]:
    """Return hits that were ranked anew, and behind them the shortlist's others as they stood.

    The scores of the others keep their differences and are lowered as far as it takes for none to
    be above the last of those that were ranked.
    """
    others = ~np.isin(shortlist.rows, rows)
    rest = shortlist.scores[others]
    if len(rest) and len(scores):
        rest = rest - max(0.0, float(rest[0] - scores[-1]))
        rest = np.minimum(rest, scores[-1])  # the difference may have been rounded
    return np.concatenate([rows, shortlist.rows[others]]), np.concatenate([scores, rest])
