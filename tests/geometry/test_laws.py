"""Laws that hold in every geometry, and those that tell one from another."""

from math import cosh, pi, sinh

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from hiertools.geometry import euclidean, lorentz, sphere
from tests import strategies

GEOMETRIES = {"lorentz": lorentz, "euclidean": euclidean, "sphere": sphere}
REACH = {"lorentz": 7, "euclidean": 1000, "sphere": 3}  # of sqrt(c) times the radius
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-9}
ANGLE = {torch.float32: 1e-2, torch.float64: 1e-7}  # radians; nearest points, worst conditions
FAR = 1e-3  # from which sqrt(c) d on an angle has digits of its own

each_geometry = pytest.mark.parametrize("name", GEOMETRIES)
some = settings(max_examples=25, deadline=None)


@st.composite
def points(draw, name, count=5):
    """Tangent vectors at the origin (count x 4), their points, and c."""
    c = draw(strategies.curvatures)
    v = torch.from_numpy(draw(strategies.vectors(count, REACH[name]))) / c**0.5
    return v, GEOMETRIES[name].exp(v, c), c


def pairs(p):
    """Return all pairs of points as two arguments that broadcast."""
    return p[:, None], p[None]


def apart(name, p, c):
    """Return which of all pairs have an angle that is not made of rounding."""
    return c**0.5 * GEOMETRIES[name].distance(*pairs(p), c) > FAR


def sn(name, r):
    return {"lorentz": torch.sinh, "euclidean": torch.clone, "sphere": torch.sin}[name](r)


def at_origin(u, w):
    """Return the angle between the vectors of each of u and w."""
    u, w = u / u.norm(dim=-1, keepdim=True), w / w.norm(dim=-1, keepdim=True)
    return 2 * torch.atan2((u - w).norm(dim=-1), (u + w).norm(dim=-1))


def near(actual, expected, tolerance=None):
    tolerance = tolerance or TOLERANCE[actual.dtype]
    assert_close(actual, expected, atol=tolerance, rtol=tolerance)


@each_geometry
@some
@given(st.data())
def test_distance_is_a_metric(name, data):
    _, p, c = data.draw(points(name))
    d = GEOMETRIES[name].distance(*pairs(p), c)
    assert_close(d.diagonal(), torch.zeros(5, dtype=d.dtype), atol=0, rtol=0)
    assert (d >= 0).all()
    near(d, d.T)
    slack = TOLERANCE[d.dtype] * (1 + d.max())
    assert (d[:, None, :] <= d[:, :, None] + d.T[None] + slack).all()


@each_geometry
@some
@given(st.data())
def test_log_undoes_exp(name, data):
    v, p, c = data.draw(points(name))
    module = GEOMETRIES[name]
    near(module.log(p, c), v)
    near(module.exp(module.log(p, c), c), p)
    assert not module.capped(v, c).any()


@each_geometry
@some
@given(st.data())
def test_radius_is_the_distance_from_the_origin(name, data):
    v, p, c = data.draw(points(name))
    module = GEOMETRIES[name]
    near(module.radius(p, c), v.norm(dim=-1))
    near(module.radius(p, c), module.log(p, c).norm(dim=-1))
    near(module.distance(module.exp(0 * v, c), p, c), module.radius(p, c))


@each_geometry
@some
@given(st.data())
def test_curvature_is_a_unit_of_length(name, data):
    _, p, c = data.draw(points(name))
    module, s = GEOMETRIES[name], c**0.5
    near(module.distance(*pairs(p), c), module.distance(*pairs(s * p), 1.0) / s)
    angle, scaled = module.angle(*pairs(p), c), module.angle(*pairs(s * p), 1.0)
    mask = apart(name, p, c)
    near(angle[mask], scaled[mask], ANGLE[p.dtype])
    if name != "euclidean":
        near(module.half_aperture(p, c, k=0.1), module.half_aperture(s * p, 1.0, k=0.1), 1e-6)


@each_geometry
@some
@given(st.data(), st.integers(0, 100))
def test_rotations_change_nothing(name, data, seed):
    v, p, c = data.draw(points(name))
    module = GEOMETRIES[name]
    noise = torch.randn(4, 4, dtype=v.dtype, generator=torch.Generator().manual_seed(seed))
    q = module.exp(v @ torch.linalg.qr(noise)[0], c)
    near(module.distance(*pairs(q), c), module.distance(*pairs(p), c))
    mask = apart(name, p, c)
    turned, angle = module.angle(*pairs(q), c), module.angle(*pairs(p), c)
    near(turned[mask], angle[mask], ANGLE[p.dtype])


