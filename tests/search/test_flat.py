"""Exact search beside a search by numpy alone, and whatever must not change its results."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hiertools.search import flat
from hiertools.search.best import Collection, Queries, Wanted
from hiertools.search.scores import Measure
from tests.search import material

CPU = torch.device("cpu")
NONE = -1


@pytest.fixture(autouse=True, params=["bounds", "scan"], scope="module")
def way(request):
    """Search by bounds in float64, as of few pairs, and by compiled scans in float32."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("WORTH_A_SCAN", "WORTH_COMPILED"):
            patch.setattr(flat, name, 0 if request.param == "scan" else 1 << 60)
        yield


def collection(points, *, rows=None, group=None, rank=None):
    n = len(points)
    rows = np.arange(n) if rows is None else rows
    group = np.full(n, NONE) if group is None else group
    return Collection(points, rows, np.arange(n) if rank is None else rank, group)


def queries(points, group=None):
    return Queries(points, np.full(len(points), NONE) if group is None else group)


def wanted(measure, k, least=-np.inf, *, by_radius=False):
    return Wanted(measure, k, least, by_radius)


@pytest.mark.parametrize("geometry", ["lorentz", "euclidean"])
@pytest.mark.parametrize("measure", material.MEASURES)
@pytest.mark.parametrize("exclude", [True, False])
def test_hits_are_those_of_a_full_sort(measure, geometry, exclude):
    points, asked = material.points(500, 5, seed=0), material.points(23, 5, seed=1)
    rows = np.flatnonzero(np.arange(500) % 3 != 0)
    group, own = np.arange(500) // 50, np.arange(23) % 10
    if not exclude:
        own[:] = NONE
    names = dict(zip(("by", "find", "parent_score"), measure, strict=True))
    score = material.scores(asked, points, **names, geometry=geometry, c=1.3)
    score[:, np.arange(500) % 3 == 0] = -np.inf
    score[own[:, None] == group] = -np.inf
    expected = np.argsort(-score, axis=1, kind="stable")[:, :7]
    found = flat.search(
        wanted(Measure(*measure, geometry, 1.3), 7),
        collection(points, rows=rows, group=group),
        queries(asked, own),
        device=CPU,
        block=64,
    )
    np.testing.assert_array_equal([hits.rows for hits in found], expected)
    best = np.take_along_axis(score, expected, 1)
    np.testing.assert_allclose([hits.scores for hits in found], best, atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(material.MEASURES),
    st.sampled_from(["lorentz", "euclidean"]),
    st.integers(0, 2**32),
    st.integers(1, 40),
    st.booleans(),
)
def test_hits_do_not_depend_on_batches_and_blocks(measure, geometry, seed, k, by_radius):
    """Of points that come several times, at every place where a tie can be cut."""
    rng = np.random.default_rng(seed)
    few = material.points(12, 3, seed=seed)
    points = few[rng.integers(0, 12, 60)]
    asked = np.concatenate([few[:3], material.points(6, 3, seed=seed + 1)])
    found = wanted(Measure(*measure, geometry, 1.0), k, -2.0 if by_radius else -np.inf,
                   by_radius=by_radius)  # fmt: skip
    searched = collection(points, rank=rng.permutation(60))
    results = []
    for batch, block in itertools.product((1, 9), (7, 60)):
        parts = np.split(asked, range(batch, 9, batch))
        hits = [
            each
            for part in parts
            for each in flat.search(found, searched, queries(part), device=CPU, block=block)
        ]
        results.append([(h.rows.tobytes(), h.scores.tobytes()) for h in hits])
    assert all(result == results[0] for result in results)


def test_equal_scores_are_in_the_order_of_ids():
    points = np.ones((50, 2), np.float32)
    rank = np.random.default_rng(0).permutation(50)
    found = flat.search(
        wanted(Measure("cosine", "children", "ext", "euclidean", 1.0), 5),
        collection(points, rank=rank),
        queries(points[:1]),
        device=CPU,
        block=8,
    )
    np.testing.assert_array_equal(rank[found[0].rows], np.arange(5))


def test_near_duplicates_of_a_query_are_told_apart():
    """Points 1e-7 from a query, where a matrix product knows nothing of the angle."""
    rng = np.random.default_rng(0)
    asked = np.full((1, 3), 2.0, np.float32)
    near = asked + (1e-6 * rng.standard_normal((30, 3))).astype(np.float32)
    points = np.concatenate([near, material.points(200, 3, seed=1)])
    measure = Measure("angle", "children", "ext", "lorentz", 1.0)
    alone = measure.elementwise(torch.from_numpy(asked), torch.from_numpy(points)).numpy()
    found = flat.search(
        wanted(measure, 20), collection(points), queries(asked), device=CPU, block=16
    )
    np.testing.assert_allclose(found[0].scores, -np.sort(-alone)[:20], rtol=1e-12)


def test_fewer_points_than_wanted_are_all_returned():
    points = material.points(4, 3, seed=0)
    measure = Measure("distance", "children", "ext", "euclidean", 1.0)
    found = flat.search(
        wanted(measure, 9), collection(points), queries(points[:2]), device=CPU, block=None
    )
    assert [sorted(hits.rows) for hits in found] == [[0, 1, 2, 3]] * 2
    excluded = collection(points, group=np.zeros(4, np.int64))
    found = flat.search(
        wanted(measure, 4), excluded, queries(points[:1], np.array([0])), device=CPU, block=None
    )
    assert not len(found[0].rows)


@pytest.mark.parametrize("find", ["children", "parents"])
def test_within_an_angle_hits_are_ordered_by_radius(find):
    points, asked = material.points(400, 3, seed=0), material.points(9, 3, seed=1)
    options = {"by": "angle", "find": find, "parent_score": "ext", "geometry": "lorentz", "c": 2.0}
    score = material.scores(asked, points, **options)
    radius = np.arcsinh(np.sqrt(2) * np.linalg.norm(points.astype(np.float64), axis=1)) / np.sqrt(2)
    found = flat.search(
        wanted(Measure(**options), 6, -0.7, by_radius=True),
        collection(points),
        queries(asked),
        device=CPU,
        block=50,
    )
    for hits, row in zip(found, score, strict=True):
        within = np.flatnonzero(row >= -0.7)
        expected = within[np.argsort(radius[within])][:6]
        np.testing.assert_array_equal(hits.rows, expected)
        np.testing.assert_allclose(hits.scores, -radius[expected], atol=1e-9)


def test_a_largest_angle_leaves_out_the_rest():
    points, asked = material.points(400, 3, seed=0), material.points(9, 3, seed=1)
    measure = Measure("angle", "children", "ext", "euclidean", 1.0)
    found = flat.search(
        wanted(measure, 400, -0.5), collection(points), queries(asked), device=CPU, block=50
    )
    angles = -measure.pairwise(torch.from_numpy(asked), torch.from_numpy(points)).numpy()
    assert [len(hits.rows) for hits in found] == (angles <= 0.5).sum(1).tolist()
    assert all((hits.scores >= -0.5).all() for hits in found)
