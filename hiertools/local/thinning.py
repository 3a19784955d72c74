"""A few of many matches, so that each group of them can still be seen."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def thinned(sizes: Sequence[int], most: int) -> list[NDArray[np.int64]]:
    """Return the rows of each group that are kept, so many in all at the most.

    Groups have as many each, but for small ones, whose share goes to the others; rows are evenly
    chosen. sizes: of the groups.
    """
    counts, left = np.zeros(len(sizes), np.int64), most
    for n, group in enumerate(np.argsort(sizes, kind="stable").tolist()):
        counts[group] = min(sizes[group], left // (len(sizes) - n))
        left -= int(counts[group])
    return [
        np.linspace(0, max(size - 1, 0), count).round().astype(np.int64)
        for size, count in zip(sizes, counts.tolist(), strict=True)
    ]
