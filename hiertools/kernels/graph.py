"""Steps of conjugate gradient for (I - alpha S) f = y: many right sides on one sparse graph.

Each right side is solved by its own numbers in a fixed order, so that f depends neither on what is
solved beside it nor on the number of threads. On a CPU a compiled loop takes WIDTH right sides
through all their steps at once; torch would go over vectors and matrix once for each operation. The
Triton twin has three kernels a step; it adds up in another order.
"""

from dataclasses import dataclass
from importlib.util import find_spec

import numba
import numpy as np
import torch
from numpy.typing import NDArray

WIDTH = 8  # right sides of one pass over the graph: a cache line of them

Rows = NDArray[np.int64]
Columns = NDArray[np.int32]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Graph:
    """S, symmetric (n x n), row by row.

    starts: where each row starts, and the last one ends (n + 1); columns, values: its entries.
    """

    starts: Rows
    columns: Columns
    values: Values

    def __len__(self) -> int:
        return len(self.starts) - 1


@dataclass(frozen=True)
class Sides:
    """`count` right sides: finite values of rows, each of the side of that number; 0 elsewhere.

    A row is there once for a side; values are no smaller than 1e-150, whose squares are numbers.
    """

    count: int
    number: Rows
    rows: Rows
    values: Values


def solve(
    graph: Graph,
    sides: Sides,
    *,
    alpha: float,
    tolerance: float,
    iterations: int,
    device: torch.device,
) -> Values:
    """Return f of each right side (b x n).

    tolerance: of the residual, as a share of |y|; iterations: at the most.
    """
    n, groups = len(graph), -(-sides.count // WIDTH)
    if device.type == "cuda" and find_spec("triton") and n and groups:
        from hiertools.kernels.gpu.graph import solve as by_triton

        return by_triton(
            graph, sides, alpha=alpha, tolerance=tolerance, iterations=iterations, device=device
        )
    y = np.zeros((groups, n, WIDTH))
    y[sides.number // WIDTH, sides.rows, sides.number % WIDTH] = sides.values
    found = _solve_groups(
        graph.starts, graph.columns, graph.values, y, alpha, tolerance, iterations
    )
    f: Values = found.transpose(0, 2, 1).reshape(groups * WIDTH, n)[: sides.count]
    return f


@numba.njit(cache=True, parallel=True)  # type: ignore[untyped-decorator]
def _solve_groups(
    starts: Rows,
    columns: Columns,
    values: Values,
    y: Values,
    alpha: float,
    tolerance: float,
    iterations: int,
) -> Values:
    """Return f of each group of right sides (groups x n x WIDTH)."""
    f = np.zeros(y.shape)
    for group in numba.prange(len(y)):
        _solve_group(starts, columns, values, y[group], f[group], alpha, tolerance, iterations)
    return f


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _solve_group(
    starts: Rows,
    columns: Columns,
    values: Values,
    y: Values,
    f: Values,
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
