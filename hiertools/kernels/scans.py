"""The k best points for each query, by angle, distance, cosine or inner product: block by block.

A scan returns what may be among the k best, to be scored exactly by whoever ranks; nothing is kept
of the rest. On a CPU torch multiplies in float32 and a compiled loop (`scan_loops`) looks at each
product once, within 0.3 ns; torch's own passes over them would take as long as the products. On
CUDA a Triton kernel (`gpu.scans`) turns products into keys. The definition sorts scores in float64.
"""

import math
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from hiertools.kernels.ranked import Ranked, cosine_error, directions, of_norms, radii, scores

ROOM = 64  # for what is kept besides the k best

Found = tuple[NDArray[np.int64], NDArray[np.int64]]


class Scan(Protocol):
    """A scan for b queries."""

    def add(
        self,
        points: Tensor,
        rows: NDArray[np.int64],
        groups: NDArray[np.int64],
        *,
        norms: NDArray[np.float64] | None,
    ) -> bool:
        """Look at points (m x d), which are these rows; return whether `take` is wanted.

        norms: of the points, None if they are not known.
        """

    def take(self) -> Found:
        """Return pairs of a query and a row that may be among the best, and forget them."""

    def raise_floor(self, least: NDArray[np.float64]) -> None:
        """Leave out points whose score is less than that of each query."""


def scan(
    ranked: Ranked, queries: Float[Tensor, "b d"], groups: NDArray[np.int64], *, k: int
) -> Scan:
    """Return a scan for the k >= 1 best of float32 points that are not of a query's own group.

    groups: of the queries (b), -1 for none. Scores are those of `ranked.scores`. Points are on the
    device of the queries.
    """
    if queries.is_cuda and find_spec("triton"):
        from hiertools.kernels.gpu.scans import Intervals

        return Intervals(ranked, queries, groups, k)
    return _Loops(ranked, queries, groups, k)


def runs_on(device: torch.device) -> bool:
    """Return whether there is a scan for a device."""
    return device.type == "cpu" or (device.type == "cuda" and find_spec("triton") is not None)


def norms(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the norms of points (m x d), as a scan on a CPU takes them."""
    from hiertools.kernels import scan_loops

    found: NDArray[np.float64] = scan_loops.norms(np.ascontiguousarray(points))
    return found


def definition(
    ranked: Ranked, queries: Float[Tensor, "b d"], points: Float[Tensor, "n d"], *, k: int
) -> tuple[Float[Tensor, "b k"], Int[Tensor, "b k"]]:
    """Return the k best scores of each query and their places."""
    found = torch.sort(scores(ranked, queries, points), descending=True, stable=True)
    return found.values[:, :k], found.indices[:, :k]


def keys_of(ranked: Ranked, least: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return numbers that no key of at least these scores is below."""
    if ranked.by in ("cosine", "product"):
        return np.asarray(least - 1e-12 * np.abs(least))
    with np.errstate(over="ignore", invalid="ignore"):
        if ranked.by == "distance":
            far = np.maximum(-least, 0) * (1 + 1e-12)
            return -(np.cosh(math.sqrt(ranked.c) * far) - 1 if ranked.curved else far * far)
        angle = np.pi - least if ranked.farthest else -least
        angle = np.clip(angle + 1e-6, 0, np.pi)
        cosine, sine = np.cos(angle), np.sin(angle)
        return np.where(angle >= np.pi, -np.inf, cosine / (np.abs(cosine) + sine))


class _Loops:
    """A scan by compiled loops."""

    def __init__(self, ranked: Ranked, queries: Tensor, groups: NDArray[np.int64], k: int) -> None:
        from hiertools.kernels import scan_loops
        from hiertools.kernels.counting_loops import KINDS

        self._loops, self._ranked, self._groups, self._k = scan_loops, ranked, groups, k
        self._kind = KINDS[ranked.by, ranked.at if ranked.by == "angle" else "query"]
        x = queries.contiguous()
        of_x = radii(x, ranked)
        self._unit, self._g = directions(x, of_x.norm), cosine_error(x.shape[1])
        self._query = self._side(x, of_x)
        self._scale = math.sqrt(ranked.c) if ranked.curved else 1.0
        self._floors = np.full(len(x), -np.inf)
        self._products = torch.empty(0)
        self._kept: Any = None
        self._capacity = -1

    def add(
        self,
        points: Tensor,
        rows: NDArray[np.int64],
        groups: NDArray[np.int64],
        *,
        norms: NDArray[np.float64] | None,
    ) -> bool:
        b, m = len(self._unit), len(points)
        if self._capacity < m:
            self._make_room(m)
        y = points.contiguous()
        lengths = self._loops.norms(y.numpy()) if norms is None else norms
        of_y = of_norms(torch.from_numpy(lengths), self._ranked)
        products = self._products[: b * m].view(b, m)
        torch.mm(self._unit, y.T, out=products)
        ranked = self._ranked
        self._loops.scan(
            products.numpy(), self._kind, ranked.curved, ranked.farthest and ranked.by == "angle",
            self._scale, self._g, self._query, self._side(y, of_y), self._groups, groups, rows,
            self._k, self._kept,
        )  # fmt: skip
        return bool(self._kept.counts.max(initial=0) + self._capacity > self._kept.rows.shape[1])

    def take(self) -> Found:
        if self._kept is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._loops.compact(self._k, self._kept)
        counts = self._kept.counts
        query = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
        found = self._kept.rows[query, place]
        counts[:] = 0
        self._kept.full[:] = self._k + ROOM
        return query, found

    def raise_floor(self, least: NDArray[np.float64]) -> None:
        np.maximum(self._floors, keys_of(self._ranked, least), out=self._floors)

    def _make_room(self, m: int) -> None:
        """Make room for blocks of up to m points; what is kept stays."""
        b, room = len(self._unit), 2 * self._k + 2 * m + ROOM
        old = self._kept
        self._kept = self._loops.Kept(
            np.empty((b, room)), np.empty((b, room)), np.empty((b, room), np.int64),
            np.zeros(b, np.int64), self._floors, np.full(b, self._k + ROOM),
        )  # fmt: skip
        if old is not None:
            for new, column in zip(self._kept[:3], old[:3], strict=True):
                new[:, : column.shape[1]] = column
            self._kept.counts[:] = old.counts
        self._products, self._capacity = torch.empty(b * m), m

    def _side(self, x: Tensor, of_x: tuple[Tensor, ...]) -> Any:
        rows, norm, sn, cs = (each.numpy() for each in (x, *of_x))
        return self._loops.Side(rows, norm, sn, cs)
