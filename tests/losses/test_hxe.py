"""Hierarchical cross-entropy, against loops over the nodes."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from hiertools.losses import relations
from hiertools.losses.classes import hxe
from tests.losses.class_outputs import WAYS, cross_entropy, loss, outputs


def by_loops(given, ways, alpha):
    """Sum over the steps down to an item's class: its last step is to itself as a leaf."""
    total = 0.0
    for logits, label in zip(given.logits.tolist(), given.labels.tolist(), strict=True):
        p = np.exp(logits) / np.exp(logits).sum()

        def of_node(node, p=p):
            return sum(p[k] for k, way in enumerate(ways) if node in way)

        steps = [of_node(node) for node in ways[label]]
        if not all(node == ways[label][0] for node in (way[0] for way in ways)):
            steps = [1.0, *steps]  # a root above the roots
        if steps[-1] > p[label]:
            steps.append(p[label])
        for l, (above, below) in enumerate(itertools.pairwise(steps)):  # noqa: E741
            total -= math.exp(-alpha * l) * math.log(below / above)
    return total / len(given.labels)


FOREST = [["a", "x"], ["a", "y", "z"], ["b"], ["c", "v"], ["c", "w"]]


@pytest.mark.parametrize("ways", [WAYS, FOREST], ids=["tree", "forest"])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 2.0])
def test_is_what_loops_give(alpha, ways):
    for seed in range(4):
        given = outputs(seed, ways=ways)
        found = hxe.loss(given, alpha=alpha)
        np.testing.assert_allclose(found, by_loops(given, ways, alpha), rtol=1e-12)


def test_without_a_discount_it_is_cross_entropy():
    for seed in range(4):
        given = outputs(seed)
        np.testing.assert_allclose(loss("hxe:alpha=0", given), cross_entropy(given), rtol=1e-12)


def test_by_hand():
    """Four classes with p = .1, .2, .3, .4 under two parents; the item's is the first."""
    ways = [["r", "a", "1"], ["r", "a", "2"], ["r", "b", "3"], ["r", "b", "4"]]
    given = outputs(ways=ways, b=1)
    logits = torch.tensor([[0.1, 0.2, 0.3, 0.4]], dtype=torch.float64).log() + 5
    given = replace(given, logits=logits, labels=torch.tensor([0]))
    expected = -math.log(0.3) - math.exp(-0.5) * math.log(1 / 3)
    np.testing.assert_allclose(loss("hxe:alpha=0.5", given), expected, rtol=1e-12)


def test_with_a_strong_discount_only_the_first_step_counts():
    given = outputs(1)
    found = loss("hxe:alpha=inf", given)
    np.testing.assert_allclose(found, loss("hxe:alpha=1e3", given), rtol=1e-12)
    assert 0 < found < loss("hxe", given)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_small_probabilities_are_not_lost(dtype):
    """Probabilities of e^-400 and less are 0 in single precision; their logarithms are not."""
    given = outputs(2, dtype=dtype)
    logits = (given.logits * 400).requires_grad_()
    given = replace(given, logits=logits)
    found = loss("hxe:alpha=0", given)
    assert found > 200
    torch.testing.assert_close(found, loss("cross_entropy", given))
    (gradient,) = torch.autograd.grad(loss("hxe:alpha=0.5", given), logits)
    assert torch.isfinite(gradient).all()
    own = gradient.gather(1, given.labels[:, None])
    wrong = given.logits.argmax(1) != given.labels
    assert (own[wrong] < 0).all()


def test_a_mistake_near_by_costs_less():
    joins = relations.joins(WAYS)
    assert joins[0, 1] > joins[0, 2] > joins[0, 5]
    costs = []
    for guess in (1, 2, 5):  # puppy, cat and taxi in the place of dog
        logits = torch.zeros(1, 8, dtype=torch.float64)
        logits[0, guess] = 4
        given = replace(outputs(b=1), logits=logits, labels=torch.tensor([0]))
        costs.append(float(loss("hxe:alpha=0.5", given)))
    assert costs == sorted(costs)
    assert len(set(costs)) == 3
