"""Which class an item is of, and what is said where none or several could be."""

import re
from pathlib import Path

import numpy as np
import pytest

from hiertools import taxonomy
from hiertools.errors import UserError
from hiertools.files.items import Items, encode, label_sets
from hiertools.training import class_labels
from tests.models.classes_made import hierarchy

TREE = taxonomy.of_hierarchy(hierarchy(), classes=None, distance=None)  # z, x, y under a, b, r


def codes(*labels, allow_absent=False, tree=TREE):
    ids = encode([f"i{place}" for place in range(len(labels))])
    table = Items(ids, labels=label_sets(labels))
    return class_labels.codes(table, tree, "e.h5", Path("t.json"), allow_absent=allow_absent)


def test_a_class_may_have_nodes_above_it_and_other_words_beside_it():
    found = codes(["z"], ["a", "y"], ["x", "red"], ["y", "a", "r"])
    np.testing.assert_array_equal(found, [0, 2, 1, 2])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([["x"], ["y"], ["cat"]], "e.h5: has other classes than t.json: t.json lacks 1 (cat);"
         " e.h5 lacks 1 (z)"),
        ([["x"], ["y"]], "e.h5: has other classes than t.json: e.h5 lacks 1 (z); --allow-absent"),
        ([["x"], ["y"], ["z"], []], "e.h5: 1 of 4 items have no class of t.json, such as 'i3',"
         " whose labels are none"),
        ([["x"], ["y"], ["z"], ["a"], ["b", "r"]], "2 of 5 items have no class of t.json, such as"
         " 'i3', whose labels are 'a'"),
        ([["x"], ["y", "z"], ["z", "x"]], "2 of 3 items have several classes of t.json, such as"
         " 'i1', whose labels are 'y', 'z'"),
    ],
)  # fmt: skip
def test_what_has_no_class_is_named(labels, message):
    with pytest.raises(UserError, match=re.escape(message)):
        codes(*labels)


def test_both_lists_are_cut_at_ten():
    with pytest.raises(UserError) as caught:
        codes(*([f"c{n:02}"] for n in range(12)))
    assert "t.json lacks 12 (c00, c01, c02, c03, c04, c05, c06, c07, c08, c09, …)" in str(
        caught.value
    )
    assert "e.h5 lacks 3 (x, y, z)" in str(caught.value)


def test_classes_may_be_absent_if_that_is_said():
    np.testing.assert_array_equal(codes(["y"], ["y"], allow_absent=True), [2, 2])
    with pytest.raises(UserError, match=re.escape("t.json lacks 1 (cat)")) as caught:
        codes(["y"], ["cat"], allow_absent=True)
    assert "--allow-absent" not in str(caught.value)


def test_items_without_labels_cannot_be_learned_from():
    with pytest.raises(UserError, match=r"e.h5: has no labels; embed with --label-from folder, or"):
        class_labels.codes(Items(encode(["i"])), TREE, "e.h5", Path("t.json"), allow_absent=False)
