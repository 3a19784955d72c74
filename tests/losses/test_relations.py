"""What a hierarchy says of two classes, by hand and by loops."""

import math

import numpy as np
import pytest
import torch

from hiertools import taxonomy
from hiertools.files.hierarchy import Edge, Hierarchy, Node
from hiertools.losses import relations
from tests.losses.class_outputs import WAYS, distances

D = torch.tensor([[0, 2, 4], [2, 0, 4], [4, 4, 0]], dtype=torch.float64)


def omega(decay, *, with_self=True, d=D):
    return relations.omega(d, decay, with_self=with_self).numpy()


def test_omega_by_hand():
    near, far = math.exp(-0.6), math.exp(-1.2)
    first, last = 1 + near + far, 1 + 2 * far
    expected = [
        [1 / first, near / first, far / first],
        [near / first, 1 / first, far / first],
        [far / last, far / last, 1 / last],
    ]
    np.testing.assert_allclose(omega(0.3), expected, rtol=1e-12)


def test_omega_without_the_class_itself():
    near, far = math.exp(-0.6), math.exp(-1.2)
    expected = [
        [0, near / (near + far), far / (near + far)],
        [near / (near + far), 0, far / (near + far)],
        [0.5, 0.5, 0],
    ]
    np.testing.assert_allclose(omega(0.3, with_self=False), expected, rtol=1e-12)


@pytest.mark.parametrize("with_self", [True, False])
@pytest.mark.parametrize("decay", [0, 0.3, 5.0, 1e4, math.inf])
def test_rows_of_omega_sum_to_1_and_fall_with_the_distance(decay, with_self):
    d = torch.tensor(distances(WAYS))
    found = omega(decay, with_self=with_self, d=d)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-12)
    away = ~np.eye(len(d), dtype=bool)
    for row in range(len(d)):
        nearer = np.argsort(d[row][away[row]].numpy(), kind="stable")
        assert (np.diff(found[row][away[row]][nearer]) <= 1e-15).all()


def test_the_ends_of_the_decay():
    np.testing.assert_array_equal(omega(math.inf), np.eye(3))
    np.testing.assert_allclose(omega(400.0), np.eye(3), atol=1e-300)
    np.testing.assert_allclose(omega(0.0), np.full((3, 3), 1 / 3))
    np.testing.assert_allclose(omega(0.0, with_self=False), (1 - np.eye(3)) / 2)
    nearest = [[0, 1, 0], [1, 0, 0], [0.5, 0.5, 0]]
    np.testing.assert_array_equal(omega(math.inf, with_self=False), nearest)
    np.testing.assert_array_equal(omega(0.3, d=D[:1, :1]), [[1]])
    np.testing.assert_array_equal(omega(0.3, d=D[:1, :1], with_self=False), [[0]])


def test_the_kernel_is_omega_times_the_sum_of_its_row():
    found = relations.kernel(D, 0.3).numpy()
    np.testing.assert_allclose(found / found.sum(1, keepdims=True), omega(0.3), rtol=1e-12)
    np.testing.assert_array_equal(relations.kernel(D, math.inf), np.eye(3))


def test_related_are_distinct_classes_that_are_near():
    d = D.numpy()
    found = relations.related_within(d, at_most=2)
    np.testing.assert_array_equal(found, [[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    assert relations.share(found) == pytest.approx(1 / 3)
    assert relations.share(relations.related_within(d, at_most=4)) == 1
    assert relations.share(relations.related_within(d, at_most=1.9)) == 0
    assert relations.share(np.zeros((1, 1), bool)) == 0


# d is below both b and c, and so is one class; e is far down below c alone
NODES = ["a", "b", "c", "d", "x", "e", "y", "z"]
EDGES = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("d", "x"), ("c", "e"), ("e", "y"),
         ("b", "z")]  # fmt: skip


def dag(classes):
    nodes = [Node(key, key) for key in NODES]
    edges = [Edge(*edge) for edge in EDGES]
    hierarchy = Hierarchy(nodes, edges, classes, [], {}, {}, {}, distance="path")
    return taxonomy.of_hierarchy(hierarchy, classes=None, distance="path")


def test_related_are_classes_that_share_a_node_so_deep():
    made = dag(["x", "y", "z"])
    assert [int(made.depths[made.rows[key]]) for key in "abcdxe"] == [0, 1, 1, 2, 3, 2]

    def related(at_least):
        return relations.related_at_depth(made.above, made.depths, at_least=at_least).tolist()

    everyone = [[False, True, True], [True, False, True], [True, True, False]]
    assert related(0) == everyone
    assert related(1) == [[False, True, True], [True, False, False], [True, False, False]]
    assert related(2) == [[False] * 3] * 3


def test_ways_part_at_a_depth():
    made = dag(["x", "y", "z"])
    ways = [made.path(key) for key in made.classes]
    assert ways == [["a", "b", "d", "x"], ["a", "c", "e", "y"], ["a", "b", "z"]]
    np.testing.assert_array_equal(relations.joins(ways), [[3, 0, 1], [0, 3, 0], [1, 0, 2]])


def test_a_class_above_others_is_a_leaf_below_itself():
    found = relations.joins(WAYS)
    assert found[0, 0] == 3  # dog, two edges below the root, has puppy below it
    assert found[0, 1] == 2
    assert found[1, 1] == 3
    assert found[7, 7] == 1


def test_joins_are_what_ways_share():
    found = relations.joins(WAYS)
    for i, x in enumerate(WAYS):
        for j, y in enumerate(WAYS):
            if i != j:
                assert found[i, j] == sum(a == b for a, b in zip(x, y, strict=False)) - 1


def test_above_several_roots_is_one_more():
    found = relations.joins([["a", "x"], ["a", "y"], ["b"], ["c", "z"]])
    np.testing.assert_array_equal(
        found, [[2, 1, 0, 0], [1, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 2]]
    )  # fmt: skip
    np.testing.assert_array_equal(relations.joins([["a"]]), [[0]])


def test_tables_are_of_the_type_of_the_outputs():
    d = distances(WAYS)
    for dtype in (torch.float32, torch.float64):
        found = relations.of(
            d, 1 / (1 + d), relations.related_within(d, at_most=2), relations.joins(WAYS),
            like=torch.zeros(1, dtype=dtype),
        )  # fmt: skip
        assert found.distances.dtype == found.similarities.dtype == dtype
        assert (found.related.dtype, found.joins.dtype) == (torch.bool, torch.int64)
        np.testing.assert_array_equal(found.distances, d)
