"""Sums over nodes, the deepest that is sure, and the threshold from which on it is right."""

from itertools import pairwise

import numpy as np
import pytest

from hiertools.classification.nodes import Nodes
from tests.classification import made


def nodes(edges=made.TREE):
    return Nodes(made.classes(edges))


def sums(found, p):
    return found.sums(np.array([p], np.float32))


def keys(found, rows):
    return [found.keys[row] for row in rows]


@pytest.mark.parametrize(
    ("edges", "wanted"),
    [
        (made.TREE, {"r": 1, "a": 0.6, "b": 0.4, "x": 0.35, "y": 0.25, "z": 0.4}),
        (made.DAG, {"r": 1, "a": 0.6, "b": 0.65, "x": 0.35, "y": 0.25, "z": 0.4}),
    ],
)
def test_a_node_has_the_sum_of_the_classes_below(edges, wanted):
    found = nodes(edges)
    p = sums(found, [0.4, 0.35, 0.25])[0]
    assert dict(zip(found.keys, p.tolist(), strict=True)) == pytest.approx(wanted)


def test_sums_are_those_of_a_plain_loop_and_do_not_depend_on_other_rows():
    taxonomy = made.drawn(1)
    found, p = Nodes(taxonomy), made.probabilities(50, len(taxonomy.classes)).numpy()
    whole = found.sums(p)
    for node in range(len(taxonomy.nodes)):
        np.testing.assert_allclose(whole[:, node], p[:, taxonomy.above[:, node]].sum(1), rtol=1e-5)
    np.testing.assert_array_equal(found.sums(p[7:9]), whole[7:9])


def test_the_way_to_a_node_is_from_the_root():
    found = nodes(made.DAG)
    p = sums(found, [0.4, 0.35, 0.25])
    rows = np.array([found.keys.index("y")])
    assert keys(found, found.paths[rows[0]]) == ["r", "a", "y"]
    np.testing.assert_allclose(found.along(p, rows), [[1, 0.6, 0.25]], rtol=1e-6)
    root = np.array([found.keys.index("r")])
    np.testing.assert_allclose(found.along(p, root), [[1, 0, 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("edges", "threshold", "node"),
    [
        (made.TREE, 0.5, "a"),
        (made.TREE, 0.65, "r"),
        (made.TREE, 0.3, "z"),  # the most probable of z and x, which are as deep
        (made.DAG, 0.5, "b"),  # of a and b the more probable
        (made.DAG, 0.62, "b"),
        (made.TREE, 1.0, "r"),  # nothing is above it
        (made.FOREST, 0.5, "a"),
        (made.FOREST, 0.9, "a"),
    ],
)
def test_the_deepest_node_above_a_threshold(edges, threshold, node):
    found = nodes(edges)
    assert keys(found, found.deepest(sums(found, [0.4, 0.35, 0.25]), threshold)) == [node]


def test_a_node_must_be_above_its_threshold():
    found = nodes()
    p = sums(found, [0.25, 0.25, 0.5])
    assert keys(found, found.deepest(p, 0.5)) == ["a"]
    assert keys(found, found.deepest(p, np.nextafter(0.5, 0))) == ["y"]


@pytest.mark.parametrize("spread", [0.5, 2.0, 6.0])
@pytest.mark.parametrize("seed", range(4))
def test_from_its_threshold_on_a_node_is_right(seed, spread):
    """Beside a look at every threshold at which the node can change."""
    taxonomy = made.drawn(seed)
    found, size = Nodes(taxonomy), len(taxonomy.classes)
    p = found.sums(made.probabilities(40, size, seed=seed, spread=spread).numpy())
    truth = np.random.default_rng(seed).integers(0, size, 40)
    least = found.right_above(p, truth)
    for row in range(40):
        values = np.unique(np.append(p[row], 0))
        wrong = [  # the node is the same from a value up to the next one
            upper
            for lower, upper in pairwise(values)
            if not taxonomy.above[truth[row], found.deepest(p[row : row + 1], lower)[0]]
        ]
        assert least[row] == max(wrong, default=0)
        assert taxonomy.above[truth[row], found.deepest(p[row : row + 1], least[row])[0]]


def test_no_threshold_is_right_below_another_root():
    """The root a is chosen above .4, and z below; x and y are then wrong."""
    found = nodes(made.FOREST)
    least = found.right_above(np.repeat(sums(found, [0.4, 0.35, 0.25]), 3, 0), np.arange(3))
    np.testing.assert_array_equal(least, [np.inf, np.float32(0.4), np.float32(0.4)])
