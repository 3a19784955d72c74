"""The best paths so far, in compiled searches: a heap with the worst on top.

A path is worse than another if its mean is less, or the same and its row greater. A call with an
array costs some 20 ns in counting who holds it: callers ask first whether a path can be among them.
"""

import numba
import numpy as np

# The last row, the sum of values, how many values, and their mean.
PATH = np.dtype(
    [("row", np.int64), ("total", np.float64), ("count", np.int64), ("mean", np.float64)]
)


@numba.njit  # type: ignore[misc]
def put(paths, size, width, row, total, count):  # type: ignore[no-untyped-def]
    """Put a path among the best `width`, if it is one, and return how many there are."""
    mean = total / count
    if size == width:
        if mean > paths[0].mean or (mean == paths[0].mean and row < paths[0].row):
            _sink(paths, size, row, total, count, mean)
        return size
    place = size
    while place > 0:
        above = (place - 1) // 2
        if mean > paths[above].mean or (mean == paths[above].mean and row < paths[above].row):
            break
        paths[place] = paths[above]
        place = above
    _write(paths, place, row, total, count, mean)
    return size + 1


@numba.njit  # type: ignore[misc]
def order(paths, size):  # type: ignore[no-untyped-def]
    """Put the best first."""
    for last in range(size - 1, 0, -1):
        row, total = paths[last].row, paths[last].total
        count, mean = paths[last].count, paths[last].mean
        paths[last] = paths[0]
        _sink(paths, last, row, total, count, mean)


@numba.njit  # type: ignore[misc]
def _sink(paths, size, row, total, count, mean):  # type: ignore[no-untyped-def]
    """Put a path in the place of the first, and move it down to where no worse one is below it."""
    place, below = 0, 1
    while below < size:
        other = below + 1
        if other < size and (
            paths[other].mean < paths[below].mean
            or (paths[other].mean == paths[below].mean and paths[other].row > paths[below].row)
        ):
            below = other
        if mean < paths[below].mean or (mean == paths[below].mean and row > paths[below].row):
            break
        paths[place] = paths[below]
        place, below = below, 2 * below + 1
    _write(paths, place, row, total, count, mean)


@numba.njit  # type: ignore[misc]
def _write(paths, place, row, total, count, mean):  # type: ignore[no-untyped-def]
    path = paths[place]
    path.row, path.total, path.count, path.mean = row, total, count, mean
