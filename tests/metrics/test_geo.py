"""How near and how sure: values computed by hand, and plain loops."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiertools.metrics import geo


def test_geoscores_by_hand():
    found = geo.geoscores(np.array([0.0, 1492.7, 2 * 1492.7, 20015.0]))
    np.testing.assert_allclose(
        found, [5000, 5000 / math.e, 5000 / math.e**2, 5000 * math.exp(-20015 / 1492.7)]
    )


def test_the_geoscore_of_a_mean_is_another_number():
    km = np.array([0.0, 2985.4])
    assert geo.geoscores(km).mean() == pytest.approx(2500 * (1 + math.exp(-2)))
    assert geo.geoscores(km).mean() > geo.geoscores(np.array([km.mean()]))[0]


def test_within_a_radius_is_strictly_nearer():
    km = np.array([0.999, 1.0, 1.001, 25.0, np.nextafter(25.0, 0)])
    np.testing.assert_array_equal(geo.within(km, 1), [1, 0, 0, 0, 0])
    np.testing.assert_array_equal(geo.within(km, 25), [1, 1, 1, 0, 1])


def test_shuffled_accuracy_by_hand():
    truth, answers = np.array([0, 0, 1, 2]), np.array([0, 1, 1, -1])
    # half of the items are 0, a quarter of the answers is; a quarter are 1, half of the answers
    assert geo.shuffled_accuracy(truth, answers) == 0.5 * 0.25 + 0.25 * 0.5
    assert geo.shuffled_accuracy(truth, np.array([3, 3])) == 0
    assert geo.shuffled_accuracy(truth, np.array([0, 0, 0, 0])) == 0.5  # a constant is its chance
    none = np.array([], np.int64)
    assert geo.shuffled_accuracy(none, none) == 0


codes = st.lists(st.integers(0, 4), min_size=1, max_size=5)


@given(codes, st.lists(st.integers(-1, 4), min_size=1, max_size=5))
def test_shuffled_accuracy_is_the_mean_over_all_deals(truth, answers):
    deals = [[a == t for a in answers] for t in truth]
    wanted = np.mean([np.mean(each) for each in deals])
    found = geo.shuffled_accuracy(np.array(truth, np.int64), np.array(answers, np.int64))
    assert found == pytest.approx(wanted)


def test_reliability_by_hand():
    confidence = np.array([0.0, 0.1, 0.2, 0.2000001, 0.9, 1.0])
    right = np.array([0.0, 1, 0, 1, 1, 0])
    found = geo.reliability(confidence, right, bins=5)
    np.testing.assert_array_equal(found.items, [3, 1, 0, 0, 2])
    np.testing.assert_allclose(found.confidence, [0.1, 0.2000001, 0, 0, 0.95])
    np.testing.assert_allclose(found.accuracy, [1 / 3, 1, 0, 0, 0.5])
    wanted = (3 * abs(1 / 3 - 0.1) + 0.7999999 + 2 * 0.45) / 6
    assert geo.calibration_error(found) == pytest.approx(wanted)


def test_what_is_right_as_often_as_it_says_has_no_error():
    found = geo.reliability(
        np.repeat([0.25, 0.75], 4), np.array([1.0, 0, 0, 0, 1, 1, 1, 0]), bins=15
    )
    assert geo.calibration_error(found) == 0
    sure = geo.reliability(np.ones(3), np.zeros(3), bins=15)
    assert geo.calibration_error(sure) == 1
    none = geo.reliability(np.zeros(0), np.zeros(0), bins=15)
    assert geo.calibration_error(none) == 0


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
def test_calibration_error_is_that_of_a_loop(pairs):
    total = 0.0
    for i in range(15):
        inside = [(c, r) for c, r in pairs if (i / 15 < c <= (i + 1) / 15) or (i == 0 and c == 0)]
        if inside:
            gap = np.mean([r for _, r in inside]) - np.mean([c for c, _ in inside])
            total += len(inside) / len(pairs) * abs(gap)
    confidence, right = (np.array(each, np.float64) for each in zip(*pairs, strict=True))
    if not np.isclose(confidence * 15, np.round(confidence * 15), rtol=0, atol=1e-9).any():
        found = geo.reliability(confidence, right, bins=15)
        assert geo.calibration_error(found) == pytest.approx(total)
