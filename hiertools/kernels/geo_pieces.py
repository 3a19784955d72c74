"""The compiled loops of `geo_loops`, over pieces of rows of a block of products.

Each step is a loop of its own over numbers that stay in the first cache; the choices are made
around the loops, not in them.
"""

from typing import NamedTuple

import numba
import numpy as np

from hiertools.kernels.vector_math import asin, asinh_of_root, exp, log1p

PIECE = 512
LOOSE = {"reassoc", "contract", "nsz"}  # sums in another order, for whole registers
ORDERED = {"nnan", "nsz"}  # for the greatest of numbers, of which none is NaN
F = np.float32
LOWEST, TINY, EPS = F(-3e38), np.finfo(F).tiny, np.finfo(F).eps
ZERO, QUARTER, HALF, ONE, TWO, FOUR = F(0), F(0.25), F(0.5), F(1), F(2), F(4)


class Sides(NamedTuple):
    """What a pair needs beside its product: sn of the radii, a number f of each (`energies.sides`),
    and places (3 x n), of rows and of columns."""

    a: np.ndarray
    f: np.ndarray
    b: np.ndarray
    g: np.ndarray
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
def _squares(product, i, first, place, size, sides, numbers, q):  # type: ignore[no-untyped-def]
    """Write q of a piece of a row: sn^2 of half the distances."""
    a, f = sides.a[i] * HALF, sides.f[i]
    if numbers.geometry == 2:
        for j in range(size):
            q[j] = min(max(HALF + product[i, place + j], ZERO), ONE)
    elif numbers.geometry == 0:
        out, inward = HALF / f, HALF * f
        for j in range(size):
            g = sides.g[first + j]
            outward = out * g - inward / g
            q[j] = max(a * sides.b[first + j] + product[i, place + j], ZERO) + outward * outward
    else:
        for j in range(size):
            outward = HALF * (sides.g[first + j] - f)
            q[j] = max(a * sides.b[first + j] + product[i, place + j], ZERO) + outward * outward


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _energies(q, size, numbers, e):  # type: ignore[no-untyped-def]
    scale = TWO / np.sqrt(numbers.c)
    if numbers.geometry == 0:
        for j in range(size):
            e[j] = scale * asinh_of_root(q[j])
    elif numbers.geometry == 1:
        for j in range(size):
            e[j] = TWO * np.sqrt(q[j])
    else:
        for j in range(size):
            e[j] = scale * asin(np.sqrt(q[j]))
    if numbers.squared:
        for j in range(size):
            e[j] = e[j] * e[j]


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _ratios(i, first, size, sides, numbers, ratio):  # type: ignore[no-untyped-def]
    """Write g / sigma of a piece of a row."""
    u0, u1, u2 = sides.u[0, i], sides.u[1, i], sides.u[2, i]
    scale = TWO / numbers.sigma
    for j in range(size):
        k = first + j
        p, q, r = u0 - sides.w[0, k], u1 - sides.w[1, k], u2 - sides.w[2, k]
        ratio[j] = scale * asin(np.sqrt(min(QUARTER * (p * p + q * q + r * r), ONE)))


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _values(ratio, size, numbers, value):  # type: ignore[no-untyped-def]
    """Write the kernel's values."""
    if numbers.near == 1:
        for j in range(size):
            value[j] = exp(-ratio[j])
    elif numbers.near == 2:
        for j in range(size):
            value[j] = exp(-ratio[j] * ratio[j])
    else:
        for j in range(size):
            value[j] = exp(-numbers.power * log1p(ratio[j]))


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _steep(ratio, size, numbers):  # type: ignore[no-untyped-def]
    """Overwrite g / sigma with sigma d/dsigma of the kernel's logarithm."""
    for j in range(size):
        r = ratio[j]
        if numbers.near == 1:
            ratio[j] = r
        elif numbers.near == 2:
            ratio[j] = TWO * r * r
        else:
            ratio[j] = numbers.power * r / (ONE + r)


@numba.njit(error_model="numpy", fastmath=ORDERED)  # type: ignore[untyped-decorator]
def _greatest(values, size):  # type: ignore[no-untyped-def]
    best = LOWEST
    for j in range(size):
        best = max(best, values[j])
    return best


