"""Re-order hits by how alike their sets of k-reciprocal neighbours are to the query's.

Zhong et al. 2017 (arXiv:1701.08398), sparse. There all queries and items are one set; here each
query is alone with the items, so that its hits do not depend on what else is asked. A query that is
an item has the item's set.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from scipy.sparse import csr_array

from hiertools.errors import UsageError
from hiertools.reranking.gallery import Gallery
from hiertools.reranking.reciprocal import Encoding, encode, encode_queries, jaccard
from hiertools.reranking.shortlist import Reranked, Shortlist


def rerank(
    shortlists: Iterable[Shortlist],
    gallery: Gallery,
    *,
    k1: int = 20,
    k2: int = 6,
    lambda_: float = 0.3,
) -> Iterator[Reranked]:
    """Yield each shortlist in the order of its distances, all of its hits.

    k1: nearest items that may be reciprocal. k2: sets, an item's own and those of its nearest,
    whose mean counts. lambda: share of the distance 1 - cosine in the sum with the distance of the
    sets.
    """
    for name, value in (("k1", k1), ("k2", k2)):
        if value < 1:
            raise UsageError(f"option {name}={value} must be at least 1")
    if k2 > k1:
        raise UsageError(f"option k2={k2} must be at most k1={k1}")
    if not 0 <= lambda_ <= 1:
        raise UsageError(f"option lambda={lambda_:g} is not in the range 0<=x<=1")
    return _reranked(shortlists, gallery, k1, k2, lambda_)


def _reranked(
    shortlists: Iterable[Shortlist], gallery: Gallery, k1: int, k2: int, lambda_: float
) -> Iterator[Reranked]:
    encoding, waiting = None, iter(shortlists)
    while block := list(islice(waiting, gallery.block)):
        encoding = encoding or encode(gallery, k1=k1, k2=k2)
        for shortlist, found in zip(block, _sets(block, gallery, encoding), strict=True):
            yield _one(shortlist, gallery, encoding, found, lambda_)


def _sets(block: list[Shortlist], gallery: Gallery, encoding: Encoding) -> list[csr_array]:
    """Return the sets of queries (1 x n each): that of the item, where a query is one."""
    keys = [each.query for each in block]
    others = [key for key in keys if key in gallery.queries or gallery.row(key) is None]
    if others:
        asked = np.stack([gallery.vector(key) for key in others])
        made = encode_queries(encoding, gallery, asked)
    places = {key: place for place, key in enumerate(others)}
    return [
        made[[places[key]]] if key in places else encoding.weights[[gallery.row(key)]]
        for key in keys
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
