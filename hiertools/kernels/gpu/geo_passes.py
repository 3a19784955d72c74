"""The passes over tiles of pairs of `gpu.geo_contrast`: what runs on the GPU.

x (n x d) and y (m x d) are images and entities, with their side numbers; u (3 x n) and w (3 x m)
their places; positive (n) the entity of each image; scalars hold tau, weight and sigma. BN images
and BM entities are a tile; BK coordinates are multiplied together.
"""

import triton
import triton.language as tl

from hiertools.kernels.gpu.energies import energies, products, slopes
from hiertools.kernels.gpu.inverse import asin, log1p
from hiertools.kernels.gpu.tuning import Entry, tuned

TABLE = [  # none of these spills registers, as compiled for an H100
    Entry({"BN": 32, "BM": 64, "BK": 32}),
    Entry({"BN": 64, "BM": 64, "BK": 16}, warps=8),
    Entry({"BN": 32, "BM": 128, "BK": 32}, warps=8),
    Entry({"BN": 64, "BM": 64, "BK": 32}, warps=8),
]
PULLS = [
    Entry({"BN": 32, "BM": 32, "BK": 32}),
    Entry({"BN": 32, "BM": 32, "BK": 16}),
    Entry({"BN": 32, "BM": 64, "BK": 32}, warps=8),
]
ENTITY_PULLS = [*PULLS, Entry({"BN": 64, "BM": 64, "BK": 16}, warps=8)]


@triton.jit  # type: ignore[untyped-decorator]
def _weights(  # type: ignore[no-untyped-def]
    u, w, rows, columns, n, m, weight, sigma, power, NEAR: tl.constexpr
):
    """Return the kernel's value and slope, sigma d/dsigma of its logarithm, and w of pairs."""
    a = tl.zeros([rows.shape[0], columns.shape[0]], tl.float32)
    for axis in tl.static_range(3):
        one = tl.load(u + axis * n + rows, mask=rows < n, other=0.0)
        other = tl.load(w + axis * m + columns, mask=columns < m, other=0.0)
        gap = one[:, None] - other[None, :]
        a += gap * gap / 4
    ratio = asin(tl.sqrt_rn(tl.minimum(a, 1.0))) * (2 / sigma)
    if NEAR == 1:
        value, slope = tl.exp(-ratio), ratio
    elif NEAR == 2:
        value, slope = tl.exp(-ratio * ratio), 2 * ratio * ratio
    else:
        value, slope = tl.exp(-power * log1p(ratio)), power * ratio / (1 + ratio)
    return value, slope, 1 + weight * value


