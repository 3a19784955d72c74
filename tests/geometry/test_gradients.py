"""Gradients are right, and finite where there is none."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hiertools.geometry import euclidean, lorentz, sphere
from tests import strategies

GEOMETRIES = {"lorentz": lorentz, "euclidean": euclidean, "sphere": sphere}
DTYPES = [torch.float32, torch.float64]

each_geometry = pytest.mark.parametrize("name", GEOMETRIES)


def hard_points(dtype):
    """The origin, points on one ray, opposite, at right angles, near each other, far and tiny."""
    norms = [1e-30, 1e-16, 1e-8, 1e-3, 1, 1 + 1e-7, 1.5, 2, 4, 1e3, 32767, 32768]
    x = [torch.zeros(3)]
    for norm in norms:
        for direction in ([1, 0, 0], [-1, 0, 0], [0, 0.6, 0.8], [1, 1e-7, 0], [1, 1e-20, 0]):
            x.append(norm * torch.tensor(direction, dtype=torch.float64))
    return torch.stack([row.to(torch.float64) for row in x]).to(dtype)


def on_geometry(name, x):
    """Return hard points of a geometry: on the sphere, the plane's radii run to 4."""
    if name == "sphere":
        return torch.cat([sphere.exp(x[x.norm(dim=-1) < 5], 1.0), -sphere.exp(0 * x[:1], 1.0)])
    return x


def check_finite(result, *inputs):
    assert result.isfinite().all()
    gradients = torch.autograd.grad(result.sum(), inputs, materialize_grads=True)
    for gradient in gradients:
        assert gradient.isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES)
@each_geometry
def test_gradients_are_finite_at_hard_points(name, dtype):
    module = GEOMETRIES[name]
    x = on_geometry(name, hard_points(dtype)).requires_grad_()
    y = x.detach().clone().requires_grad_()
    c = torch.tensor(1.0, dtype=dtype, requires_grad=True)
    for function in (module.distance, module.angle):
        check_finite(function(x[:, None], y[None], c), x, y, c)
    for function in (module.pairwise_distance, module.pairwise_angle):
        check_finite(function(x, y, c), x, y, c)
    for function in (module.log, module.radius):
        check_finite(function(x, c), x, c)
    check_finite(module.half_aperture(x, c, k=0.1), x, c)
    v = hard_points(dtype).requires_grad_()
    check_finite(module.exp(v, c), v, c)


@each_geometry
@settings(max_examples=50, deadline=None)
@given(st.data(), st.sampled_from(DTYPES))
def test_gradients_are_finite(name, data, dtype):
    module = GEOMETRIES[name]
    reach = 3 if name == "sphere" else 32768
    v = torch.from_numpy(data.draw(strategies.vectors(5, reach))).to(dtype)
    x = (sphere.exp(v, 1.0) if name == "sphere" else v).requires_grad_()
    c = torch.tensor(1.0, dtype=dtype, requires_grad=True)
    for function in (module.distance, module.angle):
        check_finite(function(x[:, None], x[None], c), x, c)
    for function in (module.pairwise_distance, module.pairwise_angle):
        check_finite(function(x, x, c), x, c)


@pytest.mark.parametrize("dtype", DTYPES)
@each_geometry
def test_gradient_is_0_where_there_is_none(name, dtype):
    module = GEOMETRIES[name]
    v = torch.tensor([[0.3, 0.4], [0.0, 0.0]], dtype=dtype)
    x = module.exp(v, 1.0).requires_grad_()
    same = module.exp(v, 1.0)
    for result in (
        module.angle(x, same, 1.0),
        module.distance(x, same, 1.0),
        module.pairwise_angle(x, same, 1.0).diagonal(),
        module.pairwise_distance(x, same, 1.0).diagonal(),
    ):
        (gradient,) = torch.autograd.grad(result.sum(), x)
        torch.testing.assert_close(gradient, torch.zeros_like(x), atol=0, rtol=0)


@each_geometry
def test_gradients_are_those_of_finite_differences(name):
    module = GEOMETRIES[name]
    generator = torch.Generator().manual_seed(0)
    v, w = torch.randn(2, 4, 3, dtype=torch.float64, generator=generator)
    v[0] = 0
    v, w = v.requires_grad_(), w.requires_grad_()
    c = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(module.exp, (v, c))
    for names in ("distance", "angle", "pairwise_distance", "pairwise_angle"):
        function = getattr(module, names)

        def of_tangents(v, w, c, function=function):
            return function(module.exp(v, c), module.exp(w, c), c)

        assert torch.autograd.gradcheck(of_tangents, (v.detach()[1:].requires_grad_(), w[1:], c))
    assert torch.autograd.gradcheck(lambda v, c: module.log(module.exp(v, c), c), (v, c))
    for single in (module.radius, lambda x, c: module.half_aperture(x, c, k=0.1)):
        outer = v.detach()[1:].requires_grad_()
        assert torch.autograd.gradcheck(lambda v, c, f=single: f(module.exp(v, c), c), (outer, c))
