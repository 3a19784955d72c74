"""|u - w|^2 of all pairs by differences, in Triton: what a matrix product loses for near pairs.

Runs on CUDA tensors, and on CPU tensors where TRITON_INTERPRET=1 is set before the import.
"""

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

TILE = 64  # pairs along each side of a program's tile: two sums of 64 x 64 stay in registers


def squared_differences(
    u: Float[Tensor, "n d"], w: Float[Tensor, "m d"]
) -> tuple[Float[Tensor, "n m"], Float[Tensor, "n m"]]:
    """Return |u - w|^2 and |u + w|^2 of each row u with each row w, summed in float32."""
    n, m, d = len(u), len(w), u.shape[1]
    minus = torch.empty(n, m, dtype=torch.float32, device=u.device)
    plus = torch.empty_like(minus)
    if n and m:
        tiles = (triton.cdiv(n, TILE), triton.cdiv(m, TILE))
        _sum[tiles](u.T.contiguous(), w.T.contiguous(), minus, plus, n, m, d, TILE=TILE)
    return minus, plus


@triton.jit  # type: ignore[untyped-decorator]
def of_tile(  # type: ignore[no-untyped-def]
    u, w, rows, columns, n, m, d, BN: tl.constexpr, BM: tl.constexpr
):
    """Return |u - w|^2 and |u + w|^2 of a tile.

    u, w: d x n and d x m, so that neighbours in memory are loaded together.
    """
    less = tl.zeros([BN, BM], tl.float32)
    more = tl.zeros([BN, BM], tl.float32)
    for k in range(d):
        a = tl.load(u + k * n + rows, mask=rows < n, other=0.0)[:, None]
        b = tl.load(w + k * m + columns, mask=columns < m, other=0.0)[None, :]
        less += (a - b) * (a - b)
        more += (a + b) * (a + b)
    return less, more


@triton.jit  # type: ignore[untyped-decorator]
def _sum(u, w, minus, plus, n, m, d, TILE: tl.constexpr):  # type: ignore[no-untyped-def]
    rows = tl.program_id(0).to(tl.int64) * TILE + tl.arange(0, TILE)
    columns = tl.program_id(1).to(tl.int64) * TILE + tl.arange(0, TILE)
    less, more = of_tile(u, w, rows, columns, n, m, d, TILE, TILE)
    places = rows[:, None] * m + columns[None, :]
    inside = (rows[:, None] < n) & (columns[None, :] < m)
    tl.store(minus + places, less, mask=inside)
    tl.store(plus + places, more, mask=inside)
