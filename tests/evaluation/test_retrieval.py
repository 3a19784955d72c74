"""Metrics of whole rankings against plain loops, pytrec_eval and scikit-learn, and at chance."""

from pathlib import Path

import numpy as np
import pytest

from hiertools import class_graph, wordnet
from hiertools.errors import UserError
from hiertools.evaluation import retrieval, retrieval_sides
from hiertools.evaluation.retrieval_columns import Wanted
from hiertools.evaluation.retrieval_relevance import Worths
from hiertools.evaluation.retrieval_report import Resamples
from hiertools.evaluation.retrieval_sides import Sides, Tree
from hiertools.files.hierarchy import Edge, Hierarchy, Node
from hiertools.files.inputs import Source
from hiertools.files.items import Items, encode, label_sets

DATA = Path(__file__).resolve().parents[3] / "shared/data/wordnet"
CLASSES = ["cat", "dog", "oak", "elm", "rock"]
EDGES = {"animal": ["cat", "dog"], "tree": ["oak", "elm"], "life": ["animal", "tree"]}
LEVELS = {"animal": "family", "tree": "family", "life": "realm", "rock": "realm"}
WANTED = Wanted(hits=(1, 5, 10), gains=(3, 10), average=8)
HOW = Worths("inverse", 0.3, "height", None)
EXP = Worths("exp", 0.3, "inverse", None)


def tree(levels=LEVELS):
    names = ["life", "animal", "tree", *CLASSES]
    edges = [Edge(parent, child) for parent, found in EDGES.items() for child in found]
    nodes = [Node(name, name, (levels or {}).get(name)) for name in names]
    return Tree(Hierarchy(nodes, edges, CLASSES, [], {}, {}, {}, "path"), "tree.json")


def table(prefix, classes):
    ids = encode([f"{prefix}{i:03d}" for i in range(len(classes))])
    return Items(ids, labels=label_sets([name] for name in classes))


