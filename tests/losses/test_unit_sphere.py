"""Class embeddings on the unit sphere, and the loss that draws to them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st

from hiertools.losses.classes import unit_sphere
from tests.losses.class_outputs import WAYS, cross_entropy, distances, loss, outputs

S = 1 / (1 + distances(WAYS))


def by_loops(given, balance):
    total = 0.0
    for z, label in zip(given.embeddings.numpy(), given.labels.tolist(), strict=True):
        total += 1 - z @ given.rows[label].numpy() / np.linalg.norm(z)
    return total / len(given.labels) + balance * cross_entropy(given)


@pytest.mark.parametrize("balance", [0.0, 0.1, 2.0])
def test_is_what_loops_give(balance):
    for seed in range(4):
        given = outputs(seed)
        found = unit_sphere.loss(given, balance=balance)
        np.testing.assert_allclose(found, by_loops(given, balance), rtol=1e-12)


def test_is_nothing_at_the_class_embeddings():
    rows = torch.tensor(unit_sphere.class_embeddings(S))
    given = outputs(0, d=rows.shape[1])
    given = replace(given, rows=rows, embeddings=7 * rows[given.labels])
    np.testing.assert_allclose(loss("unit_sphere:balance=0", given), 0, atol=1e-12)
    opposite = replace(given, embeddings=-given.embeddings)
    np.testing.assert_allclose(loss("unit_sphere:balance=0", opposite), 2, atol=1e-12)


def test_inner_products_are_the_similarities():
    found = unit_sphere.class_embeddings(S)
    assert found.shape == (8, 8)
    np.testing.assert_allclose(found @ found.T, S, atol=1e-12)
    assert unit_sphere.deviation(found, S) < 1e-12


def test_there_are_no_more_dimensions_than_need_be():
    """Two pairs of classes that are the same: two directions."""
    s = np.kron(np.array([[1, 0.2], [0.2, 1]]), np.ones((2, 2)))
    found = unit_sphere.class_embeddings(s)
    assert found.shape == (4, 2)
    np.testing.assert_allclose(found @ found.T, s, atol=1e-12)
    assert unit_sphere.class_embeddings(np.ones((1, 1))).tolist() == [[1.0]]


def test_similarities_that_no_vectors_have_are_met_as_nearly_as_can_be():
    """Two classes that are nothing to each other are both the same as a third."""
    s = np.array([[1.0, 1, 0], [1, 1, 1], [0, 1, 1]])
    assert np.linalg.eigvalsh(s)[0] == pytest.approx(1 - np.sqrt(2))
    found = unit_sphere.class_embeddings(s)
    np.testing.assert_allclose((found**2).sum(1), 1)
    assert found.shape == (3, 2)
    # what is left is (1, +-1/r, ...) of equal parts: the inner products of its unit vectors
    values, vectors = np.linalg.eigh(s)
    kept = (vectors[:, 1:] * values[1:]) @ vectors[:, 1:].T
    lengths = np.sqrt(np.diag(kept))
    np.testing.assert_allclose(found @ found.T, kept / np.outer(lengths, lengths), atol=1e-12)
    expected = np.abs(kept / np.outer(lengths, lengths) - s).max()
    assert unit_sphere.deviation(found, s) == pytest.approx(expected)
    assert expected > 0.1


@settings(deadline=None, max_examples=30)
@drawn(st.lists(st.integers(0, 6), min_size=1, max_size=12))
def test_similarities_of_a_tree_are_met(above):
    """Of any tree: node k + 1 hangs from one of the nodes before it."""
    ways = [["0"]]
    for k, place in enumerate(above):
        ways.append([*ways[min(place, k)], str(k + 1)])
    leaves = [way for way in ways if not any(other[: len(way)] == way != other for other in ways)]
    s = 1 / (1 + distances(leaves))
    found = unit_sphere.class_embeddings(s)
    assert unit_sphere.deviation(found, s) < 1e-10


def test_the_same_similarities_give_the_same_vectors():
    np.testing.assert_array_equal(
        unit_sphere.class_embeddings(S), unit_sphere.class_embeddings(S.copy())
    )
    found = unit_sphere.class_embeddings(S)
    greatest = np.take_along_axis(found, np.abs(found).argmax(0)[None], 0)
    assert (greatest > 0).all()
