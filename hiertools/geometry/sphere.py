"""Sphere of curvature +c, c > 0, with the functions of the other geometries.

All d + 1 coordinates of a point are stored: its norm is 1/sqrt(c) and the origin is
(1/sqrt(c), 0, ...), so that unit vectors are points of c = 1 as they are. The first coordinate is
cos, and the norm of the others sin, of sqrt(c) times the radius.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hiertools.geometry import polar
from hiertools.geometry.polar import Scalar, Separate


def exp(v: Float[Tensor, "*n d"], c: Scalar) -> Float[Tensor, "*n d+1"]:
    """Return the points that tangent vectors at the origin lead to; injective up to pi/sqrt(c)."""
    s = polar.square_root(c, v)
    r = s * polar.norm(v)
    rest = torch.where(r == 0, 1, torch.sin(r) / polar.nonzero(r))[..., None] * v
    return torch.cat([(torch.cos(r) / s)[..., None], rest], -1)


def capped(v: Float[Tensor, "*n d"], c: Scalar) -> Bool[Tensor, "*n"]:
    """Return where `exp` caps the length of v: nowhere."""
    return torch.zeros(v.shape[:-1], dtype=torch.bool, device=v.device)


def log(x: Float[Tensor, "*n d"], c: Scalar) -> Float[Tensor, "*n d-1"]:
    """Return the shortest tangent vectors at the origin that lead to points.

    Undefined at the point opposite to the origin: 0.
    """
    a = polar.norm(x[..., 1:])
    s = polar.square_root(c, x)
    factor = torch.atan2(a, x[..., 0]) / (s * polar.nonzero(a))
    return torch.where(a == 0, 1, factor)[..., None] * x[..., 1:]


def radius(x: Float[Tensor, "*n d"], c: Scalar) -> Float[Tensor, "*n"]:
    """Return the distance from the origin, in [0, pi/sqrt(c)]."""
    return torch.atan2(polar.norm(x[..., 1:]), x[..., 0]) / polar.square_root(c, x)


def distance(
    x: Float[Tensor, "*#n d"], y: Float[Tensor, "*#n d"], c: Scalar
) -> Float[Tensor, "*#n"]:
    """Return the length of the shortest arc from x to y, 2 atan2(|x - y|, |x + y|) / sqrt(c).

    Its gradient at x = y and x = -y is 0.
    """
    return 2 * torch.atan2(polar.norm(x - y), polar.norm(x + y)) / polar.square_root(c, x)


def pairwise_distance(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], c: Scalar
) -> Float[Tensor, "n m"]:
    """Return `distance` of each x to each y, by a matrix product in float64."""
    pair = polar.separate_all(x.double()[:, None], y.double()[None])
    near = polar.root(pair.versine / 2)
    far = polar.root(1 - pair.versine / 2)
    return (2 * torch.atan2(near, far) / polar.square_root(c, pair.versine)).to(x.dtype)


def angle(x: Float[Tensor, "*#n d"], y: Float[Tensor, "*#n d"], c: Scalar) -> Float[Tensor, "*#n"]:
    """Return the exterior angle at x of the triangle origin, x, y, in [0, pi].

    0 where y lies straight outward of x. Undefined where x = y, or where x is the origin or
    opposite to it: pi/2, with gradient 0.
    """
    return angle_by(polar.separate, x, y, c)


def pairwise_angle(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], c: Scalar
) -> Float[Tensor, "n m"]:
    """Return `angle` at each x towards each y, by a matrix product in float64."""
    return angle_by(polar.separate_all, x.double()[:, None], y.double()[None], c).to(x.dtype)


def angle_by(separate: Separate, x: Tensor, y: Tensor, c: Scalar) -> Tensor:
    """Return `angle` of the pairs that `separate` makes of x and y."""
    s = polar.square_root(c, x)
    pair = separate(x[..., 1:], y[..., 1:]).times(s)
    cosine, other = s * x[..., 0], s * y[..., 0]
    return polar.exterior_angle(pair, pair.gap * cosine - pair.a * (other - cosine), cosine)


def half_aperture(x: Float[Tensor, "*n d"], c: Scalar, *, k: float) -> Float[Tensor, "*n"]:
    """Return the half-angle of the cone at x, asin(2k / sin(sqrt(c) radius)), in (0, pi/2].

    pi/2 where the sine is below 2k. It falls up to the equator only.
    """
    return polar.half_aperture(polar.square_root(c, x) * polar.norm(x[..., 1:]), k)
