"""A k-d tree of points in the plane, for compiled code that asks what lies in a rectangle.

J. L. Bentley, "Multidimensional binary search trees used for associative searching", 1975. The
tree is no more than an order of the points: the middle of a stretch of it parts the rest of the
stretch, by x in the stretch of all points, by y in its halves, and so on in turns.
"""

import numba
import numpy as np

LEAF = 8  # a stretch of so many points is searched one by one
DEPTH = 64  # stretches that wait: more than the tree of 2**60 points needs


@numba.njit(cache=True)  # type: ignore[misc]
def build(points):  # type: ignore[no-untyped-def]
    """Return the order of points (n x 2) that is their tree (n, int32)."""
    order = np.arange(len(points), dtype=np.int32)
    waiting = np.empty((DEPTH, 3), np.int64)
    waiting[0] = 0, len(points), 0
    size = 1
    while size:
        size -= 1
        start, stop, axis = waiting[size]
        if stop - start <= LEAF:
            continue
        stretch = order[start:stop]
        keys = points[:, axis][stretch]
        order[start:stop] = stretch[np.argsort(keys, kind="mergesort")]
        middle = (start + stop) // 2
        waiting[size] = start, middle, 1 - axis
        waiting[size + 1] = middle + 1, stop, 1 - axis
        size += 2
    return order


@numba.njit(cache=True)  # type: ignore[misc]
def within(points, order, low_x, low_y, high_x, high_y, found):  # type: ignore[no-untyped-def]
    """Write the rows of the points in a rectangle, its border too, to `found`; return how many."""
    waiting = np.empty((DEPTH, 3), np.int64)
    waiting[0] = 0, len(points), 0
    size = 1
    count = 0
    while size:
        size -= 1
        start, stop, axis = waiting[size]
        middle = (start + stop) // 2
        leaf = stop - start <= LEAF
        for place in range(start if leaf else middle, stop if leaf else middle + 1):
            x, y = points[order[place], 0], points[order[place], 1]
            if low_x <= x <= high_x and low_y <= y <= high_y:
                found[count] = order[place]
                count += 1
        if leaf:
            continue
        split = points[order[middle], axis]
        if (low_y if axis else low_x) <= split:
            waiting[size] = start, middle, 1 - axis
            size += 1
        if (high_y if axis else high_x) >= split:
            waiting[size] = middle + 1, stop, 1 - axis
            size += 1
    return count
