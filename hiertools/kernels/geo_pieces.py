"""The compiled loops of `geo_loops`, over pieces of a block of products, entities x images.

Each step is a loop of its own over numbers that stay in the first cache; the choices are made
around the loops, not in them. A piece is a few entities with all images, one row after another.
"""

from typing import NamedTuple

import numba
import numpy as np

from hiertools.kernels.vector_math import asin_of_root, asinh_of_root, exp, log1p

PIECE = 512
PARTS = 32  # of a block, whatever the number of threads: sums are in the same order
LOOSE = {"reassoc", "contract", "nsz"}  # sums in another order, for whole registers
F = np.float32
LOWEST, TINY, EPS = F(-3e38), np.finfo(F).tiny, np.finfo(F).eps
ZERO, QUARTER, HALF, ONE, TWO, FOUR = F(0), F(0.25), F(0.5), F(1), F(2), F(4)


class Sides(NamedTuple):
    """What pairs need beside their products, of n images and of m entities.

    a, b: half of sn of the images' radii, and sn of the entities'; f, g: numbers of theirs
    (`energies.sides`); per_f: 1 / f; time: of the entities; owned, owners: the images' positives,
    ascending, and their images; u, w: places (3 x n and 3 x m).
    """

    a: np.ndarray
    f: np.ndarray
    per_f: np.ndarray
    b: np.ndarray
    g: np.ndarray
    time: np.ndarray
    owned: np.ndarray
    owners: np.ndarray
    u: np.ndarray
    w: np.ndarray


class Numbers(NamedTuple):
    """The choices and numbers of a contrast."""

    geometry: int
    squared: bool
    near: int
    c: np.float32
    tau: np.float32
    weight: np.float32
    sigma: np.float32
    power: np.float32


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _positive(value):  # type: ignore[no-untyped-def]
    return ZERO if value < ZERO else value  # NaN stays


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _at_most_one(value):  # type: ignore[no-untyped-def]
    return ONE if value > ONE else value


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _squares(product, place, first, rows, sides, numbers, q):  # type: ignore[no-untyped-def]
    """Write q of a piece: sn^2 of half the distances."""
    n = len(sides.a)
    for row in range(rows):
        b, g = sides.b[first + row], sides.g[first + row]
        products, into = product[place + row], q[row * n : row * n + n]
        if numbers.geometry == 2:
            for i in range(n):
                into[i] = _at_most_one(_positive(HALF + products[i]))
        elif numbers.geometry == 0:
            out, inward = HALF * g, HALF / g
            for i in range(n):
                outward = out * sides.per_f[i] - inward * sides.f[i]
                into[i] = _positive(sides.a[i] * b + products[i]) + outward * outward
        else:
            for i in range(n):
                outward = HALF * (g - sides.f[i])
                into[i] = _positive(sides.a[i] * b + products[i]) + outward * outward


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _energies(q, size, numbers, e):  # type: ignore[no-untyped-def]
    scale = TWO / np.sqrt(numbers.c)
    if numbers.geometry == 0:
        for k in range(size):
            e[k] = scale * asinh_of_root(q[k])
    elif numbers.geometry == 1:
        for k in range(size):
            e[k] = TWO * np.sqrt(q[k])
    else:
        for k in range(size):
            e[k] = scale * asin_of_root(q[k])
    if numbers.squared:
        for k in range(size):
            e[k] = e[k] * e[k]


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _ratios(first, rows, sides, numbers, ratio):  # type: ignore[no-untyped-def]
    """Write g / sigma of a piece."""
    n = len(sides.a)
    u0, u1, u2 = sides.u
    for row in range(rows):
        w0, w1, w2 = sides.w[0, first + row], sides.w[1, first + row], sides.w[2, first + row]
        into = ratio[row * n : row * n + n]
        for i in range(n):
            p, q, r = u0[i] - w0, u1[i] - w1, u2[i] - w2
            into[i] = _at_most_one(QUARTER * (p * p + q * q + r * r))
    scale = TWO / numbers.sigma
    for k in range(rows * n):
        ratio[k] = scale * asin_of_root(ratio[k])


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _values(ratio, size, numbers, value):  # type: ignore[no-untyped-def]
    """Write the kernel's values."""
    if numbers.near == 1:
        for k in range(size):
            value[k] = exp(-ratio[k])
    elif numbers.near == 2:
        for k in range(size):
            value[k] = exp(-ratio[k] * ratio[k])
    else:
        for k in range(size):
            value[k] = exp(-numbers.power * log1p(ratio[k]))


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _steep(ratio, size, numbers):  # type: ignore[no-untyped-def]
    """Overwrite g / sigma with sigma d/dsigma of the kernel's logarithm."""
    for k in range(size):
        r = ratio[k]
        if numbers.near == 1:
            ratio[k] = r
        elif numbers.near == 2:
            ratio[k] = TWO * r * r
        else:
            ratio[k] = numbers.power * r / (ONE + r)


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
            _squares(product, place, first, rows, sides, numbers, q)
            _energies(q, size, numbers, e)
            for k in range(size):
                e[k] *= per_tau
            _own(e, first, rows, sides, LOWEST)
            higher[:] = highest
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
                _ratios(first, rows, sides, numbers, ratio)
                _values(ratio, size, numbers, q)
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
            _squares(product, place, first, rows, sides, numbers, q)
            _energies(q, size, numbers, e)
            for row in range(rows):
                line, into = e[row * n : row * n + n], p[row * n : row * n + n]
                for i in range(n):
                    into[i] = share[i] * exp(per_tau * line[i] - repelled[i])
            _own(p, first, rows, sides, ZERO)
            if numbers.near:
                _ratios(first, rows, sides, numbers, ratio)
                _values(ratio, size, numbers, value)
                if of_others:
                    _steep(ratio, size, numbers)
                    for k in range(size):
                        ratio[k] *= value[k]
                    sums[part, 1] += _dot(p, value, size)
                    sums[part, 2] += _dot(p, ratio, size)
                for k in range(size):
                    p[k] *= ONE + numbers.weight * value[k]
            if of_tau:
                sums[part, 0] += _dot(p, e, size)
            _slopes(q, e, p, size, per_tau, numbers)
            turned[:] = 0
            for row in range(rows):
                time, line = sides.time[first + row], p[row * n : row * n + n]
                product[place + row] = line
                for i in range(n):
                    turned[i] += line[i] * time
            of_times[part] += turned


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _slopes(q, e, p, size, per_tau, numbers):  # type: ignore[no-untyped-def]
    """Overwrite p with -p / tau de/dq; see `energies.Pairs`."""
    scale = per_tau / np.sqrt(numbers.c)
    if numbers.squared and numbers.geometry == 1:
        for k in range(size):
            p[k] *= FOUR * per_tau
        return
    bend = ONE - F(numbers.geometry)
    if numbers.squared:
        floor = EPS if numbers.geometry == 2 else TINY
        for k in range(size):
            both = max(q[k] + bend * q[k] * q[k], floor)
            p[k] *= TWO * scale * np.sqrt(e[k] / both)
    else:
        for k in range(size):
            p[k] *= scale / np.sqrt(max(q[k] + bend * q[k] * q[k], EPS))
