"""Soft labels, against loops."""

import math

import numpy as np
import pytest

from hiertools.losses.classes import soft_labels
from tests.losses.class_outputs import cross_entropy, loss, outputs


def by_loops(given, beta):
    d = (given.relations.distances / given.relations.distances.max()).tolist()
    total = 0.0
    for logits, label in zip(given.logits.tolist(), given.labels.tolist(), strict=True):
        shares = [math.exp(-beta * each) for each in d[label]]
        log_sum = math.log(sum(map(math.exp, logits)))
        total += sum(
            share / sum(shares) * (log_sum - logit)
            for share, logit in zip(shares, logits, strict=True)
        )
    return total / len(given.labels)


@pytest.mark.parametrize("beta", [0.0, 1.0, 10.0, 30.0])
def test_is_what_loops_give(beta):
    for seed in range(4):
        given = outputs(seed)
        found = soft_labels.loss(given, beta=beta)
        np.testing.assert_allclose(found, by_loops(given, beta), rtol=1e-12)


def test_hard_labels_are_cross_entropy():
    given = outputs(1)
    for beta in ("inf", "1e4"):
        found = loss(f"soft_labels:beta={beta}", given)
        np.testing.assert_allclose(found, cross_entropy(given), rtol=1e-12)


def test_without_a_fall_all_classes_are_the_label():
    given = outputs(2)
    expected = -given.logits.log_softmax(1).mean()
    np.testing.assert_allclose(loss("soft_labels:beta=0", given), expected, rtol=1e-12)


def test_is_least_where_the_outputs_are_the_labels():
    given = outputs(3)
    d = given.relations.distances / given.relations.distances.max()
    there = {"logits": (-4 * d)[given.labels]}
    least = loss("soft_labels:beta=4", type(given)(**{**vars(given), **there}))
    for seed in range(4):
        assert least < loss("soft_labels:beta=4", outputs(seed))
