"""The head: what it computes, where it starts and what it keeps within bounds."""

import math

import numpy as np
import pytest
import torch

from hiertools.geometry import lorentz
from hiertools.models.parts import PartsModel, of_weights


@pytest.fixture
def features():
    return torch.randn(9, 5, generator=torch.Generator().manual_seed(0))


def test_starts_as_described():
    model = PartsModel(5, 16, geometry="lorentz")
    np.testing.assert_allclose(model.alpha.item(), 0.25, rtol=1e-6)
    np.testing.assert_allclose(model.tau.item(), 0.07, rtol=1e-6)
    np.testing.assert_allclose(model.c.item(), 1.0)
    names = {"head.weight", "head.bias", "log_alpha", "log_c", "log_tau"}
    assert set(model.weights()) == names
    assert set(PartsModel(5, 16, geometry="euclidean").weights()) == names - {"log_c"}


def test_points_are_scaled_projected_and_on_the_sheet(features):
    model = PartsModel(5, 3, geometry="lorentz")
    with torch.no_grad():
        model.log_c.fill_(math.log(2.0))
        v = model.alpha * (features @ model.head.weight.T + model.head.bias)
        r = math.sqrt(2.0) * v.norm(dim=1, keepdim=True)
        torch.testing.assert_close(model(features), torch.sinh(r) / r * v)
        torch.testing.assert_close(lorentz.log(model(features), 2.0), model.tangents(features))


def test_flat_space_is_the_same_without_the_map(features):
    model = PartsModel(5, 3, geometry="euclidean")
    torch.testing.assert_close(model(features), model.tangents(features))
    assert model.c == 1
    assert not model.capped(features * 1e6).any()


def test_clamp_brings_the_scalars_back():
    model = PartsModel(5, 3, geometry="lorentz")
    for value, expected in ((50.0, (1.0, 10.0, 100.0)), (-50.0, (math.exp(-50), 0.1, 0.01))):
        with torch.no_grad():
            for scalar in (model.log_alpha, model.log_c, model.log_tau):
                scalar.fill_(value)
        model.clamp_()
        found = [scalar.item() for scalar in (model.alpha, model.c, model.tau)]
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    with torch.no_grad():
        model.log_c.fill_(0.5)
    model.clamp_()
    np.testing.assert_allclose(model.log_c.item(), 0.5)


def test_far_tangents_are_capped(features):
    model = PartsModel(5, 3, geometry="lorentz")
    tangents = torch.tensor([[1.0, 0.0, 0.0], [100.0, 0.0, 0.0]])
    assert model.capped(tangents).tolist() == [False, True]
    assert torch.isfinite(model.points(tangents)).all()


@pytest.mark.parametrize("geometry", ["lorentz", "euclidean"])
def test_weights_make_the_same_model(features, geometry):
    model = PartsModel(5, 3, geometry=geometry)
    again = of_weights(model.weights(), geometry=geometry)
    torch.testing.assert_close(again(features), model(features).detach(), rtol=0, atol=0)
    assert not any(parameter.requires_grad for parameter in again.parameters())
