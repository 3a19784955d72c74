"""The angular loss, against plain loops."""

import math

import numpy as np
import pytest
import torch

from hiertools.geometry import euclidean, lorentz
from hiertools.losses.parts import angular
from tests.losses.contrasts import contrast, of_points


def by_loops(batch, angle, positives):
    """Sum over rows and positives, one logit at a time."""
    n, c, tau = len(batch.parents), batch.c, float(batch.tau)
    total = 0.0
    for i in range(n):
        parent, child = batch.parents[i], batch.children[i]
        beta1 = [math.pi - float(angle(parent, other, c)) for other in batch.all_children]
        alpha2 = [float(angle(child, other, c)) for other in batch.all_parents]
        for logits, masks in ((beta1, batch.down), (alpha2, batch.up)):
            repelled = sum(math.exp(logits[k] / tau) for k in range(n) if masks.negative[i, k])
            p = [
                math.exp(logits[j] / tau) / (math.exp(logits[j] / tau) + repelled)
                for j in range(n)
                if masks.positive[i, j]
            ]
            if positives == "out":
                total += sum(-math.log(each) for each in p) / len(p)
            else:
                total += -math.log(sum(p) / len(p))
    return total / n


@pytest.mark.parametrize("positives", ["out", "in"])
@pytest.mark.parametrize("geometry", [lorentz, euclidean])
def test_is_what_loops_give(geometry, positives):
    name = geometry.__name__.rpartition(".")[2]
    for seed in range(4):
        batch = contrast(seed, n=7, geometry=name)
        assert batch.down.positive.sum() > 7  # there are rows with several positives
        assert (~(batch.down.positive | batch.down.negative)).any()  # and columns in no mask
        found = angular.loss(batch, positives=positives)
        np.testing.assert_allclose(found, by_loops(batch, geometry.angle, positives), rtol=1e-6)


def rays(outward: bool, tau: float):
    """Return pairs on two opposite rays, the child outward or inward of its parent."""
    directions = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    radii = (1.0, 2.0) if outward else (2.0, 1.0)
    codes, apart = np.arange(2), np.ones((2, 2), bool)
    points = [radius * directions for radius in radii]
    return of_points(*points, codes, codes, apart, geometry="lorentz", tau=tau)


def test_is_low_where_children_lie_straight_outward_and_high_where_inward():
    """Seen from its child a parent on the opposite ray lies as straight inward as its own."""
    tau = 0.5
    outward = math.log1p(math.exp(-math.pi / tau)) + math.log(2)
    inward = math.log(2) + math.log1p(math.exp(math.pi / tau))
    np.testing.assert_allclose(angular.loss(rays(True, tau)), outward, rtol=1e-6)
    np.testing.assert_allclose(angular.loss(rays(False, tau)), inward, rtol=1e-6)


def test_without_negatives_there_is_nothing_to_lose():
    batch = contrast(1)
    for masks in (batch.down, batch.up):
        masks.negative.zero_()
    np.testing.assert_array_equal(angular.loss(batch), 0.0)
