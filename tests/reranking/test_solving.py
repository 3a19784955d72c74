"""Graphs and solves beside dense matrices."""

from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from hiertools.kernels.graph import WIDTH
from hiertools.reranking import solving
from hiertools.reranking.affinity import Edges, affinity, normalised, weights
from hiertools.reranking.neighbours import nearest
from hiertools.reranking.solving import Solving
from hiertools.reranking.solving_parts import solve_within
from tests.reranking.test_neighbours import clustered

CPU = torch.device("cpu")
solve = partial(solving.solve, device=CPU)
WHOLE = Solving(alpha=0.99, tolerance=1e-13, iterations=10_000)
USUAL = Solving(alpha=0.99, tolerance=1e-6, iterations=20)


def graph(vectors, k=6, power=3):
    return affinity(nearest(vectors, vectors, k, device=CPU, without_self=True), power=power)


def dense(edges):
    found = np.zeros((len(edges), len(edges)))
    for row in range(len(edges)):
        columns, values = edges.of(row)
        found[row, columns] = values
    return found


def by_loops(vectors, k, power):
    """Return A by its definition."""
    similar = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    np.fill_diagonal(similar, -np.inf)
    near = [set(np.argsort(-row, kind="stable")[:k]) for row in similar]
    found = np.zeros(similar.shape)
    for i, own in enumerate(near):
        for j in own:
            if i in near[j] and similar[i, j] > 0:
                found[i, j] = similar[i, j] ** power
    return found


def dense_normalised(a):
    degree = a.sum(1)
    root = np.where(degree > 0, 1 / np.sqrt(np.where(degree > 0, degree, 1)), 0)
    return root[:, None] * a * root


def sources(n, count, seed=0):
    rng = np.random.default_rng(seed)
    return [
        (np.sort(rng.choice(n, 5, replace=False)), rng.uniform(0.1, 1, 5)) for _ in range(count)
    ]


def solved(s, source, alpha):
    y = np.zeros(len(s))
    y[source[0]] = source[1]
    return np.linalg.solve(np.eye(len(s)) - alpha * s, y)


@pytest.mark.parametrize(("k", "power"), [(1, 3), (6, 3), (6, 0.5), (100, 1)])
def test_the_graph_is_that_of_its_definition(k, power):
    vectors = clustered(50)
    found = graph(vectors, k, power)
    assert_allclose(dense(found), by_loops(vectors, k, power), rtol=1e-12)
    assert_array_equal(dense(found), dense(found).T)
    assert (found.values > 0).all()
    assert not dense(found).diagonal().any()
    normal = dense(normalised(found))
    assert_allclose(normal, dense_normalised(dense(found)), rtol=1e-12)
    assert_array_equal(normal, normal.T)
    assert np.abs(np.linalg.eigvalsh(normal)).max() <= 1 + 1e-12


def test_weights_by_hand():
    assert_array_equal(weights(np.array([-0.5, 0, 0.5, 1]), power=3), [0, 0, 0.125, 1])


def test_an_item_and_none_are_graphs():
    for n in (0, 1):
        edges = graph(clustered(3)[:n])
        assert (len(edges), len(edges.values), len(normalised(edges))) == (n, 0, n)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.99])
def test_without_a_limit_it_is_the_dense_solve(alpha):
    vectors = clustered(70)
    normal = normalised(graph(vectors))
    ys = sources(70, 2 * WIDTH + 3)
    found = solve(normal, ys, Solving(alpha, 1e-13, 10_000))
    assert found.shape == (len(ys), 70)
    for f, source in zip(found, ys, strict=True):
        assert_allclose(f, solved(dense(normal), source, alpha), rtol=1e-8, atol=1e-12)


def test_twenty_steps_give_the_order_of_the_dense_solve():
    vectors = clustered(400, d=16)
    normal = normalised(graph(vectors, 20))
    for f, source in zip(solve(normal, ys := sources(400, 5), USUAL), ys, strict=True):
        exact = solved(dense(normal), source, 0.99)
        assert set(np.argsort(-f)[:100]) == set(np.argsort(-exact)[:100])


def test_what_is_solved_beside_it_changes_nothing():
    normal, ys = normalised(graph(clustered(70))), sources(70, 2 * WIDTH + 3)
    together = solve(normal, ys, USUAL)
    for place, source in enumerate(ys):
        assert_array_equal(solve(normal, [source], USUAL)[0], together[place])
    assert_array_equal(solve(normal, ys[::-1], USUAL), together[::-1])


def test_a_right_side_of_nothing_gives_nothing():
    normal, nothing = normalised(graph(clustered(9))), (np.zeros(0, np.int64), np.zeros(0))
    found = solve(normal, [nothing, sources(9, 1)[0]], WHOLE)
    assert not found[0].any()
    assert found[1].any()
    assert solve(normal, [], WHOLE).shape == (0, 9)
    assert solve_within(normal, [], [], WHOLE, renormalise=True) == []
    assert not solve_within(normal, [np.arange(3)], [nothing], WHOLE, renormalise=True)[0].any()


def test_an_item_without_links_keeps_its_heat():
    edges = Edges(np.array([0, 1, 2, 2]), np.array([1, 0], np.int32), np.array([0.5, 0.5]))
    found = solve(normalised(edges), [(np.array([0, 2]), np.array([1.0, 0.25]))], WHOLE)[0]
    assert np.isfinite(found).all()
    assert_allclose(found, [1 / (1 - 0.99**2), 0.99 / (1 - 0.99**2), 0.25])


@pytest.mark.parametrize("renormalise", [True, False])
def test_a_part_of_everything_is_everything_to_the_last_bit(renormalise):
    edges, ys = graph(clustered(70)), sources(70, 4)
    normal = normalised(edges)
    found = solve_within(
        edges if renormalise else normal, [np.arange(70)] * 4, ys, USUAL, renormalise=renormalise
    )
    assert_array_equal(found, solve(normal, ys, USUAL))


@pytest.mark.parametrize("renormalise", [True, False])
def test_a_part_is_the_dense_solve_of_the_part(renormalise):
    edges, ys = graph(clustered(70)), sources(70, 3)
    rng = np.random.default_rng(1)
    parts = [np.union1d(rng.choice(70, 30, replace=False), rows) for rows, _ in ys]
    given = edges if renormalise else normalised(edges)
    found = solve_within(given, parts, ys, WHOLE, renormalise=renormalise)
    for f, part, (rows, values) in zip(found, parts, ys, strict=True):
        inner = dense(given)[np.ix_(part, part)]
        inner = dense_normalised(inner) if renormalise else inner
        expected = solved(inner, (np.searchsorted(part, rows), values), 0.99)
        assert_allclose(f, expected, rtol=1e-8, atol=1e-12)
