"""How near a place that was named is to the true one, and how far a confidence can be trusted.

Distances are in kilometres on a sphere of 6371.0 km (`hiertools.places`), one an item. Within a
radius is what is strictly nearer than it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RADII_KM = (1, 25, 200, 750, 2500)  # street, city, region, country, continent: Im2GPS
BEST_GEOSCORE = 5000.0
GEOSCORE_KM = 1492.7  # the distance at which a score is 1/e of the best one

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def geoscores(km: Floats) -> Floats:
    """Return 5000 exp(-km/1492.7), from 5000 down to 0, of each distance.

    Astruc et al. 2024 (OpenStreetView-5M), after the game GeoGuessr. A GeoScore is the mean of
    these, never the score of a mean.
    """
    found: Floats = BEST_GEOSCORE * np.exp(-km / GEOSCORE_KM)
    return found


def within(km: Floats, radius_km: float) -> Floats:
    """Return 1 for each distance that is strictly below the radius, 0 for others."""
    return (km < radius_km).astype(np.float64)


def shuffled_accuracy(truth: NDArray[np.int64], answers: NDArray[np.int64]) -> float:
    """Return the accuracy that answers have in the mean if they are dealt to items at random.

    truth: a code of each of n items that have one; answers: a code of each of m answers of which
    any may be dealt to an item, negative for none. Σ_code count(truth)/n · count(answers)/m.
    """
    size = 1 + max(int(truth.max(initial=0)), int(answers.max(initial=0)))
    there = np.bincount(truth, minlength=size) / max(len(truth), 1)
    dealt = np.bincount(answers[answers >= 0], minlength=size) / max(len(answers), 1)
    return float(there @ dealt)


class Reliability(NamedTuple):
    """Answers by confidence, in b bins of equal width: (i/b, (i + 1)/b], the first one with 0.

    items: how many there are; confidence, accuracy: their means, 0 where there are none.
    """

    items: NDArray[np.int64]
    confidence: Floats
    accuracy: Floats


def reliability(confidence: Floats, right: Floats, *, bins: int) -> Reliability:
    """Return how often answers of each confidence, in [0, 1], are right (0 or 1)."""
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    items = np.bincount(place, minlength=bins)
    some = np.maximum(items, 1)
    means = (np.bincount(place, each, bins) / some for each in (confidence, right))
    return Reliability(items, *means)


def calibration_error(found: Reliability) -> float:
    """Return the expected calibration error: Σ_bin items/n · |accuracy - confidence|.

    Guo et al. 2017 (arXiv:1706.04599), eq. 5. 0 is best.
    """
    gaps = found.items * np.abs(found.accuracy - found.confidence)
    return float(gaps.sum() / max(found.items.sum(), 1))
