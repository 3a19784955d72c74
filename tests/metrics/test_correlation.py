"""Rank correlation by hand and against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from hiertools.metrics.correlation import spearman, spearman_interval


def test_by_hand():
    x = np.array([1.0, 5.0, 7.0, 20.0])
    assert spearman(x, x**3) == pytest.approx(1)
    assert spearman(x, -x) == pytest.approx(-1)
    # ranks 1 2 3 4 and 2 1 4 3: 1 - 6 · 4/(4 · 15)
    assert spearman(x, np.array([2.0, 1.0, 9.0, 8.0])) == pytest.approx(0.6)


def test_none_where_nothing_varies():
    assert spearman(np.zeros(3), np.arange(3.0)) is None
    assert spearman(np.arange(3.0), np.ones(3)) is None
    assert spearman(np.zeros(1), np.zeros(1)) is None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-3, 3)), min_size=2, max_size=40))
def test_against_scipy(pairs):
    x, y = np.array(pairs, np.float64).T
    found = spearman(x, y)
    if len(set(x)) > 1 and len(set(y)) > 1:
        np.testing.assert_allclose(found, spearmanr(x, y).statistic, atol=1e-12)
    else:
        assert found is None


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth, n = 6 / np.pi * np.arcsin(0.5 / 2), 200  # of normal numbers that correlate by 0.5
    held = 0
    for _ in range(500):
        x = rng.normal(size=n)
        y = 0.5 * x + 0.75**0.5 * rng.normal(size=n)
        low, high = spearman_interval(spearman(x, y), n, level=0.95)
        held += low < truth < high
    assert 0.92 < held / 500 < 0.98


def test_no_interval_of_too_few_or_of_a_perfect_correlation():
    assert spearman_interval(0.5, 3, level=0.95) is None
    assert spearman_interval(1.0, 30, level=0.95) is None
