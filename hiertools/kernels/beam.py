"""Beam expansion: from the top, the children of the best entities of each level.

On a CPU a compiled loop: ranges of children are of all sizes, for which torch has no operation but
products with everything. At 244,000 entities of 128 dimensions and a width of 10 that is 1.1 ms a
query on two cores, and the loop takes 0.023 ms (tests/benchmarks/kernel_rows/beam.py). It looks at
some 700 entities a query, of which a seventh go past the comparison of chords. Chords are float32
sums; a hierarchy with points so far out that rounding would rank them is looked at by this loop on
every device, and what goes past the comparison is summed in float64.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.kernels.best_paths import PATH, order, put
from hiertools.kernels.path_values import Rule, chord, chord_of, gaps, key, limit, value

NONE = -1
ROOM = 512  # children that are looked at without more memory
HALF_EPS = 2.0**-24
FEW = 4  # queries up to which it costs more to wake threads than they save
CHUNK = 16  # queries that a thread takes at a time: the next free one, as they take unequal time

Points = NDArray[np.float32]
Rows = NDArray[np.int64]
Values = NDArray[np.float64]
Expander = Callable[[Points, Values, Values], Rows]  # of queries, their sides and shifts


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


def expander(
    nodes: Nodes, *, widths: Rows, weights: Values, rule: Rule, device: torch.device
) -> Expander:
    """Return what finds the best paths for queries, on a device where the hierarchy is kept.

    widths, weights: of each level, how many paths are kept and what distances are multiplied by.
    """
    if device.type == "cuda" and not rule.far and find_spec("triton"):
        from hiertools.kernels.gpu.beam import WIDEST, Expansion

        if widths.max() <= WIDEST:
            return Expansion(nodes, widths=widths, weights=weights, rule=rule, device=device)
    return partial(beam, nodes, widths=widths, weights=weights, rule=rule)


def beam(
    nodes: Nodes,
    queries: Points,
    sides: Values,
    shifts: Values,
    *,
    widths: Rows,
    weights: Values,
    rule: Rule,
) -> Rows:
    """Return the rows of the last level where the best paths end (b x widths[-1]); -1 for none.

    sides, shifts: of the queries (b), and what is added to the value of every entity of a level
    (b x levels). The best come first, those of the same score in the order of their rows.
    """
    found = np.full((len(queries), widths[-1]), NONE, np.int64)
    search = _few if len(queries) <= FEW else _many
    with numba.parallel_chunksize(CHUNK):
        search(
            queries, sides, shifts, nodes.points, nodes.sides, nodes.children, nodes.implicit,
            nodes.offsets, widths, weights, rule, found,
        )  # fmt: skip
    return found


@numba.njit(parallel=True, cache=True)  # type: ignore[misc]
def _many(  # type: ignore[no-untyped-def]
    queries,
    sides,
    shifts,
    points,
    point_sides,
    children,
    implicit,
    offsets,
    widths,
    weights,
    rule,
    found,
):
    for i in numba.prange(len(queries)):
        _one(
            queries[i], sides[i], shifts[i], points, point_sides, children, implicit, offsets,
            widths, weights, rule, found[i],
        )  # fmt: skip


@numba.njit(cache=True)  # type: ignore[misc]
def _few(  # type: ignore[no-untyped-def]
    queries,
    sides,
    shifts,
    points,
    point_sides,
    children,
    implicit,
    offsets,
    widths,
    weights,
    rule,
    found,
):
    for i in range(len(queries)):
        _one(
            queries[i], sides[i], shifts[i], points, point_sides, children, implicit, offsets,
            widths, weights, rule, found[i],
        )  # fmt: skip


@numba.njit  # type: ignore[misc]
def _one(  # type: ignore[no-untyped-def]
    x, x_side, shift, points, sides, children, implicit, offsets, widths, weights, rule, found
):
    """Search for one query."""
    before, after = np.empty(widths.max(), PATH), np.empty(widths.max(), PATH)
    room = np.empty(ROOM, x.dtype)
    sure = 1 - (len(x) + 4) * HALF_EPS if rule.far else 1.0
    count, bare, fine = 0, NONE, x.astype(np.float64)
    for level in range(len(widths)):
        width, weight, added = widths[level], weights[level], shift[level]
        size, passed = 0, NONE
        for i in range(count + 1):  # the last one is the path without a name so far
            row, total, names = bare, 0.0, 0
            if i < count:
                row, total, names = before[i].row, before[i].total, before[i].count
            first, end = offsets[0], offsets[1]
            if level:
                if row == NONE:
                    continue
                first, end = children[row, 0], children[row, 1]
            if len(room) < end - first:
                room = np.empty(2 * (end - first), x.dtype)
            gaps(x, points, first, end, room)
            base, more = (added, 1) if rule.last else (total + added, names + 1)
            farthest = np.inf
            if size == width:
                farthest = limit(after[0].mean * more - base, x_side, weight, rule)
            for child in range(first, end):
                if not implicit[child]:
                    y_side = sides[child]
                    squared = chord_of(sure * room[child - first], x_side, y_side, rule)
                    if key(squared, y_side, rule) > farthest:
                        continue
                    if rule.far:
                        squared = chord(fine, points[child], x_side, y_side, rule)
                    worth = value(squared, x_side, y_side, weight, rule)
                    size = put(after, size, width, child, base + worth, more)
                elif names:
                    size = put(after, size, width, child, total, names)
                else:
                    passed = child
                if size == width:
                    farthest = limit(after[0].mean * more - base, x_side, weight, rule)
        order(after, size)
        before, after, count, bare = after, before, size, passed
    for i in range(count):
        found[i] = before[i].row
