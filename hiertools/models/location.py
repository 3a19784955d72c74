"""SphereM+: features of coordinates on the sphere at many scales, for the network of entities.

`spheregridmixscale` of Sphere2Vec (Mai et al. 2023, arXiv:2306.17624). Coordinates come in degrees.
"""

import numpy as np
from numpy.typing import NDArray

FEATURES_PER_SCALE = 8

Degrees = NDArray[np.float64]


def width(scales: int) -> int:
    """Return how many features a place has."""
    return FEATURES_PER_SCALE * scales


def features(
    latitude: Degrees, longitude: Degrees, *, scales: int, r_min: float, r_max: float
) -> NDArray[np.float32]:
    """Return the features (n x 8 scales) of n places, in [-1, 1].

    The scale s of S divides phi = latitude and lambda = longitude, in radians, by
    t = r_min (r_max / r_min)^(s / (S - 1)). Its features, with phi' = phi / t and lambda' =
    lambda / t, are sin phi', cos phi', sin lambda', cos lambda', cos phi' cos lambda,
    cos phi cos lambda', cos phi' sin lambda, cos phi sin lambda'. Phases are in float64: at
    r_min = 1e-6 they are in the millions.
    """
    phi, lam = np.radians(latitude), np.radians(longitude)
    of_phi, of_lam = np.cos(phi), (np.cos(lam), np.sin(lam))
    found = np.empty((len(phi), scales, FEATURES_PER_SCALE), np.float32)
    for s, t in enumerate(np.geomspace(r_min, r_max, scales)):
        sin_phi, cos_phi = np.sin(phi / t), np.cos(phi / t)
        sin_lam, cos_lam = np.sin(lam / t), np.cos(lam / t)
        columns = (
            sin_phi, cos_phi, sin_lam, cos_lam,
            cos_phi * of_lam[0], of_phi * cos_lam, cos_phi * of_lam[1], of_phi * sin_lam,
        )  # fmt: skip
        found[:, s] = np.stack(columns, 1)
    return found.reshape(len(phi), width(scales))
