"""Places on the earth, as a sphere: unit vectors and great-circle distances.

Coordinates are latitude and longitude in degrees, north and east positive.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

EARTH_RADIUS_KM = 6371.0

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
