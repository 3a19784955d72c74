"""Optimal transport between two distributions over classes.

h and r are arrays of n weights with the same sum, or q x n arrays: one pair of distributions a
row. What it costs to move a class's weight to another is the ground: how far apart they stand in an
order, in a tree, or in a matrix of costs.
"""

import os
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = NDArray[np.float64]

OTHERS = "others"  # stands for every class outside of the hierarchy; last in every order

MAX_PIVOTS = 10**9  # of the simplex: never the reason to stop
BLOCK_WEIGHTS = 1 << 18


def index_distance(h: Weights, r: Weights) -> Any:
    """Return the 1-Wasserstein distance of h and r with the classes at 0 … n - 1: q numbers.

    Σ |cumsum(h - r)|, which is `scipy.stats.wasserstein_distance(range(n), range(n), h, r)`. It
    depends on the order of the classes.
    """
    return np.abs(np.cumsum(h - r, axis=-1)).sum(axis=-1)


def tree_distance(
    h: Weights, r: Weights, parent: NDArray[np.int64], weight: NDArray[np.float64]
) -> Any:
    """Return the 1-Wasserstein distance of h and r over a forest: q numbers.

    Σ_edges weight · |h(subtree) - r(subtree)| (Evans & Matsen 2012, arXiv:1005.1699), exact.
    The columns of h and r are nodes. parent: the column of a node's parent, which comes before the
    node's own; negative for a root, which hangs from a virtual root that all trees share. weight:
    that of the edge above each node.
    """
    below = np.ascontiguousarray(np.moveaxis(h - r, -1, 0))
    for node in range(len(parent) - 1, -1, -1):
        if parent[node] >= 0:
            below[parent[node]] += below[node]
    return weight @ np.abs(below)


def transport_cost(h: Weights, r: Weights, costs: NDArray[np.float64]) -> float:
    """Return the least Σ flow · cost that makes r of h, as an exact linear program.

    costs: n x n. It is a distance where the costs are one. The path costs of a DAG in which a
    class has several parents need not be: then the triangle inequality can fail for them, and what
    is returned is a transport cost and no distance.
    """
    # POT imports torch, JAX and more for arrays that it never gets from here: 4 s
    os.environ.setdefault("POT_BACKEND_DISABLE_PYTORCH", "1")
    import ot

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # of a program that is not solved
        return float(ot.emd2(h, r, costs, numItermax=MAX_PIVOTS))


def sensitivity_band(
    h: Weights, r: Weights, n_orders: int, rng: np.random.Generator, *, others_last: bool
) -> tuple[float, float, float]:
    """Return least, median and greatest index distance of h and r over random orders of classes.

    h, r: one distribution each. others_last: the last class stays where it is.
    """
    excess = h - r
    movable = len(excess) - others_last
    rows = max(1, BLOCK_WEIGHTS // max(1, len(excess)))
    found = []
    for start in range(0, n_orders, rows):
        block = np.tile(excess, (min(rows, n_orders - start), 1))
        block[:, :movable] = rng.permuted(block[:, :movable], axis=1)
        found.append(index_distance(block, np.zeros_like(excess)))
    distances = np.concatenate(found)
    return float(distances.min()), float(np.median(distances)), float(distances.max())
