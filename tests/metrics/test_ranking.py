"""Metrics by hand, against plain loops over a sorted list, and at chance."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiertools.metrics import ranking

WANTED, OTHER, BARRED = 1, 2, 4
FEW_SCORES = st.sampled_from([-1.0, 0.0, 0.5, 0.5 + 1e-16, 0.5 + 1e-15, 3.0])
scores = st.lists(st.floats(-1e6, 1e6) | FEW_SCORES, max_size=200).map(np.array)


def ranks(order, state, wanted=WANTED, barred=BARRED, most=10**9):
    order, state = np.array(order, np.int32), np.array(state, np.uint8)
    return ranking.ranks_of(order, state, wanted, barred, most, np.empty(len(order), np.int32))


def hits(found, ks):
    out = np.zeros(len(ks), np.int64)
    ranking.hits_at(np.array(found, np.int32), np.array(ks, np.int64), out)
    return out.tolist()


def curve(found, relevant, recalls):
    out = np.zeros(len(recalls))
    ranking.precision_at_recalls(np.array(found), relevant, np.array(recalls, float), out)
    return out.tolist()


@settings(deadline=None)  # the first compiles
@given(scores)
def test_order_is_by_falling_score_then_by_place(scores):
    scores = scores.astype(np.float64)
    expected = np.lexsort((np.arange(len(scores)), -scores))
    np.testing.assert_array_equal(ranking.order(scores), expected)


@pytest.mark.parametrize(
    "scores",
    [
        np.zeros(1000),
        np.array([5e-324, 0, 5e-324, 0]),
        np.array([1e308, -1e308, 0, 1e308]),
        np.repeat([1.0, 2.0], 500),
        np.append(np.linspace(0, 1e-9, 500), 1e9),
        np.random.default_rng(0).standard_cauchy(5000),
        np.round(np.random.default_rng(1).normal(size=5000), 2),
    ],
    ids=["equal", "tiny", "huge", "two", "one-bucket", "heavy-tails", "ties"],
)
def test_order_of_scores_that_buckets_do_not_part(scores):
    expected = np.lexsort((np.arange(len(scores)), -scores))
    np.testing.assert_array_equal(ranking.order(scores), expected)


def test_ranks_by_hand():
    """Places 3, 0, 2, 1, 4; 2 is barred, 0 and 1 are wanted."""
    state = [WANTED, WANTED | OTHER, WANTED | BARRED, OTHER, 0]
    assert ranks([3, 0, 2, 1, 4], state).tolist() == [2, 3]
    assert ranks([3, 0, 2, 1, 4], state, barred=0).tolist() == [2, 3, 4]
    assert ranks([3, 0, 2, 1, 4], state, wanted=OTHER).tolist() == [1, 3]
    assert ranks([3, 0, 2, 1, 4], state, most=2).tolist() == [2]
    assert ranks([], []).tolist() == []


def test_hits_by_hand():
    assert hits([2, 3, 7], [1, 2, 5, 7, 100]) == [0, 1, 2, 3, 3]
    assert hits([], [1, 2]) == [0, 0]


def test_average_precision_by_hand():
    """(1/1 + 2/3 + 3/6) / 4: the fourth was not found."""
    found = ranking.average_precision(np.array([1, 3, 6]), 4)
    np.testing.assert_allclose(found, (1 + 2 / 3 + 0.5) / 4)


def test_precision_at_recalls_by_hand():
    """Precision is 1/2, 2/3, 3/7 at recalls 1/4, 1/2, 3/4."""
    found = curve([2, 3, 7], 4, [0, 0.25, 0.3, 0.5, 0.75, 1])
    np.testing.assert_allclose(found, [2 / 3, 2 / 3, 2 / 3, 2 / 3, 3 / 7, 0])


def test_label_weights_by_hand():
    """An item of two classes counts a half for each; one of none counts nothing, and has a rank."""
    order, state = np.array([1, 0, 3, 2], np.int32), np.array([0, 0, 0, BARRED], np.uint8)
    offsets, codes = np.array([0, 1, 3, 3, 4]), np.array([2, 0, 2, 1], np.int32)
    labels = offsets, codes, np.array([1, 0.5, 0.5, 1])
    out, slots = np.full((3, 3), np.nan), np.zeros(4, np.uint8)
    ranking.label_weights(order, state, BARRED, labels, np.array([1, 2, 9]), slots, out)
    np.testing.assert_allclose(out, [[0.5, 0, 0.5], [0.5, 0, 1.5], [0.5, 0, 1.5]])


def test_perfect_is_one_and_reversed_is_worse():
    first, last = np.arange(1, 6), np.arange(16, 21)
    assert ranking.average_precision(first, 5) == 1
    assert curve(first, 5, [0, 0.5, 1]) == [1, 1, 1]
    assert hits(first, [5]) == [5]
    assert ranking.average_precision(last, 5) < 0.25
    assert max(curve(last, 5, [0, 0.5, 1])) == 0.25
    assert hits(last, [5, 15]) == [0, 0]


@st.composite
def rankings(draw):
    """Candidates' scores and states, and ks."""
    n = draw(st.integers(1, 40))
    state = draw(st.lists(st.integers(0, 7), min_size=n, max_size=n))
    given = draw(st.lists(FEW_SCORES, min_size=n, max_size=n))
    ks = sorted(draw(st.sets(st.integers(1, 50), min_size=1, max_size=4)))
    return np.array(given), state, ks


@settings(deadline=None)
@given(rankings())
def test_all_agree_with_plain_loops(drawn):
    scores, state, ks = drawn
    listed = [j for j in sorted(range(len(state)), key=lambda j: (-scores[j], j))]
    kept = [state[j] & WANTED for j in listed if not state[j] & BARRED]
    found = ranks(ranking.order(scores), state)
    assert found.tolist() == [i + 1 for i, relevant in enumerate(kept) if relevant]
    assert hits(found, ks) == [sum(kept[:k]) for k in ks]
    relevant = sum(kept)
    if relevant:
        precisions = [sum(kept[: i + 1]) / (i + 1) for i in range(len(kept))]
        average = sum(p for p, r in zip(precisions, kept, strict=True) if r) / relevant
        np.testing.assert_allclose(ranking.average_precision(found, relevant), average)
        recalls = [sum(kept[: i + 1]) / relevant for i in range(len(kept))]
        grid = [0, 0.1, 0.3, 0.5, 1]
        best = [
            max(p for p, r in zip(precisions, recalls, strict=True) if r >= recall)
            for recall in grid
        ]
        np.testing.assert_allclose(curve(found, relevant, grid), best)


@pytest.mark.parametrize(("relevant", "n"), [(1, 1), (1, 7), (3, 7), (7, 7), (30, 100)])
def test_chance_is_what_random_rankings_come_to(relevant, n):
    rng = np.random.default_rng(0)
    drawn = [np.sort(rng.permutation(n)[:relevant] + 1) for _ in range(4000)]
    values = np.array([ranking.average_precision(each, relevant) for each in drawn])
    expected = ranking.expected_average_precision(np.array([relevant]), np.array([n]))[0]
    error = values.std() / len(values) ** 0.5
    np.testing.assert_allclose(values.mean(), expected, rtol=0, atol=4 * error + 1e-12)


def test_chance_by_hand():
    """One of two: 1 or 1/2. Two of three: 1, (1 + 2/3)/2 or (1/2 + 2/3)/2."""
    found = ranking.expected_average_precision(np.array([1, 2]), np.array([2, 3]))
    np.testing.assert_allclose(found, [0.75, (1 + 5 / 6 + 7 / 12) / 3])
