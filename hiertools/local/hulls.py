"""Convex hulls of places in an image."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

Polygon = list[tuple[float, float]]

EDGE = 1e-6  # pixels that a point on an edge may seem to be outside


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


def inside(points: NDArray[np.floating], polygon: Polygon) -> NDArray[np.bool_]:
    """Return which points (n x 2) are in a convex polygon or on its edge; none are in an empty one.

    polygon: its corners in either order.
    """
    if not polygon:
        return np.zeros(len(points), bool)
    corners = np.array(polygon)
    edges = np.roll(corners, -1, axis=0) - corners
    offsets = np.asarray(points, np.float64)[:, None] - corners
    sides = edges[:, 0] * offsets[..., 1] - edges[:, 1] * offsets[..., 0]
    slack = EDGE * np.sqrt((edges * edges).sum(1))
    return np.asarray((sides >= -slack).all(axis=1) | (sides <= slack).all(axis=1))
