"""What scans rank by, and the numbers of points that its formulas need."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from hiertools.geometry import euclidean, lorentz, polar

UNIT = 2.0**-24  # half of float32's eps: what rounding a number costs
ROUNDINGS = 16  # of one cosine, besides those of its sum
STEP = 1 << 13  # points whose norms are summed together
WHOLE = 4.0  # a cosine of the origin may be anything


@dataclass(frozen=True)
class Ranked:
    """What points are ranked by for a query, the best first.

    by: small exterior angles, small distances, large cosines or large inner products; at: where
    the angle is, at the query or at the point; farthest: large angles are best instead.
    geometry: lorentz or euclidean, of curvature -c.
    """

    by: Literal["angle", "distance", "cosine", "product"]
    at: Literal["query", "point"] = "query"
    farthest: bool = False
    geometry: str = "lorentz"
    c: float = 1.0

    @property
    def curved(self) -> bool:
        """Return whether space is hyperbolic."""
        return self.geometry == "lorentz"


class Radii(NamedTuple):
    """norm: |x|; sn, cs: sinh and cosh of the radius with c = 1; in flat space |x| and 1."""

    norm: Float[Tensor, " n"]
    sn: Float[Tensor, " n"]
    cs: Float[Tensor, " n"]


def radii(x: Float[Tensor, "n d"], ranked: Ranked) -> Radii:
    """Return the radii of points, in float64."""
    blocks = [polar.norm(block.double()) for block in torch.split(x, STEP)]
    return of_norms(torch.cat(blocks), ranked)


def of_norms(norm: Float[Tensor, " n"], ranked: Ranked) -> Radii:
    """Return the radii of points of these norms."""
    if not ranked.curved:
        return Radii(norm, norm, torch.ones_like(norm))
    sn = norm * ranked.c**0.5
    return Radii(norm, sn, torch.sqrt(1 + sn * sn))


def directions(x: Float[Tensor, "n d"], norm: Float[Tensor, " n"]) -> Float[Tensor, "n d"]:
    """Return vectors of length 1, rounded to float32; 0 for 0."""
    return (x.double() / polar.nonzero(norm)[:, None]).float()


def cosine_error(d: int) -> float:
    """Return what a cosine is wrong by at the most, of float32 products of d numbers.

    Whatever the order of a sum, it is wrong by d units of the sum of magnitudes (Higham 2002,
    eq. 3.5), which is at most the product of the norms.
    """
    return 1.01 * (d + ROUNDINGS) * UNIT


def cosine_errors(norm: Float[Tensor, " n"], d: int) -> Float[Tensor, " n"]:
    """Return the `cosine_error` of queries of these norms; the origin's may be anything."""
    return torch.where(norm == 0, WHOLE, cosine_error(d)).float()


def inverses(norm: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return 1 / norm in float32; 0 for 0."""
    return torch.where(norm == 0, 0, 1 / norm).float()


def columns(ranked: Ranked, found: Radii, *, of_query: bool) -> tuple[Tensor, Tensor]:
    """Return the two float32 numbers of each point that keys are made of: `near` and `flat`."""
    norm, sn, cs = found
    if ranked.by == "angle":
        near, flat = sn / cs, 1 / cs
    elif ranked.by == "cosine":
        near, flat = torch.ones_like(norm), torch.zeros_like(norm)
    elif ranked.by == "product":
        near, flat = norm, torch.zeros_like(norm)
    elif ranked.curved:  # -cosh(d)/cs_a = sn_a/cs_a sn_b cos - cs_b
        near, flat = (sn / cs, cs) if of_query else (sn, -cs)
    else:  # |a|^2 - d^2 = 2 a b cos - b^2
        near, flat = (2 * sn, sn) if of_query else (sn, -sn * sn)
    return near.float(), flat.float()


def scores(ranked: Ranked, queries: Tensor, points: Tensor) -> Float[Tensor, "b n"]:
    """Return the score of each point for each query, in float64: the higher, the better."""
    x, y = queries.double(), points.double()
    if ranked.by == "product":
        return x @ y.T
    if ranked.by == "cosine":
        norms = radii(queries, ranked).norm, radii(points, ranked).norm
        ones = [torch.where(norm == 0, 1, norm)[:, None] for norm in norms]
        return (x / ones[0]) @ (y / ones[1]).T
    geometry = lorentz if ranked.curved else euclidean
    if ranked.by == "distance":
        distance: Tensor = geometry.pairwise_distance(x, y, ranked.c)
        return -distance
    at_query = ranked.at == "query"
    angle: Tensor = geometry.pairwise_angle(*((x, y) if at_query else (y, x)), ranked.c)
    angle = angle if at_query else angle.T
    return angle if ranked.farthest else -angle


def pair_scores(ranked: Ranked, queries: Tensor, points: Tensor) -> Float[Tensor, " n"]:
    """Return the score of each pair by its own numbers, in float64."""
    x, y = queries.double(), points.double()
    if ranked.by == "product":
        return (x * y).sum(1)
    if ranked.by == "cosine":
        norms = polar.nonzero(polar.norm(x)) * polar.nonzero(polar.norm(y))
        return (x * y).sum(1) / norms
    geometry = lorentz if ranked.curved else euclidean
    if ranked.by == "distance":
        distance: Tensor = geometry.distance(x, y, ranked.c)
        return -distance
    angle: Tensor = geometry.angle(*((x, y) if ranked.at == "query" else (y, x)), ranked.c)
    return angle if ranked.farthest else -angle
