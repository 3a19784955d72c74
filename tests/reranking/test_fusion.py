"""Fusion: values worked by hand, and what it never does."""

import numpy as np
import pytest

from hiertools.errors import UsageError
from hiertools.reranking.fusion import check_options, fuse
from hiertools.reranking.shortlist import Shortlist

RANKS = np.arange(10)
HOW = {"ranks": RANKS, "tau": 10, "weight": 1.0, "cap": 50}


def shortlist(rows, scores):
    rows = np.array(rows, np.int64)
    return Shortlist("q", rows, np.array(scores, float), np.zeros(0, np.int64), len(rows))


def test_a_fused_score_is_the_initial_one_and_the_share_of_the_cap():
    before = shortlist([3, 5, 1, 8], [0.75, 0.5, 0.25, 0.125])
    rows, scores = fuse(before, np.array([0, 30, 80]), **HOW)
    # scaled 1, .5, 0, and 0, 30/50, 1 beside; of equal ones the better before comes first, and the
    # last hit keeps its score, which is below
    assert rows.tolist() == [5, 3, 1, 8]
    np.testing.assert_allclose(scores, [1.1, 1.0, 1.0, 0.125])


def test_fewer_than_tau_everywhere_leave_the_order():
    before = shortlist([3, 5, 1, 8], [0.9, 0.8, 0.7, 0.1])
    assert fuse(before, np.array([9, 9, 9, 9]), **HOW)[0].tolist() == [3, 5, 1, 8]


def test_scores_that_scaling_makes_equal_keep_their_order():
    before = shortlist([3, 1, 0, 2], [1.0, 2e-20, 1e-20, -3.0])
    assert fuse(before, np.zeros(4, np.int64), **HOW)[0].tolist() == [3, 1, 0, 2]


def test_no_weight_leaves_the_order():
    before = shortlist([3, 5], [0.9, 0.8])
    rows, _ = fuse(before, np.array([0, 90]), **{**HOW, "weight": 0.0})
    assert rows.tolist() == [3, 5]


def test_equal_initial_scores_are_ranked_by_counts_alone():
    rows, _ = fuse(shortlist([3, 5, 1], [0.5, 0.5, 0.5]), np.array([10, 20, 0]), **HOW)
    assert rows.tolist() == [5, 3, 1]


def test_an_empty_shortlist_stays_empty():
    rows, scores = fuse(shortlist([], []), np.zeros(0, np.int64), **HOW)
    assert len(rows) == len(scores) == 0


@pytest.mark.parametrize("wrong", [{"top": 0}, {"tau": 0}, {"cap": 0}, {"weight": -1.0}])
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError, match=f"option {next(iter(wrong))}="):
        check_options(**{"top": 1, "tau": 1, "weight": 1.0, "cap": 1, **wrong})
