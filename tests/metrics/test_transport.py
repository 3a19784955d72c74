"""Transport: against scipy, against POT, by hand; laws of distances."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from hiertools.files.hierarchy import Edge, Hierarchy, Node
from hiertools.hierarchy import forest, path_costs
from hiertools.metrics.transport import (
    index_distance,
    sensitivity_band,
    transport_cost,
    tree_distance,
)

many = settings(deadline=None, max_examples=100)
TOLERANCE = 1e-9


@st.composite
def distributions(draw, n, rows=2):
    """Rows of n weights, some of them 0, with a sum of 1."""
    weight = st.just(0.0) | st.floats(1e-6, 1)
    row = st.lists(weight, min_size=n, max_size=n).filter(any)
    found = np.array([draw(row) for _ in range(rows)])
    return found / found.sum(axis=1, keepdims=True)


@st.composite
def forests(draw):
    """Parents of up to 12 nodes, each before its child or -1."""
    size = draw(st.integers(1, 12))
    return np.array([draw(st.integers(-1, node - 1)) for node in range(size)], np.int64)


def as_hierarchy(parent):
    """Make a hierarchy of a forest; node ids keep the order of the places."""
    ids = [f"{i:03}" for i in range(len(parent))]
    edges = [Edge(ids[p], ids[c]) for c, p in enumerate(parent) if p >= 0]
    return Hierarchy([Node(i, i) for i in ids], edges, [], [], {}, {}, {}, "path")


def subtree_by_subtree(h, r, parent, weight):
    """The closed formula, with each subtree collected by going up from all nodes."""
    total = 0.0
    for top in range(len(parent)):
        inside = []
        for node in range(len(parent)):
            above = node
            while above not in (top, -1):
                above = parent[above]
            if above == top:
                inside.append(node)
        total += weight[top] * abs(h[inside].sum() - r[inside].sum())
    return total


@many
@given(st.integers(1, 30).flatmap(distributions))
def test_index_distance_is_scipys(pair):
    h, r = pair
    places = range(len(h))
    expected = wasserstein_distance(places, places, h, r)
    np.testing.assert_allclose(index_distance(h, r), expected, rtol=0, atol=TOLERANCE)


def test_index_distance_by_hand():
    h, r = np.array([0.2, 0.8]), np.array([0.8, 0.2])
    np.testing.assert_allclose(index_distance(h, r), 0.6)
    far = np.array([[1.0, 0, 0, 0], [0, 0, 0, 1.0]])
    np.testing.assert_allclose(index_distance(far, far[::-1]), [3, 3])
    np.testing.assert_allclose(index_distance(far, far), [0, 0], atol=0)


@many
@given(forests().flatmap(lambda p: st.tuples(st.just(p), distributions(len(p)))))
def test_tree_distance_is_the_sum_over_subtrees(case):
    parent, (h, r) = case
    weight = np.linspace(0.5, 2, len(parent))
    np.testing.assert_allclose(
        tree_distance(h, r, parent, weight),
        subtree_by_subtree(h, r, parent, weight),
        rtol=0,
        atol=TOLERANCE,
    )


@many
@given(forests().flatmap(lambda p: st.tuples(st.just(p), distributions(len(p)))))
def test_tree_distance_is_transport_along_the_paths(case):
    parent, (h, r) = case
    hierarchy = as_hierarchy(parent)
    nodes, found = forest(hierarchy, [node.id for node in hierarchy.nodes])
    np.testing.assert_array_equal(found, parent)
    np.testing.assert_allclose(
        tree_distance(h, r, parent, np.ones(len(parent))),
        transport_cost(h, r, path_costs(hierarchy, nodes)),
        rtol=0,
        atol=TOLERANCE,
    )


@many
@given(st.integers(1, 15).flatmap(distributions))
def test_transport_along_a_line_is_the_index_distance(pair):
    h, r = pair
    places = np.arange(len(h))
    costs = np.abs(places[:, None] - places).astype(float)
    np.testing.assert_allclose(
        transport_cost(h, r, costs), index_distance(h, r), rtol=0, atol=TOLERANCE
    )


def test_tree_distance_by_hand():
    """car > door > handle, house; others is a tree of its own."""
    parent = np.array([-1, 0, 1, -1, -1])
    one = np.eye(5)
    weight = np.ones(5)
    np.testing.assert_allclose(tree_distance(one[2], one[0], parent, weight), 2)
    np.testing.assert_allclose(tree_distance(one[2], one[3], parent, weight), 4)
    np.testing.assert_allclose(tree_distance(one[3], one[4], parent, weight), 2)
    weight[2] = 0.5
    np.testing.assert_allclose(tree_distance(one[2], one[0], parent, weight), 1.5)


def test_rows_are_measured_one_by_one():
    rng = np.random.default_rng(0)
    h, r = rng.dirichlet(np.ones(7), size=(2, 20))
    parent, weight = np.array([-1, 0, 0, 1, -1, 4, 5]), rng.uniform(size=7)
    before = h.copy()
    np.testing.assert_allclose(
        index_distance(h, r), [index_distance(*rows) for rows in zip(h, r, strict=True)]
    )
    np.testing.assert_allclose(
        tree_distance(h, r, parent, weight),
        [tree_distance(*rows, parent, weight) for rows in zip(h, r, strict=True)],
    )
    np.testing.assert_array_equal(h, before)


@many
@given(forests().flatmap(lambda p: st.tuples(st.just(p), distributions(len(p), 3))))
def test_both_closed_forms_are_distances(case):
    parent, (h, r, s) = case
    weight = np.ones(len(parent))

    def along_tree(x, y):
        return tree_distance(x, y, parent, weight)

    for distance in (index_distance, along_tree):
        assert distance(h, h) == 0
        np.testing.assert_allclose(distance(h, r), distance(r, h), rtol=0, atol=TOLERANCE)
        assert distance(h, s) <= distance(h, r) + distance(r, s) + TOLERANCE


def test_transport_is_a_cost_where_a_class_has_several_parents():
    """No path goes down and up again: from a to x to b it is 2, from a to b it is 4."""
    edges = [("p", "q"), ("q", "a"), ("p", "s"), ("s", "b"), ("a", "x"), ("b", "x")]
    ids = ["p", "q", "s", "a", "b", "x"]
    hierarchy = Hierarchy(
        [Node(i, i) for i in ids], [Edge(*e) for e in edges], [], [], {}, {}, {}, "path"
    )
    costs = path_costs(hierarchy, ["a", "b", "x"])
    a, b, x = np.eye(3)
    np.testing.assert_allclose(transport_cost(a, x, costs), 1)
    np.testing.assert_allclose(transport_cost(x, b, costs), 1)
    np.testing.assert_allclose(transport_cost(a, b, costs), 4)


def test_a_program_that_is_not_solved_is_no_answer(monkeypatch):
    from hiertools.metrics import transport

    monkeypatch.setattr(transport, "MAX_PIVOTS", 1)
    h, r = np.random.default_rng(0).dirichlet(np.ones(30), size=2)
    with pytest.raises(UserWarning, match="numItermax"):
        transport_cost(h, r, np.random.default_rng(1).uniform(size=(30, 30)))


def test_the_band_holds_every_order():
    """Of three classes all orders are met; the last of four stays."""
    h, r = np.array([0.6, 0.3, 0.1, 0]), np.array([0.1, 0.2, 0.5, 0.2])
    orders = [(0, 1, 2, 3), (0, 2, 1, 3), (1, 0, 2, 3), (1, 2, 0, 3), (2, 0, 1, 3), (2, 1, 0, 3)]
    every = [index_distance(h[list(o)], r[list(o)]) for o in orders]
    band = sensitivity_band(h, r, 600, np.random.default_rng(0), others_last=True)
    np.testing.assert_allclose((band[0], band[2]), (min(every), max(every)))
    assert min(every) <= band[1] <= max(every)
    moved = sensitivity_band(h, r, 600, np.random.default_rng(0), others_last=False)
    assert moved[2] > max(every)


def test_the_band_is_that_of_its_seed_and_has_no_width_for_one_class():
    rng = np.random.default_rng(5)
    h, r = rng.dirichlet(np.ones(50), size=2)
    bands = [
        sensitivity_band(h, r, 200, np.random.default_rng(seed), others_last=False)
        for seed in (1, 1, 2)
    ]
    assert bands[0] == bands[1] != bands[2]
    one = np.ones(1)
    for others_last in (False, True):
        assert sensitivity_band(one, one, 3, rng, others_last=others_last) == (0, 0, 0)


def test_many_rows_take_little_time():
    h, r = np.random.default_rng(0).dirichlet(np.ones(600), size=(2, 2000))
    parent = np.arange(600) // 3 - 1
    start = time.process_time()
    assert index_distance(h, r).shape == tree_distance(h, r, parent, np.ones(600)).shape == (2000,)
    assert time.process_time() - start < 2
