"""Metrics of predicted classes: by hand, against simulation and against scikit-learn."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_fscore_support

from hiertools.metrics import classes as metrics
from hiertools.metrics.classes import Shared


def test_a_hit_is_one_right_class_among_the_first():
    right = np.array([[False, True], [False, False], [True, True]])
    np.testing.assert_array_equal(metrics.hits(right), [1, 0, 1])


@pytest.mark.parametrize("k", [1, 2, 5, 7])
def test_the_chance_of_a_hit_is_what_draws_come_to(k):
    right, classes = np.array([1, 2, 0, 7]), 7
    rng = np.random.default_rng(0)
    draws = np.argsort(rng.random((40_000, classes)), axis=1)[:, :k]
    simulated = [(draws < n).any(axis=1).mean() for n in right]
    found = metrics.chance_of_a_hit(right, classes, k=k)
    np.testing.assert_allclose(found, simulated, rtol=0, atol=0.01)
    assert found[0] == pytest.approx(k / classes)
    assert found[2] == 0
    assert found[3] == 1


def test_precision_recall_and_f1_are_those_of_scikit_learn_on_indicators():
    rng = np.random.default_rng(1)
    answer, truth = (rng.random((30, 9)) < 0.4 for _ in range(2))
    nodes = Shared(
        (answer & truth).sum(axis=1).astype(float),
        answer.sum(axis=1).astype(float),
        truth.sum(axis=1).astype(float),
    )
    found = [
        above.sum() / below.sum()
        for above, below in (metrics.precision(nodes), metrics.recall(nodes), metrics.f1(nodes))
    ]
    wanted = precision_recall_fscore_support(truth, answer, average="micro")[:3]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_information_is_all_for_a_class_and_nothing_for_the_root():
    found = metrics.information(np.array([1, 10, 100]), 100)
    np.testing.assert_allclose(found, [1, 0.5, 0], atol=1e-12)
    np.testing.assert_array_equal(metrics.information(np.array([1]), 1), [1])


def test_adjusted_is_0_at_chance_and_1_at_best_whichever_way_is_up():
    assert metrics.adjusted(0.55, 0.1, 1.0) == pytest.approx(0.5)
    assert metrics.adjusted(4.0, 5.0, 1.0) == pytest.approx(0.25)
    assert metrics.adjusted(6.0, 5.0, 0.0) == pytest.approx(-0.2)
    assert metrics.adjusted(1.0, 1.0, 1.0) is None


@pytest.mark.parametrize(("right", "items"), [(0, 5), (5, 5), (3, 50), (1000, 2000)])
def test_the_interval_of_a_share_is_scipys(right, items):
    low, high = metrics.wilson(np.array([float(right)]), np.array([float(items)]), level=0.95)
    wanted = binomtest(right, items).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose([low[0], high[0]], [wanted.low, wanted.high], atol=1e-12)


def test_an_accuracy_is_a_multiple_of_one_over_the_items():
    assert metrics.nearest_accuracy(0.9, 50) == (45, 0)
    right, error = metrics.nearest_accuracy(0.915, 50)  # 45.75 of 50
    assert right == 46
    assert error == pytest.approx(0.005)
    assert metrics.nearest_accuracy(1.7, 50)[0] == 50
    assert math.isclose(metrics.nearest_accuracy(1 / 3, 3)[1], 0, abs_tol=1e-15)
