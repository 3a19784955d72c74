"""Hyperbolic space of curvature -c, c > 0, as the upper sheet of a hyperboloid (Lorentz model).

Of a point only the space part x (d numbers) is stored; the time part is sqrt(1/c + |x|^2), and the
origin is x = 0. Distances are in units where the curvature is -c; angles in radians. Norms up to
1e9 in float32. Formulas of MERU (Desai et al. 2023, arXiv:2304.09172) in other arrangements, that
do not cancel: sqrt(c) |x| is sinh of sqrt(c) times the radius.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hiertools.geometry import polar
from hiertools.geometry.polar import Pair, Scalar, Separate

CAP = math.asinh(2**15)  # of sqrt(c) |v|: beyond it float32 cannot tell time from space


def exp(v: Float[Tensor, "*n d"], c: Scalar) -> Float[Tensor, "*n d"]:
    """Return the points that tangent vectors at the origin lead to.

    sinh(sqrt(c) |v|) / (sqrt(c) |v|) v; sqrt(c) |v| is capped at `CAP`, as in MERU's `exp_map0`.
    """
    r = polar.square_root(c, v) * polar.norm(v)
    return torch.where(r == 0, 1, torch.sinh(r.clamp(max=CAP)) / polar.nonzero(r))[..., None] * v


def capped(v: Float[Tensor, "*n d"], c: Scalar) -> Bool[Tensor, "*n"]:
    """Return where `exp` caps the length of v."""
    return polar.square_root(c, v) * polar.norm(v) > CAP


def log(x: Float[Tensor, "*n d"], c: Scalar) -> Float[Tensor, "*n d"]:
    """Return the tangent vectors at the origin that lead to points: the inverse of `exp`."""
    a = polar.square_root(c, x) * polar.norm(x)
    return torch.where(a == 0, 1, torch.asinh(a) / polar.nonzero(a))[..., None] * x


def radius(x: Float[Tensor, "*n d"], c: Scalar) -> Float[Tensor, "*n"]:
    """Return the distance from the origin, asinh(sqrt(c) |x|) / sqrt(c)."""
    s = polar.square_root(c, x)
    return torch.asinh(s * polar.norm(x)) / s


def distance(
    x: Float[Tensor, "*#n d"], y: Float[Tensor, "*#n d"], c: Scalar
) -> Float[Tensor, "*#n"]:
    """Return the length of the geodesic from x to y; its gradient at x = y is 0.

    sinh^2(d/2) = sinh^2((r - q)/2) + sinh r sinh q sin^2(theta/2), with c = 1 and radii r and q.
    """
    return _distance(x, y, c, polar.separate)


def pairwise_distance(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], c: Scalar
) -> Float[Tensor, "n m"]:
    """Return `distance` of each x to each y, by a matrix product in float64."""
    return _distance(x.double()[:, None], y.double()[None], c, polar.separate_all).to(x.dtype)


def angle(x: Float[Tensor, "*#n d"], y: Float[Tensor, "*#n d"], c: Scalar) -> Float[Tensor, "*#n"]:
    """Return the exterior angle at x of the triangle origin, x, y, in [0, pi].

    0 where y lies straight outward of x. Undefined at x = 0 and x = y: pi/2, with gradient 0.
    MERU's `ext`, without its arc cosine. In float32 within 1e-5 for theta of 0.01 and more; nearer
    to a ray, theta is known to an eps or so, which sqrt(c) |y| magnifies.
    """
    return angle_by(polar.separate, x, y, c)


def pairwise_angle(
    x: Float[Tensor, "n d"], y: Float[Tensor, "m d"], c: Scalar
) -> Float[Tensor, "n m"]:
    """Return `angle` at each x towards each y, by a matrix product in float64.

    theta below 1e-7 is lost: on a ray at sqrt(c) |x| = 32768 the angle is off by up to 0.01.
    """
    return angle_by(polar.separate_all, x.double()[:, None], y.double()[None], c).to(x.dtype)


def angle_by(separate: Separate, x: Tensor, y: Tensor, c: Scalar) -> Tensor:
    """Return `angle` of the pairs that `separate` makes of x and y."""
    pair = separate(x, y).times(polar.square_root(c, x))
    return polar.exterior_angle(pair, _outward(pair), _time(pair.a))


def half_aperture(x: Float[Tensor, "*n d"], c: Scalar, *, k: float) -> Float[Tensor, "*n"]:
    """Return the half-angle of the cone at x, asin(2k / (sqrt(c) |x|)), in (0, pi/2].

    Points nearer to the origin than 2k/sqrt(c) get pi/2. MERU's `aper`, where k = K = 0.1.
    """
    return polar.half_aperture(polar.square_root(c, x) * polar.norm(x), k)


def _distance(x: Tensor, y: Tensor, c: Scalar, separate: Separate) -> Tensor:
    s = polar.square_root(c, x)
    pair = separate(x, y).times(s)
    outward = _outward(pair)
    radial = outward * outward / (2 * (1 + _time(outward)))
    return 2 / s * torch.asinh(polar.root(radial + pair.a * pair.b * pair.versine / 2))


def _outward(pair: Pair) -> Tensor:
    """Return sinh of the difference of the radii, b cosh r - a cosh q, as a multiple of b - a."""
    a, b = pair.a, pair.b
    time_a, time_b = _time(a), _time(b)
    return pair.gap * (1 + (1 + a * a + b * b) / (time_a * time_b + a * b)) / (time_a + time_b)


def _time(a: Tensor) -> Tensor:
    """Return cosh of the radius whose sinh is `a`."""
    return torch.sqrt(1 + a * a)
