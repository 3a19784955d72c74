import re
from dataclasses import replace

import numpy as np
import pytest

from hiertools import taxonomy
from hiertools.errors import UserError
from hiertools.files.hierarchy import Edge, Hierarchy, Node

# r > a > (x, y), r > b > z, and y is under b too
EDGES = [("r", "a"), ("r", "b"), ("a", "x"), ("a", "y"), ("b", "y"), ("b", "z")]


def hierarchy(edges=EDGES, leaves=("z", "x", "y"), distance="path"):
    ids = list(dict.fromkeys(end for edge in edges for end in edge))
    return Hierarchy(
        [Node(key, key.upper()) for key in ids], [Edge(*edge) for edge in edges], list(leaves),
        [], {}, {}, {}, distance,
    )  # fmt: skip


def of(graph=None, classes=None, distance=None):
    return taxonomy.of_hierarchy(graph or hierarchy(), classes=classes, distance=distance)


def test_classes_keep_the_order_of_the_leaves():
    found = of()
    assert found.classes == ["z", "x", "y"]
    np.testing.assert_array_equal(found.distances, [[0, 4, 2], [4, 0, 2], [2, 2, 0]])
    np.testing.assert_array_equal(found.similarities, 1 / (1 + found.distances))


def test_what_is_above_a_class_has_all_its_parents():
    found = of()
    above = {key: {found.nodes[i] for i in np.flatnonzero(row)}
             for key, row in zip(found.classes, found.above, strict=True)}  # fmt: skip
    assert above == {"z": {"z", "b", "r"}, "x": {"x", "a", "r"}, "y": {"y", "a", "b", "r"}}


def test_a_path_goes_by_the_parents_of_least_depth():
    edges = [("r", "a"), ("a", "m"), ("r", "z"), ("m", "x"), ("z", "x")]
    found = of(hierarchy(edges, leaves=["x"]))
    assert found.path("x") == ["r", "z", "x"]
    assert found.parent("r") is None
    assert dict(zip(found.nodes, found.depths, strict=True)) == {
        "r": 0, "a": 1, "m": 2, "z": 1, "x": 2
    }  # fmt: skip


def test_similarities_are_of_the_kind_of_the_distance():
    found = of(distance="height").similarities
    np.testing.assert_array_equal(found, [[1, 0, 0.5], [0, 1, 0.5], [0.5, 0.5, 1]])


def test_heights_are_those_of_the_lowest_common_ancestor():
    found = of(distance="height").distances
    np.testing.assert_array_equal(found, [[0, 1, 0.5], [1, 0, 0.5], [0.5, 0.5, 0]])


def test_classes_under_several_roots_are_farther_apart_than_under_one():
    edges = [("a", "x"), ("a", "y"), ("b", "z")]
    found = of(hierarchy(edges, leaves=["x", "y", "z"]), distance="height").distances
    np.testing.assert_array_equal(found, [[0, 0.5, 1], [0.5, 0, 1], [1, 1, 0]])


def test_a_document_gives_the_same_taxonomy():
    found = of(classes=["y", "a"])
    again = taxonomy.of_document(found.document(), "model.h5")
    assert (again.classes, again.nodes, again.parents) == (["y", "a"], found.nodes, found.parents)
    assert again.digest == found.digest
    np.testing.assert_array_equal(again.distances, found.distances)


def test_heights_are_of_what_a_file_keeps():
    edges = [("r", "a"), ("a", "x"), ("a", "y"), ("r", "z"), ("z", "v"), ("v", "w")]
    found = of(hierarchy(edges, leaves=["x", "y", "w"]), classes=["x", "y"], distance="height")
    again = taxonomy.of_document(found.document(), "model.h5")
    assert again.digest == found.digest
    np.testing.assert_array_equal(found.distances, again.distances)
    np.testing.assert_array_equal(found.distances, [[0, 0.5], [0.5, 0]])


def test_a_document_keeps_the_names_of_levels():
    graph = hierarchy()
    named = replace(graph, nodes=[replace(node, level=node.name * 2) for node in graph.nodes])
    again = taxonomy.of_document(of(named).document(), "model.h5")
    assert [node.level for node in again.hierarchy.nodes] == ["RR", "AA", "BB", "XX", "YY", "ZZ"]
    assert again.digest == of(named).digest == of(graph).digest


def test_the_digest_knows_order_edges_and_distance():
    others = [of(classes=["x", "y", "z"]), of(distance="height"),
              of(hierarchy(EDGES[:-1] + [("a", "z")]))]  # fmt: skip
    assert len({of().digest, *(other.digest for other in others)}) == 4


@pytest.mark.parametrize(
    ("classes", "distance", "message"),
    [
        (["x", "q"], None, "the hierarchy lacks 1 (q)"),
        (["x", "x"], None, "the class 'x' is there twice"),
        (None, "miles", "the distance 'miles' is not one of path, height"),
        ([], None, "no leaves"),
    ],
)
def test_what_are_no_classes_is_refused(classes, distance, message):
    with pytest.raises(UserError, match=re.escape(message)):
        of(classes=classes, distance=distance)


def test_both_sides_of_a_difference_are_listed_ten_at_the_most():
    many = [f"n{i:02}" for i in range(12)]
    said = taxonomy.difference([*many, "x"], ["x", "y"], name="data", other="tree.json")
    assert said == (
        "data: has other classes than tree.json: tree.json lacks 12 (n00, n01, n02, n03, n04, n05,"
        " n06, n07, n08, n09, …); data lacks 1 (y)"
    )
    assert taxonomy.difference(["x", "y"], ["y", "x"], name="a", other="b") is None


def test_another_order_is_no_same_taxonomy():
    one, other = of(classes=["x", "y"]), of(classes=["y", "x"])
    with pytest.raises(UserError, match=r"another order than tree[.]json: class 0 is 'x'"):
        taxonomy.check_same(one, other, name="model.h5", other="tree.json")
