"""Soft weighting by one structure of FAISS, beside the exhaustive ranking."""

import numpy as np
import pytest
import torch

from hiertools.files.index import Index
from hiertools.search import building, flat, folding, recall
from hiertools.search.approximate import Effort
from hiertools.search.best import Collection, Queries, Wanted
from hiertools.search.class_costs import Weighing
from hiertools.search.class_scores import ClassRequest, ClassScorer
from tests.search import class_material as material

N, B = 700, 30
PARAMETERS = {"flat": {}, "ivf": {"lists": 9}, "hnsw": {"links": 16, "ef": 100}}
EVERYTHING = Effort(oversample=12, probes=9, ef=400)


def make(method, found=None):
    """Return an index with a structure for soft weighting, and the features of queries."""
    model = material.model(found, features=10, dimension=8)
    rng = np.random.default_rng(5)
    features = rng.standard_normal((N, 10)).astype(np.float32)
    features[3] = features[2]
    z, p = material.embed(model.weights, model.meta, features)
    points = z.astype(np.float32)
    meta = {**model.meta, "method": method, "by": "soft"}
    rows, space, _ = folding.folded(points, model.weights, meta, name="i.h5", method=method)
    structure = building.build(
        rows, space, parameters=PARAMETERS[method], seed=0, tick=lambda done: None
    )
    codes = p.argmax(1).astype(np.int32)
    index = Index(points, material.table(N), model.weights, structure, meta, [], codes)
    return index, rng.standard_normal((B, 10)).astype(np.float32)


def scorer(index, mu, structure=None):
    request = ClassRequest(Weighing("soft", mu, 1.0, None), "predicted", False)
    return ClassScorer(index, "i.h5", request, structure=structure)


def searched(index, asked, queries, k, effort):
    rows = np.arange(N)
    ranks = np.argsort(np.argsort(index.items.id))
    collection = Collection(asked.points, rows, ranks, np.full(N, -1))
    wanted = Wanted(asked.measure, k, -np.inf, False)
    batch = Queries(queries, np.full(len(queries), -1))
    if effort is not None:
        return asked.structure.search(wanted, collection, batch, effort)
    return flat.search(wanted, collection, batch, device=torch.device("cpu"), block=None)


@pytest.mark.parametrize("mu", [0.0, 0.25, 2.0])
@pytest.mark.parametrize("method", ["flat", "ivf", "hnsw"])
@pytest.mark.parametrize("is_tree", [True, False])
def test_hits_are_those_of_the_whole_ranking(method, mu, is_tree):
    index, features = make(method, None if is_tree else material.not_semi_definite())
    structure = folding.structure_of(index, "i.h5", mu=mu)
    folded, exact = scorer(index, mu, structure), scorer(index, mu)
    queries = exact.rows(features, None)
    near = searched(index, folded, folded.rows(features, None), 10, EVERYTHING)
    all_ = searched(index, exact, queries, 10, None)
    ranking = exact.ranking(features)[:, :10]
    for row, (found, expected) in enumerate(zip(near, all_, strict=True)):
        np.testing.assert_array_equal(found.rows, expected.rows)
        assert found.scores.tobytes() == expected.scores.tobytes()
        np.testing.assert_array_equal(found.rows, ranking[row])


def test_flat_needs_no_more_candidates_than_hits():
    index, features = make("flat")
    folded = scorer(index, 0.7, folding.structure_of(index, "i.h5", mu=0.7))
    near = searched(index, folded, folded.rows(features, None), 9, Effort(1, 1, 1))
    found = [set(hits.rows) for hits in near]
    expected = [set(row) for row in folded.ranking(features)[:, :9]]
    assert sum(len(a & b) for a, b in zip(found, expected, strict=True)) >= 9 * B - 2  # ties


@pytest.mark.parametrize("method", ["flat", "ivf", "hnsw"])
def test_a_structure_gives_its_vectors(method):
    index, _ = make(method)
    structure = folding.structure_of(index, "i.h5", mu=0.5)
    rows = np.array([5, 2, 699, 2])
    of_structure = folding.Folded(structure, 8)
    computed = scorer(index, 0.5).points[rows][:, 8:-1]
    np.testing.assert_array_equal(of_structure[rows], computed)
    np.testing.assert_array_equal(of_structure[690:], scorer(index, 0.5).points[690:][:, 8:-1])
    assert (len(of_structure), len(structure)) == (N, N)


def test_the_report_is_of_soft_weighting():
    index, _ = make("hnsw")
    lines = recall.report(index, "i.h5", EVERYTHING, queries=20, seed=0, mu=0.25)
    assert [(line["by"], line["mu"], line["k"]) for line in lines] == [
        ("soft", 0.25, k) for k in (1, 10, 100)
    ]
    assert all(line["recall"] > 0.95 for line in lines)


def test_a_point_does_not_depend_on_those_that_come_with_it():
    index, _ = make("flat")
    model, kernel = scorer(index, 1.0)._head, scorer(index, 1.0).kernel
    whole = model.folded(index.points, kernel)
    np.testing.assert_array_equal(model.folded(index.points[300:301], kernel), whole[300:301])
    np.testing.assert_array_equal(model.folded(index.points[:0], kernel), whole[:0])
    np.testing.assert_array_equal(model.classes(index.points), index.category)
    np.testing.assert_allclose(model.probabilities(index.points).sum(1), 1)
