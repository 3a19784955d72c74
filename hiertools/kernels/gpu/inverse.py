"""Inverse functions that Triton's language lacks, in float32, for other kernels to call."""

import triton
import triton.language as tl


@triton.jit  # type: ignore[untyped-decorator]
def asin(x):  # type: ignore[no-untyped-def]
    """Return asin of x in [-1, 1], right to a few eps.

    asin(s) = s (1 + t P(t)), t = s^2, up to s = 1/2, with P the Chebyshev fit of degree 4 to
    (asin(s) / s - 1) / t on [0, 1/4] (greatest error 7e-8); beyond it pi/2 - 2 asin(sqrt((1-x)/2)).
    """
    size = tl.abs(x)
    beyond = size > 0.5
    t = tl.where(beyond, (1 - size) / 2, size * size)
    s = tl.where(beyond, tl.sqrt_rn(t), size)
    p = ((0.0380850235611 * t + 0.0265545422062) * t + 0.0450013800699) * t
    p = (p + 0.074988550726) * t + 0.166666724148
    angle = s + s * t * p
    angle = tl.where(beyond, 1.5707963267948966 - 2 * angle, angle)
    return tl.where(x < 0, -angle, angle)


@triton.jit  # type: ignore[untyped-decorator]
def direction(rise, run):  # type: ignore[no-untyped-def]
    """Return atan2(rise, run) for rise >= 0: in [0, pi]; pi/2 where both are 0."""
    steep = rise >= tl.abs(run)
    longest = tl.maximum(rise, tl.abs(run))
    held = tl.where(longest == 0, 1.0, longest)
    short = tl.where(steep, run, rise) / held
    angle = asin(short / tl.sqrt_rn(1 + short * short))
    flat = tl.where(run < 0, 3.141592653589793 - angle, angle)
    return tl.where(steep, 1.5707963267948966 - angle, flat)


@triton.jit  # type: ignore[untyped-decorator]
def log1p(z):  # type: ignore[no-untyped-def]
    """Return log(1 + z) of z >= 0: z log(u) / (u - 1) with u = 1 + z as rounded (Kahan)."""
    u = 1 + z
    rest = u - 1
    return tl.where(rest == 0, z, tl.log(u) * z / tl.where(rest == 0, 1.0, rest))


@triton.jit  # type: ignore[untyped-decorator]
def asinh_of_root(q):  # type: ignore[no-untyped-def]
    """Return asinh(sqrt(q)) of q >= 0."""
    return log1p(q / (1 + tl.sqrt_rn(1 + q)) + tl.sqrt_rn(q))
