"""Whether two numbers of the same things rise together."""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray


def spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> float | None:
    """Return Spearman's rank correlation, in [-1, 1]; equal numbers have their mean rank.

    None where all x or all y are equal.
    """
    a, b = (_ranks(values) for values in (x, y))
    a, b = a - a.mean(), b - b.mean()
    spread = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / spread if spread else None


def spearman_interval(rho: float, n: int, *, level: float) -> tuple[float, float] | None:
    """Return low and high end of a confidence interval of Spearman's correlation of n things.

    tanh(artanh(rho) ± z sqrt((1 + rho²/2)/(n - 3))), Bonett & Wright 2000 (Psychometrika 65:23-28).
    None for less than four things, or a correlation of ±1, which have none.
    """
    if n < 4 or abs(rho) >= 1:
        return None
    z = NormalDist().inv_cdf((1 + level) / 2)
    half = z * math.sqrt((1 + rho * rho / 2) / (n - 3))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return ranks
