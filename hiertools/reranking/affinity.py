"""The graph of mutual neighbours, and its normalised form: symmetric, sparse, without loops.

A_ij = max(0, x_i . x_j)^power where i and j are both among the k nearest of each other, else 0;
S = D^-1/2 A D^-1/2 with the degrees D = sum_j A_ij. Iscen et al. 2017 (arXiv:1611.05113);
Zhou et al. 2003, "Ranking on Data Manifolds".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from hiertools.reranking.neighbours import Neighbours
from hiertools.reranking.shortlist import Scores


@dataclass(frozen=True)
class Edges:
    """A symmetric matrix (n x n) of weights above 0, row by row, columns rising.

    starts: where each row starts, and the last one ends (n + 1); columns, values: its entries.
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: Scores

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of(self, row: int) -> tuple[NDArray[np.int32], Scores]:
        """Return columns and values of a row."""
        here = slice(self.starts[row], self.starts[row + 1])
        return self.columns[here], self.values[here]


def weights(similarities: Scores, *, power: float) -> Scores:
    """Return max(0, similarity)^power of each."""
    above = np.maximum(similarities, 0, order="C")  # numpy may round powers of others otherwise
    weighed: Scores = above**power
    return weighed


def affinity(neighbours: Neighbours, *, power: float) -> Edges:
    """Return A of items and the neighbours of each of them, itself left out."""
    n, k = neighbours.rows.shape
    values = weights(neighbours.similarities, power=power).ravel()
    columns = neighbours.rows.ravel()
    near = sparse.csr_array((values, columns, np.arange(n + 1) * k), shape=(n, n))
    mutual = sparse.csr_array(near.minimum(near.T))
    mutual.eliminate_zeros()
    mutual.sort_indices()
    return Edges(mutual.indptr.astype(np.int64), mutual.indices.astype(np.int32), mutual.data)


def normalised(edges: Edges) -> Edges:
    """Return S = D^-1/2 A D^-1/2; items of degree 0 have no entries there either."""
    rows = np.repeat(np.arange(len(edges)), np.diff(edges.starts))
    degrees = np.bincount(rows, edges.values, len(edges))
    scale = np.zeros(len(edges))
    np.divide(1, np.sqrt(degrees), out=scale, where=degrees > 0)
    return Edges(edges.starts, edges.columns, edges.values * (scale[rows] * scale[edges.columns]))
