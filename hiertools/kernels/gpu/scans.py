"""The twin of `kernels.scans`: torch selects among intervals of keys, a block of points at a time.

`gpu.intervals` writes both ends of the key of each pair of a block. A point can be among the k best
of a query only if its upper end reaches the k-th greatest of all lower ends so far: this is the
floor, which `topk` raises. What reaches it, hardly more than k points, stays on the GPU; what the
blocks before left there is looked at again. Whoever ranks scores it in float64.

To be judged on an H100 (3.35 TB/s; 67 TFLOP/s in float32 outside of tensor cores, which IEEE
products need), for 1,000 queries, 325,000 points, 128 dimensions and k = 100, in 20 blocks: the
products are 83 GFLOP, 1.24 ms at the peak and some 2 ms as tiles go; a pair costs some 40
operations more, 0.2 ms. Both ends are written (2.6 GB, 0.8 ms), the upper compared and its mask
searched (2.3 GB, 0.7 ms). `topk` reads the lower ends 16 times, two bits of a number at a time, of
which about a half come from the cache of 50 MB: 10 GB, 3 ms. So 7 ms at the least, and 10 ms would
be well done. Points must come to the GPU first, once for a batch of queries (166 MB, 7 ms over
PCIe), and 110,000 pairs are scored on the CPU afterwards, 0.1 s. Memory: 128 MB of ends, 50 MB of
masks and places.
"""

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from hiertools.kernels import scans
from hiertools.kernels.gpu.intervals import intervals, point_side, query_side
from hiertools.kernels.ranked import Ranked

CROWD = 1 << 18  # pairs that are kept besides twice the k best, before they are to be taken

Rows = NDArray[np.int64]


class Intervals:
    """A scan by intervals of keys, see `scans.Scan`."""

    def __init__(self, ranked: Ranked, queries: Float[Tensor, "b d"], groups: Rows, k: int) -> None:
        self._ranked, self._k, self._query = ranked, k, query_side(ranked, queries)
        self._groups = self._moved(groups)
        self._best = torch.full((len(queries), k), -torch.inf, device=queries.device)
        self._floor = self._best.new_full((len(queries),), -torch.inf)
        self._kept = self._none()

    def add(
        self, points: Tensor, rows: Rows, groups: Rows, *, norms: NDArray[np.float64] | None
    ) -> bool:
        """Look at points (m x d), which are these rows; return whether `take` is wanted."""
        point = point_side(self._ranked, points, None if norms is None else self._moved(norms))
        low, high = intervals(self._ranked, self._query, point)
        own = (self._groups >= 0)[:, None] & (self._groups[:, None] == self._moved(groups))
        for end in (low, high):
            end.masked_fill_(own, -torch.inf)
        top = low.topk(min(self._k, len(points))).values
        self._best = torch.cat([self._best, top], 1).topk(self._k).values
        self._raise(self._best[:, -1])
        query, place = self._reaching(high).nonzero(as_tuple=True)
        new = query, self._moved(rows)[place], high[query, place]
        self._keep(*map(torch.cat, zip(self._kept, new, strict=True)))
        return len(self._kept[0]) > 2 * self._best.numel() + CROWD

    def take(self) -> scans.Found:
        """Return pairs of a query and a row that may be among the best, and forget them."""
        self._keep(*self._kept)
        query, rows, _ = self._kept
        self._kept = self._none()
        return query.cpu().numpy(), rows.cpu().numpy()

    def raise_floor(self, least: NDArray[np.float64]) -> None:
        """Leave out points whose score is less than that of each query."""
        keys = self._moved(scans.keys_of(self._ranked, least))
        _, sn, cs = self._query.radii
        if self._ranked.by == "distance":  # keys are -cosh(d) / cs, or sn^2 - d^2 in flat space
            keys = (keys - 1) / cs if self._ranked.curved else keys + sn * sn
        keys = keys.float()
        self._raise(torch.nextafter(keys, torch.full_like(keys, -torch.inf)))

    def _raise(self, floor: Tensor) -> None:
        self._floor = torch.maximum(self._floor, floor)

    def _reaching(self, high: Tensor) -> Tensor:
        return (high >= self._floor[:, None]).logical_and_(high > -torch.inf)

    def _keep(self, query: Tensor, rows: Tensor, high: Tensor) -> None:
        good = high >= self._floor[query]
        self._kept = query[good], rows[good], high[good]

    def _none(self) -> tuple[Tensor, Tensor, Tensor]:
        none = self._floor.new_zeros(0)
        return none.long(), none.long(), none

    def _moved(self, numbers: NDArray[np.int64] | NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(numbers).to(self._query.rows.device)
