"""Beam search over paths: from the top, the children of the best entities of each level.

All children of the beam are looked at, through their ranges, so that a path is never lost to
entities elsewhere. A query is searched for by itself: nothing depends on the others of a batch.
"""

from collections.abc import Callable

import numpy as np
import torch

from hiertools.kernels import beam
from hiertools.search.path_scores import Values
from hiertools.search.path_values import Rated, sides
from hiertools.search.tree import Points, Rows

CPU = torch.device("cpu")

Searcher = Callable[[Points, Values], Rows]


def search(space: Rated, queries: Points, shifts: Values, *, width: int, k: int) -> Rows:
    """Return what `searcher` finds, on the CPU."""
    return searcher(space, width=width, k=k, device=CPU)(queries, shifts)


def searcher(space: Rated, *, width: int, k: int, device: torch.device) -> Searcher:
    """Return what finds leaves of good paths (b x m, m <= max(width, k)), the best first, or -1.

    width: how many paths go on to the next level; k: how many are wanted at the last, at least.
    It takes b queries and what is added to the value of every entity of a level (b x levels).
    Values are of float32 sums, far out in hyperbolic space of float64 sums; paths of the same score
    are in the order of their rows.
    """
    sizes = np.diff(space.tree.offsets)
    widths = np.minimum(np.full(len(sizes), width), sizes)
    widths[-1] = min(max(width, k), int(sizes[-1]))
    expand = beam.expander(
        space.nodes, widths=widths, weights=space.score.weights, rule=space.rule, device=device
    )

    def found(queries: Points, shifts: Values) -> Rows:
        return expand(np.ascontiguousarray(queries), sides(queries, space.score), shifts)

    return found
