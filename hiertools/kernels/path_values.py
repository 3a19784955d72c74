"""The value of an entity for a query, one pair at a time, for compiled searches over paths.

The formulas are those of `geometry`; here the squared chord |x - y|^2 - (x0 - y0)^2 of a pair comes
first; x0, y0 are times, 0 but in hyperbolic space. Values fall as the chord grows, so that whether
a value can matter is a comparison of chords, without a logarithm: see `limit`.
"""

import math
from typing import NamedTuple

import numba

LORENTZ, EUCLIDEAN, SPHERE = range(3)
CODES = {"lorentz": LORENTZ, "euclidean": EUCLIDEAN, "sphere": SPHERE}
LOOSE = {"reassoc", "contract", "nsz"}  # sums in another order, for whole registers
FAR = 1e3  # sqrt(c) time, beyond which chords are far smaller than the gaps of which they are made
SLACK = 1e-9  # a share by which limits are wider than they look, for rounding in float64


class Rule(NamedTuple):
    """How the value of a pair is made, as compiled functions take it.

    geometry: a code; curvature -c (c on the sphere); squared: of distances; inner: inner products
    instead; last: a path has the value of its deepest entity, else the mean of all; far: points so
    far out that chords are summed once more in float64, see `FAR`. Numbers alone: an array in here
    would be counted at each call of a function, which costs as much as a pair.
    """

    geometry: int
    c: float
    squared: bool
    inner: bool
    last: bool
    far: bool


@numba.njit(fastmath=LOOSE)  # type: ignore[misc]
def gap(x, y):  # type: ignore[no-untyped-def]
    """Return |x - y|^2, summed in the type of the coordinates."""
    total = x[0] - x[0]
    for j in range(len(x)):
        difference = x[j] - y[j]
        total += difference * difference
    return total


@numba.njit(fastmath=LOOSE)  # type: ignore[misc]
def gaps(x, points, first, end, out):  # type: ignore[no-untyped-def]
    """Write `gap` of x to each of a range of points (rows first : end) to the front of `out`."""
    for row in range(first, end):
        total = x[0] - x[0]
        for j in range(len(x)):
            difference = x[j] - points[row, j]
            total += difference * difference
        out[row - first] = total


@numba.njit  # type: ignore[misc]
def chord(x, y, x_side, y_side, rule):  # type: ignore[no-untyped-def]
    """Return the squared chord of two points; sides: times, or halves of |x|^2 and |y|^2."""
    return chord_of(float(gap(x, y)), x_side, y_side, rule)


@numba.njit  # type: ignore[misc]
def chord_of(squared, x_side, y_side, rule):  # type: ignore[no-untyped-def]
    """Return the squared chord of what `gap` returns."""
    if rule.geometry == LORENTZ:
        return max(squared - (x_side - y_side) * (x_side - y_side), 0.0)
    return squared


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


@numba.njit  # type: ignore[misc]
def key(squared, y_side, rule):  # type: ignore[no-untyped-def]
    """Return what falls as values of a query at a level rise, and is compared with `limit`."""
    return squared - 2 * y_side if rule.inner and rule.geometry != LORENTZ else squared


@numba.njit  # type: ignore[misc]
def limit(least, x_side, weight, rule):  # type: ignore[no-untyped-def]
    """Return a key beyond which no value reaches `least`."""
    if rule.inner:
        if rule.geometry == LORENTZ:
            return -2 * (least + 1 / rule.c) + SLACK * (1 + abs(least) + 1 / rule.c)
        return 2 * (x_side - least) + SLACK * (1 + abs(least) + x_side)
    if least > 0:
        return -1.0
    if weight == 0 or least == -math.inf:
        return math.inf
    d = math.sqrt(-least / weight) if rule.squared else -least / weight
    if rule.geometry == EUCLIDEAN:
        return d * d * (1 + SLACK)
    half = math.sqrt(rule.c) * d / 2
    if rule.geometry == SPHERE:
        rise = math.sin(half) if half < math.pi / 2 else math.inf
    else:
        rise = math.sinh(half) if half < 300 else math.inf
    return 4 / rule.c * rise * rise * (1 + SLACK)
