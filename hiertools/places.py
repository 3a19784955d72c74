"""Places on the earth, as a sphere: unit vectors, great-circle distances, the nearest of many.

Coordinates are latitude and longitude in degrees, north and east positive.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

EARTH_RADIUS_KM = 6371.0

# Places are equally near when their distances differ by less than arithmetic can tell: by about
# 10 nm on the sphere, 0.1 um in degrees, or that share.
TIE = {"sphere": 1e-15, "degrees": 1e-12}
TIE_SHARE = 1e-12

Metric = Literal["sphere", "degrees"]
Floats = NDArray[np.float64]


def unit_vectors(latitude: ArrayLike, longitude: ArrayLike) -> Floats:
    """Return the unit vectors of coordinates in degrees, n x 3."""
    phi, lam = (np.radians(np.asarray(each, np.float64)) for each in (latitude, longitude))
    across = np.cos(phi)
    return np.stack([across * np.cos(lam), across * np.sin(lam), np.sin(phi)], axis=-1)


def coordinates(vectors: Floats) -> tuple[Floats, Floats]:
    """Return latitude and longitude in degrees of vectors (n x 3) of any length but 0."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    return np.degrees(np.arctan2(z, np.hypot(x, y))), np.degrees(np.arctan2(y, x))


def haversine_km(u: Floats, v: Floats) -> Floats:
    """Return great-circle distances in km of unit vectors, which broadcast over their last axis.

    The haversine of the angle between them is |u - v|^2 / 4: a difference, which is exact for
    near places where 1 - u.v is not.
    """
    half = np.square(u - v).sum(axis=-1) / 4
    km: Floats = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
    return km


@dataclass(frozen=True)
class Tree:
    """Places that can be searched for the nearest one.

    vectors: unit vectors of all places, [n, 3]; points: those of the metric, each once, in the
    order of their first rows; rows: these rows; search: the k-d tree of the points.
    """

    metric: Metric
    vectors: Floats
    points: Floats
    rows: NDArray[np.int64]
    search: Any


def tree(latitude: Floats, longitude: Floats, *, metric: Metric) -> Tree:
    """Return a tree of at least one place.

    `sphere` is the great circle. `degrees` is the straight line between (latitude, longitude) on
    a flat map, as the package reverse_geocoder has it: wrong near the poles and the date line.
    """
    from scipy.spatial import cKDTree

    vectors = unit_vectors(latitude, longitude)
    points = _points(latitude, longitude, metric)
    rows = _first_rows(points)
    return Tree(metric, vectors, points[rows], rows, cKDTree(points[rows]))


def nearest(places: Tree, latitude: Floats, longitude: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Return the row of the nearest place for each coordinate, and how many km it is away.

    Of equally near places it is the first of the table; the km are always of the great circle.
    """
    queries = _points(latitude, longitude, places.metric)
    found = _nearest(places, queries, candidates=2)
    rows = places.rows[found]
    km = haversine_km(unit_vectors(latitude, longitude), places.vectors[rows])
    return rows, km


def _points(latitude: Floats, longitude: Floats, metric: Metric) -> Floats:
    if metric == "sphere":
        return unit_vectors(latitude, longitude)
    return np.stack([latitude, longitude], -1).astype(np.float64)


def _first_rows(points: Floats) -> NDArray[np.int64]:
    """Return the rows of points that have no equal above them."""
    order = np.lexsort(points.T)  # stable: equal points stay in their order
    ordered = points[order]
    new = np.append(True, (ordered[1:] != ordered[:-1]).any(1))
    return np.sort(order[new])


def _nearest(places: Tree, queries: Floats, *, candidates: int) -> NDArray[np.int64]:
    """Return the first of the nearest points; where all candidates tie, look at more of them."""
    k = min(candidates, len(places.points))
    distance, found = places.search.query(queries, k=np.arange(1, k + 1), workers=-1)
    ties = distance <= distance[:, :1] * (1 + TIE_SHARE) + TIE[places.metric]
    best = np.where(ties, found, len(places.points)).min(1)
    if k < len(places.points) and len(open_ends := np.flatnonzero(ties[:, -1])):
        best[open_ends] = _nearest(places, queries[open_ends], candidates=4 * candidates)
    return np.asarray(best, np.int64)
