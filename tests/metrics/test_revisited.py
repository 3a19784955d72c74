"""Metrics of Revisited Oxford and Paris: by hand, by a plain loop, and their chance exactly."""

from itertools import permutations

import numpy as np
import pytest

from hiertools.metrics.revisited import average_precision, expected_average_precision, precision


@pytest.mark.parametrize(
    ("ranks", "positives", "value"),
    [
        ([0], 1, 1.0),
        ([1], 1, 0.25),  # precision 0 before, 1/2 at it
        ([0, 1, 2], 3, 1.0),
        ([0, 2], 2, (1 + (1 / 2 + 2 / 3) / 2) / 2),
        ([], 3, 0.0),
        ([0], 2, 0.5),  # the other was not found
    ],
)
def test_average_precision_by_hand(ranks, positives, value):
    assert average_precision(np.array(ranks, np.int64), positives) == pytest.approx(value)


@pytest.mark.parametrize(
    ("ranks", "positives", "k", "value"),
    [
        ([0], 1, 10, 1.0),  # one positive: looked at up to its rank alone
        ([4], 1, 10, 0.2),
        ([0, 3], 2, 10, 0.5),
        ([0, 3], 2, 1, 1.0),
        ([0, 3], 2, 3, 1 / 3),
        ([0], 2, 10, 0.1),  # the other is further down than anything
        ([], 2, 5, 0.0),
    ],
)
def test_precision_by_hand(ranks, positives, k, value):
    assert precision(np.array(ranks, np.int64), positives, k=k) == pytest.approx(value)


def test_nothing_to_find_has_no_metric():
    nothing = np.zeros(0, np.int64)
    assert np.isnan(average_precision(nothing, 0))
    assert np.isnan(precision(nothing, 0, k=1))
    assert np.isnan(expected_average_precision(0, 5, 5))


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@pytest.mark.parametrize("positives", [1, 2, 5])
def test_chance_is_the_mean_over_all_orders(positives, depth):
    values = []
    for order in permutations(range(5)):
        ranks = np.array([r for r, item in enumerate(order[:depth]) if item < positives], np.int64)
        values.append(average_precision(ranks, positives))
    assert expected_average_precision(positives, 5, depth) == pytest.approx(np.mean(values))
