"""The twin of `kernels.attention`: keys in parts that fill the GPU, put together in their order.

A program holds a block of queries of a head and goes through the keys of one part, block by block,
with the greatest score so far; then the parts' sums are added in torch, always in the same order.
The number of parts hangs on the keys alone, so that queries beside it do not change one.

To be judged on an H100 (3.35 TB/s; 67 TFLOP/s in float32 outside of tensor cores, which IEEE
products need), for 64 images, 244,287 entities, 8 heads of 16: keys and values are 250 MB, read
once: 0.075 ms. Products are 2 x 2 x 64 x 244,287 x 128 = 8.0 GFLOP, 0.12 ms at the peak; 125M
powers, at 16 a cycle of 132 processors, are 0.035 ms. So 0.12 ms at the least, and 0.3 ms would be
well done; 512 images: 1 ms at the least, all of it products, and keys are read 8 times, from the
cache of 50 MB where blocks of queries of a part run side by side. Sums of parts are 16 + 2 numbers
for a query, head and part of a level: 5 MB.
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from hiertools.kernels.gpu.tuning import Entry, tuned

PARTS = 128  # of a level at most: with 8 heads, eight programs for each processor of an H100
LEAST = 256  # keys of a part
TABLE = [
    Entry({"BN": 64, "BM": 64}),
    Entry({"BN": 64, "BM": 32}),
    Entry({"BN": 32, "BM": 128}),
    Entry({"BN": 64, "BM": 128}, warps=8),
]


def attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Return what each query finds, see `kernels.attention`; float32."""
    (heads, b, width), n = queries.shape, keys.shape[1]
    if not queries.numel() or not n:
        return torch.zeros_like(queries)
    each = max(LEAST, triton.next_power_of_2(-(-n // PARTS)))
    parts = -(-n // each)
    scaled = (queries * (width**-0.5 / math.log(2))).contiguous()  # for powers of 2
    sums = queries.new_empty(parts, heads, b, width)
    highest, totals = queries.new_empty(2, parts, heads, b)
    add_up[lambda meta: (triton.cdiv(b, meta["BN"]), heads, parts)](
        scaled, keys, values, sums, highest, totals, b, n, width, each,
        *keys.stride(), *values.stride(), WIDE=max(16, triton.next_power_of_2(width)),
    )  # fmt: skip
    share = torch.exp2(highest - highest.amax(0))
    found: Tensor = (share[..., None] * sums).sum(0) / (share * totals).sum(0)[..., None]
    return found


@tuned(TABLE, key=["width"])
@triton.jit  # type: ignore[untyped-decorator]
def add_up(  # type: ignore[no-untyped-def]
    queries, keys, values, sums, highest, totals, b, n, width, each, key_head, key_row, key_column,
    value_head, value_row, value_column, WIDE: tl.constexpr, BN: tl.constexpr, BM: tl.constexpr,
):  # fmt: skip
    """Write a part's greatest scores, and the sums of values and of 1 times 2^(score - it).

    queries: heads x b x width, contiguous; those of keys and of values: strides.
    """
    rows = tl.program_id(0) * BN + tl.arange(0, BN)
    head, part = tl.program_id(1).to(tl.int64), tl.program_id(2).to(tl.int64)
    wide = tl.arange(0, WIDE)
    asked = tl.load(
        queries + (head * b + rows)[:, None] * width + wide[None, :],
        mask=(rows < b)[:, None] & (wide < width)[None, :],
        other=0.0,
    )
    top = tl.full([BN], -3.0e38, tl.float32)
    total = tl.zeros([BN], tl.float32)
    found = tl.zeros([BN, WIDE], tl.float32)
    for start in range(part * each, tl.minimum(n, part * each + each), BM):
        columns = start + tl.arange(0, BM)
        inside = (columns < n)[:, None] & (wide < width)[None, :]
        at = columns[:, None] * key_row + wide[None, :] * key_column
        key = tl.load(keys + head * key_head + at, mask=inside, other=0.0)
        scores = tl.dot(asked, tl.trans(key), input_precision="ieee")
        scores = tl.where((columns < n)[None, :], scores, -float("inf"))
        higher = tl.maximum(top, tl.max(scores, 1))
        powers = tl.exp2(scores - higher[:, None])
        kept = tl.exp2(top - higher)
        at = columns[:, None] * value_row + wide[None, :] * value_column
        value = tl.load(values + head * value_head + at, mask=inside, other=0.0)
        total = total * kept + tl.sum(powers, 1)
        found = found * kept[:, None] + tl.dot(powers, value, input_precision="ieee")
        top = higher
    place = (part * tl.num_programs(1) + head) * b + rows
    inside = (rows < b)[:, None] & (wide < width)[None, :]
    tl.store(sums + place[:, None] * width + wide[None, :], found, mask=inside)
    tl.store(highest + place, top, mask=rows < b)
    tl.store(totals + place, total, mask=rows < b)
