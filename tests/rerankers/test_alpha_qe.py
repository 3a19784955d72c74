"""Query expansion: by hand, by a plain loop, and what it must not change."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiertools.errors import UsageError
from hiertools.rerankers import alpha_qe, aqe, database_qe
from hiertools.reranking import expansion
from tests.reranking.made import gallery, shortlist, unit

VECTORS = np.random.default_rng(3).normal(size=(40, 6)) + 0.3
QUERIES = {f"q{n}": row for n, row in enumerate(np.random.default_rng(4).normal(size=(5, 6)))}


def items(**more):
    return gallery(VECTORS, QUERIES, **more)


def one(method, made, given, **options):
    (found,) = method.rerank([given], made, **options)
    return found


def plain(made, query, rows, n, alpha, vectors=None):
    """Return the cosines of all items to an expanded query, one sum at a time."""
    vectors = made.vectors if vectors is None else vectors
    x = made.vector(query).astype(float)
    total = x.copy()
    for row in rows[:n]:
        near = vectors[row].astype(float)
        total += max(0.0, float(x @ near)) ** alpha * near
    total /= np.linalg.norm(total)
    return vectors.astype(float) @ total


@pytest.mark.parametrize(("method", "alpha"), [(alpha_qe, 3.0), (aqe, 0.0)])
@pytest.mark.parametrize("n", [0, 1, 10, 100])
def test_scores_are_those_of_a_plain_loop(method, alpha, n):
    made = items()
    for query in QUERIES:
        given_ = shortlist(made, query)
        found = one(method, made, given_, n=n)
        expected = plain(made, query, given_.rows, n, alpha)
        np.testing.assert_allclose(found.scores, expected[found.rows], atol=1e-6)
        assert found.rows.tolist() == np.argsort(-expected, kind="stable").tolist()


def test_a_value_by_hand():
    """Query (1, 0), hit (.6, .8): (1 + .6^3 * .6, .6^3 * .8) = (1.1296, .1728)."""
    made = gallery([[0.6, 0.8], [1, 0]], {"q": [1, 0]})
    found = one(alpha_qe, made, shortlist(made, "q", hits=2), n=0)
    np.testing.assert_allclose(found.scores, [1.0, 0.6], atol=1e-6)
    only = gallery([[0.6, 0.8]], {"q": [1, 0]})
    found = one(alpha_qe, only, shortlist(only, "q"), n=1)
    x = np.array([1.1296, 0.1728])
    np.testing.assert_allclose(found.scores, [x @ [0.6, 0.8] / np.linalg.norm(x)], atol=1e-6)


def test_alpha_of_zero_is_the_average():
    made = items()
    given_ = shortlist(made, "q0", hits=8)
    weighted, average = one(alpha_qe, made, given_, alpha=0.0), one(aqe, made, given_)
    np.testing.assert_array_equal(weighted.rows, average.rows)
    np.testing.assert_array_equal(weighted.scores, average.scores)


def test_without_neighbours_the_search_is_the_first_one():
    made = items()
    given_ = shortlist(made, "q1")
    for method in (alpha_qe, aqe, database_qe):
        found = one(method, made, given_, n=0)
        np.testing.assert_array_equal(found.rows, given_.rows)
        np.testing.assert_allclose(found.scores, given_.scores, atol=1e-6)


@given(st.sets(st.integers(0, 39), max_size=30), st.integers(1, 40))
def test_barred_items_are_no_hits_and_others_are_found(barred, k):
    made = items()
    given_ = shortlist(made, "q2", barred=barred, hits=5, k=k)
    found = one(alpha_qe, made, given_)
    assert not {*found.rows.tolist()} & barred
    assert len(found.rows) == min(k, 40 - len(barred))


def test_many_barred_items_change_nothing_of_the_others(monkeypatch):
    from hiertools.reranking import searching

    made = items()
    given_ = shortlist(made, "q2", barred=range(25), hits=5, k=15)
    few = one(alpha_qe, made, given_)
    monkeypatch.setattr(searching, "FEW", 3)
    many = one(alpha_qe, made, given_)
    np.testing.assert_array_equal(few.rows, many.rows)
    np.testing.assert_allclose(few.scores, many.scores, atol=1e-12)


def test_of_many_equal_items_the_smallest_ids_are_hits():
    """Sixty items are equal, more than a search looks at for five hits; rows fall as ids rise."""
    ids = [f"i{row:02d}" for row in range(60)][::-1]
    made = gallery([[1.0, 0.2]] * 60, {"q": [1.0, 0.2], "zero": [0.0, 0.0]}, ids=ids)
    for query in ("q", "zero"):
        found = one(alpha_qe, made, shortlist(made, query, hits=3, k=5, barred=[59]), n=0)
        assert [ids[row] for row in found.rows] == ["i01", "i02", "i03", "i04", "i05"]


def test_a_database_is_expanded_by_each_items_neighbours():
    made = items()
    x = made.vectors.astype(float)
    cosines = x @ x.T
    np.fill_diagonal(cosines, -np.inf)
    near = np.argsort(-cosines, axis=1, kind="stable")[:, :4]
    vectors = np.stack(
        [x[i] + sum(max(0.0, x[i] @ x[j]) ** 3 * x[j] for j in near[i]) for i in range(len(x))]
    )
    vectors = unit(vectors).astype(float)
    given_ = shortlist(made, "q3")
    found = one(database_qe, made, given_, n=4)
    expected = vectors @ made.vector("q3").astype(float)
    np.testing.assert_allclose(found.scores, expected[found.rows], atol=1e-6)
    found = one(database_qe, made, given_, n=4, hits=3)
    expected = plain(made, "q3", given_.rows, 3, 3.0, vectors)
    np.testing.assert_allclose(found.scores, expected[found.rows], atol=1e-6)


def test_a_database_is_expanded_in_parts_and_only_for_a_query(monkeypatch):
    made = items()
    whole = expansion.expanded_items(made, n=4, alpha=3.0)
    monkeypatch.setattr(expansion, "AT_ONCE", 60)
    np.testing.assert_array_equal(expansion.expanded_items(made, n=4, alpha=3.0), whole)
    monkeypatch.setattr(expansion, "expanded_items", None)
    assert list(database_qe.rerank([], made)) == []


def test_a_vector_of_zeros_stays_finite():
    made = gallery([[0, 0], [1, 0]], {"q": [0, 0]})
    for method in (alpha_qe, aqe, database_qe):
        assert np.isfinite(one(method, made, shortlist(made, "q")).scores).all()


def test_neighbours_are_named():
    made = items(explain=True)
    found = one(alpha_qe, made, shortlist(made, "q0"), n=2)
    first = shortlist(made, "q0").rows[:2]
    assert found.explained[0]["neighbours"] == [f"i{row}" for row in first]


@pytest.mark.parametrize("wrong", [{"n": -1}, {"alpha": -1.0}, {"alpha": np.inf}])
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError, match=f"option {next(iter(wrong))}="):
        alpha_qe.rerank([], items(), **wrong)
    with pytest.raises(UsageError, match="option hits="):
        database_qe.rerank([], items(), hits=-1)
