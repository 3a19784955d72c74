"""Query expansion: a vector, and those that are near to it, become one.

norm(x + sum over i < n of max(0, x . x_i)^alpha x_i): average query expansion (Chum et al., ICCV
2007) with alpha = 0, and the weighted one of Radenovic et al. 2018 (arXiv:1711.02512), section 3.4.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UsageError
from hiertools.reranking.gallery import Gallery, Vectors
from hiertools.reranking.searching import search
from hiertools.reranking.shortlist import Reranked, Shortlist

AT_ONCE = 1 << 22  # numbers of neighbours that are added up together: 34 MB


def check_options(*, n: int, alpha: float) -> None:
    """Raise `UsageError` for options of an expansion that make no sense."""
    if n < 0:
        raise UsageError(f"option n={n} must be at least 0")
    if not (alpha >= 0 and np.isfinite(alpha)):
        raise UsageError(f"option alpha={alpha:g} must be at least 0")


def expanded(
    vectors: Vectors, neighbours: NDArray[np.floating], *, alpha: float
) -> NDArray[np.float64]:
    """Return the expansions of vectors (b x d) by their neighbours (b x n x d), of length one."""
    x, near = np.asarray(vectors, np.float64), np.asarray(neighbours, np.float64)
    cosines = (x[:, None] * near).sum(-1)
    weights = np.maximum(0.0, cosines) ** alpha
    found = x + (weights[..., None] * near).sum(1)
    norms = np.sqrt((found * found).sum(1, keepdims=True))
    return np.asarray(found / np.where(norms > 0, norms, 1))


def expanded_items(gallery: Gallery, *, n: int, alpha: float) -> Vectors:
    """Return the vectors of all items, each expanded by its n nearest (float32)."""
    near = gallery.neighbours(n).rows
    found = np.empty(gallery.vectors.shape, np.float32)
    step = max(1, AT_ONCE // max(1, near.shape[1] * gallery.vectors.shape[1]))
    for start in range(0, len(found), step):
        rows = slice(start, start + step)
        found[rows] = expanded(gallery.vectors[rows], gallery.vectors[near[rows]], alpha=alpha)
    return found


def rerank_expanded(
    shortlists: Iterable[Shortlist], gallery: Gallery, vectors: Vectors, *, n: int, alpha: float
) -> Iterator[Reranked]:
    """Rank a gallery's items by vectors of theirs, for queries expanded by their first n hits."""
    waiting = iter(shortlists)
    while block := list(islice(waiting, gallery.block)):
        queries = np.array([_expanded(each, gallery, vectors, n, alpha) for each in block])
        found = search(vectors, queries, block, ranks=gallery.ranks, device=gallery.device)
        for shortlist, (rows, scores) in zip(block, found, strict=True):
            explained = _explained(shortlist, rows.tolist(), gallery, n) if gallery.explain else {}
            yield Reranked(rows, scores, explained)


def _expanded(
    shortlist: Shortlist, gallery: Gallery, vectors: Vectors, n: int, alpha: float
) -> NDArray[np.float64]:
    near = vectors[shortlist.rows[:n]]
    found = expanded(gallery.vector(shortlist.query)[None], near[None], alpha=alpha)
    return np.asarray(found[0])


def _explained(
    shortlist: Shortlist, rows: list[int], gallery: Gallery, n: int
) -> dict[int, dict[str, object]]:
    neighbours = [gallery.ids[row] for row in shortlist.rows[:n].tolist()]
    return {row: {"neighbours": neighbours} for row in rows}
