"""The twin of `kernels.counting`: torch selects among intervals of keys, of all points at once.

`gpu.intervals` writes both ends of the key of each pair. The k-th greatest of all lower ends and of
all upper ones are a bracket of the k-th key: points above it are within the first k, points below
it are not, and those in it, some hundred of 300,000, are ranked by their scores in float64. Ties
are by place. Nothing depends on the order in which a GPU adds: counts are integers.

To be judged on an H100 (3.35 TB/s; 67 TFLOP/s in float32), for 200 queries, 325,000 points, 128
dimensions and three ks, in four blocks of queries: the products are 17 GFLOP, 0.25 ms, and points
are read four times, 0.7 GB, 0.2 ms. Both ends are written, 0.5 GB, 0.2 ms. `kthvalue` goes 16 times
through each, two bits at a time, for each k: 25 GB, 7 ms; but a query is one block of threads, and
51 of them leave more than half of the card idle: 15 ms. Adding by label is 65 million integers for
each k, 20 bytes each: 4 GB, 1.2 ms, or some 5 ms where many fall to the same label. So 10 ms at the
least, and 25 ms would be well done. Memory: 128 MB of ends, 128 MB of integers, 17 MB a mask.
"""

import torch
from torch import Tensor

from hiertools.kernels.gpu.intervals import PAIRS, intervals, point_side, query_side
from hiertools.kernels.ranked import Ranked, pair_scores

SETTLED = 1 << 22  # numbers of pairs that are scored together


def label_counts(
    ranked: Ranked,
    x: Tensor,
    y: Tensor,
    codes: Tensor,
    *,
    ks: tuple[int, ...],
    labels: int,
    barred: tuple[Tensor, Tensor] | None,
) -> Tensor:
    """Return what `counting.label_counts` does."""
    b, n = len(x), len(y)
    found = torch.zeros(b, len(ks), labels, dtype=torch.int64, device=x.device)
    if not b or not n or not ks:
        return found
    query, point = query_side(ranked, x), point_side(ranked, y, None)
    step = max(1, PAIRS // n)
    for start in range(0, b, step):
        part = slice(start, min(start + step, b))
        low, high = intervals(ranked, query.part(part), point)
        there = _bar(low, high, barred, part)
        for i, k in enumerate(ks):
            sure, row, place = _within(low, high, k)
            counts = found[part, i]
            counts.scatter_add_(1, codes.expand(len(low), n), sure.long())
            missing = there.clamp(max=k) - sure.sum(1)
            score = _scores(ranked, x[part], y, row, place)
            best = _first(row, score, missing)
            one = torch.ones_like(best)
            counts.index_put_((row[best], codes[place[best]]), one, accumulate=True)
    return found


def _bar(low: Tensor, high: Tensor, barred: tuple[Tensor, Tensor] | None, part: slice) -> Tensor:
    """Put what is barred below all others; return how many are left of each query."""
    there = torch.full_like(low[:, 0], low.shape[1], dtype=torch.int64)
    if barred is None:
        return there
    starts, places = barred[0][part.start : part.stop + 1], barred[1]
    counts = starts.diff()
    row = torch.repeat_interleave(torch.arange(len(low), device=low.device), counts)
    place = places[starts[0] : starts[-1]]
    low[row, place] = high[row, place] = -torch.inf
    return there - counts


def _within(low: Tensor, high: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return who is among the first k surely, and the rows and places of who may be."""
    n = low.shape[1]
    rank = n + 1 - min(max(k, 1), n)  # from below
    bottom, top = (end.kthvalue(rank, dim=1, keepdim=True).values for end in (low, high))
    sure = low > top
    may_be = (high >= bottom).logical_and_(~sure).logical_and_(high > -torch.inf)
    row, place = may_be.nonzero(as_tuple=True)
    return sure, row, place


def _scores(ranked: Ranked, x: Tensor, y: Tensor, row: Tensor, place: Tensor) -> Tensor:
    step = max(1, SETTLED // max(1, x.shape[1]))
    pairs = zip(torch.split(row, step), torch.split(place, step), strict=True)
    return torch.cat([pair_scores(ranked, x[i], y[j]) for i, j in pairs])


def _first(row: Tensor, score: Tensor, missing: Tensor) -> Tensor:
    """Return the places of the pairs that are the missing best of each row; rows are ascending."""
    order = score.argsort(descending=True, stable=True)
    order = order[row[order].argsort(stable=True)]
    starts = torch.searchsorted(row, torch.arange(len(missing), device=row.device))
    rank = torch.arange(len(row), device=row.device) - starts[row]
    return order[rank < missing[row]]
