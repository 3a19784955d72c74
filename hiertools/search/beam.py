"""Beam search over paths: from the top, the children of the best entities of each level.

All children of the beam are looked at, through their ranges, so that a path is never lost to
entities elsewhere. A query is searched for by itself: nothing depends on the others of a batch.
"""

import numpy as np

from hiertools.kernels import beam
from hiertools.search.path_scores import Values
from hiertools.search.path_values import Rated, sides
from hiertools.search.tree import Points, Rows


def search(space: Rated, queries: Points, shifts: Values, *, width: int, k: int) -> Rows:
    """Return the leaves of good paths (b x m, m <= max(width, k)), the best first; -1 for none.

    width: how many paths go on to the next level; k: how many are wanted at the last, at least.
    shifts: added to the value of every entity of a level (b x levels). Values are float32 sums;
    paths of the same score are in the order of their rows.
    """
    sizes = np.diff(space.tree.offsets)
    widths = np.minimum(np.full(len(sizes), width), sizes)
    widths[-1] = min(max(width, k), int(sizes[-1]))
    x = np.ascontiguousarray(queries)
    return beam.beam(
        space.nodes,
        x,
        sides(x, space.score),
        shifts,
        widths=widths,
        weights=space.score.weights,
        rule=space.rule,
    )
