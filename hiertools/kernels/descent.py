"""The best paths of all by best-first descent, without a look at every entity.

The descendants of an entity are within its reach, the greatest distance to any of them at a level;
by the triangle inequality none of their values is better than that of the nearest point within
reach. The subtree whose bound is best is opened first, until no bound is as good as the k-th path.

A compiled loop on the CPU, each query by itself: which subtree is opened follows from what was
found before, so that there is nothing for torch to do at once. Bounds are of chords in float32,
less what rounding can do to them; what is kept is of chords in float64.
"""

import math
from dataclasses import dataclass

import numba
import numpy as np

from hiertools.kernels.beam import CHUNK, FEW, NONE, ROOM, Nodes, Points, Rows, Values
from hiertools.kernels.best_paths import PATH, order, put
from hiertools.kernels.path_values import (
    EUCLIDEAN,
    LORENTZ,
    Rule,
    chord,
    chord_of,
    distance,
    gaps,
    key,
    limit,
    value,
)
from hiertools.kernels.subtrees import SUBTREE, pop, push

ROUNDING = 1e-6  # a share of distances and scores, by which bounds are looser than they look
HALF_EPS = 2.0**-24  # of float32: the greatest share that a rounding takes


@dataclass(frozen=True)
class Bounds:
    """How far the descendants of each entity are.

    centre: the row of the entity, of an implicit node that of the nearest ancestor with a name (-1
    for none); reach: the greatest distance from there to a descendant at each level (n x levels),
    -1 where there is none, infinite without a centre.
    """

    centre: Rows
    reach: Values


def descend(
    nodes: Nodes,
    bounds: Bounds,
    queries: Points,
    sides: Values,
    shifts: Values,
    *,
    k: int,
    weights: Values,
    rule: Rule,
) -> Rows:
    """Return the rows of the last level where the k best paths end (b x k); -1 for none.

    The arguments are those of `beam`; the best come first.
    """
    found = np.full((len(queries), k), NONE, np.int64)
    search = _few if len(queries) <= FEW else _many
    with numba.parallel_chunksize(CHUNK):
        search(
            queries, sides, shifts, nodes.points, nodes.sides, nodes.children, nodes.implicit,
            nodes.offsets, bounds.centre, bounds.reach, weights, rule, found,
        )  # fmt: skip
    return found


@numba.njit(parallel=True, cache=True)  # type: ignore[misc]
def _many(  # type: ignore[no-untyped-def]
    queries, sides, shifts, points, point_sides, children, implicit, offsets, centre, reach,
    weights, rule, found,
):  # fmt: skip
    for i in numba.prange(len(queries)):
        _one(
            queries[i], sides[i], shifts[i], points, point_sides, children, implicit, offsets,
            centre, reach, weights, rule, found[i],
        )  # fmt: skip


@numba.njit(cache=True)  # type: ignore[misc]
def _few(  # type: ignore[no-untyped-def]
    queries, sides, shifts, points, point_sides, children, implicit, offsets, centre, reach,
    weights, rule, found,
):  # fmt: skip
    for i in range(len(queries)):
        _one(
            queries[i], sides[i], shifts[i], points, point_sides, children, implicit, offsets,
            centre, reach, weights, rule, found[i],
        )  # fmt: skip


@numba.njit  # type: ignore[misc]
def _one(  # type: ignore[no-untyped-def]
    x, x_side, shift, points, sides, children, implicit, offsets, centre, reach, weights, rule,
    found,
):  # fmt: skip
    """Search for one query."""
    k, last, fine = len(found), len(shift) - 1, x.astype(np.float64)
    sure = 1 - (len(x) + 4) * HALF_EPS
    best, kept, floor = np.empty(k, PATH), 0, -np.inf
    room, values = np.empty(ROOM, x.dtype), np.empty(last + 1)
    waiting, size = np.empty(ROOM, SUBTREE), 0
    row, level, total, count = NONE, -1, 0.0, 0
    while True:
        if row == NONE:
            first, end = offsets[0], offsets[1]
        else:
            first, end = children[row, 0], children[row, 1]
            if not implicit[row]:
                squared = chord(fine, points[row], x_side, sides[row], rule)
                own = value(squared, x_side, sides[row], weights[level], rule) + shift[level]
                total, count = (own, 1) if rule.last else (total + own, count + 1)
        level += 1
        if len(room) < end - first:
            room = np.empty(2 * (end - first), x.dtype)
        gaps(x, points, first, end, room)
        base, more = (0.0, 1) if rule.last else (total, count + 1)
        base += shift[level]
        if level == last:
            farthest = limit(floor * more - base, x_side, weights[level], rule)
        if level < last and len(waiting) < size + end - first:
            longer = np.empty(2 * (size + end - first), SUBTREE)
            longer[:size] = waiting[:size]
            waiting = longer
        for child in range(first, end):
            named = not implicit[child]
            if not named and level == last and not count:
                continue
            low = 0.0
            if named:
                low = chord_of(sure * room[child - first], x_side, sides[child], rule)
            if level < last:
                above, names, far, inner = total, count, 0.0, 0.0
                middle = centre[child]
                if middle != NONE:
                    if not named:
                        low = chord(fine, points[middle], x_side, sides[middle], rule)
                    far = distance(low, rule)
                    inner = value(low, x_side, sides[middle], weights[level], rule)
                if named:
                    above, names = base + inner, more
                bound = _bound(
                    above, names, level, far, inner, x_side, reach[child], shift, weights, values,
                    rule,
                )  # fmt: skip
                if bound >= floor:
                    size = push(waiting, size, bound, child, level, total, count)
                continue
            if named:
                if key(low, sides[child], rule) > farthest:
                    continue
                squared = chord(fine, points[child], x_side, sides[child], rule)
                worth = value(squared, x_side, sides[child], weights[level], rule)
                kept = put(best, kept, k, child, base + worth, more)
            else:
                kept = put(best, kept, k, child, total, count)
            if kept == k:
                floor = best[0].mean - ROUNDING * (1 + abs(best[0].mean))
                farthest = limit(floor * more - base, x_side, weights[level], rule)
        if not size or waiting[0].bound < floor:
            break
        row, level = waiting[0].row, waiting[0].level
        total, count = waiting[0].total, waiting[0].count
        size = pop(waiting, size)
    order(best, kept)
    for i in range(kept):
        found[i] = best[i].row


@numba.njit  # type: ignore[misc]
def _bound(  # type: ignore[no-untyped-def]
    total, count, level, far, inner, x_side, reach, shift, weights, values, rule
):
    """Return what no path through an entity scores more than.

    Of the levels below those are taken, the best first, that make the mean better.
    """
    above = total / count if count else -np.inf
    for below in range(level + 1, len(reach)):
        values[below] = -np.inf
        if reach[below] >= 0:
            values[below] = shift[below] + _nearest(
                far, reach[below], inner, x_side, weights[below], rule
            )
    for _ in range(level + 1, len(reach)):
        place = level + 1
        for below in range(level + 2, len(reach)):
            if values[below] > values[place]:
                place = below
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
