"""Limits, heaps and values of compiled searches over paths."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hiertools.kernels.best_paths import PATH, order, put
from hiertools.kernels.pair_values import pair_values
from hiertools.kernels.path_values import CODES, Rule, key, limit, value
from hiertools.kernels.subtrees import SUBTREE, pop, push
from hiertools.search.path_scores import SCORES
from tests.search.entity_trees import points, space

few = settings(max_examples=60, deadline=None)
GEOMETRIES = tuple(CODES)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("squared", [True, False])
@pytest.mark.parametrize("inner", [True, False])
@few
@given(
    st.floats(0, 1e3, width=32),  # as sums of float32 squares are
    st.floats(0, 1e3),
    st.floats(-50, 5),
    st.sampled_from([0, 0.3, 2.0]),
)
@example(0.0, 0.0, 0.0, 0.0)
@example(4.0, 0.0, -math.inf, 1.0)
def test_no_value_beyond_the_limit_reaches_the_least(
    geometry, squared, inner, chord, side, least, weight
):
    about = Rule(CODES[geometry], 1.25, squared, inner, False, False)
    if geometry == "sphere":
        chord = min(chord, 4 / about.c)
    if value(chord, 1.0, side, weight, about) >= least:
        assert key(chord, side, about) <= limit(least, 1.0, weight, about)


@pytest.mark.parametrize("inner", [True, False])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_limit_is_no_wider_than_it_must_be(geometry, inner):
    about = Rule(CODES[geometry], 1.25, True, inner, False, False)
    at = limit(-0.9, 1.0, 2.0, about) - key(0.0, 1.0, about)
    assert value(at * 1.001, 1.0, 1.0, 2.0, about) < -0.9 <= value(at * 0.999, 1.0, 1.0, 2.0, about)


@few
@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0]), max_size=40), st.integers(1, 12))
def test_the_best_are_those_of_a_sort(scores, width):
    paths, size = np.empty(width, PATH), 0
    for row, score in enumerate(scores):
        size = put(paths, size, width, row, 3 * score, 3)
    order(paths, size)
    wanted = sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:width]
    assert paths["row"][:size].tolist() == wanted


@few
@given(st.lists(st.floats(-9, 9), min_size=1, max_size=40))
def test_subtrees_come_out_by_their_bounds(bounds):
    waiting, size, found = np.empty(len(bounds), SUBTREE), 0, []
    for row, bound in enumerate(bounds):
        size = push(waiting, size, bound, row, 0, 0.0, 0)
    while size:
        found.append(waiting[0]["bound"].item())
        size = pop(waiting, size)
    assert found == sorted(bounds, reverse=True)


@pytest.mark.parametrize("by", SCORES)
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("scale", [1e-3, 1.0, 3.0])
def test_values_of_paths_are_those_of_the_geometry(by, geometry, scale):
    given = space(4, by, geometry=geometry)
    tree, rate = given.tree, given.score
    queries = points(np.random.default_rng(1), 6, geometry, scale)
    queries[0] = tree.points[~tree.implicit][0]  # a query at an entity
    paths = tree.paths(np.arange(tree.offsets[-2], tree.offsets[-1]))
    many = np.broadcast_to(paths, (6, *paths.shape))
    found = pair_values(given.nodes, queries, many, weights=rate.weights, rule=given.rule)
    named = np.broadcast_to(tree.named(paths), many.shape)
    levels = np.broadcast_to(np.arange(tree.depth), many.shape)
    which = np.broadcast_to(np.arange(6)[:, None, None], many.shape)
    wanted = rate.values(queries[which[named]], tree.points[many[named]], levels[named])
    np.testing.assert_allclose(found[named], wanted, rtol=1e-12, atol=1e-14)
    assert (found[~named] == 0).all()
