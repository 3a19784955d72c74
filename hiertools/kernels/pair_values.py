"""Values of the entities of found paths in float64, by the formulas of `geometry`: for reports.

A compiled loop: for the 40 pairs of 10 paths it takes 0.02 ms a query where torch took 0.23, and a
pair has the same value whatever the others are.
"""

import math

import numba
import numpy as np

from hiertools.kernels.beam import FEW, Nodes, Points, Rows, Values
from hiertools.kernels.path_values import EUCLIDEAN, LOOSE, LORENTZ, Rule

TINY = 1e-292  # squares below it have lost digits to underflow


def pair_values(
    nodes: Nodes, queries: Points, paths: Rows, *, weights: Values, rule: Rule
) -> Values:
    """Return the value of each entity of paths (b x m x levels); 0 for none and implicit nodes."""
    found = np.zeros(paths.shape)
    rate = _few if len(queries) <= FEW else _many
    rate(queries, paths, nodes.points, nodes.implicit, weights, rule, found)
    return found


@numba.njit(parallel=True, cache=True)  # type: ignore[misc]
def _many(queries, paths, points, implicit, weights, rule, found):  # type: ignore[no-untyped-def]
    for i in numba.prange(len(queries)):
        _one(queries[i], paths[i], points, implicit, weights, rule, found[i])


@numba.njit(cache=True)  # type: ignore[misc]
def _few(queries, paths, points, implicit, weights, rule, found):  # type: ignore[no-untyped-def]
    for i in range(len(queries)):
        _one(queries[i], paths[i], points, implicit, weights, rule, found[i])


@numba.njit  # type: ignore[misc]
def _one(x, paths, points, implicit, weights, rule, found):  # type: ignore[no-untyped-def]
    x = x.astype(np.float64)
    for i in range(len(paths)):
        for level in range(len(weights)):
            row = paths[i, level]
            if row < 0 or implicit[row]:
                continue
            if i and paths[i - 1, level] == row:
                found[i, level] = found[i - 1, level]
            else:
                found[i, level] = _value(x, points[row], weights[level], rule)


@numba.njit  # type: ignore[misc]
def _value(x, y, weight, rule):  # type: ignore[no-untyped-def]
    if rule.inner:
        inner, x_square, y_square = _products(x, y)
        if rule.geometry == LORENTZ:
            inner -= math.sqrt(1 / rule.c + x_square) * math.sqrt(1 / rule.c + y_square)
        return inner
    if rule.geometry == LORENTZ:
        d = _lorentz(x, y, rule.c)
    else:
        minus, plus = _differences(x, y)
        d = _root(minus)
        if rule.geometry != EUCLIDEAN:
            d = 2 * math.atan2(d, _root(plus)) / math.sqrt(rule.c)
    return -weight * (d * d if rule.squared else d)


@numba.njit(fastmath=LOOSE)  # type: ignore[misc]
def _products(x, y):  # type: ignore[no-untyped-def]
    """Return x y, x x and y y."""
    inner, x_square, y_square = 0.0, 0.0, 0.0
    for j in range(len(x)):
        inner += x[j] * y[j]
        x_square += x[j] * x[j]
        y_square += np.float64(y[j]) * y[j]
    return inner, x_square, y_square


@numba.njit(fastmath=LOOSE)  # type: ignore[misc]
def _differences(x, y):  # type: ignore[no-untyped-def]
    """Return |x - y|^2 and |x + y|^2."""
    minus, plus = 0.0, 0.0
    for j in range(len(x)):
        minus += (x[j] - y[j]) * (x[j] - y[j])
        plus += (x[j] + y[j]) * (x[j] + y[j])
    return minus, plus


@numba.njit(fastmath=LOOSE)  # type: ignore[misc]
def _turned(x, y, gap, a, b):  # type: ignore[no-untyped-def]
    """Return 2 (1 - cos theta) (|x| + |y|)^2 of the angle theta of two points from the origin."""
    total = 0.0
    for j in range(len(x)):
        turn = 2 * (y[j] - x[j]) - gap * (x[j] / a + y[j] / b)
        total += turn * turn
    return total


@numba.njit(fastmath=LOOSE)  # type: ignore[misc]
def _outward(x, y):  # type: ignore[no-untyped-def]
    """Return |y|^2 - |x|^2."""
    total = 0.0
    for j in range(len(x)):
        total += (y[j] - x[j]) * (x[j] + y[j])
    return total


@numba.njit  # type: ignore[misc]
def _lorentz(x, y, c):  # type: ignore[no-untyped-def]
    """Return the hyperbolic distance as `lorentz.distance` has it."""
    s = math.sqrt(c)
    _, x_square, y_square = _products(x, y)
    a, b = _root(x_square), _root(y_square)
    total = a + b if a + b > 0 else 1.0
    gap = _outward(x, y) / total
    versine = _turned(x, y, gap, a if a > 0 else 1.0, b if b > 0 else 1.0) / (2 * total * total)
    a, b, gap = s * a, s * b, s * gap
    x_time, y_time = math.sqrt(1 + a * a), math.sqrt(1 + b * b)
    outward = gap * (1 + (1 + a * a + b * b) / (x_time * y_time + a * b)) / (x_time + y_time)
    radial = outward * outward / (2 * (1 + math.sqrt(1 + outward * outward)))
    return 2 / s * math.asinh(_root(radial + a * b * versine / 2))


@numba.njit  # type: ignore[misc]
def _root(square):  # type: ignore[no-untyped-def]
    return math.sqrt(square) if square > TINY else 0.0
