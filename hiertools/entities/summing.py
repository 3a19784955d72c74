"""Sums of unit vectors in whole multiples of 2^-40: the same in whatever order they are added.

A sum of 2^23 - 1 unit vectors still fits 64 bits.
"""

from collections.abc import Iterator

import numba
import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError

UNIT = 2.0**40
MOST = (1 << 23) - 1
BLOCK = 1 << 14

Sums = NDArray[np.int64]


def add_units(vectors: NDArray[np.floating], rows: NDArray[np.int64], sums: Sums) -> int:
    """Add each vector, made of unit length, to its row of `sums`; none where the row is -1.

    Returns the place of a vector that cannot be made so (0 or not finite), -1 if there is none.
    """
    return int(_add_units(np.ascontiguousarray(vectors), rows, sums))


def add_numbers(numbers: NDArray[np.float64], rows: NDArray[np.int64], sums: Sums) -> None:
    """Add each row of numbers, of at most 1, to its row of `sums`."""
    np.add.at(sums, rows, np.rint(numbers * UNIT).astype(np.int64))


@numba.njit(cache=True)  # type: ignore[misc]
def _add_units(vectors, rows, sums):  # type: ignore[no-untyped-def]
    for i in range(len(rows)):
        if rows[i] < 0:
            continue
        square = 0.0
        for j in range(vectors.shape[1]):
            square += np.float64(vectors[i, j]) * np.float64(vectors[i, j])
        if not 0 < square < np.inf:
            return i
        norm = np.sqrt(square)
        for j in range(vectors.shape[1]):
            value = np.float64(vectors[i, j]) / norm
            sums[rows[i], j] += np.int64(np.rint(value * 2.0**40))
    return -1


def check_most(count: NDArray[np.int64]) -> None:
    """Raise `UserError` where a sum could be too large for its 64 bits."""
    if len(count) and count.max() > MOST:
        raise UserError(
            f"an entity has {count.max():,} items; an exact sum takes {MOST:,} at the most"
        )


def upward(leaf: Sums, parents: list[NDArray[np.int64]], sizes: list[int]) -> list[Sums]:
    """Return the sums of each level from the top, from those of the lowest.

    parents: of each level from the second, the places in the level above, rising.
    """
    found = [leaf]
    for parent, size in zip(reversed(parents), reversed(sizes[:-1]), strict=True):
        above = np.zeros((size, leaf.shape[1]), np.int64)
        if len(parent):
            first = np.flatnonzero(np.diff(parent, prepend=-1))
            above[parent[first]] = np.add.reduceat(found[0], first, axis=0)
        found.insert(0, above)
    return found


def as_floats(levels: list[Sums]) -> Iterator[NDArray[np.float32]]:
    """Yield the sums of all levels as numbers, level after level, rounded once."""
    for sums in levels:
        for row in range(0, len(sums), BLOCK):
            yield (sums[row : row + BLOCK] / UNIT).astype(np.float32)
