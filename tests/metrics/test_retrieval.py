"""Graded metrics by hand, against plain sums, and chance against all orders of a few candidates."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiertools.metrics import retrieval

GAINS = np.array([1.0, 0.5, 0.25, 0.0])  # of classes 0 … 3
codes_of = st.lists(st.integers(0, 3), min_size=1, max_size=30)


def ranks(codes, relevant):
    out = np.empty(len(codes), np.int32)
    return retrieval.ranks_of_classes(np.array(codes, np.int32), np.array(relevant), out)


def gains(codes, sums, ks, worth=GAINS):
    out = np.full(len(ks), np.nan)
    codes, ks = np.array(codes, np.int32), np.array(ks, np.int64)
    retrieval.weighted_gains(codes, worth, sums, ks, out)
    return out


def best(counts, sums, ks, worth=GAINS):
    out = np.full(len(ks), np.nan)
    order = np.argsort(-worth, kind="stable").astype(np.int32)
    counts, ks = np.array(counts, np.int64), np.array(ks, np.int64)
    retrieval.best_gains(counts, worth, order, sums, ks, out)
    return out


def test_ranks_by_hand():
    assert ranks([2, 0, 1, 0], [True, False, False, False]).tolist() == [2, 4]
    assert ranks([2, 0, 1, 0], [False, False, False, True]).tolist() == []
    assert ranks([1, 1], [False, True, True, False]).tolist() == [1, 2]


def test_map_at_r_by_hand():
    """R = 3: ranks 1 and 3 of the first three are relevant: (1 + 2/3)/3; rank 6 comes too late."""
    found = retrieval.average_precision_at(np.array([1, 3, 6]), 3, 3)
    np.testing.assert_allclose(found, (1 + 2 / 3) / 3)
    found = retrieval.average_precision_at(np.array([1, 3, 6]), 3, 6)
    np.testing.assert_allclose(found, (1 + 2 / 3 + 3 / 6) / 3)


def test_discounts_by_hand():
    """1/log2(2) = 1, 1/log2(3) = .6309, 1/log2(4) = .5."""
    expected = [0, 1, 1.6309297535714573, 2.1309297535714573]
    np.testing.assert_allclose(retrieval.log_discounts(3), expected)
    np.testing.assert_array_equal(retrieval.no_discounts(3), [0, 1, 2, 3])


def test_gains_by_hand():
    """Classes 1, 0, 3 gain .5, 1, 0: .5 + 1/log2(3) = 1.1309; nothing more is found."""
    found = gains([1, 0, 3], retrieval.log_discounts(5), [1, 2, 5])
    np.testing.assert_allclose(found, [0.5, 1.1309297535714573, 1.1309297535714573])
    assert gains([1, 0, 3], retrieval.log_discounts(5), []).tolist() == []
    assert gains([], retrieval.log_discounts(5), [1, 2]).tolist() == [0, 0]


def test_best_gains_by_hand():
    """One of gain 1, none of .5, two of .25, two of 0: 1, then .25/log2(3) and .25/log2(4)."""
    found = best([1, 0, 2, 2], retrieval.log_discounts(5), [1, 2, 3, 5])
    np.testing.assert_allclose(found, [1, 1.1577324, 1.2827324, 1.2827324], rtol=1e-6)
    assert best([0, 0, 0, 0], retrieval.log_discounts(5), [1, 2]).tolist() == [0, 0]


@settings(deadline=None)  # the first compiles
@given(codes_of, st.sampled_from(["log", "none"]))
def test_gains_are_plain_sums_and_the_best_is_that_of_the_sorted(codes, weights):
    n = len(codes)
    sums = (retrieval.log_discounts if weights == "log" else retrieval.no_discounts)(n)
    ks, each = np.arange(1, n + 1), np.diff(sums)
    expected = np.cumsum(GAINS[codes] * each)
    np.testing.assert_allclose(gains(codes, sums, ks), expected, atol=1e-12)
    ideal = np.cumsum(np.sort(GAINS[codes])[::-1] * each)
    counts = np.bincount(codes, minlength=4)
    np.testing.assert_allclose(best(counts, sums, ks), ideal, atol=1e-12)


def test_the_best_ranking_has_the_best_gains():
    codes = [0, 1, 1, 2, 3]
    sums = retrieval.log_discounts(5)
    found, ideal = gains(codes, sums, [1, 3, 5]), best([1, 2, 1, 1], sums, [1, 3, 5])
    np.testing.assert_allclose(found, ideal)
    assert (gains(codes[::-1], sums, [1, 3, 5]) < ideal).all()


ORDERS = list(permutations([0, 0, 1, 3, 3]))
CODES = np.array(ORDERS)


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_chance_of_average_precision_is_the_mean_over_all_orders(k):
    """Two of five are relevant; precision counts up to rank k."""
    relevant = np.array([True, False, False, False])
    each = [retrieval.average_precision_at(ranks(codes, relevant), 2, k) for codes in ORDERS]
    found = retrieval.expected_precision_at(np.array([2]), np.array([5]), np.array([k]))
    np.testing.assert_allclose(found, [np.mean(each)])


def test_chance_of_whole_rankings_is_that_of_the_ranking_module():
    from hiertools.metrics.ranking import expected_average_precision

    relevant, n = np.array([1, 3, 10, 10]), np.array([1, 7, 10, 500])
    found = retrieval.expected_precision_at(relevant, n, n)
    np.testing.assert_allclose(found, expected_average_precision(relevant, n))
    assert found[0] == found[2] == 1


@pytest.mark.parametrize("sums", [retrieval.log_discounts(5), retrieval.no_discounts(5)])
def test_chance_of_gains_is_the_mean_over_all_orders(sums):
    ks = np.array([1, 3, 5])
    each = np.mean([gains(codes, sums, ks) for codes in ORDERS], axis=0)
    mean = np.array([GAINS[CODES[0]].mean()])
    found = retrieval.expected_gains(mean, sums, ks, np.array([5]))
    np.testing.assert_allclose(found[0], each)
