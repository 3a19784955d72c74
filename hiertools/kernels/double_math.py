"""Functions of float64 numbers without branches, for compiled loops: `vector_math` of doubles."""

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

LOWEST, PER_LOG2 = -700.0, 1 / math.log(2)
LOG2_HIGH, LOG2_LOW = 0.693147180369123816490, 1.90821492927058770e-10  # their sum is log 2
T2, T3, T4, T5, T6, T7, T8, T9, T10, T11, T12, T13 = (1 / math.factorial(n) for n in range(2, 14))
A0, A1, A2, A3, A4, A5 = (
    -0.333333333333333302, 0.199999999999955207, -0.142857142846665429, 0.111111110152563617,
    -0.0909090457812390189, 0.0769218319082608656,
)  # fmt: skip
A6, A7, A8, A9, A10 = (
    -0.06664511447381948,
    0.0585814891280220988,
    -0.0508544973794025986,
    0.0392316582955871913,
    -0.019176887119062259,
)  # of (atan(s)/s - 1)/s^2 for s <= tan(pi/8), a Chebyshev fit; 3e-17
SMALLEST = 1e-300
TAN_EIGHTH, QUARTER, HALF = math.tan(math.pi / 8), math.pi / 4, math.pi / 2


@intrinsic  # type: ignore[untyped-decorator]
def _power_of_two(typing: Any, k: Any) -> Any:
    """Return 2^k of a whole float64 number k in [-1022, 1023]."""
    short, long = ir.IntType(32), ir.IntType(64)

    def make(context: Any, to: Any, signature: Any, arguments: Any) -> Any:
        exponent = to.zext(to.add(to.fptosi(arguments[0], short), short(1023)), long)
        return to.bitcast(to.shl(exponent, long(52)), ir.DoubleType())

    return types.float64(types.float64), make


@numba.njit(error_model="numpy", fastmath={"contract"})  # type: ignore[untyped-decorator]
def exp(x):  # type: ignore[no-untyped-def]
    """Return exp(x) of x up to 700; exp(-700) below -700."""
    x = LOWEST if x < LOWEST else x  # NaN stays
    k = np.floor(x * PER_LOG2 + 0.5)
    r = x - k * LOG2_HIGH - k * LOG2_LOW
    p = (((((T13 * r + T12) * r + T11) * r + T10) * r + T9) * r + T8) * r + T7
    p = (((((p * r + T6) * r + T5) * r + T4) * r + T3) * r + T2) * r * r + r + 1
    return p * _power_of_two(k)


@numba.njit(error_model="numpy", fastmath={"contract"})  # type: ignore[untyped-decorator]
def atan2(y, x):  # type: ignore[no-untyped-def]
    """Return atan2(y, x) of y >= 0, and 0 where both are 0."""
    size = abs(x)
    low, high = (size, y) if y > size else (y, size)
    above = low > TAN_EIGHTH * high
    part = low - high if above else low
    whole = low + high if above else high
    s = part / (SMALLEST if whole < SMALLEST else whole)
    w = s * s
    p = (((((A10 * w + A9) * w + A8) * w + A7) * w + A6) * w + A5) * w + A4
    p = (((p * w + A3) * w + A2) * w + A1) * w + A0
    angle = s + s * w * p + (QUARTER if above else 0.0)
    angle = HALF - angle if y > size else angle
    return math.pi - angle if x < 0 else angle
