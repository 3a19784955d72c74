"""Re-order hits by vectors that were refined among the first hits themselves.

SuperGlobal, Shao et al. 2023 (arXiv:2308.06954), section 3.3: a hit's vector takes up those of its
neighbours among the hits; the query's is the greatest of its own and of its first hits, number by
number; a hit's score is the mean of the refined query to the hit, and of the query to the refined
hit. Both are cosines here, so that neither counts more for being longer.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UsageError
from hiertools.reranking.gallery import Gallery
from hiertools.reranking.shortlist import Reranked, Shortlist, with_rest


def rerank(
    shortlists: Iterable[Shortlist],
    gallery: Gallery,
    *,
    m: int = 400,
    k: int = 9,
    beta: float = 0.15,
) -> Iterator[Reranked]:
    """Yield each shortlist with its first hits in a new order.

    m: first hits that are ranked anew. k: neighbours among them that refine a hit, and first hits
    that refine the query. beta: what a neighbour counts, by its cosine, where the hit counts 1.
    """
    if m < 1:
        raise UsageError(f"option m={m} must be at least 1")
    if k < 0:
        raise UsageError(f"option k={k} must be at least 0")
    if not (beta >= 0 and np.isfinite(beta)):
        raise UsageError(f"option beta={beta:g} must be at least 0")
    return (_one(shortlist, gallery, m, k, beta) for shortlist in shortlists)


def _one(shortlist: Shortlist, gallery: Gallery, m: int, k: int, beta: float) -> Reranked:
    head = shortlist.rows[:m]
    if not len(head):
        return Reranked(head, shortlist.scores[:0])
    x = gallery.vectors[head].astype(np.float64)
    query = gallery.vector(shortlist.query).astype(np.float64)
    near = _nearest(x, gallery.ranks[head], k)
    refined = _unit(_refined(x, near, beta))
    pooled = _unit(np.maximum(query, x[:k].max(0, initial=-np.inf))[None])[0]
    scores = ((x * pooled).sum(1) + (refined * query).sum(1)) / 2
    order = np.lexsort((gallery.ranks[head], -scores))
    rows, scores = with_rest(head[order], scores[order], shortlist)
    if not gallery.explain:
        return Reranked(rows, scores)
    told = {
        int(row): {"neighbours": [gallery.ids[head[j]] for j in others]}
        for row, others in zip(head, near.tolist(), strict=True)
    }
    return Reranked(rows, scores, told)


def _nearest(x: NDArray[np.float64], ranks: NDArray[np.int64], k: int) -> NDArray[np.int64]:
    """Return the k nearest of each of some vectors (m x d) among the others, the nearest first."""
    cosines = (x @ x.T).round(DIGITS)
    np.fill_diagonal(cosines, -np.inf)
    order = np.lexsort((np.broadcast_to(ranks, cosines.shape), -cosines), axis=1)
    return order[:, : min(k, len(x) - 1)]


DIGITS = 12  # of a cosine: what is beyond depends on how a product is worked out


def _refined(x: NDArray[np.float64], near: NDArray[np.int64], beta: float) -> NDArray[np.float64]:
    """Return the weighted means of hits (m x d) and their neighbours (m x k)."""
    others = x[near]
    weights = beta * np.maximum(0.0, np.einsum("id,ikd->ik", x, others))
    total = x + np.einsum("ik,ikd->id", weights, others)
    return np.asarray(total / (1 + weights.sum(1, keepdims=True)))


def _unit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    norms = np.sqrt((x * x).sum(1, keepdims=True))
    return np.asarray(x / np.where(norms > 0, norms, 1))
