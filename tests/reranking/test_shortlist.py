"""Shortlists: the best of a gallery, and what stands behind hits that were ranked anew."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hiertools.reranking.shortlist import Shortlist, best, with_rest


def shortlist(rows, scores, barred=(), k=10):
    return Shortlist(
        "q", np.array(rows, np.int64), np.array(scores, float), np.array(barred, np.int64), k
    )


@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, -np.inf]), min_size=1, max_size=12),
    st.integers(0, 14),
    st.sets(st.integers(0, 11)),
)
def test_the_best_are_those_of_a_sorted_list(scores, k, barred):
    barred = sorted(row for row in barred if row < len(scores))
    ranks = np.arange(len(scores))[::-1].copy()
    rows, found = best(np.array(scores), shortlist([], [], barred, k), ranks=ranks)
    keyed = [
        (-score, int(ranks[row]), row)
        for row, score in enumerate(scores)
        if row not in barred and np.isfinite(score)
    ]
    assert rows.tolist() == [row for _, _, row in sorted(keyed)[:k]]
    assert found.tolist() == [scores[row] for row in rows]


def test_others_follow_in_their_order_and_keep_their_differences():
    before = shortlist([4, 2, 7, 1], [0.9, 0.8, 0.7, 0.4])
    rows, scores = with_rest(np.array([7]), np.array([0.25]), before)
    assert rows.tolist() == [7, 4, 2, 1]
    np.testing.assert_allclose(scores, [0.25, 0.25, 0.15, -0.25])


def test_others_below_the_last_keep_their_scores():
    rows, scores = with_rest(np.array([4]), np.array([5.0]), shortlist([4, 2], [0.9, 0.8]))
    assert (rows.tolist(), scores.tolist()) == ([4, 2], [5.0, 0.8])


def test_without_new_hits_all_stays():
    rows, scores = with_rest(np.zeros(0, np.int64), np.zeros(0), shortlist([3, 1], [2.0, 1.0]))
    assert (rows.tolist(), scores.tolist()) == ([3, 1], [2.0, 1.0])