@triton.jit  # type: ignore[untyped-decorator]
def _tile(  # type: ignore[no-untyped-def]
    x, y, x_sides, y_sides, rows, columns, n, m, d, c, GEOMETRY: tl.constexpr,
    SQUARED: tl.constexpr, BN: tl.constexpr, BM: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    """Return e and q of a tile of pairs."""
    a = tl.load(x_sides + rows, mask=rows < n, other=1.0)
    f = tl.load(x_sides + n + rows, mask=rows < n, other=1.0)
    b = tl.load(y_sides + columns, mask=columns < m, other=1.0)
    g = tl.load(y_sides + m + columns, mask=columns < m, other=1.0)
    product = products(x, y, rows, columns, n, m, d, BN, BM, BK)
    return energies(product, a, f, b, g, c, GEOMETRY, SQUARED)


@tuned(TABLE, key=["d", "GEOMETRY", "NEAR"])
@triton.jit  # type: ignore[untyped-decorator]
def add_up(  # type: ignore[no-untyped-def]
    x, y, x_sides, y_sides, u, w, positive, scalars, n, m, d, c, power, best, total, parts,
    GEOMETRY: tl.constexpr, SQUARED: tl.constexpr, NEAR: tl.constexpr,
    BN: tl.constexpr, BM: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    """Write the greatest -e / tau of a part's entities, and the sum of w exp(-e / tau - it)."""
    rows = tl.program_id(0).to(tl.int64) * BN + tl.arange(0, BN)
    part = tl.program_id(1).to(tl.int64)
    own = tl.load(positive + rows, mask=rows < n, other=-1)
    tau, weight, sigma = tl.load(scalars), tl.load(scalars + 1), tl.load(scalars + 2)
    highest = tl.full([BN], -3.0e38, tl.float32)
    summed = tl.zeros([BN], tl.float32)
    tiles = tl.cdiv(m, BM)
    each = tl.cdiv(tiles, parts)
    for tile in range(part * each, tl.minimum(tiles, part * each + each)):
        columns = tile * BM + tl.arange(0, BM)
        e, _ = _tile(
            x, y, x_sides, y_sides, rows, columns, n, m, d, c, GEOMETRY, SQUARED, BN, BM, BK
        )
        there = (columns < m)[None, :] & (columns[None, :] != own[:, None])
        scores = tl.where(there, -e / tau, -float("inf"))
        higher = tl.maximum(highest, tl.max(scores, 1))
        terms = tl.exp(scores - higher[:, None])
        if NEAR:
            _, _, more = _weights(u, w, rows, columns, n, m, weight, sigma, power, NEAR)
            terms *= more
        summed = summed * tl.exp(highest - higher) + tl.sum(terms, 1)
        highest = higher
    tl.store(best + part * n + rows, highest, mask=rows < n)
    tl.store(total + part * n + rows, summed, mask=rows < n)


@triton.jit  # type: ignore[untyped-decorator]
def _pull(  # type: ignore[no-untyped-def]
    x, y, x_sides, y_sides, u, w, positive, scalars, n, m, d, c, power, repelled, share,
    rows, columns, GEOMETRY: tl.constexpr, SQUARED: tl.constexpr, NEAR: tl.constexpr,
    BN: tl.constexpr, BM: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    """Return dL/dq of a tile, and p e, p kernel / w, and the same times the kernel's slope."""
    tau, weight, sigma = tl.load(scalars), tl.load(scalars + 1), tl.load(scalars + 2)
    own = tl.load(positive + rows, mask=rows < n, other=-1)
    r = tl.load(repelled + rows, mask=rows < n, other=float("inf"))
    s = tl.load(share + rows, mask=rows < n, other=0.0)
    e, q = _tile(x, y, x_sides, y_sides, rows, columns, n, m, d, c, GEOMETRY, SQUARED, BN, BM, BK)
    there = (columns < m)[None, :] & (columns[None, :] != own[:, None])
    p = tl.where(there, tl.exp(-e / tau - r[:, None]), 0.0) * s[:, None]
    near, steep = tl.zeros_like(p), tl.zeros_like(p)
    if NEAR:
        value, slope, more = _weights(u, w, rows, columns, n, m, weight, sigma, power, NEAR)
        near = p * value
        steep = near * slope
        p *= more
    of_q = -p / tau * slopes(e, q, c, GEOMETRY, SQUARED)
    return of_q, p * e, near, steep


@tuned(PULLS, key=["d", "GEOMETRY", "NEAR"])
@triton.jit  # type: ignore[untyped-decorator]
def pull_images(  # type: ignore[no-untyped-def]
    x, y, x_sides, y_sides, u, w, positive, scalars, n, m, d, c, power, repelled, share,
    pulled, sums, parts, WIDE: tl.constexpr, GEOMETRY: tl.constexpr, SQUARED: tl.constexpr,
    NEAR: tl.constexpr, BN: tl.constexpr, BM: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    """Write what a part's entities pull at images: sums of dL/dq times coordinates and time."""
    rows = tl.program_id(0).to(tl.int64) * BN + tl.arange(0, BN)
    part = tl.program_id(1).to(tl.int64)
    wide = tl.program_id(2) * WIDE + tl.arange(0, WIDE)
    of_coordinates = tl.zeros([BN, WIDE], tl.float32)
    of_time, of_tau = tl.zeros([BN], tl.float32), tl.zeros([BN], tl.float32)
    of_weight, of_sigma = tl.zeros([BN], tl.float32), tl.zeros([BN], tl.float32)
    tiles = tl.cdiv(m, BM)
    each = tl.cdiv(tiles, parts)
    for tile in range(part * each, tl.minimum(tiles, part * each + each)):
        columns = tile * BM + tl.arange(0, BM)
        of_q, energy, near, steep = _pull(
            x, y, x_sides, y_sides, u, w, positive, scalars, n, m, d, c, power, repelled, share,
            rows, columns, GEOMETRY, SQUARED, NEAR, BN, BM, BK,
        )  # fmt: skip
        inside = (columns < m)[:, None] & (wide < d)[None, :]
        points = tl.load(y + columns[:, None] * d + wide[None, :], mask=inside, other=0.0)
        of_coordinates += tl.dot(of_q, points, input_precision="ieee")
        time = 1.0
        if GEOMETRY == 0:
            b = tl.load(y_sides + columns, mask=columns < m, other=0.0)
            time = tl.sqrt_rn(1 + b * b)[None, :]
        of_time += tl.sum(of_q * time, 1)
        of_tau += tl.sum(energy, 1)
        of_weight += tl.sum(near, 1)
        of_sigma += tl.sum(steep, 1)
    place = (part * n + rows) * (d + 1)
    inside = (rows < n)[:, None] & (wide < d)[None, :]
    tl.store(pulled + place[:, None] + wide[None, :], of_coordinates, mask=inside)
    once = (rows < n) & (tl.program_id(2) == 0)
    tl.store(pulled + place + d, of_time, mask=once)
    tl.store(sums + part * n + rows, of_tau, mask=once)
    tl.store(sums + (parts + part) * n + rows, of_weight, mask=once)
    tl.store(sums + (2 * parts + part) * n + rows, of_sigma, mask=once)


@tuned(ENTITY_PULLS, key=["d", "GEOMETRY", "NEAR"])
@triton.jit  # type: ignore[untyped-decorator]
def pull_entities(  # type: ignore[no-untyped-def]
    x, y, x_sides, y_sides, u, w, positive, scalars, n, m, d, c, power, repelled, share,
    of_y, WIDE: tl.constexpr, GEOMETRY: tl.constexpr, SQUARED: tl.constexpr,
    NEAR: tl.constexpr, BN: tl.constexpr, BM: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    """Write the gradients of entities, c/2 (y pulled_time / time - pulled), over all images."""
    columns = tl.program_id(0).to(tl.int64) * BM + tl.arange(0, BM)
    wide = tl.program_id(2) * WIDE + tl.arange(0, WIDE)
    of_coordinates = tl.zeros([BM, WIDE], tl.float32)
    of_time = tl.zeros([BM], tl.float32)
    for start in range(0, n, BN):
        rows = start + tl.arange(0, BN).to(tl.int64)
        of_q, _, _, _ = _pull(
            x, y, x_sides, y_sides, u, w, positive, scalars, n, m, d, c, power, repelled, share,
            rows, columns, GEOMETRY, SQUARED, NEAR, BN, BM, BK,
        )  # fmt: skip
        inside = (rows < n)[:, None] & (wide < d)[None, :]
        points = tl.load(x + rows[:, None] * d + wide[None, :], mask=inside, other=0.0)
        of_coordinates += tl.dot(tl.trans(of_q), points, input_precision="ieee")
        time = 1.0
        if GEOMETRY == 0:
            a = tl.load(x_sides + rows, mask=rows < n, other=0.0)
            time = tl.sqrt_rn(1 + a * a)[:, None]
        of_time += tl.sum(of_q * time, 0)
    inside = (columns < m)[:, None] & (wide < d)[None, :]
    places = columns[:, None] * d + wide[None, :]
    points = tl.load(y + places, mask=inside, other=0.0)
    if GEOMETRY == 0:
        b = tl.load(y_sides + columns, mask=columns < m, other=0.0)
        of_time /= tl.sqrt_rn(1 + b * b)
    gradient = c / 2 * (points * of_time[:, None] - of_coordinates)
    tl.store(of_y + places, gradient, mask=inside)
