"""The compiled loops of `geo_loops` over pieces of a block of products, entities x images.

Rows are copied by loops: to assign slices numba compiles for three seconds more.
"""

import numba
import numpy as np

from hiertools.kernels.geo_pairs import energies, ratios, slopes, squares, steep, values
from hiertools.kernels.vector_math import exp

PIECE = 512
PARTS = 32  # of a block, whatever the number of threads: sums are in the same order
LOOSE = {"reassoc", "contract", "nsz"}  # sums in another order, for whole registers
F = np.float32
LOWEST, ZERO, ONE = F(-3e38), F(0), F(1)


@numba.njit(error_model="numpy", fastmath=LOOSE)  # type: ignore[untyped-decorator]
def _dot(one, other, size):  # type: ignore[no-untyped-def]
    total = ZERO
    for k in range(size):
        total += one[k] * other[k]
    return total


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _own(values, first, rows, sides, value):  # type: ignore[no-untyped-def]
    """Overwrite the images' own entities in a piece."""
    n = len(sides.a)
    at = np.searchsorted(sides.owned, first)
    while at < n and sides.owned[at] < first + rows:
        values[(sides.owned[at] - first) * n + sides.owners[at]] = value
        at += 1


@numba.njit(parallel=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def add_up(product, start, sides, numbers, best, total):  # type: ignore[no-untyped-def]
    """Add a block of entities to the greatest -e / tau and to the sums of w exp of it less that.

    best, total: float32 and float64, PARTS x n; a part takes a share of each block.
    """
    n, height = len(sides.a), len(product)
    per_tau, step = -ONE / numbers.tau, max(1, PIECE // n)
    for part in numba.prange(PARTS):
        q, e, ratio = np.empty(step * n, F), np.empty(step * n, F), np.empty(step * n, F)
        highest, summed, higher = best[part], total[part], np.empty(n, F)
        stop = height * (part + 1) // PARTS
        for place in range(height * part // PARTS, stop, step):
            rows, first = min(step, stop - place), start + place
            size = rows * n
            squares(product, place, first, rows, sides, numbers, q)
            energies(q, size, numbers, e)
            for k in range(size):
                e[k] *= per_tau
            _own(e, first, rows, sides, LOWEST)
            for i in range(n):
                higher[i] = highest[i]
            for row in range(rows):
                line = e[row * n : row * n + n]
                for i in range(n):
                    higher[i] = higher[i] if higher[i] > line[i] else line[i]
            for row in range(rows):
                line = e[row * n : row * n + n]
                for i in range(n):
                    line[i] -= higher[i]
            for k in range(size):
                e[k] = exp(e[k])
            _own(e, first, rows, sides, ZERO)
            if numbers.near:
                ratios(first, rows, sides, numbers, ratio)
                values(ratio, size, numbers, q)
                for k in range(size):
                    e[k] *= ONE + numbers.weight * q[k]
            for row in range(1, rows):
                line = e[row * n : row * n + n]
                for i in range(n):
                    e[i] += line[i]
            for i in range(n):
                summed[i] = summed[i] * exp(highest[i] - higher[i]) + e[i]
                highest[i] = higher[i]


@numba.njit(parallel=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def pull(  # type: ignore[no-untyped-def]
    product, start, repelled, share, sides, numbers, of_tau, of_others, sums, of_times
):
    """Overwrite a block of products with dL/dq; add what it gives to sums in float64.

    sums: of p e, p kernel / w and its slope, PARTS x 3; of_times: of dL/dq time, PARTS x n.
    """
    n, height = len(sides.a), len(product)
    per_tau, step = -ONE / numbers.tau, max(1, PIECE // n)
    for part in numba.prange(PARTS):
        q, e, p = np.empty(step * n, F), np.empty(step * n, F), np.empty(step * n, F)
        ratio, value = np.empty(step * n, F), np.empty(step * n, F)
        turned = np.empty(n, F)
        stop = height * (part + 1) // PARTS
        for place in range(height * part // PARTS, stop, step):
            rows, first = min(step, stop - place), start + place
            size = rows * n
            squares(product, place, first, rows, sides, numbers, q)
            energies(q, size, numbers, e)
            for row in range(rows):
                line, into = e[row * n : row * n + n], p[row * n : row * n + n]
                for i in range(n):
                    into[i] = share[i] * exp(per_tau * line[i] - repelled[i])
            _own(p, first, rows, sides, ZERO)
            if numbers.near:
                ratios(first, rows, sides, numbers, ratio)
                values(ratio, size, numbers, value)
                if of_others:
                    steep(ratio, size, numbers)
                    for k in range(size):
                        ratio[k] *= value[k]
                    sums[part, 1] += _dot(p, value, size)
                    sums[part, 2] += _dot(p, ratio, size)
                for k in range(size):
                    p[k] *= ONE + numbers.weight * value[k]
            if of_tau:
                sums[part, 0] += _dot(p, e, size)
            slopes(q, e, p, size, per_tau, numbers)
            for i in range(n):
                turned[i] = ZERO
            for row in range(rows):
                time, line = sides.time[first + row], p[row * n : row * n + n]
                into = product[place + row]
                for i in range(n):
                    into[i] = line[i]
                    turned[i] += line[i] * time
            for i in range(n):
                of_times[part, i] += turned[i]
