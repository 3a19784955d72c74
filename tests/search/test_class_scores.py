"""Class-aware scores, beside plain loops; similarities that are no inner products."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hiertools.errors import UserError
from hiertools.files.index import Index
from hiertools.files.items import Items, encode, label_sets
from hiertools.search import class_costs, class_kernel, flat
from hiertools.search.best import Collection, Queries, Wanted
from hiertools.search.class_costs import Weighing
from hiertools.search.class_labels import classes_of
from hiertools.search.class_scores import ClassRequest, ClassScorer
from tests.search import class_material as material

N, B = 40, 7
WEIGHTINGS = [("additive", 0.25, 1.0), ("additive", 1.5, 1.0), ("power", 0.25, 1.0),
              ("power", 0.25, 0.4), ("soft", 0.25, 1.0), ("soft", 3.0, 1.0)]  # fmt: skip


def make(found=None, **options):
    """Return an index of random features, the features of queries and their table."""
    model = material.model(found, **options)
    rng = np.random.default_rng(3)
    wide = model.meta["features"]
    features = rng.standard_normal((N, wide)).astype(np.float32)
    features[7] = features[3]  # a tie
    z, p = material.embed(model.weights, model.meta, features)
    meta = {**model.meta, "model": "0" * 64, "method": "exact", "by": "cosine", "structure": {}}
    index = Index(
        z.astype(np.float32), material.table(N), model.weights, b"", meta, [],
        p.argmax(1).astype(np.int32),
    )  # fmt: skip
    return index, rng.standard_normal((B, wide)).astype(np.float32)


def scorer(index, weighting, mu, kappa, *, categories=None, gallery="predicted", oracle=False):
    weighing = Weighing(weighting, mu, kappa, categories)
    return ClassScorer(index, "i.h5", ClassRequest(weighing, gallery, oracle))


def by_loops(index, found, features, weighting, mu, kappa, *, codes=None, truth=None, kernel=None):
    """Return scores b x n by a loop over all pairs."""
    x, p = material.embed(index.head, index.meta, features)
    _, p_items = material.embed(index.head, {**index.meta, "hidden": None}, index.points)
    codes = p_items.argmax(1) if codes is None else codes
    scores = np.empty((len(x), len(index.points)))
    for i in range(len(x)):
        for j in range(len(index.points)):
            c_q = found.classes[p[i].argmax() if truth is None else truth[i]]
            p_q = p[i] if truth is None else np.eye(len(found.classes))[truth[i]]
            scores[i, j] = material.score(
                found, weighting, mu, kappa, (x[i], c_q, p_q),
                (index.points[j].astype(float), found.classes[codes[j]], p_items[j]), kernel,
            )  # fmt: skip
    return scores


@pytest.mark.parametrize(("weighting", "mu", "kappa"), WEIGHTINGS)
@pytest.mark.parametrize("options", [{}, {"hidden": None}, {"scale": 5.0}])
def test_scores_are_those_of_a_loop_over_pairs(weighting, mu, kappa, options):
    index, features = make(**options)
    found = scorer(index, weighting, mu, kappa)
    expected = by_loops(index, material.taxonomy(), features, weighting, mu, kappa)
    scores = found.scores(features)
    np.testing.assert_allclose(scores, expected, atol=2e-6)
    order = [sorted(range(N), key=lambda j: (-row[j], index.items.id[j])) for row in scores]
    np.testing.assert_array_equal(found.ranking(features), order)
    rows = found.rows(features, None)
    np.testing.assert_array_equal(
        found.categories(rows), [material.CLASSES[c] for c in rows[:, -1].astype(int)]
    )


def test_a_tie_goes_by_id():
    index, features = make()
    ranking = scorer(index, "additive", 0.25, 1.0).ranking(features)
    places = np.argsort(ranking, axis=1)
    assert (places[:, 7] == places[:, 3] + 1).all()


def test_labels_may_be_the_classes_of_items_and_of_queries():
    index, features = make()
    found = material.taxonomy()
    labels = classes_of(index.items, found, "i.h5")
    codes = np.where(labels < 0, index.category, labels)
    truth = np.arange(B) % len(found.classes)
    table = Items(
        encode([f"q{i}" for i in range(B)]), labels=label_sets([found.classes[c]] for c in truth)
    )
    for weighting in ("additive", "power"):
        asked = scorer(index, weighting, 0.7, 0.8, gallery="labels", oracle=True)
        assert asked.unlabelled == N // 5
        np.testing.assert_array_equal(asked.truth(table, "q.h5"), truth)
        expected = by_loops(
            index, found, features, weighting, 0.7, 0.8, codes=codes, truth=truth
        )  # fmt: skip
        np.testing.assert_allclose(asked.scores(features, truth), expected, atol=2e-6)
    soft = scorer(index, "soft", 0.7, 1.0, oracle=True)
    expected = by_loops(index, found, features, "soft", 0.7, 1.0, truth=truth)
    np.testing.assert_allclose(soft.scores(features, truth), expected, atol=2e-6)
    with pytest.raises(UserError, match=r"i.h5: 8 queries have no label .* such as 'i4'"):
        asked.truth(index.items, "i.h5")


def test_labels_that_are_several_classes_are_refused():
    table = Items(encode(["a", "b"]), labels=label_sets([["oak"], ["fern", "thing", "oak"]]))
    with pytest.raises(UserError, match=r"t.h5: 1 items have several .* 'b' \(fern, thing, oak\)"):
        classes_of(table, material.taxonomy(), "t.h5")
    assert classes_of(Items(encode(["a"])), material.taxonomy(), "t.h5").tolist() == [-1]


@pytest.mark.parametrize(("weighting", "mu", "kappa"), WEIGHTINGS)
@pytest.mark.parametrize("categories", [1, 2, 4])
def test_items_of_the_first_classes_come_first(weighting, mu, kappa, categories):
    index, features = make()
    found = material.taxonomy()
    hierarchical = scorer(index, weighting, mu, kappa, categories=categories)
    weighted = scorer(index, weighting, mu, kappa).ranking(features)
    queries = hierarchical.rows(features, None)[:, -1].astype(int)
    rows = index.head["classifier.weight"].astype(float)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    for query, ranking, whole in zip(
        queries, hierarchical.ranking(features), weighted, strict=True
    ):
        first = sorted(range(len(found.classes)), key=lambda c: (
            found.distances[query, c], np.linalg.norm(rows[c] - rows[query]), found.classes[c]
        ))[:categories]  # fmt: skip
        assert first[0] == query
        chosen = [i for i in whole if index.category[i] in first]
        fill = [i for i in whole if index.category[i] not in first]
        assert ranking.tolist() == chosen + fill


@pytest.mark.parametrize(("weighting", "mu", "kappa"), WEIGHTINGS)
def test_all_classes_are_weighted_ranking(weighting, mu, kappa):
    index, features = make()
    weighted = scorer(index, weighting, mu, kappa)
    for categories in (5, 99):
        everything = scorer(index, weighting, mu, kappa, categories=categories)
        np.testing.assert_array_equal(everything.scores(features), weighted.scores(features))


def test_classes_of_one_distance_go_by_prototype_then_by_id():
    parents = {"root": [], **{key: ["root"] for key in "dcba"}}
    found = material.taxonomy(parents, "dcba")
    rows = np.array([[1, 0], [0, 2], [0, 3], [5, 1]], np.float32)
    assert [found.classes[i] for i in class_costs.order(found, rows)[0]] == ["d", "a", "b", "c"]


def test_nothing_for_classes_is_plain_cosine():
    index, features = make()
    x, _ = material.embed(index.head, index.meta, features)
    y = index.points.astype(float)
    x, y = (v / np.maximum(np.linalg.norm(v, axis=1), 1e-300)[:, None] for v in (x, y))
    cosine = x @ y.T
    np.testing.assert_allclose(scorer(index, "soft", 0.0, 1.0).scores(features), cosine, atol=1e-6)
    np.testing.assert_allclose(
        scorer(index, "additive", 0.0, 1.0).scores(features), cosine - 1, atol=1e-6
    )
    distances = np.linalg.norm(x[:, None] - y[None], axis=-1)
    power = scorer(index, "power", 0.0, 0.0).scores(features)
    np.testing.assert_allclose(power, -distances, atol=1e-6)


def test_similarities_of_a_tree_are_inner_products():
    found = material.taxonomy()
    kernel = class_kernel.kernel(found.similarities)
    np.testing.assert_allclose(kernel.root @ kernel.root, found.similarities, atol=1e-12)
    assert not kernel.is_clipped
    assert kernel.error == 0


def test_negative_eigenvalues_are_clipped_and_told():
    found = material.not_semi_definite()
    kernel = class_kernel.kernel(found.similarities)
    np.testing.assert_allclose(kernel.least, -1 / 6, atol=1e-12)
    assert kernel.is_clipped
    vector = np.repeat([1.0, -1.0], 5) / np.sqrt(10)
    nearest = found.similarities + np.outer(vector, vector) / 6
    np.testing.assert_allclose(kernel.root @ kernel.root, nearest, atol=1e-12)
    np.testing.assert_allclose(kernel.error, 1 / 60, atol=1e-12)
    assert kernel.document() == {"least_eigenvalue": -0.166667, "largest_error": 0.0166667}
    index, features = make(found)
    scores = scorer(index, "soft", 2.0, 1.0).scores(features)
    expected = by_loops(index, found, features, "soft", 2.0, 1.0, kernel=nearest)
    np.testing.assert_allclose(scores, expected, atol=2e-6)


def test_a_kappa_beyond_numbers_is_refused():
    index, _ = make()
    with pytest.raises(UserError, match="--kappa 1e\\+06 is too much"):
        scorer(index, "power", 0.25, 1e6)


def test_an_index_without_classes_or_with_others_is_refused():
    index, _ = make()
    other = material.not_semi_definite().document()
    meta = {**index.meta, "taxonomy": other}
    with pytest.raises(UserError, match=r"i.h5: its taxonomy is damaged"):
        scorer(replace(index, meta=meta), "additive", 0.25, 1.0)
    plain = Index(index.points, index.items, {}, b"", {**index.meta, "task": "plain"}, [])
    with pytest.raises(UserError, match=r"i.h5: is no index of classes; give index a --model"):
        scorer(plain, "additive", 0.25, 1.0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize(("weighting", "mu", "kappa"), WEIGHTINGS)
def test_hits_on_a_gpu_are_those_on_the_cpu(weighting, mu, kappa):
    index, features = make()
    asked = scorer(index, weighting, mu, kappa, categories=2)
    collection = Collection(asked.points, np.arange(N), np.arange(N), np.full(N, -1))
    queries = Queries(asked.rows(features, None), np.full(B, -1))
    wanted = Wanted(asked.measure, 9, -np.inf, False)
    hits = [
        flat.search(wanted, collection, queries, device=torch.device(name), block=None)
        for name in ("cpu", "cuda")
    ]
    for cpu, cuda in zip(*hits, strict=True):
        np.testing.assert_array_equal(cpu.rows, cuda.rows)
        assert cpu.scores.tobytes() == cuda.scores.tobytes()


@pytest.mark.parametrize("categories", [None, 2])
@pytest.mark.parametrize(("weighting", "mu", "kappa"), WEIGHTINGS)
@pytest.mark.parametrize("block", [3, 1000])
def test_search_block_by_block_gives_the_whole_ranking(weighting, mu, kappa, categories, block):
    index, features = make()
    asked = scorer(index, weighting, mu, kappa, categories=categories)
    ranks = np.argsort(np.argsort(index.items.id))
    collection = Collection(asked.points, np.arange(N), ranks, np.full(N, -1))
    queries = Queries(asked.rows(features, None), np.full(B, -1))
    wanted = Wanted(asked.measure, 9, -np.inf, False)
    hits = flat.search(wanted, collection, queries, device=torch.device("cpu"), block=block)
    ranking, scores = asked.ranking(features)[:, :9], asked.scores(features)
    for row, found in enumerate(hits):
        np.testing.assert_array_equal(found.rows, ranking[row])
        np.testing.assert_allclose(found.scores, scores[row, found.rows], rtol=1e-9, atol=1e-9)
