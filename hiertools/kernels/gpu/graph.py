"""The twin of `kernels.graph`: three kernels a step of conjugate gradient, in float64.

WIDE right sides lie side by side, n x WIDE of a group after the other, and programs of a group run
one after the other, so that what they gather is in the cache. `_image` multiplies by the graph and
by the direction, `_advance` moves f and the residual, `_turn` the direction; sums over n are of
parts in a fixed order: the same bytes each time. A right side that is near enough stays as it is.

To be judged on an H100 (3.35 TB/s, 50 MB of cache at some 5.5 TB/s, 33 TFLOP/s in float64), for
100,000 items with 30 links and 256 right sides: a vector of all is 205 MB, of a group 26 MB. A step
gathers 6.1 GB of directions from the cache (1.1 ms) and moves 11 vectors (2 + 6 + 3) and 8 times
the graph (36 MB): 2.5 GB from memory (0.75 ms). 1.5 GFLOP are nothing. So between 1.2 and 1.9 ms a
step, 24 to 38 ms for twenty. torch.sparse gathers rows of 2 KB of a matrix that is no longer in the
cache (6.1 GB of memory), and goes over 16 vectors (3.3 GB): 2.8 ms a step. A kernel pays, by 1.5 to
2.3. Beside it f goes to the host: 205 MB, 8 ms at 25 GB/s. Memory: five vectors, 1 GB.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from hiertools.kernels.gpu.tuning import Entry, tuned
from hiertools.kernels.graph import Graph, Sides, Values

WIDE = 32  # right sides of a group: rows of 256 bytes, and a vector that the cache holds
PART = 256  # rows of a sum
TABLE = [
    Entry({"BN": 32}),
    Entry({"BN": 16}),
    Entry({"BN": 8}),
    Entry({"BN": 64}, warps=8),
]  # divide PART


def solve(
    graph: Graph,
    sides: Sides,
    *,
    alpha: float,
    tolerance: float,
    iterations: int,
    device: torch.device,
) -> Values:
    """Return f of each right side (b x n), as `kernels.graph.solve` does."""
    starts, columns, values = (
        torch.from_numpy(array).to(device) for array in (graph.starts, graph.columns, graph.values)
    )
    y, n = _spread(sides, len(graph), device), len(graph)
    groups, parts = len(y), triton.cdiv(n, PART)
    f, residual, direction, image = torch.zeros_like(y), y, y.clone(), torch.empty_like(y)
    sums = y.new_empty(groups, parts, WIDE)
    grid, share = (parts, groups), y.new_tensor(alpha)  # a number would go there as float32
    square = (y * y).sum(1)
    enough = square * (tolerance * tolerance)
    for _ in range(iterations):
        going = square > enough
        if not going.any():
            break
        _image[grid](starts, columns, values, direction, image, sums, share, n, PART=PART, W=WIDE)
        step = torch.where(going, square / sums.sum(1), 0.0)
        _advance[grid](f, residual, direction, image, step, sums, n, PART=PART, W=WIDE)
        after = sums.sum(1)
        keep = torch.where(going, after / square, 0.0)
        square = torch.where(going, after, square)
        _turn[grid](direction, residual, keep, n, PART=PART, W=WIDE)
    found: Values = f.transpose(1, 2).reshape(-1, n)[: sides.count].cpu().numpy()
    return found


def _spread(sides: Sides, n: int, device: torch.device) -> Tensor:
    """Return right sides in groups (groups x n x WIDE)."""
    number, rows, values = (
        torch.from_numpy(array).to(device) for array in (sides.number, sides.rows, sides.values)
    )
    y = values.new_zeros(triton.cdiv(sides.count, WIDE), n, WIDE)
    y[number // WIDE, rows, number % WIDE] = values
    return y


@tuned(TABLE, key=["n"])
@triton.jit  # type: ignore[untyped-decorator]
def _image(  # type: ignore[no-untyped-def]
    starts, columns, values, direction, image, sums, alpha, n, PART: tl.constexpr,
    W: tl.constexpr, BN: tl.constexpr,
):  # fmt: skip
    """Write (I - alpha S) direction, and its product with the direction over a part's rows."""
    part, group = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    side = tl.arange(0, W)
    direction += group * n * W
    image += group * n * W
    summed = tl.zeros([W], tl.float64)
    for block in range(0, tl.minimum(PART, n - part * PART), BN):
        rows = part * PART + block + tl.arange(0, BN)
        inside = rows < n
        first = tl.load(starts + rows, mask=inside, other=0)
        links = tl.load(starts + rows + 1, mask=inside, other=0) - first
        total = tl.zeros([BN, W], tl.float64)
        for link in range(0, tl.max(links)):
            there = link < links
            column = tl.load(columns + first + link, mask=there, other=0).to(tl.int64)
            value = tl.load(values + first + link, mask=there, other=0.0)
            near = tl.load(
                direction + column[:, None] * W + side[None, :], mask=there[:, None], other=0.0
            )
            total += value[:, None] * near
        at = rows[:, None] * W + side[None, :]
        own = tl.load(direction + at, mask=inside[:, None], other=0.0)
        found = own - tl.load(alpha) * total
        tl.store(image + at, found, mask=inside[:, None])
        summed += tl.sum(own * found, 0)
    tl.store(sums + (group * tl.num_programs(0) + part) * W + side, summed)


@triton.jit  # type: ignore[untyped-decorator]
def _advance(  # type: ignore[no-untyped-def]
    f, residual, direction, image, step, sums, n, PART: tl.constexpr, W: tl.constexpr
):
    """Move f and the residual by a step, and write the residual's square over a part's rows."""
    part, group = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    side = tl.arange(0, W)
    far = tl.load(step + group * W + side)[None, :]
    summed = tl.zeros([W], tl.float64)
    for block in range(0, tl.minimum(PART, n - part * PART), 16):
        rows = part * PART + block + tl.arange(0, 16)
        at = (group * n + rows)[:, None] * W + side[None, :]
        inside = (rows < n)[:, None]
        moved = tl.load(f + at, mask=inside) + far * tl.load(direction + at, mask=inside)
        tl.store(f + at, moved, mask=inside)
        left = tl.load(residual + at, mask=inside, other=0.0)
        left -= far * tl.load(image + at, mask=inside, other=0.0)
        tl.store(residual + at, left, mask=inside)
        summed += tl.sum(left * left, 0)
    tl.store(sums + (group * tl.num_programs(0) + part) * W + side, summed)


@triton.jit  # type: ignore[untyped-decorator]
def _turn(direction, residual, keep, n, PART: tl.constexpr, W: tl.constexpr):  # type: ignore[no-untyped-def]
    """Turn the direction to the residual, and some of what it was."""
    part, group = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    side = tl.arange(0, W)
    kept = tl.load(keep + group * W + side)[None, :]
    for block in range(0, tl.minimum(PART, n - part * PART), 16):
        rows = part * PART + block + tl.arange(0, 16)
        at = (group * n + rows)[:, None] * W + side[None, :]
        inside = (rows < n)[:, None]
        turned = kept * tl.load(direction + at, mask=inside) + tl.load(residual + at, mask=inside)
        tl.store(direction + at, turned, mask=inside)
