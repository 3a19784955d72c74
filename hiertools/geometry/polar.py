"""Polar coordinates around the origin: what the three geometries share.

A pair of points is two radii and the angle theta between their directions. `sn` of a radius is
sinh, the identity or sin (times sqrt(c)), by geometry, and `cs` is its derivative. Nothing here is
the difference of two large numbers: theta comes from differences of vectors. Gradients are finite
everywhere, and 0 where there is none.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

Scalar = float | Float[Tensor, ""]

NOISE = 8  # rounding errors, in units of eps, that the sine of a vanishing angle may hold


class Pair(NamedTuple):
    """Pairs of points in polar coordinates; the fields broadcast against each other.

    a, b: sn of the radii of x and y; gap: b - a; versine: 1 - cos(theta), in [0, 2]; sine:
    sin(theta), in [0, 1], with gradient 0 where theta is 0 or pi. Where x = y, gap, versine and
    sine are exactly 0.
    """

    a: Float[Tensor, "..."]
    b: Float[Tensor, "..."]
    gap: Float[Tensor, "..."]
    versine: Float[Tensor, "..."]
    sine: Float[Tensor, "..."]

    def times(self, scale: Scalar) -> "Pair":
        """Return the pairs with both points `scale` times as far out."""
        return self._replace(a=self.a * scale, b=self.b * scale, gap=self.gap * scale)


Separate = Callable[[Tensor, Tensor], Pair]


def separate(x: Float[Tensor, "*#n d"], y: Float[Tensor, "*#n d"]) -> Pair:
    """Return the pairs (x, y), each by differences of its own coordinates.

    The error of theta is a few eps times |x - y|/(|x| + |y|): near points are as good as far ones.
    """
    a, b = norm(x), norm(y)
    total = nonzero(a + b)
    difference = y - x
    gap = (difference * (x + y)).sum(-1) / total
    both = x / nonzero(a)[..., None] + y / nonzero(b)[..., None]
    turn = (2 * difference - gap[..., None] * both) / total[..., None]
    squared = (turn * turn).sum(-1)
    noise = NOISE * torch.finfo(x.dtype).eps * norm(difference).detach() / total.detach()
    return Pair(
        a,
        b,
        gap,
        versine=squared / 2,
        sine=damped_root(squared * (both * both).sum(-1) / 4, noise * noise),
    )


def separate_all(x: Float[Tensor, "n 1 d"], y: Float[Tensor, "1 m d"]) -> Pair:
    """Return all pairs n x m by one matrix product, in float64 to stand its cancellation.

    theta below 1e-7 drowns in rounding; points nearer than that to each other count as equal.
    """
    a, b = norm(x), norm(y)
    u, w = x / nonzero(a)[..., None], y / nonzero(b)[..., None]
    versine = (1 - u[:, 0] @ w[0].T).clamp(0, 2)
    noise = 2 * NOISE * torch.finfo(x.dtype).eps
    gap = b - a
    equal = (gap.abs() <= noise * (a + b)) & (versine <= noise)
    gap, versine = torch.where(equal, 0, gap), torch.where(equal, 0, versine)
    sine = damped_root(versine * (2 - versine), versine.new_tensor(2 * noise))
    return Pair(a, b, gap, versine, sine)


def exterior_angle(
    pair: Pair, outward: Float[Tensor, "..."], cosine: Float[Tensor, "..."] | float
) -> Float[Tensor, "..."]:
    """Return the exterior angle at x of the triangle origin, x, y, in [0, pi].

    outward: sn(radius of y - radius of x); cosine: cs(radius of x). The angle is
    atan2(sn(b) sin(theta), cs(a) sn(b) cos(theta) - sn(a) cs(b)), whose second argument is here
    sn(b - a) - cs(a) sn(b) (1 - cos(theta)). Undefined where x is the origin or y: pi/2, with
    gradient 0.
    """
    total = nonzero(pair.a + pair.b)
    rise = pair.b * pair.sine / total
    run = (outward - cosine * pair.b * pair.versine) / total
    undefined = (pair.a == 0) | ((rise == 0) & (run == 0))
    return torch.atan2(torch.where(undefined, 1, rise), torch.where(undefined, 0, run))


def half_aperture(a: Float[Tensor, "*n"], k: float) -> Float[Tensor, "*n"]:
    """Return asin(2k / a), in (0, pi/2], and pi/2 with gradient 0 where a <= 2k.

    a: sn of the radius. sn(radius) sin(angle) is the same all along a geodesic (Clairaut), so a
    cone holds the cones of the points in it, in all three geometries.
    """
    beyond = (a - 2 * k) * (a + 2 * k)
    inside = beyond <= 0
    angle = torch.atan(2 * k / torch.where(inside, 1, beyond).sqrt())
    return torch.where(inside, torch.pi / 2, angle)


def norm(x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
    """Return |x|, with gradient 0 at 0. Below 4e-16 (float32) or 1e-146 it is 0."""
    return root((x * x).sum(-1))


def root(squared: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Return the square root; 0 with gradient 0 where squares lose digits to underflow."""
    limits = torch.finfo(squared.dtype)
    held = squared > limits.tiny / limits.eps
    return torch.where(held, torch.where(held, squared, 1).sqrt(), 0)


def damped_root(squared: Float[Tensor, "*#n"], noise: Float[Tensor, "*#n"]) -> Float[Tensor, "*#n"]:
    """Return the square root, and squared/sqrt(noise) where `squared` is below its `noise`."""
    limits = torch.finfo(squared.dtype)
    return squared / torch.maximum(squared, noise.clamp(min=limits.tiny / limits.eps)).sqrt()


def nonzero(a: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Return a divisor: `a`, and 1 for 0."""
    return torch.where(a == 0, 1, a)


def square_root(c: Scalar, like: Tensor) -> Scalar:
    """Return sqrt(c) as a number, or as a tensor of the type and device of `like`."""
    return c.to(like).sqrt() if isinstance(c, Tensor) else c**0.5
