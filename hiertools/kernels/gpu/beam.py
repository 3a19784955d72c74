"""The twin of `kernels.beam`: a program for each query, and a launch for each level.

A program goes through the ranges of children of its query's paths, a tile of rows at a time. A path
is one number, its mean in float32 above and its row, negated, below: the greatest are the best, and
of two that are the same the first row is. A tile is sorted and merged into the best only if it has
a number greater than the least of them. What the number of values in a path is follows from its
row, and so it is with the path that has none so far: both are found once, and stay on the GPU.

To be judged on an H100 (3.35 TB/s; 67 TFLOP/s in float32), for 256 queries, a width of 10 and
244,000 entities of 128 dimensions: a query looks at some 700 entities of 512 bytes, 90 MB in all,
of which the upper levels (18 MB) stay in the cache of 50 MB: 0.03 ms if all came from memory. 400
operations a pair are 0.07 GFLOP, nothing. But 256 programs are two for each processor, each of
which waits for some 60 tiles one after the other, about 1 us each with its sum: 0.06 ms, and 0.01
ms for each of four launches. So 0.1 ms a batch, 0.4 us a query; a query alone takes as long. The
tree is 125 MB there. Times and their difference are float64, one of them for 400 operations.
"""

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from hiertools.kernels.beam import NONE, Nodes, Points, Rows, Values
from hiertools.kernels.gpu.inverse import asin, asinh_of_root
from hiertools.kernels.gpu.tuning import Entry, tuned
from hiertools.kernels.path_values import Rule

WIDEST = 512  # paths that a program keeps in registers
LEAST = tl.constexpr(-(2**63))  # less than any path
BITS = tl.constexpr(2**31 - 1)
NUMBERS = tl.constexpr(4096)  # of a tile of coordinates
TABLE = [
    Entry({"MORE": 1}),
    Entry({"MORE": 2}),
    Entry({"MORE": 4}, warps=8),
]


class Expansion:
    """A hierarchy on a GPU, whose best paths are looked for."""

    def __init__(
        self, nodes: Nodes, *, widths: Rows, weights: Values, rule: Rule, device: torch.device
    ) -> None:
        self._widths, self._weights = widths.tolist(), weights.tolist()
        self._rule, self._device = rule, device
        self._depth = len(nodes.offsets) - 1
        names, self._bare = _names(nodes, last=rule.last)
        ranges = np.concatenate([nodes.children, nodes.offsets[None, :2]])  # of all, see `_names`
        self._nodes = [
            torch.from_numpy(np.ascontiguousarray(numbers)).to(device)
            for numbers in (nodes.points, nodes.sides, ranges, names, nodes.implicit)
        ]

    def __call__(self, queries: Points, sides: Values, shifts: Values) -> Rows:
        """Return the rows of the last level where the best paths end, as `beam` does."""
        asked = [
            torch.from_numpy(np.ascontiguousarray(numbers)).to(self._device)
            for numbers in (queries, sides, shifts)
        ]
        before = asked[0].new_empty((len(queries), 0), dtype=torch.int64)
        for level in range(self._depth):
            before = self._level(asked, before, level)
        rows = np.asarray(BITS.value - (before & 0xFFFFFFFF).cpu().numpy())
        return np.where(before.cpu().numpy() == LEAST.value, NONE, rows)

    def _level(self, asked: list[Tensor], before: Tensor, level: int) -> Tensor:
        rule, (queries, d), width = self._rule, asked[0].shape, self._widths[level]
        after = before.new_empty(queries, width)
        if queries:
            _expand[(queries,)](
                *asked, *self._nodes, before, after, before.shape[1], self._bare[level], width,
                level, self._depth, d, self._weights[level], rule.c,
                GEOMETRY=rule.geometry, SQUARED=rule.squared, INNER=rule.inner, LAST=rule.last,
                WIDE=max(16, triton.next_power_of_2(width)), D=triton.next_power_of_2(d),
            )  # fmt: skip
        return after


def _names(nodes: Nodes, *, last: bool) -> tuple[Rows, list[int]]:
    """Return the number of values of the path to each row, and the row of none for each level.

    The row of none is what the path goes on from that has no name before that level: at the top a
    row of its own, behind all others, whose children are those of the top.
    """
    names = np.zeros(len(nodes.sides) + 1, np.int64)
    bare = [len(nodes.sides)]
    for level in range(len(nodes.offsets) - 1):
        here = slice(nodes.offsets[level], nodes.offsets[level + 1])
        names[here] += ~nodes.implicit[here]
        for row in range(here.start, here.stop):
            first, end = nodes.children[row]
            names[first:end] = names[row]
        hidden = NONE
        if bare[level] != NONE:
            first, end = nodes.children[bare[level]] if level else nodes.offsets[:2]
            of_none = np.flatnonzero(nodes.implicit[first:end])
            hidden = int(first + of_none[-1]) if len(of_none) else NONE
        bare.append(hidden)
    return np.minimum(names, 1) if last else names, bare


