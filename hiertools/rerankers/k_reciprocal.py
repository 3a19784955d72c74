"""Re-order hits by how alike their sets of k-reciprocal neighbours are to the query's.

Zhong et al. 2017 (arXiv:1701.08398), sparse. There all queries and items are one set; here, but for
mode transductive, each query is alone with the items, so that its hits do not depend on what else
is asked. A query that is an item has the item's set.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from scipy.sparse import csr_array

from hiertools.errors import UsageError
from hiertools.reranking.gallery import Gallery
from hiertools.reranking.neighbours import nearest
from hiertools.reranking.reciprocal import Encoding, encode, encode_queries, jaccard
from hiertools.reranking.shortlist import Reranked, Shortlist

MODES = ("alone", "transductive")


def rerank(
    shortlists: Iterable[Shortlist],
    gallery: Gallery,
    *,
    mode: str = "alone",
    k1: int = 20,
    k2: int = 6,
    lambda_: float = 0.3,
) -> Iterator[Reranked]:
    """Yield each shortlist in the order of its distances, all of its hits.

    mode: `alone` leaves the neighbours of items as they are, whatever is asked; transductive is the
    paper's: all queries are items too, and the hits of a query depend on the other queries. k1:
    nearest items that may be reciprocal. k2: sets, an item's own and those of its nearest,
    whose mean counts. lambda: share of the distance 1 - cosine in the sum with the distance of the
    sets.
    """
    if mode not in MODES:
        raise UsageError(f"option mode={mode} is none of {', '.join(MODES)}")
    for name, value in (("k1", k1), ("k2", k2)):
        if value < 1:
            raise UsageError(f"option {name}={value} must be at least 1")
    if k2 > k1:
        raise UsageError(f"option k2={k2} must be at most k1={k1}")
    if not 0 <= lambda_ <= 1:
        raise UsageError(f"option lambda={lambda_:g} is not in the range 0<=x<=1")
    reranked = _together if mode == "transductive" else _each
    return reranked(shortlists, gallery, k1, k2, lambda_)


def _each(
    shortlists: Iterable[Shortlist], gallery: Gallery, k1: int, k2: int, lambda_: float
) -> Iterator[Reranked]:
    encoding, waiting = None, iter(shortlists)
    while block := list(islice(waiting, gallery.block)):
        encoding = encoding or encode(gallery.vectors, gallery.neighbours(k1), k1=k1, k2=k2)
        for shortlist, found in zip(block, _sets(block, gallery, encoding), strict=True):
            yield _one(shortlist, gallery, encoding, found, lambda_)


def _together(
    shortlists: Iterable[Shortlist], gallery: Gallery, k1: int, k2: int, lambda_: float
) -> Iterator[Reranked]:
    """Yield shortlists re-ranked where all queries are items behind those of the gallery."""
    every = list(shortlists)
    if every:
        others = _others(every, gallery)
        vectors = np.vstack([gallery.vectors, *(gallery.vector(key) for key in others)])
        near = nearest(vectors, vectors, k1, device=gallery.device, without_self=True)
        encoding = encode(vectors, near, k1=k1, k2=k2)
        places = {key: len(gallery.ids) + place for place, key in enumerate(others)}
    for shortlist in every:
        row = places.get(shortlist.query, gallery.row(shortlist.query))
        yield _one(shortlist, gallery, encoding, encoding.weights[[row]], lambda_)


def _others(shortlists: list[Shortlist], gallery: Gallery) -> list[str]:
    """Return the queries that are no items, or have vectors of their own, each once."""
    keys = dict.fromkeys(each.query for each in shortlists)
    return [key for key in keys if key in gallery.queries or gallery.row(key) is None]


def _sets(block: list[Shortlist], gallery: Gallery, encoding: Encoding) -> list[csr_array]:
    """Return the sets of queries (1 x n each): that of the item, where a query is one."""
    others = _others(block, gallery)
    if others:
        asked = np.stack([gallery.vector(key) for key in others])
        made = encode_queries(encoding, gallery, asked)
    places = {key: place for place, key in enumerate(others)}
    return [
        made[[places[key]]] if key in places else encoding.weights[[gallery.row(key)]]
        for key in (each.query for each in block)
    ]


def _one(
    shortlist: Shortlist, gallery: Gallery, encoding: Encoding, own: csr_array, lambda_: float
) -> Reranked:
    rows = shortlist.rows
    query = gallery.vector(shortlist.query)
    sets = jaccard(encoding.weights, rows, own.toarray()[0])
    plain = 1 - (gallery.vectors[rows].astype(np.float64) * query).sum(1)
    scores = -((1 - lambda_) * sets + lambda_ * plain)
    order = np.lexsort((gallery.ranks[rows], -scores))
    told = {}
    if gallery.explain:
        told = {
            row: {"jaccard": round(value, 6), "cosine": round(1 - distance, 6)}
            for row, value, distance in zip(
                rows.tolist(), sets.tolist(), plain.tolist(), strict=True
            )
        }
    return Reranked(rows[order], scores[order], told)
