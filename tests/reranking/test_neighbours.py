"""Nearest neighbours beside a full sort."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from hiertools.reranking import neighbours
from tests.reranking.made import unit

CPU = torch.device("cpu")


def clustered(n, d=8, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((5, d))
    return unit(centres[rng.integers(0, 5, n)] + 0.3 * rng.standard_normal((n, d)))


def by_sorting(vectors, queries, k, *, own=False):
    """Return rows and similarities by a loop over pairs, with fsum-free float64 sums."""
    lines = []
    for q, query in enumerate(queries.astype(np.float64)):
        pairs = [
            (-float((query * item).sum()), row)
            for row, item in enumerate(vectors.astype(np.float64))
            if not (own and row == q)
        ]
        lines.append(sorted(pairs)[:k])
    rows = np.array([[row for _, row in line] for line in lines])
    return rows, np.array([[-score for score, _ in line] for line in lines])


@pytest.mark.parametrize("k", [1, 7, 59, 60, 100])
@pytest.mark.parametrize("own", [False, True])
def test_they_are_those_of_a_full_sort(k, own):
    vectors = clustered(60)
    queries = vectors if own else clustered(11, seed=1)
    found = neighbours.nearest(vectors, queries, k, device=CPU, without_self=own)
    rows, similarities = by_sorting(vectors, queries, k, own=own)
    assert_array_equal(found.rows, rows)
    assert_array_equal(found.similarities, similarities)
    assert (found.rows.dtype, found.similarities.dtype) == (np.int32, np.float64)


def test_of_many_that_are_equal_or_nearly_so_the_first_come_first():
    """More items than are looked at are nearer to each other than products can tell."""
    step = np.float32(2**-26) * np.arange(200, dtype=np.float32)
    vectors = np.stack([1 - step, np.zeros(200, np.float32)], 1)
    vectors = np.concatenate([vectors[::-1], np.tile([[0, 1]], (100, 1)).astype(np.float32)])
    queries = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
    found = neighbours.nearest(vectors, queries, 5, device=CPU, without_self=False)
    rows, similarities = by_sorting(vectors, queries, 5)
    assert_array_equal(found.rows, rows)
    assert_array_equal(found.similarities, similarities)
    assert_array_equal(found.rows[2], range(5))


@pytest.mark.parametrize("product", [1, 61, 1000])
def test_blocks_and_other_queries_change_nothing(product, monkeypatch):
    vectors = clustered(60, d=37)
    whole = neighbours.nearest(vectors, vectors, 9, device=CPU, without_self=False)
    monkeypatch.setattr(neighbours, "PRODUCT", product)
    parts = neighbours.nearest(vectors, vectors, 9, device=CPU, without_self=False)
    alone = neighbours.nearest(vectors, vectors[7:8], 9, device=CPU, without_self=False)
    assert_array_equal(parts.rows, whole.rows)
    assert_array_equal(parts.similarities, whole.similarities)
    assert_array_equal(alone.similarities[0], whole.similarities[7])
    assert_array_equal(alone.rows[0], whole.rows[7])


def test_one_item_has_no_neighbours_but_itself():
    vectors = unit([[1, 2]])
    own = neighbours.nearest(vectors, vectors, 3, device=CPU, without_self=True)
    assert own.rows.shape == own.similarities.shape == (1, 0)
    found = neighbours.nearest(vectors, vectors, 3, device=CPU, without_self=False)
    assert_array_equal(found.rows, [[0]])


def test_the_first_are_the_same_as_when_fewer_are_asked_for():
    vectors = clustered(40)
    many = neighbours.nearest(vectors, vectors, 20, device=CPU, without_self=True)
    few = neighbours.nearest(vectors, vectors, 4, device=CPU, without_self=True)
    assert_array_equal(many.first(4).rows, few.rows)
    assert_array_equal(many.first(4).similarities, few.similarities)
