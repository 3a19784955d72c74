"""Against geoopt (k = 1/c) in float64, and against 50 digits."""

import warnings
from math import cos, sin

import mpmath
import pytest
import torch
from torch.testing import assert_close

from hiertools.geometry import euclidean, lorentz, sphere

CURVATURES = {lorentz: -1, euclidean: 0, sphere: 1}
RADII = {  # sqrt(c) |x|; on the sphere sqrt(c) times the radius
    lorentz: [0.1, 1, 10, 100, 1000, 10000, 32768],
    euclidean: [0.1, 1, 10, 100, 1000, 10000, 32768],
    sphere: [0.1, 0.5, 1, 2, 3],
}
THETAS = [0.01, 0.1, 1, 2, 3.1]  # nearer to a ray the last digits of the points decide

# Of distances, relative to 1 + d, and of angles in radians; a product's worst is at theta = 0.01.
DISTANCE = {torch.float32: 4e-6, torch.float64: 4e-15}
ANGLE = {torch.float32: 1.1e-5, torch.float64: 3e-14}
PAIRWISE = {torch.float32: 1e-6, torch.float64: 3e-11}


def pairs(module, dtype):
    """Return x and y (n x d) of all radii, near radii and thetas, in random planes."""
    generator = torch.Generator().manual_seed(1)
    x, y = [], []
    for theta in torch.tensor(THETAS, dtype=torch.float64):
        for a in RADII[module]:
            for b in [*RADII[module], 1.001 * a, 1.04 * a]:
                plane = torch.randn(5, 2, dtype=torch.float64, generator=generator)
                u, w = torch.linalg.qr(plane)[0].T
                x.append(a * u)
                y.append(b * (torch.cos(theta) * u + torch.sin(theta) * w))
    x, y = torch.stack(x), torch.stack(y)
    if module is sphere:
        x, y = sphere.exp(x, 1.0), sphere.exp(y, 1.0)
    return x.to(dtype), y.to(dtype)


def exact(x, y, curvature):
    """Return distance and exterior angle; curvature: -1, 0 or 1."""
    x, y = [[mpmath.mpf(float(value)) for value in point] for point in (x, y)]
    cos_a = cos_b = 1
    difference = [p - q for p, q in zip(x, y, strict=True)]
    distance = mpmath.sqrt(dot(difference, difference))
    if curvature < 0:
        cos_a, cos_b = mpmath.sqrt(1 + dot(x, x)), mpmath.sqrt(1 + dot(y, y))
        distance = mpmath.acosh(cos_a * cos_b - dot(x, y))
    elif curvature > 0:
        x, y = [[value / mpmath.sqrt(dot(point, point)) for value in point] for point in (x, y)]
        distance = mpmath.acos(dot(x, y))
        (cos_a, *x), (cos_b, *y) = x, y
    a, b = mpmath.sqrt(dot(x, x)), mpmath.sqrt(dot(y, y))
    cosine = dot(x, y) / (a * b)
    rise = b * mpmath.sqrt(1 - cosine**2)
    return float(distance), float(mpmath.atan2(rise, cos_a * b * cosine - a * cos_b))


def dot(x, y):
    return mpmath.fsum(p * q for p, q in zip(x, y, strict=True))


@pytest.mark.parametrize("dtype", ANGLE)
@pytest.mark.parametrize("module", CURVATURES, ids=["lorentz", "euclidean", "sphere"])
def test_50_digits(module, dtype):
    x, y = pairs(module, dtype)
    with mpmath.workdps(50):
        rows = [exact(*pair, CURVATURES[module]) for pair in zip(x, y, strict=True)]
    distance, angle = torch.tensor(rows, dtype=torch.float64).T

    def check(found, expected, tolerance):
        found = found.double()
        assert_close(found / (1 + expected), expected / (1 + expected), atol=tolerance, rtol=0)

    check(module.distance(x, y, 1.0), distance, DISTANCE[dtype])
    assert_close(module.angle(x, y, 1.0).double(), angle, atol=ANGLE[dtype], rtol=0)
    check(module.pairwise_distance(x, y, 1.0).diagonal(), distance, PAIRWISE[dtype])
    found = module.pairwise_angle(x, y, 1.0).diagonal().double()
    assert_close(found, angle, atol=PAIRWISE[dtype], rtol=0)


@pytest.mark.parametrize("theta", [0.0, 1e-7, 1e-5])
def test_near_points_at_large_radii(theta):
    """Of two points near to each other every digit counts, on the float32 points as they are."""
    generator = torch.Generator().manual_seed(2)
    plane = torch.linalg.qr(torch.randn(5, 2, dtype=torch.float64, generator=generator))[0].T
    directions = torch.stack([plane[0], cos(theta) * plane[0] + sin(theta) * plane[1]])
    for norm in (1.0, 100.0, 32768.0):
        for stretch in (1 + 1e-6, 1.001):
            x, y = (norm * directions * torch.tensor([[1.0], [stretch]])).float()
            with mpmath.workdps(50):
                distance, angle = exact(x, y, -1)
            distance, angle = torch.tensor([distance, angle]).float()
            assert_close(lorentz.distance(x, y, 1.0), distance, rtol=5e-4, atol=0)
            assert_close(lorentz.angle(x, y, 1.0), angle, rtol=0, atol=5e-4)


@pytest.fixture(scope="module")
def geoopt():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # geoopt 0.5.1 scripts functions
        import geoopt
    return geoopt


@pytest.mark.parametrize("c", [0.5, 1.0, 4.0])  # geoopt keeps k in float32: exact ones
def test_geoopt(geoopt, c):
    manifold = geoopt.Lorentz(k=1 / c).double()
    v, w = torch.randn(2, 50, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x, y = lorentz.exp(v, c), lorentz.exp(w, c)

    def whole(space):
        return torch.cat([torch.sqrt(1 / c + (space * space).sum(-1, keepdim=True)), space], -1)

    def near(actual, expected):
        assert_close(actual, expected, atol=1e-9, rtol=1e-9)

    full_x, full_y, zero = whole(x), whole(y), torch.zeros_like(v[:, :1])
    near(full_x, manifold.expmap0(torch.cat([zero, v], -1)))
    near(torch.cat([zero, lorentz.log(x, c)], -1), manifold.logmap0(full_x))
    near(lorentz.radius(x, c), manifold.dist0(full_x))
    near(lorentz.distance(x, y, c), manifold.dist(full_x, full_y))
    near(lorentz.pairwise_distance(x, y, c), manifold.dist(full_x[:, None], full_y[None]))
    inward = manifold.logmap(full_x, whole(torch.zeros_like(x)))
    onward = manifold.logmap(full_x, full_y)
    lengths = manifold.dist0(full_x) * manifold.dist(full_x, full_y)
    near(torch.cos(lorentz.angle(x, y, c)), -manifold.inner(full_x, inward, onward) / lengths)
