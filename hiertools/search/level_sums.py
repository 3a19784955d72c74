"""What `log-probability` adds to values: minus the log of a level's sum of exp(value)."""

import numba
import numpy as np

from hiertools.kernels.path_values import chord, value
from hiertools.search.path_scores import Values
from hiertools.search.path_values import Rated, sides
from hiertools.search.tree import Points


def shifts(space: Rated, queries: Points) -> Values:
    """Return what is added to the values of each level (b x levels); 0 for other scores."""
    found = np.zeros((len(queries), space.tree.depth))
    if space.score.by == "log-probability":
        tree = space.tree
        _sum(
            queries.astype(np.float64), sides(queries, space.score), tree.points, space.sides,
            tree.implicit, tree.offsets, space.score.weights, space.rule, found,
        )  # fmt: skip
    return found


@numba.njit(parallel=True, cache=True)  # type: ignore[misc]
def _sum(  # type: ignore[no-untyped-def]
    queries, query_sides, points, point_sides, implicit, offsets, weights, rule, found
):
    for query in numba.prange(len(queries)):
        x, x_side = queries[query], query_sides[query]
        for level in range(len(offsets) - 1):
            best, total = -np.inf, 0.0
            for row in range(offsets[level], offsets[level + 1]):
                if implicit[row]:
                    continue
                squared = chord(x, points[row], x_side, point_sides[row], rule)
                worth = value(squared, x_side, point_sides[row], weights[level], rule)
                if worth > best:
                    total, best = total * np.exp(best - worth) + 1, worth
                else:
                    total += np.exp(worth - best)
            found[query, level] = -best - np.log(total) if total else 0.0
