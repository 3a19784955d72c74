"""The value of an entity for a query, one pair at a time, for compiled searches over paths.

The same numbers as `PathScore.values`, whose formulas are those of `geometry`; here the squared
chord |x - y|^2 - (x0 - y0)^2 of a pair comes first; x0, y0 are times, 0 but in hyperbolic space.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from hiertools.search.path_scores import PathScore
from hiertools.search.tree import Points, Tree

LORENTZ, EUCLIDEAN, SPHERE = range(3)
CODES = {"lorentz": LORENTZ, "euclidean": EUCLIDEAN, "sphere": SPHERE}
LOOSE = {"reassoc", "contract", "nsz"}  # sums in another order, for whole registers


class Rule(NamedTuple):
    """A `PathScore` as compiled functions take it."""

    geometry: int
    c: float
    weights: NDArray[np.float64]
    squared: bool
    inner: bool
    last: bool


def rule(score: PathScore) -> Rule:
    """Return what compiled functions take."""
    about = CODES[score.geometry], float(score.c), score.weights, score.is_squared
    return Rule(*about, score.by == "ip", score.of_last)


def sides(points: Points, score: PathScore) -> NDArray[np.float64]:
    """Return the number that a point needs beside its coordinates (n, float64).

    Its time in hyperbolic space; in flat space half of |x|^2, of which the inner product is made.
    """
    squared: NDArray[np.float64] = np.einsum("nd,nd->n", points, points, dtype=np.float64)
    return np.sqrt(1 / score.c + squared) if score.geometry == "lorentz" else squared / 2


@dataclass(frozen=True)
class Rated:
    """A hierarchy and how its paths are rated; sides: of its points, see `sides`."""

    tree: Tree
    score: PathScore
    sides: NDArray[np.float64]


def rated(tree: Tree, score: PathScore) -> Rated:
    """Return a hierarchy, ready for searches by a score."""
    return Rated(tree, score, sides(tree.points, score))


@numba.njit(fastmath=LOOSE)  # type: ignore[misc]
def chord(x, y, x_side, y_side, rule):  # type: ignore[no-untyped-def]
    """Return the squared chord of two points, summed in the type of the coordinates."""
    total = x[0] - x[0]
    for j in range(len(x)):
        gap = x[j] - y[j]
        total += gap * gap
    if rule.geometry == LORENTZ:
        gap = x_side - y_side
        return max(total - gap * gap, 0.0)
    return float(total)


@numba.njit  # type: ignore[misc]
def distance(squared, rule):  # type: ignore[no-untyped-def]
    """Return the distance of a squared chord."""
    if rule.geometry == EUCLIDEAN:
        return math.sqrt(squared)
    h = squared * rule.c / 4
    if rule.geometry == SPHERE:
        return 2 * math.asin(math.sqrt(min(h, 1.0))) / math.sqrt(rule.c)
    return 2 * math.log1p(math.sqrt(h) + h / (1 + math.sqrt(1 + h))) / math.sqrt(rule.c)


@numba.njit  # type: ignore[misc]
def value(squared, x_side, y_side, weight, rule):  # type: ignore[no-untyped-def]
    """Return the value of a squared chord: higher is better."""
    if rule.inner:
        if rule.geometry == LORENTZ:
            return -1 / rule.c - squared / 2
        return x_side + y_side - squared / 2
    d = distance(squared, rule)
    return -weight * (d * d if rule.squared else d)
