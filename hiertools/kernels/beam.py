"""Beam expansion: from the top, the children of the best entities of each level.

On a CPU a compiled loop, for there is no torch for ranges of children of all sizes: one query after
the other on each core, in MEASURED. The Triton twin has a program for each query.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from hiertools.kernels.path_values import Rule, chord, gap, key, limit, value
from hiertools.kernels.path_values import LORENTZ

NONE = -1
FEW = 4  # queries up to which it costs more to wake threads than they save

Points = NDArray[np.float32]
Rows = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Nodes:
    """n entities in levels from the top; those of level l are the rows offsets[l] : offsets[l + 1].

    points: n x d; sides: their times, or halves of |x|^2 (n); children: rows [first, end) in the
    level below (n x 2); implicit: nodes without a point, which only carry paths (n), of which an
    entity has at most one as a child.
    """

    points: Points
    sides: Values
    children: Rows
    implicit: NDArray[np.bool_]
    offsets: Rows


def beam(
    nodes: Nodes, queries: Points, sides: Values, shifts: Values, *, widths: Rows, rule: Rule
) -> Rows:
    """Return the rows of the last level where the best paths end (b x widths[-1]); -1 for none.

    widths: paths that are kept at each level; sides, shifts: of the queries (b), and what is added
    to the value of every entity of a level (b x levels). The best come first, those of the same
    score in the order of their rows.
    """
    found = np.full((len(queries), widths[-1]), NONE, np.int64)
    search = _few if len(queries) <= FEW else _many
    search(
        queries, sides, shifts, nodes.points, nodes.sides, nodes.children, nodes.implicit,
        nodes.offsets, widths, rule, found,
    )  # fmt: skip
    return found


@numba.njit(parallel=True, cache=True)  # type: ignore[misc]
def _many(  # type: ignore[no-untyped-def]
    queries, sides, shifts, points, point_sides, children, implicit, offsets, widths, rule, found
):
    for i in numba.prange(len(queries)):
        _one(
            queries[i], sides[i], shifts[i], points, point_sides, children, implicit, offsets,
            widths, rule, found[i],
        )  # fmt: skip


@numba.njit(cache=True)  # type: ignore[misc]
def _few(  # type: ignore[no-untyped-def]
    queries, sides, shifts, points, point_sides, children, implicit, offsets, widths, rule, found
):
    for i in range(len(queries)):
        _one(
            queries[i], sides[i], shifts[i], points, point_sides, children, implicit, offsets,
            widths, rule, found[i],
        )  # fmt: skip


@numba.njit(cache=True)  # type: ignore[misc]
def _one(  # type: ignore[no-untyped-def]
    x, x_side, shift, points, sides, children, implicit, offsets, widths, rule, found
):
    """Search for one query."""
    most = widths.max()
    before, count, bare = empty(most), 0, NONE
    after = empty(most)
    for level in range(len(widths)):
        width, weight, size, passed = widths[level], rule.weights[level], 0, NONE
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
            if rule.last:
                total, names = 0.0, 0 if names == 0 else names
            more = 1 if rule.last else names + 1
            farthest = np.inf
            if size == width:
                farthest = _farthest(after, total + shift[level], more, x_side, weight, rule)
            for child in range(first, end):
                if implicit[child]:
                    if names:
                        if rule.last:
                            size = put(after, size, width, child, before.totals[i], 1)
                        else:
                            size = put(after, size, width, child, total, names)
                        if size == width:
                            farthest = _farthest(
                                after, total + shift[level], more, x_side, weight, rule
                            )
                    else:
                        passed = child
                    continue
                squared = chord(x, points[child], x_side, sides[child], rule)
                if key(squared, sides[child], rule) > farthest:
                    continue
                worth = shift[level] + value(squared, x_side, sides[child], weight, rule)
                size = put(after, size, width, child, total + worth, more)
                if size == width:
                    farthest = _farthest(after, total + shift[level], more, x_side, weight, rule)
        order(after, size)
        before, after, count, bare = after, before, size, passed
    for i in range(count):
        found[i] = before.rows[i]
