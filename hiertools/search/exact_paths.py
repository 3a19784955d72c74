"""The best paths of all, without a look at every entity.

What a beam finds gives a score to beat. The descendants of an entity are within its reach, the
greatest distance to any of them at a level; by the triangle inequality none of their values is
better than that of the nearest point within reach, and subtrees that cannot beat the score go.
"""

import math

import numba
import numpy as np

from hiertools.search import beam
from hiertools.search.beam import NONE, empty, put
from hiertools.search.path_scores import Values
from hiertools.search.path_values import (
    EUCLIDEAN,
    LORENTZ,
    Rated,
    chord,
    distance,
    rule,
    sides,
    value,
)
from hiertools.search.tree import Points, Rows

WIDTH = 10  # of the beam whose paths are to be beaten
ROUNDING = 1e-6  # a share of distances and scores, by which bounds are looser than they look


def search(space: Rated, bounds: "Bounds", queries: Points, shifts: Values, *, k: int) -> Rows:
    """Return the leaves of the k best paths (b x k), the best first; -1 where there are fewer.

    shifts: added to the value of every entity of a level (b x levels).
    """
    tree = space.tree
    k = min(k, int(np.diff(tree.offsets)[-1]))
    beaten = beam.search(space, queries, shifts, width=max(WIDTH, k), k=k)
    found = np.full((len(queries), k), NONE, np.int64)
    x = queries.astype(np.float64)
    _search(
        x, sides(queries, space.score), shifts, tree.points, space.sides, tree.parent,
        tree.children, tree.implicit, tree.offsets, bounds.centre, bounds.reach, beaten,
        rule(space.score), found,
    )  # fmt: skip
    return found


class Bounds:
    """How far the descendants of each entity are.

    centre: the row of the entity, of an implicit node that of the nearest ancestor with a name (-1
    for none); reach: the greatest distance from there to a descendant at each level (n x levels),
    -1 where there is none, infinite without a centre.
    """

    def __init__(self, space: Rated) -> None:
        tree = space.tree
        self.centre = np.arange(len(tree))
        for row in np.flatnonzero(tree.implicit):  # parents come first
            above = tree.parent[row]
            self.centre[row] = self.centre[above] if above >= 0 else NONE
        self.reach = np.full((len(tree), tree.depth), -1.0)
        level = tree.levels(np.arange(len(tree)))
        _reach(
            tree.points, space.sides, tree.parent, tree.implicit, level, self.centre,
            rule(space.score), self.reach,
        )  # fmt: skip


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


@numba.njit(parallel=True, cache=True)  # type: ignore[misc]
def _search(  # type: ignore[no-untyped-def]
    queries, query_sides, shifts, points, sides, parent, children, implicit, offsets, centre, reach,
    beaten, rule, found,
):  # fmt: skip
    depth, k = len(offsets) - 1, found.shape[1]
    for query in numba.prange(len(queries)):
        x, x_side, shift = queries[query], query_sides[query], shifts[query]
        floor = _floor(x, x_side, shift, points, sides, parent, implicit, beaten[query], k, rule)
        rows, totals, counts = np.empty(1, np.int64), np.zeros(1), np.zeros(1, np.int64)
        rows[0], size = NONE, 1
        best, kept = empty(k), 0
        for level in range(depth):
            room = 0
            for i in range(size):
                first, end = _range(rows[i], offsets, children)
                room += end - first
            next_rows, next_totals = np.empty(room, np.int64), np.empty(room)
            next_counts, there = np.empty(room, np.int64), 0
            for i in range(size):
                first, end = _range(rows[i], offsets, children)
                for child in range(first, end):
                    total, count, far, inner = totals[i], counts[i], 0.0, 0.0
                    middle = centre[child]
                    if middle != NONE:
                        squared = chord(x, points[middle], x_side, sides[middle], rule)
                        far = distance(squared, rule)
                        weight = rule.weights[level]
                        inner = value(squared, x_side, sides[middle], weight, rule)
                        if not implicit[child]:
                            worth = inner + shift[level]
                            total, count = (worth, 1) if rule.last else (total + worth, count + 1)
                    if level == depth - 1:
                        if count and total / count >= floor:
                            kept = put(best, kept, child, total, count)
                        continue
                    above = _bound(
                        total, count, level, far, inner, x_side, reach[child], shift, rule
                    )
                    if above >= floor:
                        next_rows[there], next_totals[there] = child, total
                        next_counts[there] = count
                        there += 1
            rows, totals, counts, size = next_rows, next_totals, next_counts, there
        for i in range(kept):
            found[query, i] = best.rows[i]


@numba.njit  # type: ignore[misc]
def _range(row, offsets, children):  # type: ignore[no-untyped-def]
    """Return the rows of the children, of the whole top level for no row."""
    if row == NONE:
        return offsets[0], offsets[1]
    return children[row, 0], children[row, 1]


@numba.njit  # type: ignore[misc]
def _floor(  # type: ignore[no-untyped-def]
    x, x_side, shift, points, sides, parent, implicit, leaves, k, rule
):
    """Return a little less than the k-th best score of some paths; -inf if there are fewer."""
    scores, size = np.full(k, -np.inf), 0
    for leaf in leaves:
        row, level, total, count = leaf, len(shift) - 1, 0.0, 0
        while row != NONE:
            if not implicit[row] and not (rule.last and count):
                squared = chord(x, points[row], x_side, sides[row], rule)
                total += value(squared, x_side, sides[row], rule.weights[level], rule)
                total += shift[level]
                count += 1
            row, level = parent[row], level - 1
        if leaf != NONE and size < k:  # the best come first
            scores[size] = total / count
            size += 1
    least = scores.min()
    return least - ROUNDING * (1 + abs(least))


@numba.njit  # type: ignore[misc]
def _bound(total, count, level, far, inner, x_side, reach, shift, rule):  # type: ignore[no-untyped-def]
    """Return what no path through an entity scores more than.

    Of the levels below those are taken, the best first, that make the mean better.
    """
    above = total / count if count else -np.inf
    values = np.full(len(reach), -np.inf)
    for below in range(level + 1, len(reach)):
        if reach[below] >= 0:
            values[below] = shift[below] + _nearest(
                far, reach[below], inner, x_side, rule.weights[below], rule
            )
    for _ in range(len(reach)):
        place = np.argmax(values)
        if values[place] <= above:
            break
        if rule.last:
            return values[place]
        total, count = total + values[place], count + 1
        above, values[place] = total / count, -np.inf
    return above


@numba.njit  # type: ignore[misc]
def _nearest(far, reach, inner, x_side, weight, rule):  # type: ignore[no-untyped-def]
    """Return the greatest value of a point within reach of a centre `far` from the query."""
    near = max(far * (1 - ROUNDING) - reach, 0.0)
    s = math.sqrt(rule.c)
    if not rule.inner:
        return -weight * (near * near if rule.squared else near)
    if rule.geometry == EUCLIDEAN:
        return inner + math.sqrt(2 * x_side) * reach if reach < np.inf else np.inf
    if rule.geometry == LORENTZ:
        return -math.cosh(s * near) / rule.c
    return math.cos(min(s * near, math.pi)) / rule.c
