"""Beam search over paths: from the top, the children of the best entities of each level.

All children of the beam are looked at, through their ranges, so that a path is never lost to
entities elsewhere. A query is searched for by itself: nothing depends on the others of a batch.
"""

from typing import NamedTuple

import numba
import numpy as np

from hiertools.search.path_scores import Values
from hiertools.search.path_values import Rated, chord, rule, sides, value
from hiertools.search.tree import Points, Rows

NONE = -1


def search(space: Rated, queries: Points, shifts: Values, *, width: int, k: int) -> Rows:
    """Return the leaves of good paths (b x m, m <= max(width, k)), the best first; -1 for none.

    width: how many paths go on to the next level; k: how many are wanted at the last, at least.
    shifts: added to the value of every entity of a level (b x levels). Values are float32 sums;
    paths of the same score are in the order of their rows.
    """
    tree, score = space.tree, space.score
    widest = np.diff(tree.offsets)
    widths = np.minimum(np.full(tree.depth, width), widest)
    widths[-1] = min(max(width, k), int(widest[-1]))
    found = np.full((len(queries), int(widths[-1])), -1, np.int64)
    _search(
        np.ascontiguousarray(queries), sides(queries, score), shifts, tree.points,
        space.sides, tree.children, tree.implicit, tree.offsets, widths, rule(score),
        found,
    )  # fmt: skip
    return found


class _Paths(NamedTuple):
    """The best paths so far, best first: their last rows, sums of values, how many, means."""

    rows: Rows
    totals: Values
    counts: Rows
    means: Values


@numba.njit(parallel=True, cache=True)  # type: ignore[misc]
def _search(  # type: ignore[no-untyped-def]
    queries, query_sides, shifts, points, point_sides, children, implicit, offsets, widths, rule,
    found,
):  # fmt: skip
    for query in numba.prange(len(queries)):
        x, x_side = queries[query], query_sides[query]
        before, count, bare = empty(0), 0, NONE
        for level in range(len(widths)):
            paths, size, passed = empty(widths[level]), 0, NONE
            for i in range(count + 1):  # the last one is the path without a name so far
                row, total, names = bare, 0.0, 0
                if i < count:
                    row, total, names = before.rows[i], before.totals[i], before.counts[i]
                if level == 0:
                    first, end = offsets[0], offsets[1]
                elif row == NONE:
                    continue
                else:
                    first, end = children[row, 0], children[row, 1]
                for child in range(first, end):
                    if not implicit[child]:
                        squared = chord(x, points[child], x_side, point_sides[child], rule)
                        worth = shifts[query, level] + value(
                            squared, x_side, point_sides[child], rule.weights[level], rule
                        )
                        if rule.last:
                            size = put(paths, size, child, worth, 1)
                        else:
                            size = put(paths, size, child, total + worth, names + 1)
                    elif names:
                        size = put(paths, size, child, total, names)
                    else:
                        passed = child
            before, count, bare = paths, size, passed
        for i in range(count):
            found[query, i] = before.rows[i]


@numba.njit  # type: ignore[misc]
def empty(width):  # type: ignore[no-untyped-def]
    """Return room for paths."""
    return _Paths(
        np.empty(width, np.int64), np.empty(width), np.empty(width, np.int64), np.empty(width)
    )


@numba.njit  # type: ignore[misc]
def put(paths, size, row, total, count):  # type: ignore[no-untyped-def]
    """Put a path among the best, if it is one, and return how many there are."""
    mean, width = total / count, len(paths.rows)
    place = size
    if size == width:
        worst = width - 1
        if mean < paths.means[worst] or (mean == paths.means[worst] and row > paths.rows[worst]):
            return size
        place = worst
    while place > 0 and (
        mean > paths.means[place - 1]
        or (mean == paths.means[place - 1] and row < paths.rows[place - 1])
    ):
        paths.rows[place], paths.totals[place] = paths.rows[place - 1], paths.totals[place - 1]
        paths.counts[place], paths.means[place] = paths.counts[place - 1], paths.means[place - 1]
        place -= 1
    paths.rows[place], paths.totals[place] = row, total
    paths.counts[place], paths.means[place] = count, mean
    return min(size + 1, width)
