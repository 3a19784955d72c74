"""How good predicted classes are, beyond right and wrong: pure functions of codes and tables.

n items, k classes predicted for each, c classes to choose from. Distances are of any hierarchy,
0 for what is right.
"""

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def hits(right: Mask) -> Floats:
    """Return 1 for items of whose k classes at least one is right (n x k), 0 for others."""
    some: Mask = np.any(right, axis=1)
    return some.astype(np.float64)


def chance_of_a_hit(right: NDArray[np.int64], classes: int, *, k: int) -> Floats:
    """Return how probable a hit is among k different classes, drawn uniformly.

    right: how many of the classes are right. 1 - C(c - right, k) / C(c, k), hypergeometric.
    """
    missed = np.ones(len(right))
    for drawn in range(k):
        missed *= np.maximum(classes - right - drawn, 0) / (classes - drawn)
    return 1 - missed


class Shared(NamedTuple):
    """The nodes that are a label or above it, counted: in common, of the answer, of the truth."""

    both: Floats
    answer: Floats
    truth: Floats


def precision(nodes: Shared) -> tuple[Floats, Floats]:
    """Return numerators and denominators of hierarchical precision.

    Σ |P_i ∩ T_i| / Σ |P_i|, sums over all items (micro): Kiritchenko et al. 2005, Silla & Freitas
    2011 (hP).
    """
    return nodes.both, nodes.answer


def recall(nodes: Shared) -> tuple[Floats, Floats]:
    """Return numerators and denominators of hierarchical recall, Σ |P_i ∩ T_i| / Σ |T_i|."""
    return nodes.both, nodes.truth


def f1(nodes: Shared) -> tuple[Floats, Floats]:
    """Return numerators and denominators of 2 hP hR / (hP + hR) = 2 Σ |P ∩ T| / Σ (|P| + |T|)."""
    return 2 * nodes.both, nodes.answer + nodes.truth


def information(below: NDArray[np.int64], classes: int) -> Floats:
    """Return what a node says, from 0 (any of the classes) to 1 (one of them).

    (log c - log below) / log c, below: classes at or below the node. Deng et al. 2012 (Hedging
    your bets), section 3, as a share of what a class says.
    """
    if classes == 1:
        return np.ones(len(below))
    found: Floats = 1 - np.log(np.maximum(below, 1)) / np.log(classes)
    return found


def adjusted(value: float, chance: float, best: float) -> float | None:
    """Return how far a value is on the way from chance (0) to the best (1), None without a way."""
    if abs(best - chance) < 1e-12:
        return None
    return (value - chance) / (best - chance)


def wilson(right: Floats, items: Floats, *, level: float) -> tuple[Floats, Floats]:
    """Return low and high end of an interval of each share of right items.

    Wilson 1927: unlike a bootstrap it has a width where all or none of a few items are right.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = right / items
    middle = (share + z * z / (2 * items)) / (1 + z * z / items)
    half = z * np.sqrt(share * (1 - share) / items + (z / (2 * items)) ** 2) / (1 + z * z / items)
    return np.maximum(middle - half, 0), np.minimum(middle + half, 1)


def nearest_accuracy(accuracy: float, items: int) -> tuple[int, float]:
    """Return how many right items of so many come nearest to an accuracy in [0, 1], and its error.

    The accuracy of n items is a multiple of 1/n.
    """
    right = min(max(round(accuracy * items), 0), items)
    return right, abs(accuracy - right / items)
