"""Distances, weights and slopes of a piece of pairs of the geo contrast, for compiled loops.

A piece is a few entities with all images, one row after another. Each step is a loop of its own
over numbers that stay in the first cache; the choices are made around the loops, not in them.
"""

from typing import NamedTuple

import numba
import numpy as np

from hiertools.kernels.vector_math import asin_of_root, asinh_of_root, exp, log1p

F = np.float32
TINY, EPS = np.finfo(F).tiny, np.finfo(F).eps
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
def squares(product, place, first, rows, sides, numbers, q):  # type: ignore[no-untyped-def]
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
def energies(q, size, numbers, e):  # type: ignore[no-untyped-def]
    """Write distances, or their squares."""
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
def ratios(first, rows, sides, numbers, ratio):  # type: ignore[no-untyped-def]
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
def values(ratio, size, numbers, value):  # type: ignore[no-untyped-def]
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
def steep(ratio, size, numbers):  # type: ignore[no-untyped-def]
    """Overwrite g / sigma with sigma d/dsigma of the kernel's logarithm."""
    for k in range(size):
        r = ratio[k]
        if numbers.near == 1:
            ratio[k] = r
        elif numbers.near == 2:
            ratio[k] = TWO * r * r
        else:
            ratio[k] = numbers.power * r / (ONE + r)


@numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
def slopes(q, e, p, size, per_tau, numbers):  # type: ignore[no-untyped-def]
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
