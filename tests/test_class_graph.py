"""Graphs of classes: what is kept, what pruning leaves, cycles named."""

from itertools import pairwise, product

import numpy as np
import pytest

from hiertools import class_graph, taxonomy
from hiertools.class_graph import ClassGraph
from hiertools.errors import UserError


def graph(edges, classes, nodes=()):
    parents = {node: [] for node in [*nodes, *(end for edge in edges for end in edge)]}
    for parent, child in edges:
        parents[child].append(parent)
    return ClassGraph(list(classes), {key: key.upper() for key in parents}, parents, {})


def hierarchy(found, **options):
    options = {"root": None, "prune": False, "distance": "path", "source": {}} | options
    return class_graph.assemble(found, **options)


def edges_of(found):
    return {(edge.parent, edge.child) for edge in found.edges}


def test_what_is_above_no_class_is_left_out():
    found = hierarchy(graph([("r", "a"), ("a", "x"), ("a", "y"), ("r", "b")], ["y"]))
    assert [node.id for node in found.nodes] == ["r", "a", "y"]
    assert [node.name for node in found.nodes] == ["R", "A", "Y"]
    assert found.statistics["left_out"] == 2


@pytest.mark.parametrize(
    ("edges", "classes", "wanted"),
    [
        # a chain above a fork, within and below: the root becomes the fork
        (["ra", "ab", "bx", "bc", "cy"], "xy", {("b", "x"), ("b", "y")}),
        # a class with one child stays
        (["ra", "ab", "bx", "rz"], "xaz", {("r", "a"), ("a", "x"), ("r", "z")}),
        # both children of a become x: then a goes too
        (["ra", "ab", "ac", "bx", "cx", "rz"], "xz", {("r", "x"), ("r", "z")}),
        # a DAG stays one
        (["ra", "rb", "ax", "ay", "by", "bz"], "xyz", {
            ("r", "a"), ("r", "b"), ("a", "x"), ("a", "y"), ("b", "y"), ("b", "z")}),
        # a child gets the parents of a chain in a DAG, each once
        (["ra", "rb", "ac", "bc", "cx", "ax", "az", "by"], "xyz", {
            ("r", "a"), ("r", "b"), ("a", "x"), ("b", "x"), ("a", "z"), ("b", "y")}),
    ],
)  # fmt: skip
def test_chains_are_pruned(edges, classes, wanted):
    found = graph([tuple(edge) for edge in edges], classes)
    assert edges_of(hierarchy(found, prune=True)) == wanted
    nodes = len(hierarchy(found).nodes)
    left = hierarchy(found, prune=True)
    assert left.statistics["pruned"] == nodes - len(left.nodes)
    assert left.parameters == {"prune": True}


def reach(found):
    """Return which nodes are above which, by brute force."""
    ends = edges_of(found)
    while more := {(a, d) for (a, b), (c, d) in product(ends, ends) if b == c} - ends:
        ends |= more
    return ends


@pytest.mark.parametrize("seed", range(20))
def test_pruning_keeps_what_is_above_what_and_makes_no_distance_longer(seed):
    rng = np.random.default_rng(seed)
    names = "abcdefghijkl"
    edges = {(names[i], names[j]) for j in range(1, 12) for i in rng.integers(0, j, 2)}
    classes = [str(key) for key in rng.choice(list(names[4:]), 5, replace=False)]
    whole = hierarchy(graph(sorted(edges), classes))
    left = hierarchy(graph(sorted(edges), classes), prune=True)
    kept = {node.id for node in left.nodes}
    assert reach(left) == {(a, b) for a, b in reach(whole) if {a, b} <= kept}
    below = {a: {b for p, b in edges_of(left) if p == a} for a in kept}
    assert all(len(below[key]) != 1 for key in kept - set(classes))
    far, near = (taxonomy.of_hierarchy(h, classes=None, distance=None).distances
                 for h in (whole, left))  # fmt: skip
    assert (near <= far).all()
    assert ((near == 0) == np.eye(5, dtype=bool)).all()


def test_a_root_above_all_roots_leaves_distances_as_they_are():
    two = graph([("a", "x"), ("b", "y")], ["x", "y"])
    one = hierarchy(two, root="all")
    assert edges_of(one) == {("all", "a"), ("all", "b"), ("a", "x"), ("b", "y")}
    assert one.parameters == {"prune": False, "root": "all"}
    for distance in taxonomy.DISTANCES:
        matrices = [taxonomy.of_hierarchy(h, classes=None, distance=distance).distances
                    for h in (hierarchy(two), one)]  # fmt: skip
        np.testing.assert_array_equal(*matrices)


def test_a_root_that_is_there_is_no_new_one():
    found = hierarchy(graph([("a", "x"), ("a", "y")], ["x", "y"]), root="a")
    assert edges_of(found) == {("a", "x"), ("a", "y")}
    for root in ("a", "x"):
        with pytest.raises(UserError, match=f"there is a node '{root}' already"):
            hierarchy(graph([("a", "x"), ("b", "y")], ["x", "y"]), root=root)


def test_a_cycle_is_named_from_above_to_below():
    with pytest.raises(UserError) as caught:
        hierarchy(graph([("r", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "x")], ["x"]))
    start = str(caught.value).removeprefix("has a cycle: ").split(" > ")
    assert start[0] == start[-1]
    assert set(pairwise(start)) == {("a", "b"), ("b", "c"), ("c", "a")}
