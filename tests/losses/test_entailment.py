"""MERU's loss, against plain loops."""

import math

import numpy as np
import pytest
import torch

from hiertools.geometry import euclidean, lorentz
from hiertools.losses.parts import entailment
from tests.losses.contrasts import contrast, of_points


def by_loops(batch, geometry, *, weight, distance, k):
    n, c, tau = len(batch.parents), batch.c, float(batch.tau)
    entailed, contrasted = 0.0, 0.0
    for i in range(n):
        parent, child = batch.parents[i], batch.children[i]
        scale = math.sqrt(float(c)) if geometry is lorentz else 1.0
        ratio = 2 * k / (scale * float(parent.norm()))
        aperture = math.asin(ratio) if ratio < 1 else math.pi / 2
        entailed += max(0.0, float(geometry.angle(parent, child, c)) - aperture)
        for own, others, masks in (
            (parent, batch.all_children, batch.down),
            (child, batch.all_parents, batch.up),
        ):
            logits = [-float(geometry.distance(own, other, c)) / tau for other in others]
            repelled = sum(math.exp(logits[j]) for j in range(n) if masks.negative[i, j])
            losses = [
                -math.log(math.exp(logits[j]) / (math.exp(logits[j]) + repelled))
                for j in range(n)
                if masks.positive[i, j]
            ]
            contrasted += sum(losses) / len(losses) / 2
    return (weight * entailed + distance * contrasted) / n


@pytest.mark.parametrize("geometry", [lorentz, euclidean])
@pytest.mark.parametrize(
    "options",
    [
        {"weight": 0.2, "distance": 1.0, "k": 0.1},
        {"weight": 1.0, "distance": 0.0, "k": 0.3},
        {"weight": 0.0, "distance": 0.5, "k": 0.1},
    ],
)
def test_is_what_loops_give(geometry, options):
    name = geometry.__name__.rpartition(".")[2]
    for seed in range(4):
        batch = contrast(seed, n=7, geometry=name)
        expected = by_loops(batch, geometry, **options)
        assert expected > 0
        np.testing.assert_allclose(entailment.loss(batch, **options), expected, rtol=1e-6)


def pairs(children):
    parents = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    children = torch.tensor(children, dtype=torch.float64)
    codes, apart = np.arange(2), np.ones((2, 2), bool)
    return of_points(parents, children, codes, codes, apart, geometry="lorentz")


def test_is_zero_for_children_in_the_cones_of_their_parents():
    inside = pairs([[2.0, 0.1], [-0.1, 2.0]])
    outside = pairs([[0.1, 2.0], [2.0, -0.1]])
    np.testing.assert_array_equal(entailment.loss(inside, distance=0.0), 0.0)
    assert entailment.loss(outside, distance=0.0) > 0.1
    np.testing.assert_array_equal(entailment.loss(outside, distance=0.0, weight=0.0), 0.0)


def test_a_wider_cone_asks_for_less():
    batch = contrast(5)
    losses = [entailment.loss(batch, distance=0.0, k=k) for k in (0.01, 0.1, 0.5)]
    assert losses[0] > losses[1] > losses[2]
