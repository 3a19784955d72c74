"""Conjugate gradient for (I - alpha S) f = y: each right side on its own part of a graph.

As in `solving`, each is solved by its own numbers in a fixed order.
"""

from collections.abc import Sequence

import numba
import numpy as np

from hiertools.kernels.graph import Columns
from hiertools.kernels.graph import Rows as Offsets
from hiertools.reranking.affinity import Edges
from hiertools.reranking.shortlist import Rows, Scores
from hiertools.reranking.solving import Solving


def solve_within(
    edges: Edges,
    parts: Sequence[Rows],
    sources: Sequence[tuple[Rows, Scores]],
    how: Solving,
    *,
    renormalise: bool,
) -> list[Scores]:
    """Return f of several right sides, each on its own part of a graph (as long as the part).

    parts: of each the rows, in rising order; sources: rows that are in the part, and values of y;
    renormalise: the edges are A, and the part of it is normalised by itself; else it is S, and the
    part is taken as it is.
    """
    if not parts:
        return []
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
    rows = np.concatenate(parts).astype(np.int32)
    y = np.zeros(len(rows))
    for start, part, (seeds, values) in zip(offsets[:-1], parts, sources, strict=True):
        y[start + np.searchsorted(part, seeds)] = values
    f = _solve_parts(
        edges.starts,
        edges.columns,
        edges.values,
        offsets,
        rows,
        y,
        how.alpha,
        how.tolerance,
        how.iterations,
        renormalise,
    )
    return np.split(f, offsets[1:-1])


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _solve_parts(
    starts: Offsets,
    columns: Columns,
    values: Scores,
    offsets: Offsets,
    rows: Columns,
    y: Scores,
    alpha: float,
    tolerance: float,
    iterations: int,
    renormalise: bool,
) -> Scores:
    """Return f of each part, under each other."""
    f = np.zeros(len(rows))
    for part in numba.prange(len(offsets) - 1):
        here = slice(offsets[part], offsets[part + 1])
        inner = _part(starts, columns, values, rows[here])
        if renormalise:
            _normalise(*inner)
        f[here] = _solve_one(*inner, y[here], alpha, tolerance, iterations)
    return f


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _part(
    starts: Offsets, columns: Columns, values: Scores, rows: Columns
) -> tuple[Offsets, Columns, Scores]:
    """Return the entries among some rows, which are numbered anew."""
    place = np.full(len(starts) - 1, -1, np.int32)
    most = 0
    for new in range(len(rows)):
        place[rows[new]] = new
        most += starts[rows[new] + 1] - starts[rows[new]]
    starts_here = np.zeros(len(rows) + 1, np.int64)
    columns_here, values_here = np.empty(most, np.int32), np.empty(most)
    count = 0
    for new in range(len(rows)):
        for e in range(starts[rows[new]], starts[rows[new] + 1]):
            if place[columns[e]] >= 0:
                columns_here[count] = place[columns[e]]
                values_here[count] = values[e]
                count += 1
        starts_here[new + 1] = count
    return starts_here, columns_here[:count], values_here[:count]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _normalise(starts: Offsets, columns: Columns, values: Scores) -> None:
    """Turn A into S = D^-1/2 A D^-1/2."""
    n = len(starts) - 1
    scale = np.zeros(n)
    for i in range(n):
        degree = 0.0
        for e in range(starts[i], starts[i + 1]):
            degree += values[e]
        if degree > 0:
            scale[i] = 1 / np.sqrt(degree)
    for i in range(n):
        for e in range(starts[i], starts[i + 1]):
            values[e] = values[e] * (scale[i] * scale[columns[e]])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _solve_one(
    starts: Offsets,
    columns: Columns,
    values: Scores,
    y: Scores,
    alpha: float,
    tolerance: float,
    iterations: int,
) -> Scores:
    """Return f of one right side."""
    n = len(y)
    f, residual, direction, image = np.zeros(n), y.copy(), y.copy(), np.empty(n)
    square = 0.0
    for i in range(n):
        square += y[i] * y[i]
    enough = square * tolerance * tolerance
    for _ in range(iterations):
        if square <= enough:
            break
        steepness = 0.0
        for i in range(n):
            total = 0.0
            for e in range(starts[i], starts[i + 1]):
                total += values[e] * direction[columns[e]]
            image[i] = direction[i] - alpha * total
            steepness += direction[i] * image[i]
        step, after = square / steepness, 0.0
        for i in range(n):
            f[i] += step * direction[i]
            residual[i] -= step * image[i]
            after += residual[i] * residual[i]
        keep, square = after / square, after
        for i in range(n):
            direction[i] = residual[i] + keep * direction[i]
    return f
