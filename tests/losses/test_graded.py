"""Graded targets: by loops, and 0 where the classes lie as the hierarchy has them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from hiertools.losses.classes import graded, unit_sphere
from tests.losses.class_outputs import averages, cross_entropy, loss, ordered_pairs, outputs


def wanted(given, i, j, target):
    d = given.relations.distances
    if target == "distance":
        return 2 * float(d[i, j]) / float(d.max())
    return math.sqrt(2 - 2 / (1 + float(d[i, j])))


@pytest.mark.parametrize("average", [0.0, 0.9])
@pytest.mark.parametrize("target", ["similarity", "distance"])
@pytest.mark.parametrize("form", ["prototype", "sample", "head"])
def test_is_what_loops_give(form, target, average):
    for seed in range(3):
        given = outputs(seed)
        given = replace(given, averages=averages(given))
        off = [
            abs(distance - wanted(given, i, j, target))
            for i, j, distance in ordered_pairs(given, form, average)
        ]
        expected = cross_entropy(given) + 0.7 * sum(off) / len(off)
        found = graded.loss(given, balance=0.7, target=target, form=form, average=average)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_is_cross_entropy_alone_at_the_class_embeddings():
    """The distances of vectors on the unit sphere are those of the similarities."""
    given = outputs(0)
    rows = torch.tensor(unit_sphere.class_embeddings(given.relations.similarities.numpy()))
    labels = torch.arange(len(rows))
    there = replace(given, embeddings=3 * rows, labels=labels, rows=rows, logits=given.logits[:8])
    flat = loss("cross_entropy", there)
    for form in ("prototype", "sample", "head"):
        found = loss(f"graded:balance=1,form={form}", there)
        np.testing.assert_allclose(found, flat, rtol=1e-12)
        assert loss(f"graded:balance=1,form={form},target=distance", there) > flat + 0.1


def test_the_greatest_distance_is_the_diameter():
    tables = outputs().relations
    assert graded.targets(tables, "distance").max() == 2
    assert graded.targets(tables, "distance").min() == 0
    assert graded.targets(tables, "similarity").max() < math.sqrt(2)


def test_one_class_alone_has_no_pairs():
    given = outputs(ways=[["all", "it"]], b=3)
    given = replace(given, labels=torch.zeros(3, dtype=torch.int64))
    for target in graded.TARGETS:
        np.testing.assert_array_equal(loss(f"graded:target={target}", given), 0.0)