def made(q=12, n=60, *, seed=0, own=True):
    """Return queries, some of which are candidates if `own`, what is searched, and scores."""
    rng = np.random.default_rng(seed)
    searched = table("g", rng.choice(CLASSES, n))
    queries = table("q", rng.choice(CLASSES, q))
    if own:
        mine = searched.take(rng.choice(n, q // 2, replace=False))
        rest = queries.take(np.arange(q - q // 2))
        names = [each.labels.of(i)[0] for each in (mine, rest) for i in range(len(each))]
        queries = Items(np.concatenate([mine.id, rest.id]), labels=label_sets([x] for x in names))
    return queries, searched, np.round(rng.normal(size=(q, n)), 1)  # with ties


def judged(queries, searched, scores, *, given="whole", how=HOW, found_tree=True, exclude="self"):
    sides = Sides(queries, searched, ("queries.h5", "index.h5"), exclude)
    found = found_tree if isinstance(found_tree, Tree) else tree() if found_tree else None
    case, taxonomy = retrieval_sides.by_class(sides, found, how)
    by_id = scores[:, case.gallery.rows]
    if given == "whole":
        rows = lambda block: by_id[block.start : block.stop]  # noqa: E731
        outcome = retrieval.of_scores(case, rows, WANTED, 5)
    else:
        places = [np.argsort(-row, kind="stable")[:given] for row in by_id]
        ranked = retrieval.rankings(case, places, given)
        outcome = retrieval.of_rankings(case, ranked, WANTED, 5)
    return case, taxonomy, outcome


def rankings(queries, searched, scores):
    """Yield each query with its class, and ids and classes of candidates, best first."""
    for row, key in enumerate(queries.id):
        order = sorted(range(len(searched)), key=lambda i: (-scores[row, i], searched.id[i]))
        order = [i for i in order if searched.id[i] != key]
        classes = [searched.labels.of(i)[0] for i in order]
        yield key.decode(), queries.labels.of(row)[0], searched.id[order], classes, order


UP = {child: parent for parent, found in EDGES.items() for child in found}


def above(name):
    found = [name]
    while found[-1] in UP:
        found.append(UP[found[-1]])
    return [*found, "top"]


def distance(one, other):
    a, b = above(one), above(other)
    return min(a.index(x) + b.index(x) for x in a if x in b)


HEIGHTS = {"animal": 1, "tree": 1, "life": 2, "top": 3}


def nearness(one, other):
    return 1 - min(HEIGHTS.get(x, 0) for x in above(one) if x in above(other)) / 3


def plain(own, classes):
    """Return the metrics of a ranking as a plain loop has them."""
    right = [name == own for name in classes]
    total = sum(right)
    precision = [sum(right[: i + 1]) / (i + 1) for i in range(len(right))]
    found = {"map": sum(p for p, r in zip(precision, right, strict=True) if r) / total}
    first = [p for p, r in zip(precision[:total], right[:total], strict=True) if r]
    found["map@r"] = sum(first) / total
    for k in (1, 5, 10):
        found |= {f"precision@{k}": sum(right[:k]) / k, f"recall@{k}": sum(right[:k]) / total}
    gains = np.array([1 / (1 + distance(own, name)) for name in classes])
    weights = 1 / np.log2(np.arange(2, len(classes) + 2))
    for label, k in (("ndcg@3", 3), ("ndcg@10", 10), ("ndcg", len(classes))):
        best = (np.sort(gains)[::-1][:k] * weights[:k]).sum()
        found[label] = (gains[:k] * weights[:k]).sum() / best
    near = np.array([nearness(own, name) for name in classes])
    share = np.cumsum(near) / np.cumsum(np.sort(near)[::-1])
    found |= {f"hp@{k}": share[k - 1] for k in (1, 5, 10)}
    found["ahp@8"] = share[:8].mean()
    for level in ("realm", "family"):
        nodes = {name for name in above(own) if LEVELS.get(name) == level}
        right = [bool(nodes & set(above(name))) for name in classes]
        hits = np.flatnonzero(right)
        if nodes:
            found[f"map@{level}"] = np.mean((np.arange(len(hits)) + 1) / (hits + 1))
    return found


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("given", ["whole", 60])
def test_metrics_are_those_of_a_plain_loop(seed, given):
    material = made(seed=seed)
    _, _, outcome = judged(*material, given=given)
    assert outcome.cut is None
    values = {column.label: column.values for column in outcome.columns}
    expected = [plain(own, classes) for _, own, _, classes, _ in rankings(*material)]
    assert values.keys() == {label for row in expected for label in row}
    for label, found in values.items():
        wanted = [row.get(label, np.nan) for row in expected]
        np.testing.assert_allclose(found, wanted, err_msg=label)


def test_gains_may_fall_exponentially():
    material = made()
    _, _, outcome = judged(*material, how=EXP)
    values = {column.label: column.values for column in outcome.columns}
    for row, (_, own, _, classes, _) in enumerate(rankings(*material)):
        gains = np.exp([-0.3 * distance(own, name) for name in classes])
        weights = 1 / np.log2(np.arange(2, len(classes) + 2))
        expected = (gains * weights).sum() / (np.sort(gains)[::-1] * weights).sum()
        np.testing.assert_allclose(values["ndcg"][row], expected)
        near = np.array([1 / (1 + distance(own, name)) for name in classes])
        share = near[:5].sum() / np.sort(near)[::-1][:5].sum()
        np.testing.assert_allclose(values["hp@5"][row], share)


@pytest.mark.parametrize(
    ("how", "gain"),
    [
        (Worths("height", 0.3, "height", None), lambda nearness: nearness),
        (Worths("inverse", 0.3, "height", "height"), lambda nearness: 1 / (2 - nearness)),
    ],
)
def test_gains_may_go_by_height(how, gain):
    material = made()
    _, _, outcome = judged(*material, how=how)
    values = {column.label: column.values for column in outcome.columns}
    for row, (_, own, _, classes, _) in enumerate(rankings(*material)):
        gains = gain(np.array([nearness(own, name) for name in classes]))
        weights = 1 / np.log2(np.arange(2, len(classes) + 2))
        expected = (gains * weights).sum() / (np.sort(gains)[::-1] * weights).sum()
        np.testing.assert_allclose(values["ndcg"][row], expected)


def test_chance_is_the_mean_of_random_rankings():
    queries, searched, _ = made(6, 30)
    rng = np.random.default_rng(1)
    found, many = None, 1000
    for _ in range(many):
        _, _, outcome = judged(queries, searched, rng.random((6, 30)))
        values = np.array([column.values for column in outcome.columns])
        found = values if found is None else found + values
    for column, mean in zip(outcome.columns, found / many, strict=True):
        np.testing.assert_allclose(mean, column.chance, atol=0.05, err_msg=column.label)


def test_chance_of_rankings_that_are_cut_is_that_of_cut_random_rankings():
    queries, searched, _ = made(4, 30, own=False)
    rng = np.random.default_rng(1)
    found, many = None, 1000
    for _ in range(many):
        _, _, outcome = judged(queries, searched, rng.random((4, 30)), given=7)
        values = np.array([column.values for column in outcome.columns])
        found = values if found is None else found + values
    assert outcome.cut == 7
    labels = {column.label for column in outcome.columns}
    assert {"map", "map@r", "ndcg@3", "ahp@7"} <= labels
    assert not {"ndcg", "ndcg@10", "precision@10"} & labels
    for column, mean in zip(outcome.columns, found / many, strict=True):
        np.testing.assert_allclose(mean, column.chance, atol=0.05, err_msg=column.label)


def test_a_query_among_its_own_hits_shortens_what_is_compared():
    material = made(seed=2)
    _, _, outcome = judged(*material, given=10)
    assert outcome.cut == 9  # some query is among its first ten
    # the tenth hit of queries that are no candidates is not judged either
    nine = judged(*material, given=9, exclude="none")[2]
    foreign = ~np.isin(material[0].id, material[1].id)
    for column, same in zip(outcome.columns, nine.columns, strict=True):
        np.testing.assert_array_equal(column.values[foreign], same.values[foreign])
    _, _, outcome = judged(*material, given=10, exclude="none")
    assert outcome.cut == 10


@pytest.mark.parametrize("seed", range(3))
def test_standard_metrics_are_those_of_pytrec_eval(seed):
    """Its gains are the grades of qrels: 1 for the same class; or any whole numbers."""
    pytrec_eval = pytest.importorskip("pytrec_eval")
    queries, searched, scores = made(seed=seed)
    rng = np.random.default_rng(seed)
    grades, run = {}, {}
    for key, own, ids, classes, order in rankings(queries, searched, scores):
        names = [each.decode() for each in ids]
        given = [int(rng.integers(1, 4)) if name == own else 0 for name in classes]
        grades[key] = dict(zip(names, given, strict=True))
        ranks = {name: float(len(order) - i) for i, name in enumerate(names)}
        run[key] = ranks  # scores without ties: it orders these by falling id
    asked = {"map", "P.1,5,10", "recall.1,5,10", "ndcg", "ndcg_cut.3,10"}
    expected = pytrec_eval.RelevanceEvaluator(grades, asked).evaluate(run)
    sides = Sides(queries, searched, ("q", "g"), "self")
    case = retrieval_sides.by_grade(sides, grades, "truth.qrels", whole=True)
    by_id = scores[:, case.gallery.rows]
    outcome = retrieval.of_scores(case, lambda rows: by_id[rows.start : rows.stop], WANTED, 4)
    values = {column.label: column.values for column in outcome.columns}
    assert "hp@1" not in values
    theirs = {"map": "map", "ndcg": "ndcg", "ndcg@3": "ndcg_cut_3", "ndcg@10": "ndcg_cut_10"}
    theirs |= {f"precision@{k}": f"P_{k}" for k in (1, 5, 10)}
    theirs |= {f"recall@{k}": f"recall_{k}" for k in (1, 5, 10)}
    _, _, same = judged(queries, searched, scores, found_tree=False)
    of_classes = {column.label: column.values for column in same.columns}
    for ours, name in theirs.items():
        wanted = [expected[key.decode()][name] for key in queries.id]
        np.testing.assert_allclose(values[ours], wanted, err_msg=ours)
        if "ndcg" not in ours:
            np.testing.assert_allclose(of_classes[ours], wanted, err_msg=ours)


@pytest.mark.parametrize("seed", range(3))
def test_standard_metrics_are_those_of_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    queries, searched, scores = made(seed=seed)
    _, _, outcome = judged(queries, searched, scores)
    values = {column.label: column.values for column in outcome.columns}
    for row, (_, own, _, classes, order) in enumerate(rankings(queries, searched, scores)):
        ranks = -np.arange(len(order), dtype=float)[None]
        gains = np.array([[1 / (1 + distance(own, name)) for name in classes]])
        right = [name == own for name in classes]
        expected = metrics.average_precision_score(right, ranks[0])
        np.testing.assert_allclose(values["map"][row], expected)
        for label, k in (("ndcg@3", 3), ("ndcg@10", 10), ("ndcg", None)):
            expected = metrics.ndcg_score(gains, ranks, k=k, ignore_ties=True)
            np.testing.assert_allclose(values[label][row], expected, err_msg=label)


def test_without_a_hierarchy_only_the_same_class_counts():
    material = made()
    case, taxonomy, outcome = judged(*material, found_tree=False)
    assert taxonomy is None
    values = {column.label: column.values for column in outcome.columns}
    assert not {"hp@1", "map@family"} & values.keys()
    _, _, with_tree = judged(*material, how=Worths("same", 0.3, "height", None))
    for column in with_tree.columns:
        if column.label in values:
            np.testing.assert_allclose(values[column.label], column.values)
    assert case.codes(range(3)).shape == (3, 60)


def test_without_named_levels_depths_are_levels():
    """Below a root above both roots: life at depth 0; animal and tree at 1; rock is a root."""
    _, _, outcome = judged(*made(), found_tree=tree(levels=None))
    labels = [column.label for column in outcome.columns if column.label.startswith("map@")]
    assert labels == ["map@r", "map@depth-0", "map@depth-1"]
    values = {column.label: column.values for column in outcome.columns}
    named = {column.label: column.values for column in judged(*made())[2].columns}
    np.testing.assert_array_equal(values["map@depth-0"], named["map@realm"])  # rock is of one


def test_a_perfect_ranking_has_one_and_its_reverse_less():
    queries, searched, _ = made()
    rows = list(rankings(queries, searched, np.zeros((12, 60))))
    place = {key: i for i, key in enumerate(searched.id.tolist())}
    scores = np.zeros((12, 60))
    for row, (_, own, ids, classes, _) in enumerate(rows):
        for key, name in zip(ids, classes, strict=True):
            scores[row, place[key]] = nearness(own, name)
    best, worst = (judged(queries, searched, each)[2].columns for each in (scores, -scores))
    for column, other in zip(best, worst, strict=True):
        if not column.label.startswith(("recall", "precision")):
            np.testing.assert_allclose(column.values[np.isfinite(column.values)], 1)
        np.testing.assert_allclose(column.values, column.best, err_msg=column.label)
        assert np.nanmean(other.values) < np.nanmean(column.values)
        assert np.nanmean(other.values) <= np.nanmean(column.chance)


def test_the_best_is_what_a_perfect_ranking_has_whether_cut_or_not():
    queries, searched = table("q", ["cat", "rock"]), table("g", CLASSES * 12)
    scores = np.array([[nearness(own, name) for name in CLASSES * 12] for own in ("cat", "rock")])
    for given in ("whole", 7):
        case, taxonomy, outcome = judged(queries, searched, scores, given=given)
        how = Resamples(10, 0)
        found = retrieval.metrics(case, outcome.columns, None, taxonomy, how, {}, {})
        for row in found.metrics:
            np.testing.assert_allclose(row["adjusted"], 1, err_msg=str(row))


def test_a_query_without_anything_relevant_has_no_metrics_of_relevance():
    queries = table("q", ["rock", "cat"])
    searched = table("g", ["cat", "cat", "dog", "oak"] * 3)
    _, _, outcome = judged(queries, searched, np.ones((2, 12)))
    values = {column.label: column.values for column in outcome.columns}
    assert np.isnan(values["map"]).tolist() == [True, False]
    assert np.isfinite(values["ndcg"]).all()


def test_all_of_an_image_may_be_no_candidate():
    images = ["a", "a", "b", "b", "c"]
    ids = encode([f"{name}#{i}" for i, name in enumerate(images)])
    searched = Items(ids, encode(images), labels=label_sets([["cat"]] * 5))
    for exclude, left in (("none", 5), ("self", 4), ("image", 3)):
        sides = Sides(searched.take(np.arange(2)), searched, ("q", "g"), exclude)
        case, _ = retrieval_sides.by_class(sides, None, HOW)
        assert np.diff(case.barred.first).tolist() == [5 - left] * 2
        assert sorted(case.gallery.ids[case.barred.places[: 5 - left]]) == {
            "none": [], "self": [b"a#0"], "image": [b"a#0", b"a#1"]
        }[exclude]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([["cat"], []], "no label: 1 (g001)"),
        ([["cat"], ["dog", "cat"]], "several labels: 1 (g001)"),
        (None, "no labels"),
        ([["fern"], ["cat"]], "tree.json lacks the classes of items 1 (fern); of its own classes 4"
         " (dog, elm, oak, rock) have no items"),
    ],
)  # fmt: skip
def test_items_without_a_class_are_refused(rows, what):
    labels = None if rows is None else label_sets(rows)
    searched = Items(encode(["g000", "g001"]), labels=labels)
    sides = Sides(table("q", ["cat"]), searched, ("q.h5", "index.h5"), "self")
    with pytest.raises(UserError) as error:
        retrieval_sides.by_class(sides, tree(), HOW)
    assert what in str(error.value)


def test_grades_of_what_is_no_candidate_are_refused():
    sides = Sides(table("q", ["cat"]), table("g", ["cat"]), ("q.h5", "index.h5"), "self")
    grades = {"q000": {"g000": 1, "x": 2}}
    with pytest.raises(UserError, match=r"t.qrels: candidates that .* index.h5: 1 \(x\)"):
        retrieval_sides.by_grade(sides, grades, "t.qrels", whole=True)


@pytest.fixture(scope="module")
def ilsvrc():
    """The classes of ILSVRC, 50 images of each to be found, and one of each as a query."""
    if not DATA.is_dir():
        pytest.skip("needs ../shared/data/wordnet")
    lines = (DATA / "imagenet_synsets.txt").read_text().splitlines()
    classes, names = wordnet.class_list(lines, "imagenet_synsets.txt")
    nouns = wordnet.read_nouns(Source(DATA / "data.noun"))
    graph = wordnet.graph(nouns, classes, names, name="imagenet_synsets.txt")
    found = class_graph.assemble(graph, root=None, prune=False, distance="path", source={})
    searched = table("g", np.repeat(classes, 50).tolist())
    queries = searched.take(np.arange(0, 50_000, 50))
    return Sides(queries, searched, ("q", "g"), "self"), Tree(found, "ilsvrc")


@pytest.mark.parametrize(("gain", "expected"), [("inverse", 0.933), ("exp", 0.817)])
def test_a_random_ranking_of_ilsvrc_scores_what_the_specification_says(ilsvrc, gain, expected):
    """.933 over the whole list by 1/(1 + d) and .083 among ten; .817 by exp(-.3 d)."""
    case, _ = retrieval_sides.by_class(*ilsvrc, Worths(gain, 0.3, "inverse", None))
    rng = np.random.default_rng(0)
    wanted = Wanted((10,), (10,), 10)
    outcome = retrieval.of_scores(case, lambda rows: rng.random((len(rows), 50_000)), wanted, 20)
    rows = {column.label: column for column in outcome.columns}
    np.testing.assert_allclose(rows["ndcg"].chance.mean(), expected, atol=0.0005)
    np.testing.assert_allclose(rows["ndcg"].values.mean(), expected, atol=0.0005)
    if gain == "inverse":
        np.testing.assert_allclose(rows["ndcg@10"].chance.mean(), 0.083, atol=0.0005)
