"""Functions of float32 numbers as polynomials without branches, for compiled loops.

LLVM makes vectors of loops that call them, which it cannot of those of the C library. Right to
a few eps; the polynomials are Chebyshev fits, with their greatest errors.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

F = np.float32
ZERO, ONE, TWO, HALF, HALF_PI = F(0), F(1), F(2), F(0.5), F(np.pi / 2)
LOWEST, PER_LOG2 = F(-87), F(1 / np.log(2))
LOG2_HIGH, LOG2_LOW = F(0.693359375), F(-2.12194440e-4)  # their sum is log 2
E6, E5, E4, E3, E2 = map(
    F, (1.39414107e-3, 8.37536843e-3, 4.16663493e-2, 0.166664126, 0.500000005)
)  # of e^r for |r| <= log(2) / 2; 2e-9
L2, L1, L0 = map(F, (0.295821589, 0.399887318, 0.666666852))  # of (2 atanh(s)/s - 2)/s^2; 2e-7
A6, A5, A4, A3 = map(F, (8.42982009e-2, -4.76147495e-2, 4.78787906e-2, 2.55488437e-2))
A2, A1, A0 = map(F, (4.50644940e-2, 7.49865174e-2, 0.166666731))
# of (asin(s)/s - 1)/s^2 for s^2 <= 1/2; 6e-8
ROOT_HALF = int(np.sqrt(F(0.5)).view(np.int32))
INT, FLOAT = ir.IntType(32), ir.FloatType()


@intrinsic  # type: ignore[untyped-decorator]
def _power_of_two(typing: Any, k: Any) -> Any:
    """Return 2^k of a whole float32 number k in [-126, 127]."""

    def make(context: Any, to: Any, signature: Any, arguments: Any) -> Any:
        exponent = to.add(to.fptosi(arguments[0], INT), INT(127))
        return to.bitcast(to.shl(exponent, INT(23)), FLOAT)

    return types.float32(types.float32), make


@intrinsic  # type: ignore[untyped-decorator]
def _exponent(typing: Any, u: Any) -> Any:
    """Return the whole number k with u 2^-k in [sqrt(1/2), sqrt(2)), as float32; u is normal."""

    def make(context: Any, to: Any, signature: Any, arguments: Any) -> Any:
        bits = to.sub(to.bitcast(arguments[0], INT), INT(ROOT_HALF))
        return to.sitofp(to.ashr(bits, INT(23)), FLOAT)

    return types.float32(types.float32), make


@intrinsic  # type: ignore[untyped-decorator]
def _mantissa(typing: Any, u: Any) -> Any:
    """Return u 2^-k of the same k."""

    def make(context: Any, to: Any, signature: Any, arguments: Any) -> Any:
        bits = to.bitcast(arguments[0], INT)
        k = to.ashr(to.sub(bits, INT(ROOT_HALF)), INT(23))
        return to.bitcast(to.sub(bits, to.shl(k, INT(23))), FLOAT)

    return types.float32(types.float32), make


@numba.njit(error_model="numpy", fastmath={"contract"})  # type: ignore[untyped-decorator]
def exp(x):  # type: ignore[no-untyped-def]
    """Return exp(x) of x up to 80; exp(-87) below it."""
    x = LOWEST if x < LOWEST else x  # NaN stays
    k = np.floor(x * PER_LOG2 + HALF)
    r = x - k * LOG2_HIGH - k * LOG2_LOW
    p = ((((E6 * r + E5) * r + E4) * r + E3) * r + E2) * r * r + r + ONE
    return p * _power_of_two(k)


@numba.njit(error_model="numpy", fastmath={"contract"})  # type: ignore[untyped-decorator]
def _log(s, e):  # type: ignore[no-untyped-def]
    """Return 2 atanh(s) + e log 2, for |s| of at most (sqrt(2) - 1)/(sqrt(2) + 1)."""
    z = s * s
    return s * (TWO + z * ((L2 * z + L1) * z + L0)) + e * LOG2_LOW + e * LOG2_HIGH


@numba.njit(error_model="numpy", fastmath={"contract"})  # type: ignore[untyped-decorator]
def log(u):  # type: ignore[no-untyped-def]
    """Return log(u) of a normal u > 0."""
    t = _mantissa(u) - ONE + ZERO * u  # NaN stays
    return _log(t / (TWO + t), _exponent(u))


@numba.njit(error_model="numpy", fastmath={"contract"})  # type: ignore[untyped-decorator]
def log1p(z):  # type: ignore[no-untyped-def]
    """Return log(1 + z) of z >= 0, with what 1 + z loses by rounding put back."""
    u = ONE + z
    return log(u) + (z - (u - ONE)) / u


@numba.njit(error_model="numpy", fastmath={"contract"})  # type: ignore[untyped-decorator]
def asinh_of_root(q):  # type: ignore[no-untyped-def]
    """Return asinh(sqrt(q)) of q >= 0: log(r + s), r = sqrt(q), s = sqrt(1 + q).

    Where r + s is near 1, (u - 1) / (u + 1) of it is r / (1 + s), which no rounding of u spoils.
    """
    r, s = np.sqrt(q), np.sqrt(ONE + q)
    u = r + s
    e, m = _exponent(u), _mantissa(u) + ZERO * u  # NaN stays
    above = r if e == ZERO else m - ONE
    below = s if e == ZERO else m
    return _log(above / (below + ONE), e)


@numba.njit(error_model="numpy", fastmath={"contract"})  # type: ignore[untyped-decorator]
def asin_of_root(h):  # type: ignore[no-untyped-def]
    """Return asin(sqrt(h)) of h in [0, 1]; beyond 1/2 it is pi/2 - asin(sqrt(1 - h))."""
    t = ONE - h if h > HALF else h
    s = np.sqrt(t)
    angle = s + s * t * ((((((A6 * t + A5) * t + A4) * t + A3) * t + A2) * t + A1) * t + A0)
    return HALF_PI - angle if h > HALF else angle
