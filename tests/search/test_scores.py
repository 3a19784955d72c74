"""Scores: two ways to compute them, a textbook's formulas, and bounds that hold."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hiertools.search.scores import Measure
from tests.search import material

GEOMETRIES = ["lorentz", "euclidean"]
measures = st.builds(
    Measure,
    by=st.sampled_from(["angle", "distance", "cosine"]),
    find=st.sampled_from(["children", "parents"]),
    parent_score=st.sampled_from(["ext", "alpha2"]),
    geometry=st.sampled_from(GEOMETRIES),
    c=st.floats(0.1, 10),
)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("measure", material.MEASURES)
def test_scores_are_those_of_the_textbook(measure, geometry):
    x, y = material.points(20, 5, seed=0), material.points(30, 5, seed=1)
    by, find, parent_score = measure
    found = Measure(by, find, parent_score, geometry, 0.7)
    options = {"by": by, "find": find, "parent_score": parent_score, "geometry": geometry, "c": 0.7}
    expected = material.scores(x, y, **options)
    queries, points = torch.from_numpy(x), torch.from_numpy(y)
    np.testing.assert_allclose(found.pairwise(queries, points), expected, atol=1e-7)
    alone = found.elementwise(queries[:, None], points[None])
    np.testing.assert_allclose(alone, expected, atol=1e-7)


@pytest.mark.parametrize("by", ["angle", "distance", "cosine"])
def test_a_higher_score_is_better(by):
    """On a ray: the query, a point straight outward, one far off in another direction."""
    query = torch.tensor([[1.0, 0]])
    points = torch.tensor([[2.0, 0], [0, 5.0]])
    found = Measure(by, "children", "ext", "lorentz", 1.0).pairwise(query, points)[0]
    assert found[0] > found[1]


@pytest.mark.parametrize("parent_score", ["ext", "alpha2"])
def test_a_parent_is_straight_inward(parent_score):
    query = torch.tensor([[2.0, 0]])
    points = torch.tensor([[1.0, 0], [3.0, 0], [0, 1.0]])
    measure = Measure("angle", "parents", parent_score, "lorentz", 1.0)
    found = measure.pairwise(query, points)[0]
    torch.testing.assert_close(
        found[0], torch.tensor({"ext": 0.0, "alpha2": np.pi}[parent_score]).double()
    )
    assert found[0] > found[2] > found[1]


def test_a_score_of_nothing_is_not_a_negative_zero():
    x = torch.tensor([[1.0, 2.0]])
    found = Measure("distance", "children", "ext", "lorentz", 1.0).elementwise(x, x)
    assert str(found.item()) == "0.0"


@st.composite
def near_and_far(draw):
    """Return queries and points of any size: some equal, some nearly, some on one ray, some 0."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    d, size = draw(st.integers(1, 6)), 10.0 ** draw(st.floats(-4, 4.5))
    x = rng.standard_normal((16, d)) * size * 10 ** rng.uniform(-2, 0, (16, 1))
    y = rng.standard_normal((16, d)) * size * 10 ** rng.uniform(-2, 0, (16, 1))
    y[:3] = x[:3]
    y[3:6] = x[3:6] * rng.uniform(0.5, 2, (3, 1))
    y[6:9] = x[6:9] * (1 + 1e-7 * rng.standard_normal((3, d)))
    x[9], y[10] = 0, 0
    return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y.astype(np.float32))


@settings(max_examples=60, deadline=None)
@given(measures, near_and_far())
def test_bounds_hold(measure, pairs):
    x, y = pairs
    alone = measure.elementwise(x[:, None], y[None])
    lower, upper = measure.bounds(x, y)
    assert (lower <= alone).all()
    assert (alone <= upper).all()


@settings(max_examples=60, deadline=None)
@given(measures, near_and_far(), st.integers(0, 15))
def test_what_may_reach_a_floor_is_all_that_does(measure, pairs, place):
    x, y = pairs
    alone = measure.elementwise(x[:, None], y[None])
    floor = alone[:, place]
    found = measure.may_reach(x, y, floor)
    if found is not None:
        assert found[alone >= floor[:, None]].all()


@pytest.mark.parametrize("measure", [m for m in material.MEASURES if m[2] == "ext"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_few_points_may_reach_the_best_score(measure, geometry):
    x = torch.from_numpy(material.points(20, 8, seed=0))
    y = torch.from_numpy(material.points(4000, 8, seed=1))
    found = Measure(*measure, geometry, 1.0)
    reached = found.may_reach(x, y, found.pairwise(x, y).max(1).values)
    assert reached.float().mean() < 0.4
