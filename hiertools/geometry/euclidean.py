"""Flat space: the limit of the other two geometries for c -> 0, with the same functions.

Points and tangent vectors at the origin are the same d numbers, and `c` is not used.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hiertools.geometry import polar
from hiertools.geometry.polar import Scalar, Separate


def exp(v: Float[Tensor, "*n d"], c: Scalar) -> Float[Tensor, "*n d"]:
    """Return v: the points that tangent vectors at the origin lead to."""
    return v


def capped(v: Float[Tensor, "*n d"], c: Scalar) -> Bool[Tensor, "*n"]:
    """Return where `exp` caps the length of v: nowhere."""
    return torch.zeros(v.shape[:-1], dtype=torch.bool, device=v.device)


def log(x: Float[Tensor, "*n d"], c: Scalar) -> Float[Tensor, "*n d"]:
    """Return x: the tangent vectors at the origin that lead to points."""
    return x


def radius(x: Float[Tensor, "*n d"], c: Scalar) -> Float[Tensor, "*n"]:
    """Return the distance from the origin, |x|."""
    return polar.norm(x)


def distance(
    x: Float[Tensor, "*#n d"], y: Float[Tensor, "*#n d"], c: Scalar
) -> Float[Tensor, "*#n"]:
    """Return |x - y|; its gradient at x = y is 0."""
    return polar.norm(x - y)


def pairwise_distance(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], c: Scalar
) -> Float[Tensor, "n m"]:
    """Return `distance` of each x to each y, by a matrix product in float64."""
    pair = polar.separate_all(x.double()[:, None], y.double()[None])
    squared = pair.gap * pair.gap + 2 * pair.a * pair.b * pair.versine
    return polar.root(squared).to(x.dtype)


def angle(x: Float[Tensor, "*#n d"], y: Float[Tensor, "*#n d"], c: Scalar) -> Float[Tensor, "*#n"]:
    """Return the exterior angle at x of the triangle origin, x, y, in [0, pi].

    0 where y lies straight outward of x. Undefined at x = 0 and x = y: pi/2, with gradient 0.
    """
    return angle_by(polar.separate, x, y, c)


def pairwise_angle(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], c: Scalar
) -> Float[Tensor, "n m"]:
    """Return `angle` at each x towards each y, by a matrix product in float64."""
    return angle_by(polar.separate_all, x.double()[:, None], y.double()[None], c).to(x.dtype)


def angle_by(separate: Separate, x: Tensor, y: Tensor, c: Scalar) -> Tensor:
    """Return `angle` of the pairs that `separate` makes of x and y."""
    pair = separate(x, y)
    return polar.exterior_angle(pair, pair.gap, 1.0)


def half_aperture(x: Float[Tensor, "*n d"], c: Scalar, *, k: float) -> Float[Tensor, "*n"]:
    """Return the half-angle of the cone at x, asin(2k / |x|), in (0, pi/2].

    Points nearer to the origin than 2k get pi/2. Ganea et al. 2018 (arXiv:1804.01882) write K
    for 2k.
    """
    return polar.half_aperture(polar.norm(x), k)
