"""k-reciprocal re-ranking beside the paper's algorithm in dense matrices."""

import numpy as np
import pytest

from hiertools.errors import UsageError
from hiertools.rerankers import k_reciprocal
from hiertools.reranking.reciprocal import encode
from tests.reranking.made import gallery, shortlist


def clusters(count=60, groups=6, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(groups, 8))
    return centres[rng.integers(0, groups, count)] + rng.normal(size=(count, 8)) * 0.4


def dense(vectors, k1, k2, lambda_):
    """Return distances of all to all: Zhong et al. 2017, eqs. 3 to 12, one item at a time."""
    x = np.asarray(vectors, float)
    n, d = len(x), 1 - x @ x.T
    order = np.array([sorted(range(n), key=lambda j, i=i: (j != i, d[i, j])) for i in range(n)])

    def reciprocal(i, k):
        return {j for j in order[i, : k + 1].tolist() if i in order[j, : k + 1]}

    half, v = int(np.around(k1 / 2)), np.zeros((n, n))
    for i in range(n):
        first = reciprocal(i, k1)
        whole = set(first)
        for j in first:
            others = reciprocal(j, half)
            if len(others & first) >= 2 / 3 * len(others):
                whole |= others
        members = sorted(whole)
        v[i, members] = np.exp(-d[i, members])
        v[i] /= v[i].sum()
    v = np.stack([v[order[i, :k2]].mean(0) for i in range(n)])
    least = np.minimum(v[:, None], v[None]).sum(-1)
    most = np.maximum(v[:, None], v[None]).sum(-1)
    return (1 - lambda_) * (1 - least / most) + lambda_ * d


@pytest.mark.parametrize(("k1", "k2", "lambda_"), [(20, 6, 0.3), (5, 1, 0.0), (8, 3, 0.7)])
def test_distances_of_items_are_those_of_the_paper(k1, k2, lambda_):
    made = gallery(clusters())
    expected = dense(made.vectors, k1, k2, lambda_)
    for row in range(0, 60, 7):
        given = shortlist(made, f"i{row}")
        (found,) = k_reciprocal.rerank([given], made, k1=k1, k2=k2, lambda_=lambda_)
        np.testing.assert_allclose(-found.scores, expected[row, found.rows], atol=1e-6)


def sets_of(x, k1, k2):
    """Return the sets of all items before and after local expansion, and the lists of nearest."""
    n, d = len(x), 1 - x @ x.T
    order = [sorted(range(n), key=lambda j, i=i: (j != i, d[i, j], j)) for i in range(n)]
    plain = np.zeros((n, n))
    for i in range(n):
        first = {j for j in order[i][: k1 + 1] if i in order[j][: k1 + 1]}
        plain[i] = weighted(whole(first, order, k1), d[i])
    return order, plain, np.stack([plain[order[i][:k2]].mean(0) for i in range(n)])


def whole(first, order, k1):
    half, found = int(np.around(k1 / 2)), set(first)
    for j in first:
        others = {m for m in order[j][: half + 1] if j in order[m][: half + 1]}
        if 3 * len(others & first) >= 2 * len(others):
            found |= others
    return found


def weighted(members, d):
    found = np.zeros(len(d))
    found[sorted(members)] = np.exp(-d[sorted(members)])
    return found / found.sum() if members else found


def alone(x, query, k1, k2, lambda_):
    """Return the distances of a query that is no item: its lists are made, the items' stay."""
    order, plain, weights = sets_of(x, k1, k2)
    d = 1 - x @ query
    near = sorted(range(len(x)), key=lambda j: (d[j], j))
    first = {j for j in near[:k1] if d[j] <= 1 - x[j] @ x[order[j][k1]]}
    v = weighted(whole(first, order, k1), d)
    v = np.stack([v, *(plain[j] for j in near[: k2 - 1])]).mean(0)
    least, most = np.minimum(v, weights).sum(1), np.maximum(v, weights).sum(1)
    return (1 - lambda_) * (1 - least / most) + lambda_ * d


@pytest.mark.parametrize(("k1", "k2", "lambda_"), [(20, 6, 0.3), (5, 1, 0.0), (8, 3, 0.7)])
def test_distances_of_a_query_that_is_no_item_are_those_of_a_plain_loop(k1, k2, lambda_):
    vectors, rng = clusters(), np.random.default_rng(1)
    asked = {f"q{row}": vectors[row] + 0.2 * rng.normal(size=8) for row in range(0, 60, 9)}
    made = gallery(vectors, asked)
    x = made.vectors.astype(float)
    given = [shortlist(made, query) for query in asked]
    for each, found in zip(
        given, k_reciprocal.rerank(given, made, k1=k1, k2=k2, lambda_=lambda_), strict=True
    ):
        expected = alone(x, made.vector(each.query).astype(float), k1, k2, lambda_)
        np.testing.assert_allclose(-found.scores, expected[found.rows], atol=1e-9)


