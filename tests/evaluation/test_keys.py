"""Keys put points in the order of the scores that they stand for."""

import numpy as np
import pytest
import torch

from hiertools.evaluation.keys import keys, norms
from hiertools.search.scores import Measure

MEASURES = [
    ("angle", "children", "ext"),
    ("angle", "parents", "ext"),
    ("angle", "parents", "alpha2"),
    ("distance", "children", "ext"),
    ("cosine", "parents", "ext"),
]


@pytest.fixture(scope="module")
def points():
    """Points of all radii: the origin, equal ones, and such as share or oppose a direction."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 5)) * 10 ** rng.uniform(-3, 3, (300, 1))
    rows[1], rows[2], rows[3], rows[4] = 0, rows[5], 2 * rows[5], -rows[5]
    rows[6] = 1.5 * rows[7]
    return rows.astype(np.float32)


@pytest.mark.parametrize(
    ("geometry", "c"), [("lorentz", 1.0), ("lorentz", 3.7), ("euclidean", 1.0)]
)
@pytest.mark.parametrize(("by", "find", "parent_score"), MEASURES)
def test_the_order_is_that_of_pairwise(points, geometry, c, by, find, parent_score):
    measure = Measure(by, find, parent_score, geometry, c)
    queries = points[:40]
    rows = np.random.default_rng(1).permutation(len(points))
    found = keys(measure, queries, points, rows, norms(points, rows))
    scores = measure.pairwise(torch.from_numpy(queries), torch.from_numpy(points[rows])).numpy()
    assert found.shape == scores.shape
    ordered = np.take_along_axis(scores, np.argsort(-found, axis=1, kind="stable"), axis=1)
    rise = np.diff(ordered, axis=1).max()
    largest = np.abs(scores).max()
    assert rise <= 1e-12 * max(1.0, largest), rise  # of what rounding parts


def test_points_are_in_blocks_that_do_not_show(points, monkeypatch):
    measure, rows = Measure("angle", "children", "ext", "lorentz", 1.0), np.arange(len(points))
    whole = keys(measure, points[:9], points, rows, norms(points, rows))
    monkeypatch.setattr("hiertools.evaluation.keys.BLOCK", 7)
    parts = keys(measure, points[:9], points, rows, norms(points, rows))
    np.testing.assert_allclose(parts, whole, rtol=0, atol=1e-7)  # rounding near angles of 0
