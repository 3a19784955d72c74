"""Convex hulls of places in an image."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

Polygon = list[tuple[float, float]]


def hull(points: NDArray[np.floating]) -> Polygon:
    """Return the corners of the hull of points (n x 2), in order, none if they are in line."""
    unique = np.unique(np.asarray(points, np.float64).reshape(-1, 2), axis=0)
    if len(unique) < 3:
        return []
    try:
        corners = unique[ConvexHull(unique).vertices]
    except QhullError:  # all in one line
        return []
    return [(float(x), float(y)) for x, y in corners]