@pytest.mark.parametrize(("k1", "k2", "lambda_"), [(20, 6, 0.3), (8, 3, 0.7)])
def test_transductive_is_the_paper_with_all_queries_as_items(k1, k2, lambda_):
    vectors, rng = clusters(), np.random.default_rng(1)
    asked = {f"q{row}": vectors[row] + 0.2 * rng.normal(size=8) for row in range(0, 60, 9)}
    made = gallery(vectors, asked)
    whole = np.vstack([made.vectors, *(made.vector(query) for query in asked)])
    expected = dense(whole, k1, k2, lambda_)
    given = [shortlist(made, query) for query in [*asked, "i3"]]
    options = {"mode": "transductive", "k1": k1, "k2": k2, "lambda_": lambda_}
    for row, found in zip(
        [*range(60, 67), 3], k_reciprocal.rerank(given, made, **options), strict=True
    ):
        np.testing.assert_allclose(-found.scores, expected[row, found.rows], atol=1e-6)


def test_of_equal_items_the_first_are_a_querys_nearest():
    """Each of ten things is there 30 times, so that lists end among equal items."""
    vectors = np.round(clusters(10, 3) * 4)[np.arange(300) % 10]
    made = gallery(vectors, {"q": vectors[3], "r": vectors[3] + vectors[4]})
    x = made.vectors.astype(float)
    for query in "qr":
        expected = alone(x, made.vector(query).astype(float), 10, 3, 0.3)
        (found,) = k_reciprocal.rerank([shortlist(made, query)], made, k1=10, k2=3)
        np.testing.assert_allclose(-found.scores, expected[found.rows], atol=1e-9)


def test_a_copy_of_an_item_has_nearly_its_set():
    """Only the item itself is not in the copy's lists."""
    vectors = clusters()
    made = gallery(vectors, {"copy": vectors[7]})
    given = shortlist(made, "copy")
    (found,) = k_reciprocal.rerank([given], made)
    own = shortlist(made, "i7")
    (expected,) = k_reciprocal.rerank([own], made)
    assert len({*found.rows[:10].tolist()} & {*expected.rows[:10].tolist()}) >= 8


def test_hits_do_not_depend_on_other_queries():
    vectors = clusters()
    made = gallery(vectors, {"a": vectors[0] + 0.1, "b": vectors[1] - 0.1})
    given = [shortlist(made, key) for key in "ab"]
    both = list(k_reciprocal.rerank(given, made))
    for each, alone in zip(given, both, strict=True):
        (found,) = k_reciprocal.rerank([each], made)
        np.testing.assert_array_equal(found.scores, alone.scores)


def test_keeping_all_of_the_distance_keeps_the_order():
    made = gallery(clusters())
    given = shortlist(made, "i3")
    (found,) = k_reciprocal.rerank([given], made, lambda_=1.0)
    np.testing.assert_array_equal(found.rows, given.rows)


def test_sets_are_sparse_and_add_up_to_one():
    made = gallery(clusters(400, 40))
    found = encode(made.vectors, made.neighbours(20), k1=20, k2=6)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1, rtol=1e-12)
    assert found.weights.nnz < 400 * 120
    np.testing.assert_allclose(found.plain.sum(axis=1), 1, rtol=1e-12)


def test_an_item_apart_and_one_of_zeros_stay_finite():
    made = gallery([*clusters(20), np.zeros(8), [9] * 8], {"q": np.zeros(8)})
    for key in ("q", "i20", "i21"):
        (found,) = k_reciprocal.rerank([shortlist(made, key)], made)
        assert np.isfinite(found.scores).all()


def test_the_two_parts_of_a_score_are_told():
    made = gallery(clusters(), explain=True)
    (found,) = k_reciprocal.rerank([shortlist(made, "i3", hits=5)], made)
    for row, score in zip(found.rows.tolist(), found.scores, strict=True):
        told = found.explained[row]
        assert -score == pytest.approx(0.7 * told["jaccard"] + 0.3 * (1 - told["cosine"]), abs=1e-5)


@pytest.mark.parametrize("wrong", [{"k1": 0}, {"k2": 0}, {"k2": 30}, {"lambda_": 1.5}])
def test_options_that_make_no_sense_are_refused(wrong):
    with pytest.raises(UsageError, match=f"option {next(iter(wrong)).strip('_')}="):
        k_reciprocal.rerank([], gallery(clusters()), **wrong)
