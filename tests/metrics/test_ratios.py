"""Ratios of sums: their intervals, and whether two runs differ."""

import itertools
import time

import numpy as np
import pytest
from scipy.stats import bootstrap, permutation_test

from hiertools.metrics import bootstrap as means
from hiertools.metrics import ratios
from hiertools.metrics.ratios import Ratios


def of_means(values):
    return Ratios(values[:, None], np.ones((len(values), 1)))


def random_ratios(seed, n=60):
    rng = np.random.default_rng(seed)
    below = rng.integers(0, 4, (n, 2)).astype(float)
    return Ratios(below * rng.random((n, 2)), below)


def test_the_interval_of_a_mean_is_that_of_bootstrap():
    values = np.random.default_rng(0).gamma(2, size=70)
    found = ratios.interval(of_means(values), resamples=300, seed=5, level=0.9)
    wanted = means.interval(values, resamples=300, seed=5, level=0.9)
    np.testing.assert_allclose(found[:, 0], wanted, rtol=1e-12)


def test_the_interval_of_a_ratio_is_scipys():
    found = random_ratios(1)

    def ratio(above, below, axis=-1):
        return above.sum(axis=axis) / below.sum(axis=axis)

    data = found.numerators[:, 0], found.denominators[:, 0]
    wanted = bootstrap(
        data, ratio, paired=True, n_resamples=20_000, method="percentile", rng=0
    ).confidence_interval
    ends = ratios.interval(found, resamples=20_000, seed=0, level=0.95)[:, 0]
    np.testing.assert_allclose(ends, [wanted.low, wanted.high], rtol=0, atol=0.01)


def test_equal_ratios_have_an_interval_of_no_width():
    below = np.array([1.0, 2, 0, 5])
    found = Ratios((below / 3)[:, None], below[:, None])
    ends = ratios.interval(found, resamples=50, seed=0, level=0.95)
    np.testing.assert_allclose(ends[:, 0], 1 / 3, rtol=1e-15)


def test_one_item_has_no_interval():
    one = Ratios(np.ones((1, 1)), np.ones((1, 1)))
    assert ratios.interval(one, resamples=5, seed=0, level=0.5) is None
    assert ratios.difference_interval(one, one, resamples=5, seed=0, level=0.5) is None


def test_resamples_without_items_do_not_count():
    found = Ratios(np.array([[0.25], [0.0]]), np.array([[1.0], [0.0]]))
    ends = ratios.interval(found, resamples=100, seed=0, level=0.95)
    np.testing.assert_allclose(ends[:, 0], [0.25, 0.25])


def test_a_difference_has_both_runs_in_the_same_resample():
    one = random_ratios(2)
    other = Ratios(one.numerators - 0.1 * one.denominators, one.denominators)
    found = ratios.difference_interval(one, other, resamples=80, seed=0, level=0.95)
    np.testing.assert_allclose(found, 0.1, rtol=1e-9)


def test_the_swap_test_is_scipys_for_means():
    rng = np.random.default_rng(4)
    one, other = rng.normal(size=40), rng.normal(0.3, size=40)
    wanted = permutation_test(
        (one, other), lambda x, y, axis=-1: (x - y).mean(axis=axis), permutation_type="samples",
        vectorized=True, n_resamples=20_000, rng=0,
    ).pvalue  # fmt: skip
    found = ratios.swap_test(of_means(one), of_means(other), resamples=20_000, seed=1)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=0.01)


def test_the_swap_test_is_the_share_of_all_swaps():
    one, other = random_ratios(5, n=8), random_ratios(6, n=8)
    observed = np.abs(one.values() - other.values())
    as_great = np.zeros(2)
    for swaps in itertools.product([False, True], repeat=8):
        swap = np.array(swaps)[:, None]
        mine = Ratios(
            np.where(swap, other.numerators, one.numerators),
            np.where(swap, other.denominators, one.denominators),
        )
        its = Ratios(
            np.where(swap, one.numerators, other.numerators),
            np.where(swap, one.denominators, other.denominators),
        )
        as_great += np.abs(mine.values() - its.values()) >= observed - 1e-12
    found = ratios.swap_test(one, other, resamples=40_000, seed=0)
    np.testing.assert_allclose(found, as_great / 2**8, rtol=0, atol=0.01)


def test_a_p_is_never_below_what_its_resamples_can_tell():
    one, other = of_means(np.ones(40)), of_means(np.zeros(40))
    np.testing.assert_array_equal(ratios.swap_test(one, other, resamples=99, seed=0), [0.01])


def test_equal_runs_do_not_differ():
    one = random_ratios(7)
    np.testing.assert_array_equal(ratios.swap_test(one, one, resamples=99, seed=0), [1, 1])


def test_the_swap_test_is_fair_where_runs_are_alike():
    """A p below 0.1 comes in a tenth of the cases."""
    rng = np.random.default_rng(8)
    found = [
        ratios.swap_test(*(of_means(rng.normal(size=20)) for _ in range(2)), resamples=99, seed=i)[
            0
        ]
        for i in range(300)
    ]
    assert np.mean(np.array(found) <= 0.1) == pytest.approx(0.1, abs=0.06)


def test_mcnemar_by_hand():
    one = np.array([1.0, 1, 1, 1, 1, 0, 1, 0])
    other = np.array([0.0, 0, 0, 0, 0, 1, 1, 0])
    # 5 against 1: 2 (C(6,0) + C(6,1)) / 2^6
    assert ratios.mcnemar(one, other) == pytest.approx(2 * 7 / 64)
    assert ratios.mcnemar(one, one) == 1


def test_fifty_thousand_items_take_seconds():
    rng = np.random.default_rng(0)
    values = rng.random((50_000, 20))
    one, other = Ratios(values, np.ones_like(values)), Ratios(values[::-1], np.ones_like(values))
    start = time.process_time()
    ratios.difference_interval(one, other, resamples=100, seed=0, level=0.95)
    ratios.swap_test(one, other, resamples=100, seed=0)
    assert time.process_time() - start < 10
