"""Distances of tiles of pairs and their slopes, for other kernels: the twin of `kernels.energies`.

GEOMETRY is a place in `energies.NAMES`; of a point its numbers a and f come along, as
`energies.sides` has them.
"""

import torch
import triton
import triton.language as tl

from hiertools.kernels.gpu.inverse import asin, asinh_of_root

EPS = tl.constexpr(torch.finfo(torch.float32).eps)
TINY = tl.constexpr(torch.finfo(torch.float32).tiny)


@triton.jit  # type: ignore[untyped-decorator]
def products(  # type: ignore[no-untyped-def]
    x, y, rows, columns, n, m, d, BN: tl.constexpr, BM: tl.constexpr, BK: tl.constexpr
):
    """Return the inner products of rows of x with columns of y, contiguous n x d and m x d."""
    total = tl.zeros([BN, BM], tl.float32)
    for start in range(0, d, BK):
        k = start + tl.arange(0, BK)
        inside = k < d
        left = tl.load(
            x + rows[:, None] * d + k[None, :],
            mask=(rows < n)[:, None] & inside[None, :],
            other=0.0,
        )
        right = tl.load(
            y + columns[:, None] * d + k[None, :],
            mask=(columns < m)[:, None] & inside[None, :],
            other=0.0,
        )
        total += tl.dot(left, tl.trans(right), input_precision="ieee")
    return total


@triton.jit  # type: ignore[untyped-decorator]
def energies(  # type: ignore[no-untyped-def]
    product, a, f, b, g, c, GEOMETRY: tl.constexpr, SQUARED: tl.constexpr
):
    """Return e and q of pairs, of side numbers a, f (n) and b, g (m); e is d^2 if SQUARED."""
    if GEOMETRY == 2:
        q = (1 - c * product) / 2
        q = tl.where(q < 0, 0.0, tl.where(q > 1, 1.0, q))  # NaN stays
    else:
        q = tl.maximum((a[:, None] * b[None, :] - c * product) / 2, 0.0)
        if GEOMETRY == 0:
            outward = (f[:, None] / g[None, :] - g[None, :] / f[:, None]) / 2
        else:
            outward = (f[:, None] - g[None, :]) / 2
        q += outward * outward
    if GEOMETRY == 0:
        d = asinh_of_root(q) * (2 / tl.sqrt_rn(c))
    elif GEOMETRY == 1:
        d = 2 * tl.sqrt_rn(q)
    else:
        d = asin(tl.sqrt_rn(q)) * (2 / tl.sqrt_rn(c))
    e = d
    if SQUARED:
        e = d * d
    return e, q


@triton.jit  # type: ignore[untyped-decorator]
def slopes(e, q, c, GEOMETRY: tl.constexpr, SQUARED: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return de/dq; 0 where q is 0."""
    if SQUARED and GEOMETRY == 1:
        slope = tl.full(q.shape, 4.0, tl.float32)
    else:
        bend = 0.0
        if GEOMETRY == 0:
            bend = 1.0
        elif GEOMETRY == 2:
            bend = -1.0
        both = q + bend * q * q
        if SQUARED:
            floor = TINY
            if GEOMETRY == 2:
                floor = EPS
            slope = 2 / tl.sqrt_rn(c) * tl.sqrt_rn(e / tl.maximum(both, floor))
        else:
            slope = 1 / tl.sqrt_rn(c * tl.maximum(both, EPS))
    return slope
