"""|u - w|^2 of a tile of pairs by differences: what a matrix product loses for near pairs."""

import triton
import triton.language as tl


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
