"""Intervals of keys in Triton: what the scans on a GPU, `gpu.scans` and `gpu.counting`, share.

A cosine of float32 products is within g of what it is, so a pair's key is between two numbers,
low and high. Keys and formulas are those of `kernels.counting_loops`; queries go in as vectors of
length 1. A number that float32 cannot hold becomes an infinite end, which rules nothing out.
"""

from typing import NamedTuple

import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from hiertools.kernels.gpu.energies import products
from hiertools.kernels.gpu.tuning import Entry, tuned
from hiertools.kernels.ranked import (
    Radii,
    Ranked,
    columns,
    cosine_errors,
    directions,
    inverses,
    of_norms,
    radii,
)

PAIRS = 1 << 24  # whose intervals are there together: 128 MB
UNITS = tl.constexpr(2.0**-21)  # eight units of rounding
TABLE = [  # none of these spills registers, as compiled for an H100
    Entry({"BN": 64, "BM": 64, "BK": 16}),
    Entry({"BN": 64, "BM": 64, "BK": 32}, warps=8),
    Entry({"BN": 64, "BM": 128, "BK": 32}, warps=8),
    Entry({"BN": 64, "BM": 128, "BK": 16}, warps=8),
]


class Side(NamedTuple):
    """Queries or points: rows, of queries as vectors of length 1; near, flat: see `columns`.

    last: what a cosine of a query is wrong by, or the inverse of a point's norm.
    """

    rows: Float[Tensor, "n d"]
    radii: Radii
    near: Float[Tensor, " n"]
    flat: Float[Tensor, " n"]
    last: Float[Tensor, " n"]

    def part(self, rows: slice) -> "Side":
        """Return some of them."""
        of = Radii(*(column[rows] for column in self.radii))
        return Side(self.rows[rows], of, self.near[rows], self.flat[rows], self.last[rows])


def query_side(ranked: Ranked, x: Float[Tensor, "b d"]) -> Side:
    """Return the side of queries."""
    of = radii(x, ranked)
    near, flat = columns(ranked, of, of_query=True)
    unit = directions(x, of.norm).contiguous()
    return Side(unit, of, near, flat, cosine_errors(of.norm, x.shape[1]))


def point_side(ranked: Ranked, y: Float[Tensor, "n d"], norms: Tensor | None) -> Side:
    """Return the side of points. norms: None if they are not known."""
    of = radii(y, ranked) if norms is None else of_norms(norms, ranked)
    near, flat = columns(ranked, of, of_query=False)
    return Side(y.contiguous(), of, near, flat, inverses(of.norm))


def intervals(ranked: Ranked, x: Side, y: Side) -> tuple[Tensor, Tensor]:
    """Return float32 numbers that the key of each pair is between (b x n each)."""
    (b, d), n = x.rows.shape, len(y.rows)
    low, high = x.rows.new_empty(2, b, n)
    if b and n:
        kind = 0 if ranked.by != "angle" else 1 if ranked.at == "query" else 2
        tiles = lambda meta: (triton.cdiv(n, meta["BM"]), triton.cdiv(b, meta["BN"]))  # noqa: E731
        write[tiles](
            x.rows, y.rows, x.near, x.flat, x.last, y.near, y.flat, y.last, low, high, b, n, d,
            KIND=kind, FARTHEST=kind > 0 and ranked.farthest,
        )  # fmt: skip
    return low, high


@triton.jit  # type: ignore[untyped-decorator]
def _of_angles(cosine, g, near, far, flat):  # type: ignore[no-untyped-def]
    """Return what run/(|run| + rise) is between; near: of the point where the angle is."""
    size, run = tl.abs(cosine), far * cosine - near
    inner, outer = tl.maximum(size - g, 0.0), tl.minimum(size + g, 1.0)
    most = flat * far * tl.sqrt_rn(tl.maximum(1 - inner * inner, 0.0)) * (1 + UNITS)
    least = flat * far * tl.sqrt_rn(1 - outer * outer) * (1 - UNITS)
    error = g * far + UNITS * near
    first, last = run - error, run + error
    below = tl.abs(first) + tl.where(first > 0, most, least)
    above = tl.abs(last) + tl.where(last > 0, least, most)
    low = tl.where(below > 0, tl.div_rn(first, tl.where(below > 0, below, 1.0)) - UNITS, -1.0)
    high = tl.where(above > 0, tl.div_rn(last, tl.where(above > 0, above, 1.0)) + UNITS, 1.0)
    return low, high


@tuned(TABLE, key=["d", "KIND"])
@triton.jit  # type: ignore[untyped-decorator]
def write(  # type: ignore[no-untyped-def]
    x, y, x_near, x_flat, x_error, y_near, y_flat, y_inverse, low, high, n, m, d,
    KIND: tl.constexpr, FARTHEST: tl.constexpr,
    BN: tl.constexpr, BM: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    """Write both ends. KIND: 0 for keys linear in the cosine, 1 for angles at x, 2 at y."""
    columns = tl.program_id(0).to(tl.int64) * BM + tl.arange(0, BM)
    rows = tl.program_id(1).to(tl.int64) * BN + tl.arange(0, BN)
    product = products(x, y, rows, columns, n, m, d, BN, BM, BK)
    a = tl.load(x_near + rows, mask=rows < n, other=0.0)[:, None]
    g = tl.load(x_error + rows, mask=rows < n, other=0.0)[:, None]
    b = tl.load(y_near + columns, mask=columns < m, other=0.0)[None, :]
    flat = tl.load(y_flat + columns, mask=columns < m, other=0.0)[None, :]
    cosine = product * tl.load(y_inverse + columns, mask=columns < m, other=0.0)[None, :]
    cosine = tl.where(tl.abs(cosine) <= 2, cosine, float("nan"))  # of norms without an inverse
    if KIND == 0:
        slope = a * b
        key, error = flat + slope * cosine, g * slope + UNITS * tl.abs(flat)
        least, most = key - error, key + error
    elif KIND == 1:
        flat = tl.load(x_flat + rows, mask=rows < n, other=0.0)[:, None]
        least, most = _of_angles(cosine, g, a, b, flat)
    else:
        least, most = _of_angles(cosine, g, b, a, flat)
    if FARTHEST:
        least, most = -most, -least
    least = tl.where(least == least, least, -float("inf"))
    most = tl.where(most == most, most, float("inf"))
    places = rows[:, None] * m + columns[None, :]
    inside = (rows < n)[:, None] & (columns < m)[None, :]
    tl.store(low + places, least, mask=inside)
    tl.store(high + places, most, mask=inside)
