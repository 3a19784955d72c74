"""k-reciprocal encodings: an item as a weighted set of those that have it among their neighbours.

Zhong et al. 2017 (arXiv:1701.08398). All is sparse: of n items there are lists of neighbours and
sets of some tens of items, never a matrix of n x n. d is 1 - cosine: the released code has squared
distances divided by the largest of the whole set, which is about that and changes with the set.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from hiertools.reranking.gallery import Gallery, Vectors
from hiertools.reranking.neighbours import Neighbours, nearest
from hiertools.reranking.shortlist import Rows, Scores

AT_ONCE = 1 << 13  # items whose sets are found together
SHARE = 2 / 3  # of a neighbour's own set that must be in an item's, for the item to take it all


@dataclass(frozen=True)
class Encoding:
    """Weighted sets of n items.

    reach: the least cosine that a query must have to be among the k1 nearest of an item (n); half:
    which items are among the k1 / 2 nearest of each other, and each item itself (n x n, sparse);
    plain: sets with weights that add up to 1, of each item (n x n, sparse); weights: the same after
    local expansion.
    """

    reach: Scores
    half: csr_array
    plain: csr_array
    weights: csr_array
    k1: int
    k2: int


def encode(vectors: Vectors, near: Neighbours, *, k1: int, k2: int) -> Encoding:
    """Return the sets of all items (n x d). near: their k1 nearest, which may be reciprocal; k2:
    sets, with an item's own, whose mean its set becomes.
    """
    mutual, half = _mutual(near, k1), _mutual(near, _half(k1))
    starts = range(0, len(vectors), AT_ONCE)
    rows = [slice(start, start + AT_ONCE) for start in starts]
    parts = [_weighted(vectors, vectors[r], _sets(mutual[r], half)) for r in rows]
    plain = _stacked(parts, len(vectors))
    return Encoding(_least(near, k1), half, plain, _expand(plain, near, k2), k1, k2)


def _half(k1: int) -> int:
    return int(np.around(k1 / 2))


def _least(near: Neighbours, k: int) -> Scores:
    wide = near.similarities.shape[1]
    if k > wide or not wide:
        return np.full(len(near.rows), -np.inf)
    return np.asarray(near.similarities[:, k - 1])


def _links(near: Neighbours, k: int) -> csr_array:
    """Return the k nearest of each item, and the item itself, as ones."""
    n = len(near.rows)
    rows = near.rows[:, :k]
    columns = np.hstack([np.arange(n, dtype=np.int64)[:, None], rows.astype(np.int64)])
    offsets = np.arange(n + 1) * columns.shape[1]
    found = csr_array((np.ones(columns.size), columns.ravel(), offsets), (n, n))
    found.sort_indices()
    return found


def _mutual(near: Neighbours, k: int) -> csr_array:
    links = _links(near, k)
    return csr_array(links.multiply(links.T))


def _sets(mutual: csr_array, half: csr_array) -> csr_array:
    """Return sets R* (b x n) of sets R (b x n): with those of members that are mostly in R.

    Zhong et al. 2017, eq. 4: two thirds are enough; the released code wants more.
    """
    shared = (mutual @ half).multiply(mutual).tocsr()  # half is its own transpose
    whole = np.diff(half.indptr)
    taken = shared.data >= SHARE * whole[shared.indices] - 1e-9  # whole numbers, and a third
    shared.data = taken.astype(np.float64)
    shared.eliminate_zeros()
    return csr_array(mutual + shared @ half)


def _weighted(vectors: Vectors, queries: Vectors, sets: csr_array) -> csr_array:
    """Return sets (b x n) with the weights exp(-d) of eq. 7, which add up to 1 for each."""
    sets.sort_indices()
    rows = np.repeat(np.arange(sets.shape[0]), np.diff(sets.indptr))
    data = np.empty(len(rows))
    for start in range(0, len(rows), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        pairs = queries[rows[part]].astype(np.float64) * vectors[sets.indices[part]]
        data[part] = np.exp(pairs.sum(1) - 1)
    sums = np.bincount(rows, data, sets.shape[0])
    data /= np.where(sums > 0, sums, 1)[rows]
    return csr_array((data, sets.indices, sets.indptr), sets.shape)


def _stacked(parts: list[csr_array], n: int) -> csr_array:
    data = np.concatenate([np.zeros(0), *(part.data for part in parts)])
    columns = np.concatenate([np.zeros(0, np.int32), *(part.indices for part in parts)])
    counts = np.concatenate([[0], *(np.diff(part.indptr) for part in parts)])
    return csr_array((data, columns, np.cumsum(counts)), (n, n))


def _expand(plain: csr_array, near: Neighbours, k2: int) -> csr_array:
    """Return the mean of the sets of each item and its nearest, k2 in all: eq. 11."""
    if k2 == 1:
        return plain
    links = _links(near, k2 - 1)
    counts = np.diff(links.indptr)
    links.data /= np.repeat(counts, counts)
    found = csr_array(links @ plain)
    found.sort_indices()
    return found


def encode_queries(encoding: Encoding, gallery: Gallery, queries: Vectors) -> csr_array:
    """Return the weighted sets of queries (b x d) that are no items, over the items (b x n).

    Each query is one more item whose neighbours are the items; the lists of those stay as they are,
    and no set has the query itself.
    """
    vectors, k2 = gallery.vectors, encoding.k2
    near = nearest(vectors, queries, encoding.k1, device=gallery.device, without_self=False)
    inside = near.similarities >= encoding.reach[near.rows]
    sets = _chosen(near.rows[inside], inside.sum(1), len(vectors))
    own = _weighted(vectors, queries, _sets(sets, encoding.half))
    first = near.rows[:, : k2 - 1]
    others = _chosen(first.ravel(), np.full(len(first), first.shape[1]), len(vectors))
    return csr_array((own + others @ encoding.plain) / (1 + first.shape[1]))


def _chosen(columns: NDArray[np.int32], counts: NDArray[np.int64], n: int) -> csr_array:
    """Return rows of n with ones at columns, counts[i] of them in row i."""
    offsets = np.concatenate([[0], np.cumsum(counts)])
    found = csr_array((np.ones(len(columns)), columns, offsets), (len(counts), n))
    found.sort_indices()
    return found


def jaccard(weights: csr_array, rows: Rows, query: NDArray[np.float64]) -> Scores:
    """Return 1 - sum of minima / sum of maxima of a query's set (n) and those of items: eq. 10."""
    found = weights[rows]
    least = np.minimum(found.data, query[found.indices])
    where = np.repeat(np.arange(len(rows)), np.diff(found.indptr))
    both = np.bincount(where, least, len(rows))
    sums = np.bincount(where, found.data, len(rows)) + query.sum() - both
    return np.asarray(1 - both / np.where(sums > 0, sums, 1))
