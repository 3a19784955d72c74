"""The best paths of all, without a look at every entity: how far descendants are, see `descent`."""

import numba
import numpy as np

from hiertools.kernels import descent
from hiertools.kernels.beam import NONE
from hiertools.kernels.descent import ROUNDING, Bounds
from hiertools.kernels.path_values import chord, distance
from hiertools.search.path_scores import Values
from hiertools.search.path_values import Rated, sides
from hiertools.search.tree import Points, Rows


def search(space: Rated, bounds: Bounds, queries: Points, shifts: Values, *, k: int) -> Rows:
    """Return the leaves of the k best paths (b x k), the best first; -1 where there are fewer.

    shifts: added to the value of every entity of a level (b x levels).
    """
    k = min(k, int(np.diff(space.tree.offsets)[-1]))
    x = np.ascontiguousarray(queries)
    return descent.descend(
        space.nodes, bounds, x, sides(x, space.score), shifts, k=k, weights=space.score.weights,
        rule=space.rule,
    )  # fmt: skip


def bounded(space: Rated) -> Bounds:
    """Return how far the descendants of each entity are."""
    tree = space.tree
    centre, reach = np.arange(len(tree)), np.full((len(tree), tree.depth), -1.0)
    for row in np.flatnonzero(tree.implicit):  # parents come first
        above = tree.parent[row]
        centre[row] = centre[above] if above >= 0 else NONE
    level = tree.levels(np.arange(len(tree)))
    _reach(tree.points, space.sides, tree.parent, tree.implicit, level, centre, space.rule, reach)
    return Bounds(centre, reach)


@numba.njit(cache=True)  # type: ignore[misc]
def _reach(points, sides, parent, implicit, level, centre, rule, reach):  # type: ignore[no-untyped-def]
    for row in range(len(parent)):
        if implicit[row]:
            continue
        x, above = points[row].astype(np.float64), parent[row]
        while above != NONE:
            middle, far = centre[above], np.inf
            if middle != NONE:
                far = distance(chord(x, points[middle], sides[row], sides[middle], rule), rule)
                far *= 1 + ROUNDING
            reach[above, level[row]] = max(reach[above, level[row]], far)
            above = parent[above]
