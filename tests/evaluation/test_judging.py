"""The compiled judge against plain loops, on small sets of every shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiertools.evaluation import depths, parts
from hiertools.evaluation.judging import Judge
from hiertools.evaluation.relevance import Direction
from hiertools.metrics.ranking import average_precision, order, precision_at_recalls
from tests.evaluation.made import NAMES, Oracle, hierarchy, items, plan, sides

LABELS = [*NAMES, "foreign", "strange"]


@st.composite
def worlds(draw):
    """Queries, candidates, some of which are the same, and scores with ties."""

    def table(prefixes):
        rows = []
        for image in draw(st.lists(st.sampled_from(prefixes), min_size=1, unique=True)):
            rows.append((image, draw(st.lists(st.sampled_from(LABELS), max_size=3))))
            for i in range(draw(st.integers(0, 3))):
                rows.append((f"{image}#{i}", draw(st.lists(st.sampled_from(LABELS), max_size=2))))
        return items(draw(st.permutations(rows)))

    found = sides(table("abcd"), table("bcdefg"))
    find = draw(st.sampled_from(["children", "parents"]))
    direction = parts._direction(found, find, None)
    rng = np.random.default_rng(draw(st.integers(0, 9)))
    shape = (len(direction.queries), len(direction.candidates))
    return direction, rng.integers(0, draw(st.integers(1, 9)), shape) / 7


@settings(deadline=None, max_examples=200)
@given(worlds(), st.sampled_from([("self", "image"), ("image",), ("self",)]), st.booleans())
def test_judge_agrees_with_plain_loops(world, exclude, from_places):
    direction, scores = world
    q, n = scores.shape
    if not q or not n:
        return
    judge = Judge(direction, depths.depths([1, 2, 5], [1, 3, 6], most=n), exclude)
    rankings = [order(each) for each in scores]
    rows = range(q)
    judged, weights = judge.places(rankings, rows) if from_places else judge.scores(scores, rows)
    for query in rows:
        for mode, name in enumerate(exclude):
            oracle = Oracle(direction, hierarchy(), query, scores[query], name)
            _compare(judge, query, mode, judged, weights, oracle)


def _compare(judge, query, mode, judged, weights, oracle):
    assert judged.candidates[query, mode] == len(oracle.listed)
    assert judged.relevant[query, mode] == oracle.relevant
    assert judged.pool[query, mode] == oracle.pool()
    assert judged.right[query, mode] == oracle.right()
    at = (query, mode)
    assert judged.right_hits[at].tolist() == [oracle.right(k) for k in judge.depths.small]
    if not oracle.relevant:
        return
    assert judged.hits[at].tolist() == [oracle.hits(k) for k in judge.depths.every]
    found = np.array([i for i, (hit, _, _) in enumerate(oracle.listed, 1) if hit])
    curve = np.zeros_like(judge.depths.recalls)
    precision_at_recalls(found, oracle.relevant, judge.depths.recalls, curve)
    assert judged.precision[at] == average_precision(found, oracle.relevant)
    np.testing.assert_array_equal(judged.curve[at], curve)
    if judge.direction.find == "children":
        names = judge.direction.classes.names
        for i, k in enumerate([*judge.depths.deep, None]):
            there = oracle.weights(k)
            np.testing.assert_allclose(
                weights[at][i], [there.get(name, 0) for name in names], atol=1e-12
            )


@pytest.fixture
def street():
    """A street with a car, its wheel and a lamp, as query and as candidate, and another street."""
    rows = [
        ("a", ["car", "wheel", "lamp"]),
        ("a#0", ["car"]),
        ("a#1", ["wheel"]),
        ("a#2", ["lamp"]),
    ]
    more = [("b", ["bus"]), ("b#0", ["bus"]), ("b#1", ["hub"])]
    return sides(items(rows), items(rows + more))


def judged(direction, scores):
    judge = Judge(direction, depths.depths([1, 2], [1, 2], most=9), ("self", "image"))
    return judge.scores(scores, range(len(scores)))


def test_children_by_hand(street):
    """Candidates a#0 car, a#1 wheel, a#2 lamp, b#0 bus, b#1 hub, ranked from last to first."""
    direction = parts._direction(street, "children", None)
    found, weights = judged(direction, np.tile(np.arange(5.0), (4, 1)))
    # the image shows car, wheel, lamp, and hub is below; without itself only hub is left
    assert found.relevant[0].tolist() == [4, 1]
    assert found.candidates[0].tolist() == [5, 2]
    assert found.hits[0, :, :2].tolist() == [[1, 1], [1, 1]]
    assert found.right[0].tolist() == [3, 0]
    assert found.precision[0].tolist() == [(1 + 2 / 3 + 3 / 4 + 4 / 5) / 4, 1]
    # below the car box are wheel and hub, below the wheel is hub, below the lamp nothing
    assert found.relevant[1:, 0].tolist() == [2, 1, 0]
    assert found.candidates[1:].tolist() == [[4, 2]] * 3
    names = direction.classes.names
    assert weights[0, 0, 1, [names.index("hub"), names.index("bus")]].tolist() == [1, 1]
    assert weights[0, 1, -1].sum() == 2


def test_parents_by_hand(street):
    """Candidates a, a#0, a#1, a#2, b, b#0, b#1."""
    direction = parts._direction(street, "parents", None)
    assert [name.decode() for name in direction.queries.items.id] == ["a#0", "a#1", "a#2"]
    found, _ = judged(direction, np.tile(-np.arange(7.0), (3, 1)))
    # car: image a; wheel: images a and b (a bus), boxes a#0 and b#0; lamp: image a
    assert found.relevant.tolist() == [[1, 0], [4, 2], [1, 0]]
    assert found.pool.tolist() == [[2, 1]] * 3
    assert found.right.tolist() == [[1, 0]] * 3
    assert found.right_hits[:, 0].tolist() == [[1, 1]] * 3
    assert found.candidates.tolist() == [[6, 3]] * 3


def test_no_ks_at_all(street):
    direction = parts._direction(street, "parents", None)
    assert isinstance(direction, Direction)
    judge = Judge(direction, depths.depths([], [], most=7), ("self",))
    found, _ = judge.scores(np.zeros((3, 7)), range(3))
    assert found.right_hits.shape == (3, 1, 0)
    assert plan().deep == (1, 3)
