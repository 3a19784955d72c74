"""How sure a search is of its paths, level by level: a softmax over the paths that it found.

A temperature makes the probabilities fit how often they are right.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from hiertools.metrics.geo import calibration_error, reliability
from hiertools.search.path_scores import Values
from hiertools.search.tree import Rows

LOG_TEMPERATURES = (-9.0, 7.0)  # beyond it probabilities are certain, or all the same
LEAST = 1e-6  # that a probability is taken for in a logarithm: no answer is certain
BINS = 15
NEAR_BOUND = 1e-3


def probabilities(scores: Values, temperature: float) -> Values:
    """Return the softmax over paths (b x m), 0 for those of score -inf."""
    scaled = scores / temperature
    top = scaled.max(-1, keepdims=True)
    powers = np.exp(scaled - np.where(np.isfinite(top), top, 0))
    found: Values = powers / np.maximum(powers.sum(-1, keepdims=True), 1e-300)
    return found


def by_level(paths: Rows, probability: Values) -> Values:
    """Return how probable each entity of the first path is (b x levels).

    paths: b x m x levels; probability: of the paths, b x m. That of an entity is the sum over the
    paths through it.
    """
    same = paths == paths[:, :1]
    found: Values = np.where(same, probability[..., None], 0).sum(1).clip(0, 1)
    return found


@dataclass(frozen=True)
class Calibration:
    """A temperature, and the mean negative log-likelihood and the calibration error without and
    with it, of `answers` to items at all levels.

    at_bound: the temperature is the end of those that are looked at; a better one is beyond.
    """

    temperature: float
    at_bound: bool
    nll: tuple[float, float]
    ece: tuple[float, float]
    answers: int


def calibrate(scores: Values, paths: Rows, right: NDArray[np.float64]) -> Calibration:
    """Return the temperature that makes it likeliest that entities are right where they are.

    scores: of the paths, b x m, best first; right: whether the entity of the first path is right
    at each level, 1 or 0, NaN where there is no truth (b x levels).
    """
    known = ~np.isnan(right)
    truth = right[known]

    def sure(temperature: float) -> Values:
        return by_level(paths, probabilities(scores, temperature))[known]

    def nll(temperature: float) -> float:
        p = sure(temperature).clip(LEAST, 1 - LEAST)
        return float(-np.log(np.where(truth > 0, p, 1 - p)).mean())

    found = minimize_scalar(
        lambda x: nll(np.exp(x)), bounds=LOG_TEMPERATURES, method="bounded",
        options={"xatol": 1e-6},
    )  # fmt: skip
    temperature = float(np.exp(found.x))
    errors = [
        calibration_error(reliability(sure(each), truth, bins=BINS)) for each in (1.0, temperature)
    ]
    likelihoods = nll(1.0), nll(temperature)
    at_bound = min(abs(found.x - bound) for bound in LOG_TEMPERATURES) < NEAR_BOUND
    return Calibration(temperature, at_bound, likelihoods, (errors[0], errors[1]), len(truth))
