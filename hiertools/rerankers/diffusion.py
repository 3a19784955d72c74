"""Diffusion of heat from a query's nearest items over the graph of mutual neighbours.

Solves (I - alpha S) f = y and ranks the whole index by f; what no heat reaches keeps its order.
S is the normalised graph in which items are linked that are among the k nearest of each other, by
max(0, cosine)^power, and y is max(0, cosine)^power on the nearest items of the query. The usual k
and seeds are for large indexes: where an item has few right hits, take about as many. Iscen et al.
2017 (arXiv:1611.05113); mode `offline`: Yang et al. 2019 (arXiv:1811.10907).
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from hiertools.files.json import Document
from hiertools.reranking.diffusing import Heat, Settings, Spreading, prepare
from hiertools.reranking.gallery import Gallery
from hiertools.reranking.routes import routes
from hiertools.reranking.shortlist import Reranked, Rows, Scores, Shortlist, best, with_rest


def rerank(
    shortlists: Iterable[Shortlist],
    gallery: Gallery,
    *,
    mode: str = "online",
    k: int = 50,
    alpha: float = 0.99,
    power: float = 3.0,
    seeds: int = 10,
    tolerance: float = 1e-6,
    iterations: int = 20,
    truncate: int = 0,
) -> Iterator[Reranked]:
    """Rank the index by heat.

    mode: `online` solves for each query on the whole graph, beyond 100,000 items as truncated does;
    truncated on that of the nearest items of the query, normalised anew; offline adds up solves of
    single items, from --graph or made now; transductive takes all queries into the graph, so that
    the hits of a query depend on the other queries. k: neighbours of each item that may be mutual.
    alpha: the share of heat that goes on, from 0 to below 1. power: what similarities are raised
    to. seeds: nearest items of a query that the heat starts from, hits that it may have. tolerance:
    residual at which a solve is done, as a share of y. iterations: steps of conjugate gradient, at
    the most; not to be done by then is normal. truncate: nearest items that truncated and offline
    solve among, and transductive if it is given; 0 for 10,000 of a query, or 1,000 of an item for
    offline.
    """
    settings = Settings(mode, k, alpha, power, seeds, tolerance, iterations, truncate)
    return _reranked(shortlists, gallery, settings)


def _reranked(
    shortlists: Iterable[Shortlist], gallery: Gallery, settings: Settings
) -> Iterator[Reranked]:
    """Take a block of queries, spread its heat, rank; a transductive mode takes all queries."""
    everything = list(shortlists) if settings.mode == "transductive" else []
    waiting, prepared = iter(everything or shortlists), None
    while batch := list(islice(waiting, gallery.block)):
        prepared = prepared or prepare(gallery, settings, everything)
        for shortlist, heat in zip(batch, prepared.spread(batch), strict=True):
            yield _ranked(shortlist, heat, gallery, prepared)


def _ranked(shortlist: Shortlist, heat: Heat, gallery: Gallery, prepared: Spreading) -> Reranked:
    """Rank by heat in single precision: what is nearer than a solve can tell is equal."""
    f, starts = heat
    scores = f[: len(gallery.ids)].astype(np.float32).astype(np.float64)
    warm, scores = best(np.where(scores > 0, scores, -np.inf), shortlist, ranks=gallery.ranks)
    rows, scores = with_rest(warm, scores, shortlist)
    if len(rows) < shortlist.k:
        rows, scores = _filled(rows, scores, shortlist, gallery)
    rows, scores = rows[: shortlist.k], scores[: shortlist.k]
    if not gallery.explain:
        return Reranked(rows, scores)
    found = routes(prepared.edges(), f, starts, warm)
    return Reranked(
        rows, scores, {row: _explained(found[row], shortlist, prepared) for row in found}
    )


def _filled(
    rows: Rows, scores: Scores, shortlist: Shortlist, gallery: Gallery
) -> tuple[Rows, Scores]:
    """Return hits and behind them, where the shortlist has no more, the nearest other items."""
    left = np.ones(len(gallery.ids), np.bool_)
    left[rows] = False
    cosines = np.full(len(left), -np.inf)
    pairs = gallery.vectors[left].astype(np.float64) * gallery.vector(shortlist.query)
    cosines[left] = pairs.sum(1)
    more, similar = best(cosines, shortlist, ranks=gallery.ranks)
    others = Shortlist(shortlist.query, more, similar, shortlist.barred, shortlist.k)
    return with_rest(rows, scores, others)


def _explained(route: list[int], shortlist: Shortlist, prepared: Spreading) -> Document:
    """Return the ids on the way from the query; in a graph of queries it is on the way itself."""
    names = [prepared.names[node] for node in route]
    return {"path": names if names[0] == shortlist.query else [shortlist.query, *names]}