@numba.njit(error_model="numpy", fastmath=LOOSE)  # type: ignore[untyped-decorator]
def _sum(values, size):  # type: ignore[no-untyped-def]
    total = ZERO
    for j in range(size):
        total += values[j]
    return total


@numba.njit(error_model="numpy", fastmath=LOOSE)  # type: ignore[untyped-decorator]
def _dot(one, other, size):  # type: ignore[no-untyped-def]
    total = ZERO
    for j in range(size):
        total += one[j] * other[j]
    return total


@numba.njit(parallel=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def add_up(product, start, own, sides, numbers, best, total):  # type: ignore[no-untyped-def]
    """Add a block of columns to the greatest -e / tau of rows, and to the sums of w exp of it."""
    width = product.shape[1]
    per_tau = -ONE / numbers.tau
    for i in numba.prange(len(best)):
        q, e, ratio = np.empty(PIECE, F), np.empty(PIECE, F), np.empty(PIECE, F)
        highest, summed = best[i], total[i]
        for place in range(0, width, PIECE):
            size, first = min(PIECE, width - place), start + place
            _squares(product, i, first, place, size, sides, numbers, q)
            _energies(q, size, numbers, e)
            for j in range(size):
                e[j] *= per_tau
            if first <= own[i] < first + size:
                e[own[i] - first] = LOWEST
            higher = max(highest, _greatest(e, size))
            for j in range(size):
                e[j] = exp(e[j] - higher)
            if first <= own[i] < first + size:
                e[own[i] - first] = ZERO
            if numbers.near:
                _ratios(i, first, size, sides, numbers, ratio)
                _values(ratio, size, numbers, q)
                for j in range(size):
                    q[j] = ONE + numbers.weight * q[j]
                added = _dot(e, q, size)
            else:
                added = _sum(e, size)
            summed = summed * exp(highest - higher) + added
            highest = higher
        best[i], total[i] = highest, summed


@numba.njit(parallel=True, cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def pull(  # type: ignore[no-untyped-def]
    product, start, own, repelled, share, sides, numbers, of_tau, of_others, sums
):
    """Overwrite a block of products with dL/dq; add p e, p kernel / w and its slope to sums."""
    width = product.shape[1]
    per_tau = -ONE / numbers.tau
    for i in numba.prange(len(own)):
        q, e, p = np.empty(PIECE, F), np.empty(PIECE, F), np.empty(PIECE, F)
        ratio, value = np.empty(PIECE, F), np.empty(PIECE, F)
        for place in range(0, width, PIECE):
            size, first = min(PIECE, width - place), start + place
            _squares(product, i, first, place, size, sides, numbers, q)
            _energies(q, size, numbers, e)
            r, s = repelled[i], share[i]
            for j in range(size):
                p[j] = s * exp(per_tau * e[j] - r)
            if first <= own[i] < first + size:
                p[own[i] - first] = ZERO
            if numbers.near:
                _ratios(i, first, size, sides, numbers, ratio)
                _values(ratio, size, numbers, value)
                if of_others:
                    _steep(ratio, size, numbers)
                    for j in range(size):
                        ratio[j] *= value[j]
                    sums[i, 1] += _dot(p, value, size)
                    sums[i, 2] += _dot(p, ratio, size)
                for j in range(size):
                    p[j] *= ONE + numbers.weight * value[j]
            if of_tau:
                sums[i, 0] += _dot(p, e, size)
            _slopes(q, e, p, size, per_tau, numbers, product[i, place : place + size])


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def _slopes(q, e, p, size, per_tau, numbers, of_q):  # type: ignore[no-untyped-def]
    """Write -p / tau de/dq; see `energies.Pairs`."""
    scale = per_tau / np.sqrt(numbers.c)
    if numbers.squared and numbers.geometry == 1:
        for j in range(size):
            of_q[j] = FOUR * per_tau * p[j]
        return
    bend = ONE - F(numbers.geometry)
    if numbers.squared:
        floor = EPS if numbers.geometry == 2 else TINY
        for j in range(size):
            both = max(q[j] + bend * q[j] * q[j], floor)
            of_q[j] = TWO * scale * p[j] * np.sqrt(e[j] / both)
    else:
        for j in range(size):
            of_q[j] = scale * p[j] / np.sqrt(max(q[j] + bend * q[j] * q[j], EPS))
