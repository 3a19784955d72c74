"""Tentative matches beside a plain loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiertools.local.matching import matches
from tests.local.made import descriptors, features, places


def plain(left, right, ratio):
    """Return mutual nearest features whose second nearest is clearly farther."""
    x, y = left.descriptors.astype(float), right.descriptors.astype(float)
    distance = np.sqrt(((x[:, None] - y[None]) ** 2).sum(-1))
    found = []
    for i in range(len(x) if len(y) else 0):
        j = int(distance[i].argmin())
        others = np.delete(distance[i], j)
        second = others.min() if len(others) else np.inf
        if int(distance[:, j].argmin()) == i and distance[i, j] < ratio * second:
            found.append([i, j])
    return np.array(found, np.int32).reshape(-1, 2)


@given(st.integers(0, 12), st.integers(0, 12), st.sampled_from([0.8, 0.95, 1.0]), st.integers(0, 9))
def test_matches_are_those_of_a_plain_loop(n, m, ratio, seed):
    rows = descriptors(n + m, seed)
    noise = np.random.default_rng(seed).normal(size=(m, rows.shape[1])) * 0.05
    right = rows[n:].copy()
    right[: min(n, m)] = rows[: min(n, m)] + noise[: min(n, m)]
    left, right = features(places(n), rows[:n]), features(places(m), right)
    np.testing.assert_array_equal(matches(left, right, ratio=ratio), plain(left, right, ratio))


def test_a_match_is_one_to_one():
    rows = descriptors(3)
    twice = features(places(4), rows[[0, 0, 1, 2]])
    found = matches(twice, features(places(3), rows), ratio=1.0)
    assert len(set(found[:, 0])) == len(set(found[:, 1])) == len(found) == 3


def test_a_feature_that_could_be_two_matches_none():
    rows = descriptors(2)
    left, right = features(places(1), rows[:1]), features(places(2), rows[[0, 0]])
    assert len(matches(left, right, ratio=0.8)) == 0


@pytest.mark.parametrize(("n", "m"), [(0, 3), (3, 0), (0, 0)])
def test_without_features_there_are_no_matches(n, m):
    found = matches(
        features(places(n), descriptors(n)), features(places(m), descriptors(m)), ratio=0.8
    )
    assert found.shape == (0, 2)