@some
@given(st.data(), st.floats(-2, 2), st.integers(0, 3))
def test_boosts_keep_distances(data, rapidity, axis):
    _, p, c = data.draw(points("lorentz"))
    time = torch.sqrt(1 / c + (p * p).sum(-1))
    q = p.clone()
    q[:, axis] = p[:, axis] * cosh(rapidity) + time * sinh(rapidity)
    near(lorentz.distance(*pairs(q), c), lorentz.distance(*pairs(p), c), 1e-8)


@pytest.mark.parametrize("curved", [lorentz, sphere])
@some
@given(strategies.vectors(5, 10))
def test_small_curvature_is_flat(curved, v):
    v = torch.from_numpy(v)
    p = curved.exp(v, 1e-12)
    d = euclidean.distance(*pairs(v), 1.0)
    near(curved.distance(*pairs(p), 1e-12), d, 1e-6)
    angle, flat = curved.angle(*pairs(p), 1e-12), euclidean.angle(*pairs(v), 1.0)
    near(angle[d > FAR], flat[d > FAR], 1e-6)


@each_geometry
@some
@given(st.data(), st.floats(0, 1))
def test_angle_is_0_outward_and_pi_inward(name, data, part):
    v, x, c = data.draw(points(name))
    module = GEOMETRIES[name]
    y = module.exp(part * v, c)
    far = c**0.5 * module.distance(x, y, c) > FAR
    inward, outward = module.angle(x, y, c)[far], module.angle(y, x, c)[far]
    near(inward, torch.full_like(inward, pi), ANGLE[v.dtype])
    if part > FAR:
        near(outward, torch.zeros_like(outward), ANGLE[v.dtype])


@each_geometry
def test_angle_is_undefined_at_the_origin_and_at_the_point(name):
    module = GEOMETRIES[name]
    x = module.exp(torch.tensor([[1.0, 2.0], [0.0, 0.0]], dtype=torch.float64) / 2, 1.0)
    expected = torch.tensor([[pi / 2, pi], [pi / 2, pi / 2]], dtype=torch.float64)
    near(module.angle(*pairs(x), 1.0), expected)
    near(module.pairwise_angle(x, x, 1.0), expected)


@each_geometry
@some
@given(st.data())
def test_law_of_sines(name, data):
    _, p, c = data.draw(points(name))
    module, s, mask = GEOMETRIES[name], c**0.5, apart(name, p, c)
    r, d = sn(name, s * module.radius(p, c)), sn(name, s * module.distance(*pairs(p), c))
    sine = torch.sin(module.angle(*pairs(p), c))
    near((r[:, None] * sine)[mask], (r[None] * sine.T)[mask], 1e-6)
    theta = at_origin(*pairs(module.log(p, c)))
    near((d * sine)[mask], (r[None] * torch.sin(theta))[mask], 1e-6)


@each_geometry
@some
@given(st.data())
def test_law_of_cosines(name, data):
    """The exterior angle and the interior one, of a triangle with these sides, make pi."""
    _, p, c = data.draw(points(name))
    module, s = GEOMETRIES[name], c**0.5
    r, d = s * module.radius(p, c), s * module.distance(*pairs(p), c)
    a, b = torch.broadcast_tensors(r[:, None], r[None])
    cosine = -torch.cos(module.angle(*pairs(p), c))
    if name == "lorentz":
        whole, part = torch.cosh(a) * torch.cosh(d), -torch.sinh(a) * torch.sinh(d) * cosine
        left, scale = torch.cosh(b), whole
    elif name == "sphere":
        whole, part = torch.cos(a) * torch.cos(d), torch.sin(a) * torch.sin(d) * cosine
        left, scale = torch.cos(b), 1
    else:
        whole, part = a * a + d * d, -2 * a * d * cosine
        left, scale = b * b, whole
    mask = apart(name, p, c)
    near((left / scale)[mask], ((whole + part) / scale)[mask])


@each_geometry
@some
@given(st.data())
def test_angle_sum_tells_the_geometries_apart(name, data):
    _, p, c = data.draw(points(name))
    module = GEOMETRIES[name]
    interior = pi - module.angle(*pairs(p), c)
    excess = at_origin(*pairs(module.log(p, c))) + interior + interior.T - pi
    excess, slack = excess[apart(name, p, c)], ANGLE[p.dtype]
    if name != "sphere":
        assert (excess < slack).all()
    if name != "lorentz":
        assert (excess > -slack).all()


@each_geometry
@some
@given(st.data())
def test_pairwise_is_elementwise(name, data):
    _, p, c = data.draw(points(name))
    module, x, y = GEOMETRIES[name], p[:3], p[1:]
    d = module.distance(x[:, None], y[None], c)
    far = c**0.5 * d > FAR
    rounding = 1e-7 * (sinh(7) if name == "lorentz" else REACH[name])  # of theta, at the outermost
    near(module.pairwise_distance(x, y, c), d, rounding)
    pairwise, angle = module.pairwise_angle(x, y, c), module.angle(x[:, None], y[None], c)
    mask = far | (d == 0)
    near(pairwise[mask], angle[mask], rounding / FAR)


