"""One place on the globe for an item that may be at several: not always the likeliest of them.

Places are unit vectors, distances angles; probabilities are those of the places of an item, b x m.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hiertools.metrics.geo import GEOSCORE_KM
from hiertools.places import EARTH_RADIUS_KM

METHODS = ("centroid", "expected-km", "geoscore")
STEPS = 100
NEAR = 1e-5  # radians, some 60 m: a place this near pulls no harder than one this far
SCALE = GEOSCORE_KM / EARTH_RADIUS_KM

Vectors = NDArray[np.float64]
Weights = NDArray[np.float64]
Gain = Callable[[Weights], Weights]


def locate(places: Vectors, probability: Weights, *, method: str) -> Vectors:
    """Return a unit vector for each item (b x 3).

    places: b x m x 3, the likeliest first; method: `centroid`, the likeliest place; `expected-km`,
    the point of the least expected distance, the geometric median (Weiszfeld's iteration, on the
    tangent plane of the point so far); `geoscore`, that of the greatest expected
    exp(-km/1492.7), by the same iteration from the best places there are.
    """
    if method == "centroid":
        return np.array(places[:, 0])
    middle = _best(places, probability, places, _nearness)
    median = _climb(middle, places, probability, _even)
    median = _best(np.concatenate([places, median[:, None]], 1), probability, places, _nearness)
    if method == "expected-km":
        return median
    starts = [median, _best(places, probability, places, _score)]
    ends = [_climb(start, places, probability, _score) for start in starts]
    candidates = np.concatenate([places, np.stack([*starts, *ends], 1)], 1)
    return _best(candidates, probability, places, _score)


def _nearness(angle: Weights) -> Weights:
    return -angle


def _score(angle: Weights) -> Weights:
    found: Weights = np.exp(-angle / SCALE)
    return found


def _even(angle: Weights) -> Weights:
    return np.ones_like(angle)


def _best(candidates: Vectors, probability: Weights, places: Vectors, gain: Gain) -> Vectors:
    """Return the candidate of the greatest expected gain for each item; the first of equals."""
    angle = _angles(candidates[:, :, None], places[:, None])
    expected = (gain(angle) * probability[:, None]).sum(-1)
    chosen = expected.argmax(1)
    found: Vectors = candidates[np.arange(len(candidates)), chosen]
    return found


def _climb(start: Vectors, places: Vectors, probability: Weights, slope: Gain) -> Vectors:
    """Move each start to the mean of the places, weighted by slope / distance, until it stays."""
    here = start
    for _ in range(STEPS):
        angle = _angles(here[:, None], places)
        weight = probability * slope(angle) / np.hypot(angle, NEAR)
        side = places - (places * here[:, None]).sum(-1, keepdims=True) * here[:, None]
        length = np.linalg.norm(side, axis=-1)
        arrow = side * (angle / np.where(length == 0, 1, length))[..., None]
        step = (arrow * weight[..., None]).sum(1) / weight.sum(1, keepdims=True)
        turn = np.linalg.norm(step, axis=-1, keepdims=True)
        here = here * np.cos(turn) + step * np.sinc(turn / np.pi)
        here = here / np.linalg.norm(here, axis=-1, keepdims=True)
    return here


def _angles(x: Vectors, y: Vectors) -> Weights:
    """Return the angles between unit vectors, right for near and for far ones."""
    found: Weights = 2 * np.arctan2(np.linalg.norm(x - y, axis=-1), np.linalg.norm(x + y, axis=-1))
    return found
