"""Searches over paths against brute force; values against the geometry's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiertools.kernels.path_values import chord, value
from hiertools.search import beam, exact_paths
from hiertools.search.path_scores import SCORES, PathScore
from hiertools.search.path_values import rated, rule, sides
from hiertools.search.tree import Tree
from tests.search.entity_trees import C, brute, grown, points, score, space

GEOMETRIES = ("lorentz", "euclidean", "sphere")
BIG = 10_000
few = settings(max_examples=25, deadline=None)


def asked(seed, number, geometry="lorentz", levels=4):
    rng = np.random.default_rng(seed + 1)
    return points(rng, number, geometry), rng.normal(size=(number, levels))


def assert_same(found, truth, k):
    for rows, (leaves, scores) in zip(found, truth, strict=True):
        rows = rows[rows >= 0][:k]
        assert len(rows) == min(k, len(leaves))
        place = {leaf: i for i, leaf in enumerate(leaves)}
        there = scores[[place[row] for row in rows]]
        np.testing.assert_allclose(there, scores[: len(rows)], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("by", SCORES)
@pytest.mark.parametrize("geometry", GEOMETRIES)
@few
@given(st.integers(0, 10**6), st.integers(1, 5))
def test_exact_finds_what_brute_force_finds(by, geometry, seed, k):
    found = space(seed, by, geometry=geometry)
    queries, shifts = asked(seed, 3, geometry)
    shifts *= by == "log-probability"
    bounds = exact_paths.bounded(found)
    rows = exact_paths.search(found, bounds, queries, shifts, k=k)
    for row, (leaves, _) in zip(rows, brute(found, queries, shifts), strict=True):
        np.testing.assert_array_equal(row[row >= 0], leaves[:k])


@pytest.mark.parametrize("by", SCORES)
@few
@given(st.integers(0, 10**6))
def test_a_beam_that_holds_everything_is_exact(by, seed):
    found = space(seed, by)
    queries, shifts = asked(seed, 3)
    rows = beam.search(found, queries, shifts, width=BIG, k=1)
    assert_same(rows, brute(found, queries, shifts), BIG)


def greedy(found, query, shift):
    """Take the best child at each level, in float64; the path without a name goes along."""
    tree, rate = found.tree, found.score
    alive, bare = [((), -1)], -1
    for level in range(tree.depth):
        children, unnamed = [], -1
        for values, row in [*alive, *([((), bare)] if level and bare >= 0 else [])]:
            rows = range(*(tree.offsets[:2] if level == 0 else tree.children[row]))
            for child in rows:
                more = ()
                if not tree.implicit[child]:
                    at = np.array([level])
                    more = (rate.values(query[None], tree.points[[child]], at)[0] + shift[level],)
                if values or more:
                    children.append((values + more, child))
                else:
                    unnamed = child
        key = (lambda c: c[0][-1]) if rate.of_last else (lambda c: np.mean(c[0]))
        alive, bare = [max(children, key=key)] if children else [], unnamed
    return alive[0][1]


@few
@given(st.integers(0, 10**6))
def test_a_beam_of_one_is_greedy(seed):
    found = space(seed)
    queries, shifts = asked(seed, 4)
    rows = beam.search(found, queries, shifts, width=1, k=1)
    assert rows[:, 0].tolist() == [
        greedy(found, query, shift) for query, shift in zip(queries, shifts, strict=True)
    ]


def test_children_are_expanded_where_a_global_top_k_has_none():
    """The best regions of all are elsewhere: filtered by parent they leave the country no child."""
    offsets, parent, children = grown([[2, 8]])
    at = np.zeros((12, 2), np.float32)
    at[0], at[1] = (0, 0), (0, 9)  # the first country is where the query is
    at[2:4], at[4:] = (0, 3), (0, 0.1)  # its regions are farther than all of the other's
    tree = Tree(at, offsets, parent, children, np.zeros(12, bool))
    found = rated(tree, score("distance", geometry="euclidean", levels=2))
    query = np.zeros((1, 2), np.float32)
    nearest = np.argsort(np.abs(at[2:, 1]), kind="stable")[:5] + 2
    assert not set(nearest) & set(range(*children[0]))  # a global top 5 loses the path
    rows = beam.search(found, query, np.zeros((1, 2)), width=1, k=1)
    assert tree.paths(rows[0])[0].tolist() == [0, 2]


def test_ties_are_in_the_order_of_rows():
    offsets, parent, children = grown([[3, 4]])
    tree = Tree(np.ones((9, 2), np.float32), offsets, parent, children, np.zeros(9, bool))
    found = rated(tree, score("distance", geometry="euclidean", levels=2))
    query, shift = np.zeros((1, 2), np.float32), np.zeros((1, 2))
    assert beam.search(found, query, shift, width=2, k=4)[0].tolist() == [2, 3, 4, 5]
    bounds = exact_paths.bounded(found)
    assert exact_paths.search(found, bounds, query, shift, k=4)[0].tolist() == [2, 3, 4, 5]


def test_a_missing_level_is_no_advantage():
    """The mean over levels that are there: the path with the gap does not win by having less."""
    offsets, parent, children = grown([[1, 1], [1, 1]])
    at = np.array([1, 1, 0, 1, 2, 1.5], np.float32)[:, None]
    implicit = np.array([0, 0, 1, 0, 0, 0], bool)
    tree = Tree(at, offsets, parent, children, implicit)
    found = rated(tree, score("distance", geometry="euclidean", levels=3))
    rows = beam.search(found, np.zeros((1, 1), np.float32), np.zeros((1, 3)), width=5, k=2)
    assert rows[0].tolist() == [5, 4]  # means -3.5 / 3 and -1.5


def test_the_same_alone_and_in_a_batch():
    found = space(7)
    queries, shifts = asked(7, 9)
    together = beam.search(found, queries, shifts, width=3, k=5)
    alone = [beam.search(found, queries[[i]], shifts[[i]], width=3, k=5)[0] for i in range(9)]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("by", ["energy", "distance", "ip"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("squared", [True, False])
def test_compiled_values_are_those_of_the_geometry(by, geometry, squared):
    rng = np.random.default_rng(3)
    x, y = points(rng, 40, geometry, 1.5), points(rng, 40, geometry, 0.5)
    rate = score(by, geometry=geometry, squared=squared)
    levels = np.arange(40) % 4
    wanted = rate.values(x, y, levels)
    about = rule(rate, sides(y, rate))
    fine = 1e-6 if geometry == "sphere" else 1e-12  # norms are 1/sqrt(c) to float32 alone
    for dtype, tolerance in ((np.float64, fine), (np.float32, 1e-4)):
        found = [
            value(chord(a.astype(dtype), b, s, t, about), s, t, rate.weights[level], about)
            for a, b, s, t, level in zip(x, y, sides(x, rate), sides(y, rate), levels, strict=True)
        ]
        np.testing.assert_allclose(found, wanted, rtol=tolerance)


def test_scores_of_a_path_by_hand():
    """Lorentz distance on a ray is the difference of radii."""
    radii = np.array([0.5, 1.0, 2.0])
    at = (np.sinh(C**0.5 * radii) / C**0.5)[:, None].astype(np.float32)
    rate = score(levels=3, tau=0.5)
    energy = -np.array([1, 1.5, 2]) * (radii - 1) ** 2 / 0.5
    query = np.repeat(at[1:2], 3, 0)
    values = rate.values(query, at, np.arange(3))
    np.testing.assert_allclose(values, energy, atol=1e-6)
    named = np.array([[True, True, True], [True, False, True], [False, False, False]])
    means = rate.means(np.stack([energy] * 3), named)
    np.testing.assert_allclose(means, [energy.mean(), energy[[0, 2]].mean(), -np.inf])
    last = score("last", levels=3).means(energy[None], np.array([[True, True, False]]))
    assert last.tolist() == [energy[1]]


@pytest.mark.parametrize("norm", [1e2, 1e4, 1e6])
def test_far_out_in_hyperbolic_space_nothing_is_lost_to_rounding(norm):
    """Entities are near the rays of their parents; a beam of 10 finds what brute force does."""
    rng = np.random.default_rng(0)
    offsets, parent, children = grown([[8] * 4, [8] * 32])
    at = norm * rng.normal(size=(len(parent), 16)) / 4
    for row in range(offsets[1], len(parent)):
        at[row] = at[parent[row]] * (1 + 0.3 * rng.normal()) + rng.normal(size=16) / 4
    tree = Tree(at.astype(np.float32), offsets, parent, children, np.zeros(len(parent), bool))
    found = rated(tree, PathScore("distance", "lorentz", 1.0, (1.0, 1.0, 1.0), 1.0, True))
    queries = (at[rng.integers(offsets[2], len(at), 40)] * 1.1).astype(np.float32)
    rows = beam.search(found, queries, np.zeros((40, 3)), width=10, k=1)
    truth = [leaves[0] for leaves, _ in brute(found, queries, np.zeros((40, 3)))]
    assert rows[:, 0].tolist() == truth