@each_geometry
@some
@given(st.data())
def test_float32_is_near_float64(name, data):
    v, p, c = data.draw(points(name))
    module, single = GEOMETRIES[name], p.float()
    double = single.double()
    for function in (module.log, module.radius):
        near(function(single, c).double(), function(double, c), TOLERANCE[torch.float32])
    points_ = module.exp(v.float(), c)
    near(points_.double(), module.exp(v.float().double(), c), TOLERANCE[torch.float32])
    d = module.distance(*pairs(double), c)
    # on one ray, theta is as good as float32's unit vectors: see test_oracles.py
    near(module.distance(*pairs(single), c).double(), d, 1e-3)
    mask = c**0.5 * d > 0.1
    angle, expected = module.angle(*pairs(single), c).double(), module.angle(*pairs(double), c)
    near(angle[mask], expected[mask], ANGLE[torch.float32])


@pytest.mark.parametrize("dtype", TOLERANCE)
@each_geometry
def test_types_and_shapes_are_kept(name, dtype):
    module = GEOMETRIES[name]
    v = torch.linspace(-1, 1, 30).reshape(2, 3, 5).to(dtype)
    for c in (1.5, torch.tensor(1.5), torch.tensor(1.5, dtype=torch.float64)):
        x = module.exp(v, c)
        rows = [module.radius(x, c), module.half_aperture(x, c, k=0.1), module.log(x, c)[..., 0]]
        for result in (x[..., 0], *rows):
            assert (result.dtype, result.shape) == (dtype, (2, 3))
        for function in (module.distance, module.angle):
            assert function(x[0], x[1, :1], c).shape == (3,)
            assert function(x[0, 0], x[0, 1], c).dtype == dtype
        for function in (module.pairwise_distance, module.pairwise_angle):
            result = function(x[0], x[1, :2], c)
            assert (result.dtype, result.shape) == (dtype, (3, 2))
            assert function(x[0], x[1, :0], c).shape == (3, 0)


@each_geometry
@some
@given(st.data(), st.floats(0.01, 0.5))
def test_half_aperture_falls_with_the_norm(name, data, k):
    v, _, c = data.draw(points(name))
    module = GEOMETRIES[name]
    c = 1.0 if name == "euclidean" else c
    r = v.norm(dim=-1, keepdim=True)
    v = v / r * r.clamp(max=1.5 / c**0.5)  # a sphere's cones widen beyond the equator
    wide = module.half_aperture(module.exp(v / 2, c), c, k=k)
    narrow = module.half_aperture(module.exp(v, c), c, k=k)
    assert (narrow > 0).all()
    assert (wide <= pi / 2).all()
    assert ((narrow < wide) | (wide == pi / 2)).all()
    a = sn(name, c**0.5 * v.norm(dim=-1))
    near(narrow, torch.asin((2 * k / a).clamp(max=1)), 1e-6)


@each_geometry
def test_half_aperture_of_points_within_2k(name):
    c = 1.0 if name == "euclidean" else 4.0
    v = torch.tensor([[0.0, 0.0], [0.0, 0.19], [0.0, 0.21]], dtype=torch.float64) / c**0.5
    half = GEOMETRIES[name].half_aperture(GEOMETRIES[name].exp(v, c), c, k=0.1)
    near(half[:2], torch.full((2,), pi / 2, dtype=v.dtype))
    assert half[2] < 1.3


@each_geometry
def test_a_cone_holds_the_cones_of_its_points(name):
    module, c, k = GEOMETRIES[name], 1.0, 0.1
    noise = torch.randn(3, 2000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    steps = torch.tensor([0.3, 0.4, 0.4], dtype=torch.float64)[:, None, None]
    forward = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    x, y, z = module.exp((steps * (forward + 0.3 * noise)).cumsum(0), c)

    def holds(x, y, slack=0.0):
        return module.angle(x, y, c) <= module.half_aperture(x, c, k=k) + slack

    chain = holds(x, y) & holds(y, z)
    assert chain.sum() > 100
    assert holds(x, z, 1e-9)[chain].all()


def test_exp_is_capped_where_float32_ends():
    v = torch.tensor([[11.0, 0.0], [11.1, 0.0], [0.0, 1e6]])
    for c in (1.0, 4.0):
        x = lorentz.exp(v / c**0.5, c)
        assert_close(lorentz.capped(v / c**0.5, c), torch.tensor([False, True, True]))
        near((c**0.5 * x).norm(dim=-1)[1:], torch.full((2,), 2.0**15))
