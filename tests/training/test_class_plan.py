"""What a loss is told of the hierarchy, which layers a model has, and which batches there are."""

import numpy as np
import pytest
import torch

from hiertools import plugins, taxonomy
from hiertools.errors import UsageError
from hiertools.training import class_plan
from hiertools.training.class_examples import ClassExamples
from hiertools.training.class_lesson import Lesson
from tests.models.classes_made import hierarchy

TREE = taxonomy.of_hierarchy(hierarchy(), classes=None, distance=None)  # z, x, y under a, b, r


def lesson(spec="pairwise", tree=TREE, distance=4.0, depth=None):
    return Lesson(plugins.parse(plugins.CLASS_LOSSES, spec), tree, distance, depth)


@pytest.mark.parametrize(
    ("distance", "depth", "pairs", "share"),
    [
        (2.0, None, [(1, 2), (2, 1)], 1 / 3),
        (1.0, None, [], 0),
        (4.0, None, [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)], 1),
        (None, 1, [(1, 2), (2, 1)], 1 / 3),
        (None, None, [], 0),
    ],
)
def test_which_classes_are_related(distance, depth, pairs, share):
    found = lesson(distance=distance, depth=depth)
    assert list(zip(*map(list, np.nonzero(found.related)), strict=True)) == pairs
    assert found.share == pytest.approx(share)
    told = found.told(torch.zeros(1))
    np.testing.assert_array_equal(told.related, found.related)
    np.testing.assert_array_equal(told.distances, TREE.distances.astype(np.float32))


@pytest.mark.parametrize(
    ("spec", "asks"),
    [
        ("pairwise", True), ("pairwise:form=head", True), ("pairwise:balance=0", False),
        ("cross_entropy", False), ("graded", False), ("hxe", False), ("soft_labels", False),
        ("unit_sphere", False),
    ],
)  # fmt: skip
def test_a_loss_is_asked_whether_related_classes_matter_to_it(spec, asks):
    assert lesson(spec).asks_for_related == asks


def test_momentum_is_that_of_the_loss():
    assert lesson().momentum == 0
    assert lesson("pairwise:average=0.9").momentum == 0.9
    assert lesson("cross_entropy").momentum == 0


def test_class_embeddings_have_the_similarities_where_vectors_can():
    assert lesson("cross_entropy").fixed is None
    found = lesson("unit_sphere")
    np.testing.assert_allclose(found.fixed @ found.fixed.T, TREE.similarities, atol=1e-12)
    assert found.deviation < 1e-12
    assert lesson("cross_entropy").deviation == 0


def test_a_dag_whose_similarities_no_vectors_have():
    """Every a and every b have a parent of their own, no two of one letter do: .8 + 2 - 10 / 3."""
    parents = [(f"p{i}{j}", f"a{i}", f"b{j}") for i in range(10) for j in range(10)]
    edges = [("r", parent) for parent, _, _ in parents]
    edges += [(parent, child) for parent, *children in parents for child in children]
    leaves = [f"{letter}{i}" for letter in "ab" for i in range(10)]
    found = hierarchy(edges=edges, leaves=leaves)
    tree = taxonomy.of_hierarchy(found, classes=None, distance=None)
    np.testing.assert_allclose(np.linalg.eigvalsh(tree.similarities)[0], 0.8 + 2 - 10 / 3)
    assert lesson("unit_sphere", tree).deviation > 0.01


ENCODER = object()


@pytest.mark.parametrize(
    ("spec", "encoder", "dimension", "activation", "expected"),
    [
        ("pairwise", None, None, None, ("relu", 512)),
        ("pairwise", None, 7, "tanh", ("tanh", 7)),
        ("pairwise", ENCODER, None, None, (None, 100)),
        ("pairwise", ENCODER, 7, None, ("relu", 7)),
        ("unit_sphere", None, None, None, ("linear", 3)),
        ("unit_sphere", ENCODER, 3, "linear", ("linear", 3)),
    ],
)
def test_which_layers_there_are(spec, encoder, dimension, activation, expected):
    found = class_plan.shape(
        lesson(spec), encoder, features=100, dimension=dimension, activation=activation, usual=512
    )
    assert found == expected


@pytest.mark.parametrize(
    ("spec", "encoder", "dimension", "activation", "message"),
    [
        ("unit_sphere", None, 7, None, "has class embeddings of 3 numbers; leave it out"),
        ("unit_sphere", None, None, "gelu", "with the loss unit_sphere it is linear"),
        ("pairwise", ENCODER, None, "gelu", "with --images give --dimension"),
    ],
)
def test_layers_that_cannot_be(spec, encoder, dimension, activation, message):
    with pytest.raises(UsageError, match=message):
        class_plan.shape(
            lesson(spec), encoder, features=9, dimension=dimension, activation=activation, usual=8
        )


def test_an_epoch_has_every_item_once_in_an_order_of_its_own():
    examples = ClassExamples(np.zeros(11, np.int64), 4, 0)
    assert (len(examples), examples.steps) == (11, 3)
    epochs = [np.concatenate([b.rows for b in examples.batches(e, first_step=0)]) for e in (0, 1)]
    for order in epochs:
        np.testing.assert_array_equal(np.sort(order), np.arange(11))
    assert (epochs[0] != epochs[1]).any()
    (last,) = examples.batches(0, first_step=2)
    np.testing.assert_array_equal(last.rows, epochs[0][8:])
    assert [examples.seen(step) for step in (0, 2, 3, 4)] == [0, 8, 11, 15]
