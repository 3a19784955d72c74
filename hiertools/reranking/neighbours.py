"""Exact nearest neighbours by cosine, in blocks.

Products in float32 tell which items may be among the nearest; these alone are scored, each pair by
itself in double precision. So what is found depends neither on the blocks, nor on the other
queries, nor on the device; and memory grows with what is found, not with its square.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hiertools.reranking.shortlist import Rows, Scores
from hiertools.terminal import Tick

Vectors = NDArray[np.float32]

PRODUCT = 1 << 25  # similarities that are looked at together: 128 MB
SPARE = 16  # items looked at beyond the nearest, since products are not exact
UNIT_ROUNDOFF = 2.0**-24  # of float32


@dataclass(frozen=True)
class Neighbours:
    """The k nearest items of q queries, the nearest first; of equal ones the first row first.

    rows: of the items (q x k, int32); similarities: their cosines (q x k, float64).
    """

    rows: NDArray[np.int32]
    similarities: Scores

    def first(self, k: int) -> "Neighbours":
        """Return the k nearest of these."""
        return Neighbours(self.rows[:, :k], self.similarities[:, :k])


def nearest(
    vectors: Vectors,
    queries: Vectors,
    k: int,
    *,
    device: torch.device,
    without_self: bool,
    tick: Tick = lambda done: None,
) -> Neighbours:
    """Return the k nearest items of each query, or all if there are fewer.

    vectors, queries: rows of length one or of zeros (n x d, q x d); without_self: the queries are
    the items themselves, in the same order, and none is its own neighbour; tick: takes the number
    of queries just done.
    """
    k = max(0, min(k, len(vectors) - without_self))
    found = Neighbours(
        np.empty((len(queries), k), np.int32), np.empty((len(queries), k), np.float64)
    )
    if k > 0:
        for start, rows, similarities in _blocks(vectors, queries, k, device, without_self):
            found.rows[start : start + len(rows)] = rows
            found.similarities[start : start + len(rows)] = similarities
            tick(len(rows))
    return found


def _blocks(
    vectors: Vectors, queries: Vectors, k: int, device: torch.device, without_self: bool
) -> Iterator[tuple[int, Rows, Scores]]:
    """Yield the first query of each block, and rows and similarities of the block's nearest."""
    vectors = np.ascontiguousarray(vectors, np.float32)
    y = torch.from_numpy(vectors).to(device)
    size = max(1, PRODUCT // len(vectors))
    for start in range(0, len(queries), size):
        block = np.ascontiguousarray(queries[start : start + size], np.float32)
        product = torch.from_numpy(block).to(device) @ y.T
        if without_self:
            own = torch.arange(start, start + len(block), device=device)
            product.scatter_(1, own[:, None], -torch.inf)
        yield start, *_of_block(vectors, block, product, k, len(vectors) - without_self)


def _of_block(
    vectors: Vectors, block: Vectors, product: Tensor, k: int, others: int
) -> tuple[Rows, Scores]:
    """Return the k nearest of each query of a block (rows and similarities, b x k).

    others: how many items may be neighbours of a query.
    """
    known, candidates = product.topk(min(k + SPARE, others), sorted=True)
    least = known[:, k - 1] - 2 * _error(vectors.shape[1])
    rows = candidates.cpu().numpy()
    best, similarities = _best(rows, _cosines(block, vectors, rows), k)
    if candidates.shape[1] < others:
        for query in torch.nonzero(known[:, -1] >= least).flatten().tolist():
            more = torch.nonzero(product[query] >= least[query]).T.cpu().numpy()
            cosines = _cosines(block[query : query + 1], vectors, more)
            best[query], similarities[query] = (each[0] for each in _best(more, cosines, k))
    return best, similarities


def _error(d: int) -> float:
    """Return how far a product in float32 of two vectors of length one may be from exact.

    d u / (1 - d u), whatever the order of the sum: Higham, Accuracy and Stability of Numerical
    Algorithms (2002), section 3.1; and as much again for lengths that are not quite one.
    """
    return 2 * d * UNIT_ROUNDOFF / (1 - d * UNIT_ROUNDOFF)


def _cosines(queries: Vectors, vectors: Vectors, rows: Rows) -> Scores:
    """Return the similarity of each query (b) to its own rows (b x m), pair by pair."""
    found = np.empty(rows.shape)
    step = max(1, PRODUCT // max(1, 4 * queries.shape[1] * rows.shape[1]))
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        pairs = vectors[rows[part]].astype(np.float64) * queries[part, None]
        found[part] = pairs.sum(-1)
    return found


def _best(rows: Rows, similarities: Scores, k: int) -> tuple[Rows, Scores]:
    """Return the k best of each line, in order; those of a line need not be in order."""
    order = np.lexsort((rows, -similarities))[:, :k]
    return np.take_along_axis(rows, order, 1), np.take_along_axis(similarities, order, 1)
