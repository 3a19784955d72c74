"""Distances of class distributions against scipy, POT and plain loops."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from hiertools.errors import UserError
from hiertools.evaluation import depths, distributions, parts
from hiertools.evaluation.judging import Judge
from hiertools.hierarchy import path_costs
from hiertools.metrics.transport import transport_cost, tree_distance
from tests.evaluation.made import TREE, Oracle, hierarchy, items, plan, sides

LABELS = ["lamp", "street", "car", "bus", "wheel", "hub", "foreign"]
KS = [1, 4, 9]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    rows = []
    for image in "abcdef":
        boxes = [[LABELS[code] for code in rng.choice(7, rng.integers(1, 3))] for _ in range(4)]
        rows.append((image, sorted({label for box in boxes for label in box})))
        rows += [(f"{image}#{i}", labels) for i, labels in enumerate(boxes)]
    return rows


def measured(rows, graph, **given):
    found = sides(items(rows), items(rows), graph)
    direction = parts._direction(found, "children", None)
    ground = distributions.ground(graph, parts.class_order(found, plan(**given)), **OPTIONS)
    scores = np.random.default_rng(1).integers(0, 9, (len(rows), len(direction.candidates))) / 3
    judge = Judge(direction, depths.depths([], KS, most=len(rows)), ("self", "image"))
    judged, weights = judge.scores(scores, range(len(rows)))
    distances = distributions.distances(
        direction, ground, range(len(rows)), weights, judged.relevant
    )
    return direction, ground, scores, judged, distances


OPTIONS = {"orders": 6, "seed": 3, "on_paths": frozenset(range(0, 30, 2))}


def pairs(direction, graph, scores, order):
    """Yield each query, mode, k and its h and r by plain loops; None where nothing is relevant."""
    for query in range(len(scores)):
        for mode, name in enumerate(("self", "image")):
            oracle = Oracle(direction, graph, query, scores[query], name)
            for i, k in enumerate([*KS, None]):
                yield (query, mode, i), oracle.pair(k, order) if oracle.relevant else None


@pytest.mark.parametrize("edges", [TREE, None], ids=["tree", "dag"])
@pytest.mark.parametrize("order", ["dfs", "name", "frequency"])
def test_along_the_index_it_is_scipys(rows, edges, order):
    graph = hierarchy() if edges is None else hierarchy(edges)
    direction, ground, scores, judged, distances = measured(rows, graph, order=order)
    names = np.array(direction.classes.names)[np.argsort(ground.place)]
    compared = 0
    for at, pair in pairs(direction, graph, scores, names.tolist()):
        if pair is None:
            assert np.isnan(distances.measured["index"][at])
            continue
        n = range(len(pair[0]))
        expected = wasserstein_distance(n, n, *pair)
        np.testing.assert_allclose(distances.measured["index"][at], expected, atol=1e-9)
        compared += 1
    assert compared > 100
    assert judged.relevant.shape == (30, 2)


def test_along_the_tree_and_along_paths(rows):
    graph = hierarchy(TREE)
    direction, _, scores, _, distances = measured(rows, graph)
    names = [*direction.classes.names[: direction.classes.nodes], "others"]
    place = {name: i for i, name in enumerate(names)}
    parent = np.full(len(names), -1)
    for p, c in TREE:
        parent[place[c]] = place[p]
    costs = path_costs(graph, names)
    for at, pair in pairs(direction, graph, scores, names):
        if pair is None:
            assert np.isnan(distances.measured["tree"][at])
            continue
        below = Oracle(direction, graph, at[0], scores[at[0]], "self").support
        columns = [place[name] for name in names if name in below] + [place["others"]]
        h, r = np.zeros((2, len(names)))
        h[columns], r[columns] = pair
        expected = tree_distance(h, r, parent, np.ones(len(names)))
        np.testing.assert_allclose(distances.measured["tree"][at], expected, atol=1e-9)
        path = distances.measured["path"][at]
        if at[0] in OPTIONS["on_paths"]:
            np.testing.assert_allclose(path, transport_cost(h, r, costs), atol=1e-9)
            np.testing.assert_allclose(path, expected, atol=1e-9)  # on a tree
        else:
            assert np.isnan(path)


def test_a_dag_with_several_parents_has_no_tree(rows):
    *_, distances = measured(rows, hierarchy())
    assert set(distances.measured) == {"index", "path"}


def test_sums_over_random_orders(rows):
    graph = hierarchy()
    direction, ground, scores, judged, distances = measured(rows, graph)
    sums = {kind: np.zeros((2, len(KS), 6)) for kind in (0, 1)}
    for o, places in enumerate(ground.shuffled):
        assert sorted(places) == list(range(len(places)))
        names = np.array(direction.classes.names)[np.argsort(places)].tolist()
        for (query, mode, i), pair in pairs(direction, graph, scores, names):
            if pair is not None and i < len(KS):
                value = wasserstein_distance(*[range(len(pair[0]))] * 2, *pair)
                sums[direction.queries.kind[query]][mode, i, o] += value
    for kind in (0, 1):
        np.testing.assert_allclose(distances.shuffled[kind], sums[kind], atol=1e-9)
    assert judged.relevant.any()


def test_no_hit_at_all_is_as_far_as_others():
    weights = np.array([[0.0, 0, 0], [3, 1, 4]])
    h, r = distributions._pair(weights, np.array([0, 1], np.int32))
    np.testing.assert_allclose(h, [0.75, 0.25, 0])
    np.testing.assert_allclose(r, [[0, 0, 1], [3 / 8, 1 / 8, 1 / 2]])


def test_a_class_called_others_is_refused():
    graph = hierarchy([("others", "a")], ["others", "a"])
    with pytest.raises(UserError, match="has a class 'others'"):
        distributions.ground(graph, ["others", "a"], **OPTIONS)
