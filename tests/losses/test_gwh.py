"""GWH-InfoNCE by hand: distances with the factor R, km on the globe, rows without a level."""

import math

import numpy as np
import pytest
import torch

from hiertools.geometry import lorentz
from hiertools.geometry.names import GEOMETRIES
from hiertools.kernels.geo_contrast import Rule
from hiertools.losses import gwh
from hiertools.places import EARTH_RADIUS_KM, unit_vectors

C = 1.25
RULE = Rule("lorentz", C, True, "laplace", 1.0)


def scalars(tau=0.1, weight=1.0, sigma=300.0):
    return gwh.Scalars(*(torch.tensor(v, dtype=torch.float64) for v in (tau, weight, sigma)))


def on_a_ray(*radii):
    """Return points at some distances from the origin, all in one direction."""
    v = torch.zeros(len(radii), 4, dtype=torch.float64)
    v[:, 0] = torch.tensor(radii)
    return lorentz.exp(v, C)


def places(*degrees):
    latitude, longitude = np.array(degrees, float).T
    return torch.from_numpy(unit_vectors(latitude, longitude))


def loss(images, at, positive, level, *, geo_from="image", rule=RULE, **numbers):
    rows = torch.tensor(positive)
    found = gwh.losses(images, at, rows, level, scalars(**numbers), rule=rule, geo_from=geo_from)
    return found.tolist()


def test_is_the_formula_on_a_ray():
    """Distances on a ray are differences of radii: 0.1 to the own entity, 0.3 and 0.4 to others."""
    level = gwh.Level(on_a_ray(0.6, 0.2, 0.9), places((0, 10), (0, 12), (0, 20)))
    (found,) = loss(on_a_ray(0.5), places((0, 11)), [0], level)
    km = EARTH_RADIUS_KM * math.radians(1)
    near, far = 1 + math.exp(-km / 300), 1 + math.exp(-9 * km / 300)
    terms = near * math.exp((0.01 - 0.09) / 0.1) + far * math.exp((0.01 - 0.16) / 0.1)
    assert found == pytest.approx(math.log1p(terms), rel=1e-6)


def test_distances_can_stay_as_they_are():
    level = gwh.Level(on_a_ray(0.6, 0.2), None)
    rule = Rule("lorentz", C, False, "laplace", 1.0)
    (found,) = loss(on_a_ray(0.5), None, [0], level, rule=rule)
    assert found == pytest.approx(math.log1p(math.exp((0.1 - 0.3) / 0.1)), rel=1e-6)


def test_near_is_near_to_the_image_or_to_its_entity():
    level = gwh.Level(on_a_ray(0.5, 0.5), places((40, 0), (40, 5)))
    image = on_a_ray(0.5), places((40, 5))
    km = EARTH_RADIUS_KM * 2 * math.asin(math.cos(math.radians(40)) * math.sin(math.radians(2.5)))
    assert loss(*image, [0], level) == pytest.approx([math.log1p(2)], rel=1e-5)
    apart = math.log1p(1 + math.exp(-km / 300))
    assert loss(*image, [0], level, geo_from="positive") == pytest.approx([apart], rel=1e-5)


def test_without_coordinates_or_weight_all_entities_count_the_same():
    points, at = on_a_ray(0.1, 0.2, 0.4), places((0, 0), (0, 1), (0, 2))
    image, here = on_a_ray(0.3), places((0, 0))
    bare = loss(image, None, [1], gwh.Level(points, None))
    assert loss(image, here, [1], gwh.Level(points, None)) == bare
    assert loss(image, None, [1], gwh.Level(points, at)) == bare
    assert loss(image, here, [1], gwh.Level(points, at), weight=0.0) == pytest.approx(bare)
    assert loss(image, here, [1], gwh.Level(points, at))[0] > bare[0]


def test_is_zero_without_an_entity_and_without_others():
    level = gwh.Level(on_a_ray(0.1, 0.2), None)
    found = loss(on_a_ray(0.3, 0.4), None, [-1, 1], level)
    assert found[0] == 0
    assert found[1] > 0
    assert loss(on_a_ray(0.3), None, [0], gwh.Level(on_a_ray(0.2), None)) == [0]


def test_learning_lambda_or_sigma_undoes_the_weighting():
    """Neither derivative is ever negative (spec/geo.md, section 3)."""
    made = torch.Generator().manual_seed(0)
    points = lorentz.exp(torch.randn(30, 4, generator=made).double(), C)
    at = torch.nn.functional.normalize(torch.randn(30, 3, generator=made).double(), dim=1)
    for kernel in ("laplace", "gauss", "inverse"):
        numbers = [torch.tensor(v, dtype=torch.float64) for v in (0.1, 1.0, 300.0)]
        given = [number.requires_grad_() for number in numbers]
        rule = Rule("lorentz", C, True, kernel, 1.0)
        losses = gwh.losses(
            points[:9], at[:9], torch.arange(9), gwh.Level(points[9:], at[9:]),
            gwh.Scalars(*given), rule=rule, geo_from="image",
        )  # fmt: skip
        for each in losses:
            gradients = torch.autograd.grad(each, given[1:], retain_graph=True)
            assert all(gradient > 0 for gradient in gradients)


@pytest.mark.parametrize("geometry", ["lorentz", "euclidean", "sphere"])
@pytest.mark.parametrize("squared", [True, False])
def test_gradients_are_those_of_differences(geometry, squared):
    made = torch.Generator().manual_seed(1)
    at = torch.nn.functional.normalize(torch.randn(9, 3, generator=made).double(), dim=1)
    rows = torch.tensor([0, 4, -1])
    module = GEOMETRIES[geometry]
    rule = Rule(geometry, C, squared, "inverse", 1.5, 7)

    def of(images, entities, *numbers):
        level = gwh.Level(module.exp(entities, C), at[3:])
        return gwh.losses(
            module.exp(images, C), at[:3], rows, level, gwh.Scalars(*numbers), rule=rule,
            geo_from="image",
        )  # fmt: skip

    tangents = [0.4 * torch.randn(n, 3, generator=made).double() for n in (3, 6)]
    numbers = [torch.tensor(v, dtype=torch.float64) for v in (0.5, 0.8, 2000.0)]
    assert torch.autograd.gradcheck(of, [each.requires_grad_() for each in (*tangents, *numbers)])
