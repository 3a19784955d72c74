"""SuperGlobal beside a plain loop."""

import numpy as np
import pytest

from hiertools.errors import UsageError
from hiertools.rerankers import superglobal
from tests.reranking.made import gallery, shortlist

VECTORS = np.random.default_rng(3).normal(size=(30, 6)) + 0.3
QUERIES = {"q": np.random.default_rng(4).normal(size=6), "zero": np.zeros(6)}


def one(made, given, **options):
    (found,) = superglobal.rerank([given], made, **options)
    return found


def plain(made, given, m, k, beta):
    """Return the scores of the first m hits, one at a time."""
    query = made.vector(given.query).astype(float)
    head = given.rows[:m]
    x = made.vectors[head].astype(float)
    scores = []
    pooled = query.copy()
    for near in x[:k]:
        pooled = np.maximum(pooled, near)
    pooled /= np.linalg.norm(pooled)
    for i in range(len(x)):
        others = sorted((j for j in range(len(x)) if j != i), key=lambda j: -(x[i] @ x[j]))[:k]
        weights = [beta * max(0.0, x[i] @ x[j]) for j in others]
        refined = (x[i] + sum(w * x[j] for w, j in zip(weights, others, strict=True))) / (
            1 + sum(weights)
        )
        scores.append((pooled @ x[i] + query @ refined / np.linalg.norm(refined)) / 2)
    return dict(zip(head.tolist(), scores, strict=True))


@pytest.mark.parametrize(("m", "k"), [(400, 9), (12, 3), (1, 9), (30, 0)])
def test_scores_are_those_of_a_plain_loop(m, k):
    made = gallery(VECTORS, QUERIES)
    given = shortlist(made, "q")
    found = one(made, given, m=m, k=k)
    expected = plain(made, given, m, k, 0.15)
    count = len(expected)
    assert sorted(found.rows[:count].tolist()) == sorted(expected)
    np.testing.assert_allclose(
        found.scores[:count], [expected[row] for row in found.rows[:count].tolist()], rtol=1e-9
    )
    assert found.rows[count:].tolist() == given.rows[m:].tolist()
    assert (np.diff(found.scores) <= 0).all()


def test_without_neighbours_the_order_stays():
    made = gallery(VECTORS, QUERIES)
    given = shortlist(made, "q")
    np.testing.assert_array_equal(one(made, given, k=0).rows, given.rows)


def test_a_query_of_zeros_stays_finite():
    made = gallery([*VECTORS, np.zeros(6)], QUERIES)
    assert np.isfinite(one(made, shortlist(made, "zero")).scores).all()


@pytest.mark.parametrize("wrong", [{"m": 0}, {"k": -1}, {"beta": -0.1}, {"beta": np.nan}])
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError, match=f"option {next(iter(wrong))}="):
        superglobal.rerank([], gallery(VECTORS, QUERIES), **wrong)
