"""Directions from the origin: what methods of re-ranking compare points by."""

import numpy as np

from hiertools.reranking.neighbours import Vectors

ROWS = 1 << 14  # at a time


def directions(points: Vectors) -> Vectors:
    """Return rows of length one, float32; rows of zeros stay as they are.

    points: n x d, such as those of an index; of a hyperboloid its space components.
    """
    found = np.empty(points.shape, np.float32)
    for start in range(0, len(points), ROWS):
        rows = points[start : start + ROWS].astype(np.float64)
        norms = np.sqrt((rows * rows).sum(1, keepdims=True))
        found[start : start + ROWS] = rows / np.where(norms > 0, norms, 1)
    return found
