"""Bootstrap intervals: against scipy, by their laws, and how long they take."""

import time
import tracemalloc

import numpy as np
import pytest
from scipy.stats import bootstrap

from hiertools.metrics.bootstrap import interval, median_interval


def test_it_is_scipys_percentile_interval():
    values = np.random.default_rng(3).gamma(2, size=80)
    found = interval(values, resamples=40_000, seed=0, level=0.9)
    other = bootstrap(
        (values,), np.mean, n_resamples=40_000, confidence_level=0.9, method="percentile", rng=1
    ).confidence_interval
    spread = values.std() / np.sqrt(len(values))
    np.testing.assert_allclose(found, [other.low, other.high], rtol=0, atol=0.03 * spread)


def test_it_holds_the_mean_and_is_wider_at_a_higher_level():
    values = np.random.default_rng(0).uniform(size=50)
    narrow, wide = (interval(values, resamples=2000, seed=0, level=x) for x in (0.5, 0.99))
    assert wide[0] < narrow[0] < values.mean() < narrow[1] < wide[1]


def test_two_values_by_hand():
    """The mean of two draws is 0, 1/2 or 1, a quarter, a half and a quarter of the times."""
    found = interval(np.array([0.0, 1.0]), resamples=4000, seed=0, level=0.6)
    np.testing.assert_array_equal(found, [0, 1])
    found = interval(np.array([0.0, 1.0]), resamples=4000, seed=0, level=0.4)
    np.testing.assert_array_equal(found, [0.5, 0.5])


@pytest.mark.parametrize("constant", [0.1, 1 / 3, 0.0, 1e300, -7.3])
def test_equal_values_have_an_interval_of_no_width(constant):
    found = interval(np.full(1000, constant), resamples=200, seed=0, level=0.95)
    np.testing.assert_array_equal(found, [constant, constant])


@pytest.mark.parametrize("shape", [(0,), (1,), (0, 3), (1, 3)])
def test_one_query_has_no_interval(shape):
    assert interval(np.ones(shape), resamples=100, seed=0, level=0.95) is None


def test_columns_share_their_resamples():
    values = np.random.default_rng(1).uniform(size=(300, 4))
    values[:, 3] = 1 - values[:, 0]
    found = interval(values, resamples=500, seed=9, level=0.95)
    assert found.shape == (2, 4)
    for column in range(4):
        alone = interval(values[:, column], resamples=500, seed=9, level=0.95)
        np.testing.assert_allclose(found[:, column], alone, rtol=1e-12)
    np.testing.assert_allclose(found[:, 3], 1 - found[::-1, 0], rtol=1e-12)


def test_a_seed_is_an_interval():
    values = np.random.default_rng(2).uniform(size=40)
    first, again, other = (
        interval(values, resamples=300, seed=s, level=0.95).tolist() for s in (0, 0, 1)
    )
    assert first == again != other


def test_ten_thousand_queries_take_less_than_two_seconds_and_little_memory():
    values = np.random.default_rng(0).uniform(size=(10_000, 12))
    start = time.process_time()
    interval(values, resamples=1000, seed=0, level=0.95)
    assert time.process_time() - start < 2
    tracemalloc.start()
    interval(values, resamples=1000, seed=0, level=0.95)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def median_of(values, other=None, resamples=300):
    return median_interval(
        np.array(values, np.float64), other, resamples=resamples, seed=1, level=0.95
    )


def test_median_of_equal_values_has_no_width():
    assert median_of([3.5] * 5) == (3.5, 3.5)


def test_median_of_one_value_has_no_interval():
    assert median_of([3.5]) is None


def test_median_interval_is_of_the_order_statistics():
    """A resample's median is below the m-th value as often as a binomial count says."""
    low, high = median_of(np.arange(101), resamples=4000)
    # at least 51 of 101 draws are below rank r with probability P(Bin(101, r/101) >= 51)
    wanted = [50 - 1.96 * np.sqrt(101) / 2, 50 + 1.96 * np.sqrt(101) / 2]
    np.testing.assert_allclose([low, high], wanted, atol=1.5)


def test_a_difference_of_medians_is_of_the_same_resamples():
    values = np.random.default_rng(0).normal(size=50)
    low, high = median_of(values + 2, values)
    np.testing.assert_allclose([low, high], 2, atol=1e-12)