@triton.jit  # type: ignore[untyped-decorator]
def _value(  # type: ignore[no-untyped-def]
    squared, x_side, y_side, weight, c, GEOMETRY: tl.constexpr, SQUARED: tl.constexpr,
    INNER: tl.constexpr,
):  # fmt: skip
    """Return values of |x - y|^2."""
    if GEOMETRY == 0:
        outward = x_side - y_side
        squared = tl.maximum(squared.to(tl.float64) - outward * outward, 0.0).to(tl.float32)
    if INNER:
        if GEOMETRY == 0:
            value = -1 / c - squared / 2
        else:
            value = (x_side + y_side - squared.to(tl.float64) / 2).to(tl.float32)
    else:
        if GEOMETRY == 0:
            d = asinh_of_root(squared * (c / 4)) * (2 / tl.sqrt_rn(c))
        elif GEOMETRY == 1:
            d = tl.sqrt_rn(squared)
        else:
            d = asin(tl.sqrt_rn(tl.minimum(squared * (c / 4), 1.0))) * (2 / tl.sqrt_rn(c))
        if SQUARED:
            d = d * d
        value = -weight * d
    return value


@triton.jit  # type: ignore[untyped-decorator]
def _packed(mean, rows):  # type: ignore[no-untyped-def]
    """Return numbers in the order of paths; -0 is 0."""
    bits = tl.where(mean == 0, 0.0, mean).to(tl.int32, bitcast=True)
    bits = tl.where(bits < 0, bits ^ BITS, bits)
    return (bits.to(tl.int64) << 32) | (BITS - rows)


@triton.jit  # type: ignore[untyped-decorator]
def _mean(packed):  # type: ignore[no-untyped-def]
    bits = (packed >> 32).to(tl.int32)
    return tl.where(bits < 0, bits ^ BITS, bits).to(tl.float32, bitcast=True)


@tuned(TABLE, key=["d", "WIDE", "GEOMETRY"])
@triton.jit  # type: ignore[untyped-decorator]
def _expand(  # type: ignore[no-untyped-def]
    queries, query_sides, shifts, points, sides, ranges, names, implicit, before, after, count,
    bare, width, level, depth, d, weight, c, GEOMETRY: tl.constexpr, SQUARED: tl.constexpr,
    INNER: tl.constexpr, LAST: tl.constexpr, WIDE: tl.constexpr, D: tl.constexpr,
    MORE: tl.constexpr,
):  # fmt: skip
    """Write the best of the children of a query's paths, and of the path without a value."""
    BM: tl.constexpr = WIDE * MORE
    BK: tl.constexpr = min(D, max(1, NUMBERS // BM))
    query = tl.program_id(0).to(tl.int64)
    x_side = tl.load(query_sides + query)
    shift = tl.load(shifts + query * depth + level).to(tl.float32)
    best = tl.full([BM], LEAST, tl.int64)  # the greatest first
    least = tl.min(best)
    for i in range(0, count + 1):
        path = tl.load(before + query * count + i, mask=i < count, other=LEAST)
        row = tl.where(i < count, BITS - (path & 0xFFFFFFFF), bare)
        if (row >= 0) & ((i == count) | (path != LEAST)):
            named = tl.load(names + row)
            mean = tl.where(named > 0, _mean(path), 0.0)
            first, end = tl.load(ranges + 2 * row), tl.load(ranges + 2 * row + 1)
            for start in range(first, end, BM):
                rows = start + tl.arange(0, BM).to(tl.int64)
                there = rows < end
                squared = tl.zeros([BM], tl.float32)
                for k in range(0, d, BK):
                    column = k + tl.arange(0, BK)
                    x = tl.load(queries + query * d + column, mask=column < d, other=0.0)
                    inside = there[:, None] & (column < d)[None, :]
                    y = tl.load(
                        points + rows[:, None] * d + column[None, :], mask=inside, other=0.0
                    )
                    gap = tl.where(inside, x[None, :] - y, 0.0)
                    squared += tl.sum(gap * gap, 1)
                y_side = tl.load(sides + rows, mask=there, other=0.0)
                worth = shift + _value(squared, x_side, y_side, weight, c, GEOMETRY, SQUARED, INNER)
                if not LAST:
                    worth = (mean * named + worth) / (named + 1)
                hidden = tl.load(implicit + rows, mask=there, other=1) != 0
                means = tl.where(hidden, mean, worth)
                there = there & ((hidden == 0) | (named > 0))
                found = tl.where(there, _packed(means, rows), LEAST)
                if tl.max(found) > least:
                    # Of two sorted halves against each other the greater ones are the best.
                    best = tl.sort(tl.maximum(best, tl.sort(found)), descending=True)
                    kept = tl.where(tl.arange(0, BM) < width, best, 2**63 - 1)
                    least = tl.min(kept)
    place = tl.arange(0, BM)
    tl.store(after + query * width + place, best, mask=place < width)
