"""The compiled loop of `angle_loops`: the numbers of a row of pairs stay in the second cache.

The formulas are those of `angle_contrast`, in float64.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from hiertools.kernels.double_math import atan2, exp

LOOSE = {"reassoc", "contract", "nsz"}  # sums in another order, for whole registers
ORDERED = {"nnan", "nsz"}  # for the greatest of numbers; NaN comes back by the sums
LOWEST = np.finfo(np.float64).min
HALF = math.pi / 2


class Sides(NamedTuple):
    """What pairs need beside the products of directions, of b rows and of n columns.

    a, b: sn of the radii; s, t: cs of them; out (2 x b) and of (2 x n): numbers whose sum of two
    products is sn of the columns' radii less the rows'.
    """

    a: np.ndarray
    s: np.ndarray
    out: np.ndarray
    b: np.ndarray
    t: np.ndarray
    of: np.ndarray


class Numbers(NamedTuple):
    """The choices and numbers of a contrast; inside: positives are in the sum of a softmax."""

    tau: float
    inward: bool
    inside: bool
    noise: float
    smallest: float


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _angles(versine, i, sides, numbers, run, rise, inverse, angle):  # type: ignore[no-untyped-def]
    """Overwrite a row of products with versines, and write what `angle_contrast._Angles` has."""
    a, s, out, inward = sides.a[i], sides.s[i], sides.out[0, i], sides.out[1, i]
    noise = numbers.noise
    for j in range(len(versine)):
        v = 1 - versine[j]
        v = 0.0 if v < 0 else v
        v = 2.0 if v > 2 else v
        b = sides.b[j]
        outward = out * sides.of[0, j] + inward * sides.of[1, j]
        equal = (v <= noise) & (abs(b - a) <= noise * (b + a))
        v = 0.0 if equal else v
        outward = 0.0 if equal else outward
        squared = (2 - v) * v
        inverse[j] = 1 / np.sqrt(2 * noise if squared < 2 * noise else squared)
        versine[j] = v
        rise[j] = squared * inverse[j] * b
        run[j] = outward - s * b * v
    for j in range(len(versine)):
        undefined = (rise[j] == 0) & (run[j] == 0) | (a == 0)
        angle[j] = HALF if undefined else atan2(rise[j], run[j])


@numba.njit(error_model="numpy", fastmath=ORDERED)  # type: ignore[untyped-decorator]
def _greatest(values, there):  # type: ignore[no-untyped-def]
    best = LOWEST
    for j in range(len(values)):
        value = values[j] if there[j] else LOWEST
        best = max(best, value)
    return best


@numba.njit(error_model="numpy", fastmath=LOOSE)  # type: ignore[untyped-decorator]
def _sum(values):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(len(values)):
        total += values[j]
    return total


@numba.njit(error_model="numpy", fastmath=LOOSE)  # type: ignore[untyped-decorator]
def _dot(one, other):  # type: ignore[no-untyped-def]
    total = 0.0
    for j in range(len(one)):
        total += one[j] * other[j]
    return total


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _log_sigmoid(x):  # type: ignore[no-untyped-def]
    return -math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x))


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _info_nce(logits, positive, negative, inside, slopes):  # type: ignore[no-untyped-def]
    """Return the loss of a row, and write its slopes by the logits."""
    highest = _greatest(logits, negative)
    for j in range(len(logits)):
        term = exp(logits[j] - highest)
        slopes[j] = term if negative[j] else 0.0
    total = _sum(slopes)
    repelled = highest + math.log(total) if total != 0 else LOWEST
    count, nearest = 0, LOWEST
    for j in range(len(logits)):
        if positive[j]:
            count += 1
            nearest = max(nearest, logits[j])
    if not count:
        slopes[:] = 0
        return 0.0
    best, lost, shared = _log_sigmoid(nearest - repelled), 0.0, 0.0
    for j in range(len(logits)):
        if positive[j]:
            log_p = _log_sigmoid(logits[j] - repelled)
            lost -= log_p
            shared += math.exp(log_p - best)
    repels, per_total = 0.0, 1 / total if total != 0 else 0.0
    for j in range(len(logits)):
        if positive[j]:
            apart = logits[j] - repelled
            share = math.exp(_log_sigmoid(apart) - best) / shared if inside else 1 / count
            repels += share * math.exp(_log_sigmoid(-apart))
    for j in range(len(logits)):
        slopes[j] *= repels * per_total
    for j in range(len(logits)):
        if positive[j]:
            apart = logits[j] - repelled
            share = math.exp(_log_sigmoid(apart) - best) / shared if inside else 1 / count
            slopes[j] -= share * math.exp(_log_sigmoid(-apart))
    return math.log(count) - best - math.log(shared) if inside else lost / count


@numba.njit(error_model="numpy", fastmath={"contract"})  # type: ignore[untyped-decorator]
def _pull(versine, i, sides, numbers, run, rise, inverse, slopes, of_b, of_t):  # type: ignore[no-untyped-def]
    """Overwrite the versines of a row with the loss's slopes by them, run and rise by others.

    Left in run: the slopes by run times cosines; in rise: those by run. Those by columns are added
    to of_b and of_t.
    """
    a, s = sides.a[i], sides.s[i]
    for j in range(len(versine)):
        v, b = versine[j], sides.b[j]
        squared, cosine = (2 - v) * v, 1 - v
        size = run[j] * run[j] + rise[j] * rise[j]
        slope = slopes[j] / (numbers.smallest if size < numbers.smallest else size)
        of_rise, of_run = run[j] * slope, -rise[j] * slope
        turned = of_run * cosine
        of_b[j] += of_rise * squared * inverse[j] + turned * s
        of_t[j] -= of_run * a
        of_sine = cosine * inverse[j]
        of_sine = 2 * of_sine if squared < 2 * numbers.noise else of_sine
        versine[j] = (of_rise * of_sine - of_run * s) * b
        run[j], rise[j] = turned, of_run


@numba.njit(parallel=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def pull(  # type: ignore[no-untyped-def]
    product, positive, negative, shares, sides, numbers, of_a, of_s, of_b, of_t, sums
):
    """Overwrite products of directions with the loss's slopes by them, times -1.

    of_a, of_s: of rows, written (b); of_b, of_t: of columns, added to (parts x n); sums: of losses
    and of slopes times logits, added to (parts x 2).
    """
    parts, n = of_b.shape
    b = len(product)
    turn = 1.0 if numbers.inward else -1.0
    for part in numba.prange(parts):
        run, rise, inverse = np.empty(n), np.empty(n), np.empty(n)
        logits, slopes = np.empty(n), np.empty(n)
        for i in range(b * part // parts, b * (part + 1) // parts):
            row = product[i]
            _angles(row, i, sides, numbers, run, rise, inverse, logits)
            for j in range(n):
                angle = logits[j] if numbers.inward else math.pi - logits[j]
                logits[j] = angle / numbers.tau
            loss = _info_nce(logits, positive[i], negative[i], numbers.inside, slopes)
            sums[part, 0] += shares[i] * loss
            sums[part, 1] += shares[i] * _dot(slopes, logits)
            scale = 0.0 if sides.a[i] == 0 else turn * shares[i] / numbers.tau
            for j in range(n):
                slopes[j] *= scale
            _pull(row, i, sides, numbers, run, rise, inverse, slopes, of_b[part], of_t[part])
            of_s[i] = _dot(run, sides.b)
            of_a[i] = -_dot(rise, sides.t)
