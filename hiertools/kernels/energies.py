"""Squared distances of all pairs of two sets of points, block by block, and their gradients.

In all three geometries q = sn^2(d/2) of a pair comes from matrix products: sinh^2(s d/2), d^2/4 or
sin^2(s d/2), with s = sqrt(c). By radii r and the angle theta between the directions it is
sn^2((r_x - r_y)/2) + sn(r_x) sn(r_y) (1 - cos theta)/2. Both terms are at least 0 and what rounding
leaves in them is about eps sn(r_x) sn(r_y), a few times less than in -c <x, y> - 1 = 2q.
"""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from hiertools.geometry import polar

NAMES = ("lorentz", "euclidean", "sphere")  # whose places compiled kernels take


class Pairs:
    """All pairs of n points x and m points y, as `geometry/` has them, in blocks of columns.

    The energy e is d^2 if `squared`, else d. gradients: of what `pull` has been given so far.
    """

    def __init__(
        self,
        x: Float[Tensor, "n d"],
        y: Float[Tensor, "m d"],
        *,
        geometry: str,
        c: float,
        squared: bool,
    ) -> None:
        self.x, self.y, self.geometry, self.squared = x, y, geometry, squared
        self.c = 1.0 if geometry == "euclidean" else c
        self.rows = _prepared(x, geometry, self.c)
        self._pulled: Tensor | None = None
        self._of_y: Tensor | None = None

    def energies(self, block: slice) -> tuple[Float[Tensor, "n b"], Float[Tensor, "n b"]]:
        """Return e and q of all rows with some columns."""
        columns = _prepared(self.y[block], self.geometry, self.c)
        q = torch.mm(self.rows.turn, _opposite(columns.turn).T).clamp_(min=0)
        if columns.out is not None and self.rows.out is not None:
            outward = torch.mm(self.rows.out, _opposite(columns.out.flip(1)).T)
            q.addcmul_(outward, outward)
        return self._energy(q), q

    def _energy(self, q: Tensor) -> Tensor:
        if self.geometry == "euclidean":
            return 4 * q if self.squared else 2 * q.sqrt()
        if self.geometry == "sphere":
            half = torch.asin(q.clamp_(max=1).sqrt())
        else:
            half = _asinh_of_root(q)
        scale = 2 / math.sqrt(self.c)
        return half.mul_(half).mul_(scale * scale) if self.squared else half.mul_(scale)

    def pull(self, of_e: Float[Tensor, "n b"], e: Tensor, q: Tensor, block: slice) -> None:
        """Add a block's part of the gradients; of_e: that of e, which is overwritten.

        dq/dx is c/2 (x t_y / t_x - y) with the times t of hyperbolic space; they are 1 elsewhere.
        Where d = 0 it is 0.
        """
        of_q = of_e.mul_(self._slope(e, q))
        columns = _prepared(self.y[block], self.geometry, self.c)
        if self._pulled is None:
            self._pulled, self._of_y = torch.zeros_like(self.rows.turn), torch.zeros_like(self.y)
        assert self._of_y is not None
        self._pulled.addmm_(of_q, torch.cat([self.y[block], columns.time], 1))
        pulled = torch.mm(of_q.T, torch.cat([self.x, self.rows.time], 1))
        self._of_y[block] = self._gradient(self.y[block], columns.time, pulled)

    def gradients(self) -> tuple[Float[Tensor, "n d"], Float[Tensor, "m d"]]:
        """Return the gradients of x and y."""
        if self._pulled is None or self._of_y is None:
            return torch.zeros_like(self.x), torch.zeros_like(self.y)
        return self._gradient(self.x, self.rows.time, self._pulled), self._of_y

    def _gradient(self, points: Tensor, time: Tensor, pulled: Tensor) -> Tensor:
        return (points * (pulled[:, -1:] / time)).sub_(pulled[:, :-1]).mul_(self.c / 2)

    def _slope(self, e: Tensor, q: Tensor) -> Tensor:
        """Return de/dq, in no place of e or q; 0 where q is 0."""
        limits = torch.finfo(q.dtype)
        bend = {"lorentz": 1.0, "euclidean": 0.0, "sphere": -1.0}[self.geometry]
        if self.squared and not bend:
            return torch.full_like(q, 4)
        both = torch.addcmul(q, q, q, value=bend)  # sn^2 cs^2 of d/2
        scale = 1 / math.sqrt(self.c)
        if self.squared:
            floor = limits.eps if bend < 0 else limits.tiny  # cs^2 is 0 opposite on the sphere
            return torch.div(e, both.clamp_(min=floor)).sqrt_().mul_(2 * scale)
        return both.clamp_(min=limits.eps).rsqrt_().mul_(scale)


class _Points(NamedTuple):
    """Points, ready for products.

    turn: coordinates times s, and their norm, whose products give sn sn (1 - cos theta)/2; out:
    f and 1/f, or f and 1, whose products give sn((r_x - r_y)/2), None where this is in the
    former; time: a column.
    """

    turn: Tensor
    out: Tensor | None
    time: Tensor


def _prepared(points: Tensor, geometry: str, c: float) -> _Points:
    scaled = points * math.sqrt(c)
    one = torch.ones_like(points[:, :1])
    if geometry == "sphere":
        return _Points(torch.cat([scaled, one], 1), None, one)
    a = polar.norm(scaled)[:, None]
    turn = torch.cat([scaled, a], 1)
    if geometry == "euclidean":
        return _Points(turn, torch.cat([a, one], 1), one)
    time = torch.sqrt(1 + a * a)
    f = torch.sqrt(a + time)  # exp(r / 2)
    return _Points(turn, torch.cat([f, 1 / f], 1), time)


def _opposite(columns: Tensor) -> Tensor:
    """Return what rows are multiplied by: half of the last column, minus half of the others."""
    halved = columns / -2
    halved[:, -1] *= -1
    return halved


def _asinh_of_root(q: Tensor) -> Tensor:
    """Return asinh(sqrt(q)) by logarithms, which are many times faster than torch's asinh.

    log(1 + z) is z log(u) / (u - 1) with u = 1 + z as rounded (Kahan), right to a few eps.
    """
    z = torch.add(q, 1).sqrt_().add_(1)
    torch.div(q, z, out=z)
    z.add_(q.sqrt())
    u = z + 1
    rest = u - 1
    return torch.where(rest == 0, z, u.log_().mul_(z).div_(rest))


def sides(
    points: Float[Tensor, "n d"], geometry: str, c: float
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Return a = sn(radius) and f, exp(radius / 2) in hyperbolic space, a in flat space, else 1.

    What pairs need beside their inner products, where these are not of prepared points.
    """
    if geometry == "sphere":
        ones = torch.ones_like(points[:, 0])
        return ones, ones
    a = torch.linalg.vector_norm(points, dim=1)
    if geometry == "euclidean":
        return a, a
    a = a * math.sqrt(c)
    return a, torch.sqrt(a + torch.sqrt(1 + a * a))
