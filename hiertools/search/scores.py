"""What points are ranked by: exterior angle, distance or cosine, as scores.

HIGHER scores are better: angles and distances are negated. Lorentz points have the cosine of their
space parts.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hiertools.geometry import euclidean, lorentz, polar
from hiertools.geometry.polar import Separate
from hiertools.kernels.ranked import Ranked

GEOMETRIES: dict[str, ModuleType] = {"lorentz": lorentz, "euclidean": euclidean}
CLOSE = 1e-8  # 1 - cos: a pair in nearly the same direction, whose angle a product may lose
ROUNDING = 1e-12  # of a product of unit vectors, and a share of one of others
SLACK = 1e-6  # radians, or a share of the radius: what a product is wrong by at the most


class Scoring(Protocol):
    """What ranks points: see `Measure`."""

    @property
    def geometry(self) -> str:
        """Return the geometry whose origin radii are measured from."""

    @property
    def c(self) -> float:
        """Return minus the curvature."""

    def bounds(self, queries: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return numbers that `elementwise` is between (b x m each)."""

    def may_reach(self, queries: Tensor, points: Tensor, floor: Tensor) -> Tensor | None:
        """Return where `elementwise` may reach the floor of a query, None for anywhere."""

    def elementwise(self, queries: Tensor, points: Tensor) -> Tensor:
        """Return the scores of pairs, each by its own numbers in float64."""


@dataclass(frozen=True)
class Measure:
    """How well a point answers a query.

    by: angle, distance or cosine. For angles `find` is children, ranked by small ext(query,
    point), or parents, ranked by small ext(point, query) (parent_score `ext`) or large ext(query,
    point) (`alpha2`). geometry: lorentz or euclidean, of curvature -c.
    """

    by: str
    find: str
    parent_score: str
    geometry: str
    c: float

    @property
    def ranked(self) -> Ranked:
        """Return what kernels rank by."""
        by: Any = self.by
        at: Any = "point" if self._from_point else "query"
        farthest = self.by == "angle" and self._is_alpha2
        return Ranked(by, at, farthest, self.geometry, self.c)

    def pairwise(
        self, queries: Float[Tensor, "b d"], points: Float[Tensor, "m d"]
    ) -> Float[Tensor, "b m"]:
        """Return the score of each point for each query, by a matrix product in float64."""
        return self._pairwise(queries, points)[0]

    def bounds(
        self, queries: Float[Tensor, "b d"], points: Float[Tensor, "m d"]
    ) -> tuple[Float[Tensor, "b m"], Float[Tensor, "b m"]]:
        """Return numbers that `elementwise` is between, infinite where a product cannot tell."""
        scores, close = self._pairwise(queries, points)
        slack = SLACK
        if self.by == "distance":
            slack *= 1 + float((_longest(queries) * _longest(points)).sqrt())
        lower, upper = scores - slack, scores + slack
        if close is not None and close.any():
            lower[close], upper[close] = -torch.inf, torch.inf
        return lower, upper

    def may_reach(
        self,
        queries: Float[Tensor, "b d"],
        points: Float[Tensor, "m d"],
        floor: Float[Tensor, " b"],
    ) -> Bool[Tensor, "b m"] | None:
        """Return where `elementwise` may reach the floor of a query, None for anywhere.

        A product and little more: cheaper than bounds. A point seen at the exterior angle A from
        x is within the angle theta of x as seen from the origin, tan(theta/2) = tan(A/2)/e^r,
        which a point infinitely far off has (aberration); r is the radius of x, 0 in flat space.
        """
        x, y, floor = queries.double(), points.double(), floor.double()[:, None]
        if self.by == "distance":
            return self._within(x, y, -floor)
        if self._is_alpha2:
            return None
        cosine = unit(x) @ unit(y).T
        if self.by == "cosine":
            return cosine >= floor - ROUNDING
        widest = torch.tan((SLACK - floor).clamp(0, torch.pi) / 2).square()
        spread = self._spread(y)[None] if self._from_point else self._spread(x)[:, None]
        return (1 - cosine - ROUNDING) * spread <= (1 + cosine + ROUNDING) * widest

    def elementwise(
        self, queries: Float[Tensor, "*#n d"], points: Float[Tensor, "*#n d"]
    ) -> Float[Tensor, "*#n"]:
        """Return the scores of pairs, each by its own numbers in float64."""
        queries, points = queries.double(), points.double()
        geometry = GEOMETRIES[self.geometry]
        if self.by == "cosine":
            return (unit(queries) * unit(points)).sum(-1).clamp(-1, 1)
        if self.by == "distance":
            distance: Tensor = geometry.distance(queries, points, self.c)
            return 0.0 - distance
        x, y = (points, queries) if self._from_point else (queries, points)
        angle: Tensor = geometry.angle(x, y, self.c)
        return angle if self._is_alpha2 else 0.0 - angle

    @property
    def _is_alpha2(self) -> bool:
        return self.find == "parents" and self.parent_score == "alpha2"

    @property
    def _from_point(self) -> bool:
        """Whether the angle is at the point, not at the query."""
        return self.find == "parents" and self.parent_score == "ext"

    def _within(self, x: Tensor, y: Tensor, reach: Tensor) -> Tensor:
        """Return which pairs may be as near as `reach`."""
        xx, yy = x.square().sum(-1)[:, None], y.square().sum(-1)[None]
        if self.geometry == "euclidean":
            largest = xx.max() + yy.max()
            return xx + yy - 2 * (x @ y.T) <= reach.square() + ROUNDING * largest
        times = (1 / self.c + xx).sqrt(), (1 / self.c + yy).sqrt()
        largest = times[0].max() * times[1].max()
        limit = torch.cosh(self.c**0.5 * reach) / self.c + ROUNDING * largest
        return times[0] * times[1] - x @ y.T <= limit

    def _spread(self, x: Tensor) -> Tensor:
        """Return e^2r of points: how much narrower an angle at x is as seen from the origin."""
        if self.geometry == "euclidean":
            return torch.ones_like(x[..., 0])
        return torch.exp(2 * self.c**0.5 * lorentz.radius(x, self.c))

    def _pairwise(self, queries: Tensor, points: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return scores and, for angles, which pairs are close."""
        queries, points = queries.double(), points.double()
        geometry = GEOMETRIES[self.geometry]
        if self.by == "cosine":
            return (unit(queries) @ unit(points).T).clamp(-1, 1), None
        if self.by == "distance":
            return 0.0 - geometry.pairwise_distance(queries, points, self.c), None
        x, y = (points, queries) if self._from_point else (queries, points)
        pair = polar.separate_all(x[:, None], y[None])
        given: Separate = lambda *_: pair  # noqa: E731
        angle: Tensor = geometry.angle_by(given, x[:, None], y[None], self.c)
        scores, close = angle if self._is_alpha2 else 0.0 - angle, pair.versine < CLOSE
        return (scores.T, close.T) if self._from_point else (scores, close)


def unit(x: Tensor) -> Tensor:
    """Return vectors of length 1 in the same directions; 0 for 0."""
    return x / polar.nonzero(polar.norm(x))[..., None]


def _longest(x: Tensor) -> Tensor:
    return polar.norm(x.double()).max()
