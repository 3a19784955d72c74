"""Radii, depths and pairs by hand."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from hiertools.evaluation import levels, sets
from hiertools.evaluation.classes import of_hierarchy
from tests.evaluation.made import ALL, hierarchy, items

ROWS = [
    ("a#0", ["car"]), ("a", ["car", "hub"]), ("a#1", ["hub"]), ("b#0", ["ant"]),
    ("c", []), ("c#0", ["lamp", "wheel"]), ("c#1", []),
]  # fmt: skip
BOXES = np.array([[0, 0, side, 1] for side in (0.005, 1, 0.01, 0.0299, 1, 1, 0.3)], np.float64)
RADIUS = np.array([2.0, 1.0, 0.5, 9.0, 3.0, 4.0, 3.0])


@pytest.fixture
def found():
    table = items(ROWS, box=BOXES)
    known = of_hierarchy(hierarchy(), [table.labels])
    return sets.select(table, known, ALL, "x"), known


def test_depths(found):
    assert levels.depths(*found).tolist() == [2, 0, 4, -1, 0, 3, -1]


def test_correlation_is_of_items_with_a_depth(found):
    each, known = found
    rows = list(levels.order_rows(each, RADIUS, known, "queries"))
    assert [row["metric"] for row in rows] == [
        "radius_depth_spearman", "radius_depth_spearman_boxes",
    ]  # fmt: skip
    expected = spearmanr([2, 1, 0.5, 3, 4], [2, 0, 4, 0, 3]).statistic
    np.testing.assert_allclose(rows[0]["value"], expected)
    assert (rows[0]["queries"], rows[0]["of"], rows[0]["chance"]) == (5, "queries", 0)
    assert rows[0]["low"] < expected < rows[0]["high"]
    np.testing.assert_allclose(rows[1]["value"], spearmanr([2, 0.5, 4], [2, 4, 3]).statistic)
    assert "low" not in rows[1]


def test_nothing_varies(found):
    each, known = found
    assert list(levels.order_rows(each, np.ones(7), known, "queries")) == []


def test_pairs_in_images(found):
    parent, child = levels.pairs_in_images(found[0])
    assert list(zip(parent.tolist(), child.tolist(), strict=True)) == [
        (1, 0), (1, 2), (4, 5), (4, 6),
    ]  # fmt: skip
    boxes = found[0].take(found[0].kind == sets.BOX)
    assert [len(rows) for rows in levels.pairs_in_images(boxes)] == [0, 0]


def test_share_of_pairs_whose_parent_is_nearer(found):
    """1 < 2, not 1 < 0.5, 3 < 4, not 3 < 3."""
    pairs = levels.pairs_in_images(found[0])
    row = levels.pair_row(*pairs, RADIUS, "queries", resamples=50, seed=0)
    assert row == {
        "metric": "parent_nearer_share", "of": "queries", "value": 0.5, "low": 0.5, "high": 0.5,
        "chance": 0.5, "queries": 4,
    }  # fmt: skip
    nothing = np.zeros(0, np.int64)
    assert levels.pair_row(nothing, nothing, RADIUS, "x", resamples=50, seed=0) is None


def test_the_interval_is_over_parents():
    """Pairs that are all of one parent's making tell as much as that parent alone."""
    rng = np.random.default_rng(0)
    good = rng.random(400) < 0.7
    radius = np.concatenate([np.ones(400), np.repeat(np.where(good, 2.0, 0.5), 50)])
    parent, child = np.repeat(np.arange(400), 50), 400 + np.arange(20_000)
    row = levels.pair_row(parent, child, radius, "x", resamples=500, seed=0)
    np.testing.assert_allclose(row["value"], good.mean())
    half = 1.96 * (0.7 * 0.3 / 400) ** 0.5
    np.testing.assert_allclose(row["high"] - row["low"], 2 * half, rtol=0.2)


def test_quantiles_by_kind_and_by_area(found):
    rows = list(levels.radius_table(found[0], RADIUS, "candidates"))
    assert [(row["kind"], row.get("max_area"), row["items"]) for row in rows] == [
        ("image", None, 2), ("box", None, 5),
        ("box", 0.01, 1), ("box", 0.03, 2), ("box", 1.0, 2),
    ]  # fmt: skip
    assert (rows[0]["p5"], rows[0]["p50"], rows[0]["p95"]) == (1.1, 2.0, 2.9)
    assert rows[3]["p50"] == (0.5 + 9) / 2
    assert all(row["of"] == "candidates" for row in rows)
