"""Subtrees that wait to be opened, in compiled searches: a heap with the best bound on top."""

import numba
import numpy as np

# What no path in it scores more than, its top and that one's level, and sum and number of values
# on the way there, without the top's own.
SUBTREE = np.dtype(
    [
        ("bound", np.float64), ("row", np.int64), ("level", np.int64), ("total", np.float64),
        ("count", np.int64),
    ]
)  # fmt: skip


@numba.njit  # type: ignore[misc]
def push(waiting, size, bound, row, level, total, count):  # type: ignore[no-untyped-def]
    """Put a subtree among those that wait, and return how many there are."""
    place = size
    while place > 0 and bound > waiting[(place - 1) // 2].bound:
        waiting[place] = waiting[(place - 1) // 2]
        place = (place - 1) // 2
    tree = waiting[place]
    tree.bound, tree.row, tree.level, tree.total, tree.count = bound, row, level, total, count
    return size + 1


@numba.njit  # type: ignore[misc]
def pop(waiting, size):  # type: ignore[no-untyped-def]
    """Take the first away, and return how many are left."""
    left = size - 1
    bound, place, below = waiting[left].bound, 0, 1
    while below < left:
        if below + 1 < left and waiting[below + 1].bound > waiting[below].bound:
            below += 1
        if waiting[below].bound <= bound:
            break
        waiting[place] = waiting[below]
        place, below = below, 2 * below + 1
    waiting[place] = waiting[left]
    return left
