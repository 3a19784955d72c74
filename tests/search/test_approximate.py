"""Structures of FAISS: same bytes, candidates that are good enough, bytes that are refused."""

from dataclasses import replace

import faiss
import numpy as np
import pytest
import torch

from hiertools.errors import UserError
from hiertools.files.index import Index
from hiertools.search import building, flat, recall
from hiertools.search.approximate import Effort, Structure
from hiertools.search.best import Collection, Queries, Wanted
from hiertools.search.scores import Measure
from hiertools.search.space import Space
from tests.search import material

PARAMETERS = {"flat": {}, "ivf": {"lists": 12}, "hnsw": {"links": 32, "ef": 100}}
EVERYTHING = Effort(oversample=10, probes=12, ef=300)
N = 600


def build(points, method, by, geometry="lorentz", seed=0):
    space = Space(method, by, geometry, 1.3)
    return building.build(
        points, space, parameters=PARAMETERS[method], seed=seed, tick=lambda done: None
    )


def index(method, by, geometry="lorentz", structure=None):
    points = material.points(N, 6, seed=0)
    structure = build(points, method, by, geometry) if structure is None else structure
    meta = {"task": "plain", "method": method, "by": by, "geometry": geometry, "c": 1.3}
    return Index(points, material.table(range(N // 4)), {}, structure, meta, [])


def exact(found, measure, k, group=None, rows=None):
    n = len(found.points)
    rows = np.arange(n) if rows is None else rows
    group = np.full(n, -1) if group is None else group
    collection = Collection(found.points, rows, np.arange(n), group)
    queries = Queries(material.points(40, 6, seed=1), group[:40])
    wanted = Wanted(measure, k, -np.inf, False)
    hits = flat.search(wanted, collection, queries, device=torch.device("cpu"), block=None)
    return wanted, collection, queries, hits


@pytest.mark.parametrize("by", ["cosine", "distance"])
@pytest.mark.parametrize("geometry", ["lorentz", "euclidean"])
@pytest.mark.parametrize("method", ["flat", "ivf", "hnsw"])
def test_looking_everywhere_gives_the_hits_of_exact_search(method, geometry, by):
    """With groups that are left out, and only some of the points searched, to the last bit."""
    found = index(method, by, geometry)
    measure = Measure(by, "children", "ext", geometry, 1.3)
    rows, group = np.arange(0, N, 2), np.arange(N) // 30
    wanted, collection, queries, hits = exact(found, measure, 5, group, rows)
    candidates = Structure(found, "x").search(wanted, collection, queries, EVERYTHING)
    for expected, got in zip(hits, candidates, strict=True):
        np.testing.assert_array_equal(got.rows, expected.rows)
        assert got.scores.tobytes() == expected.scores.tobytes()


@pytest.mark.parametrize("by", ["cosine", "distance"])
@pytest.mark.parametrize("geometry", ["lorentz", "euclidean"])
def test_flat_needs_no_more_candidates_than_hits(geometry, by):
    """Its order is that of the measure."""
    found = index("flat", by, geometry)
    wanted, collection, queries, hits = exact(
        found, Measure(by, "children", "ext", geometry, 1.3), 5
    )
    near = Structure(found, "x").search(wanted, collection, queries, Effort(1, 1, 1))
    np.testing.assert_array_equal([h.rows for h in near], [h.rows for h in hits])


@pytest.mark.parametrize("measure", [m for m in material.MEASURES if m[0] == "angle"])
def test_angles_have_candidates_by_cosine(measure):
    found = index("flat", "cosine")
    wanted, collection, queries, hits = exact(found, Measure(*measure, "lorentz", 1.3), 5)
    near = Structure(found, "x").search(wanted, collection, queries, Effort(N, 1, 1))
    np.testing.assert_array_equal([h.rows for h in near], [h.rows for h in hits])


@pytest.mark.parametrize("method", ["flat", "ivf", "hnsw"])
def test_a_query_does_not_depend_on_those_that_come_with_it(method):
    found = index(method, "distance")
    wanted, collection, queries, _ = exact(
        found, Measure("distance", "children", "ext", "lorentz", 1.3), 5
    )
    structure, effort = Structure(found, "x"), Effort(4, 2, 30)
    together = structure.search(wanted, collection, queries, effort)
    for row, expected in enumerate(together):
        one = Queries(queries.points[row : row + 1], queries.group[row : row + 1])
        alone = structure.search(wanted, collection, one, effort)[0]
        np.testing.assert_array_equal(alone.rows, expected.rows)


@pytest.mark.parametrize("method", ["flat", "ivf", "hnsw"])
def test_same_points_and_seed_give_the_same_bytes(method, capfd):
    points = material.points(N, 6, seed=0)
    first = build(points, method, "cosine")
    faiss.omp_set_num_threads(2)
    assert build(points, method, "cosine") == first
    assert faiss.omp_get_max_threads() == 2
    faiss.omp_set_num_threads(1)
    if method != "flat":
        assert build(points, method, "cosine", seed=1) != first
    assert capfd.readouterr() == ("", "")  # FAISS warns of few points for many lists


def test_there_may_be_as_many_lists_as_points():
    points = material.points(5, 3, seed=0)
    space = Space("ivf", "cosine", "lorentz", 1.0)
    building.build(points, space, parameters={"lists": 5}, seed=0, tick=lambda done: None)
    assert building.default_lists(1) == 1
    assert building.default_lists(100_000) == 1265


def short(structure):
    return structure[:40]


def of_no_kind(structure):
    return b"nonsense" + structure[8:]


def endless(structure):
    """Return bytes whose vector says that it has 2^50 numbers."""
    count = (N * 6).to_bytes(8, "little")
    assert structure.count(count) == 1
    return structure.replace(count, (1 << 50).to_bytes(8, "little"))


@pytest.mark.parametrize("damage", [short, of_no_kind, endless])
def test_bytes_that_faiss_cannot_read_are_refused(damage):
    found = index("flat", "cosine")
    with pytest.raises(UserError, match=r"^x: FAISS cannot read the structure; index anew$"):
        Structure(replace(found, structure=damage(found.structure)), "x")


@pytest.mark.parametrize("other", [("flat", "distance"), ("ivf", "cosine"), ("flat", "fewer")])
def test_a_structure_of_other_points_or_another_method_is_refused(other):
    method, by = other
    if by == "fewer":
        structure = build(material.points(N - 1, 6, seed=0), "flat", "cosine")
    else:
        structure = build(material.points(N, 6, seed=0), method, by)
    with pytest.raises(UserError, match=r"^x: the structure is not one of its points; index anew$"):
        Structure(index("flat", "cosine", structure=structure), "x")


def test_recall_is_that_of_numpy():
    """Of ivf with one list to look into, where much is missed."""
    found = index("ivf", "distance")
    effort = Effort(1, 1, 1)
    lines = recall.report(found, "x", effort, queries=N, seed=0, mu=0.25)
    points = found.points
    score = material.scores(
        points,
        points,
        by="distance",
        find="children",
        parent_score="ext",
        geometry="lorentz",
        c=1.3,
    )
    np.fill_diagonal(score, -np.inf)
    truth = np.argsort(-score, axis=1)
    everything = np.arange(N)
    collection = Collection(points, everything, everything, everything)
    structure = Structure(found, "x")
    assert [line["k"] for line in lines] == [1, 10, 100]
    for line in lines:
        k = line["k"]
        wanted = Wanted(Measure("distance", "children", "ext", "lorentz", 1.3), k, -np.inf, False)
        hits = structure.search(wanted, collection, Queries(points, everything), effort)
        shares = [len(set(h.rows) & set(t[:k])) / k for h, t in zip(hits, truth, strict=True)]
        np.testing.assert_allclose(line["recall"], np.mean(shares), atol=1e-6)
        assert 0.1 < line["recall"] < 0.99
    text = recall.table(lines, effort, "ivf")
    assert text.startswith("ivf, oversample 1, probes 1:\nby ")
    assert f"{lines[1]['recall']:.3f}" in text
