"""Conjugate gradient for (I - alpha S) f = y: many right sides on one graph.

Each right side is solved by its own numbers in a fixed order, so that f depends neither on what is
solved beside it nor on the number of threads. Hestenes & Stiefel 1952; that some twenty steps are
enough, and that hitting the limit is normal: Iscen et al. 2017 (arXiv:1611.05113).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from hiertools.reranking.affinity import Edges
from hiertools.reranking.shortlist import Rows, Scores

WIDTH = 8  # right sides of one pass over the graph: a cache line of them

Offsets = NDArray[np.int64]
Columns = NDArray[np.int32]


@dataclass(frozen=True)
class Solving:
    """How far a solve goes.

    alpha: in [0, 1); tolerance: of the residual, as a share of |y|; iterations: at the most.
    """

    alpha: float
    tolerance: float
    iterations: int


def solve(edges: Edges, sources: Sequence[tuple[Rows, Scores]], how: Solving) -> Scores:
    """Return f of several right sides (b x n). sources: rows and values of each y."""
    n, groups = len(edges), -(-len(sources) // WIDTH)
    if not groups:
        return np.zeros((0, n))
    y = np.zeros((groups, n, WIDTH))
    for place, (rows, values) in enumerate(sources):
        y[place // WIDTH, rows, place % WIDTH] = values
    found = _solve_groups(
        edges.starts, edges.columns, edges.values, y, how.alpha, how.tolerance, how.iterations
    )
    f: Scores = found.transpose(0, 2, 1).reshape(groups * WIDTH, n)[: len(sources)]
    return f


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _solve_groups(
    starts: Offsets,
    columns: Columns,
    values: Scores,
    y: Scores,
    alpha: float,
    tolerance: float,
    iterations: int,
) -> Scores:
    """Return f of each group of right sides (groups x n x WIDTH)."""
    f = np.zeros(y.shape)
    for group in numba.prange(len(y)):
        _solve_group(starts, columns, values, y[group], f[group], alpha, tolerance, iterations)
    return f


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _solve_group(
    starts: Offsets,
    columns: Columns,
    values: Scores,
    y: Scores,
    f: Scores,
    alpha: float,
    tolerance: float,
    iterations: int,
) -> None:
    """Solve for WIDTH right sides; those that are near enough stay as they are."""
    n = len(y)
    residual, direction, image = y.copy(), y.copy(), np.empty((n, WIDTH))
    square, enough, total = np.zeros(WIDTH), np.empty(WIDTH), np.empty(WIDTH)
    for i in range(n):
        for c in range(WIDTH):
            square[c] += y[i, c] * y[i, c]
    enough[:] = square * tolerance * tolerance
    for _ in range(iterations):
        if not (square > enough).any():
            break
        steepness = np.zeros(WIDTH)
        for i in range(n):
            total[:] = 0
            for e in range(starts[i], starts[i + 1]):
                for c in range(WIDTH):
                    total[c] += values[e] * direction[columns[e], c]
            for c in range(WIDTH):
                image[i, c] = direction[i, c] - alpha * total[c]
                steepness[c] += direction[i, c] * image[i, c]
        step, after = np.zeros(WIDTH), np.zeros(WIDTH)
        for c in range(WIDTH):
            if square[c] > enough[c]:
                step[c] = square[c] / steepness[c]
        for i in range(n):
            for c in range(WIDTH):
                f[i, c] += step[c] * direction[i, c]
                residual[i, c] -= step[c] * image[i, c]
                after[c] += residual[i, c] * residual[i, c]
        keep = np.zeros(WIDTH)
        for c in range(WIDTH):
            if square[c] > enough[c]:
                keep[c] = after[c] / square[c]
                square[c] = after[c]
        for i in range(n):
            for c in range(WIDTH):
                direction[i, c] = residual[i, c] + keep[c] * direction[i, c]
