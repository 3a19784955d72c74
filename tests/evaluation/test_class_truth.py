"""The truth of classes: one label an item, joined to the predictions by id."""

import pytest

from hiertools.errors import UserError
from hiertools.evaluation import class_answers, class_truth
from hiertools.evaluation.class_truth import Truth
from hiertools.files import items
from hiertools.files.classified import ClassPrediction
from hiertools.files.items import Items
from tests.evaluation import classes_made as made


def answers(*ids, labels=None):
    return class_answers.of_predictions(
        ClassPrediction(key, ["cat"], None, labels=labels and labels.get(key)) for key in ids
    )


def judged(found, truth, max_bad=0):
    return class_truth.judged(found, truth, made.hierarchy(), name="p.jsonl", max_bad=max_bad)


def test_items_come_in_the_order_of_the_truth():
    truth = Truth("t.csv", ["b", "a"], [["cat"], ["car"]])
    found = judged(answers("a", "b"), truth)
    assert found.answers.id == ["b", "a"]
    assert found.label == ["cat", "car"]
    assert not any(found.left_out.values())


def test_labels_above_another_one_say_nothing_more():
    truth = Truth("t.csv", ["a", "b"], [["animal", "dog", "poodle"], ["dog", "all"]])
    assert judged(answers("a", "b"), truth).label == ["poodle", "dog"]


def test_items_that_only_one_side_has_are_counted_and_named():
    truth = Truth("t.csv", ["a", "b", "c", "d"], [["cat"], ["car"], [], ["cat", "car"]])
    with pytest.raises(UserError) as error:
        judged(answers("a", "x", "y", "d", "c"), truth)
    assert str(error.value) == (
        "t.csv lacks items of p.jsonl: 2 (x, y); p.jsonl lacks items of t.csv: 1 (b);"
        " t.csv has no label for 1 (c); t.csv has several labels for 1 (d);"
        " leave them out with --max-bad 5"
    )
    with pytest.raises(UserError, match="--max-bad 5"):
        judged(answers("a", "x", "y", "d", "c"), truth, max_bad=4)
    found = judged(answers("a", "x", "y", "d", "c"), truth, max_bad=5)
    assert found.answers.id == ["a"]
    assert found.left_out == {
        "without_truth": 2, "without_prediction": 1, "without_label": 1, "with_several_labels": 1
    }  # fmt: skip


def test_ten_are_named_at_most():
    ids = [f"i{n:02}" for n in range(25)]
    truth = Truth("t.csv", ["a"], [["cat"]])
    with pytest.raises(UserError, match=r"25 \(i00, .*, i09, …\)"):
        judged(answers("a", *ids), truth)


def test_nothing_in_common_is_an_error_whatever_is_allowed():
    with pytest.raises(UserError, match="nothing is left to evaluate"):
        judged(answers("a"), Truth("t.csv", ["b"], [["cat"]]), max_bad=9)


def test_labels_that_the_hierarchy_lacks_are_refused():
    truth = Truth("t.csv", ["a", "b"], [["wolf"], ["cat"]])
    with pytest.raises(UserError, match=r"t\.csv: the hierarchy lacks its labels: 1 \(wolf\)"):
        judged(answers("a", "b"), truth, max_bad=9)


def test_the_truth_may_be_in_the_predictions():
    found = answers("a", "b", labels={"a": ["cat"], "b": []})
    truth = class_truth.of_answers("p.jsonl", found)
    assert truth.labels == [["cat"], []]
    with pytest.raises(UserError, match="have no labels of the items; name them: --truth"):
        class_truth.of_answers("p.jsonl", answers("a"))


def test_the_truth_may_be_an_item_table():
    table = Items(items.encode(["a", "b"]), labels=items.label_sets([["cat"], ["dog", "all"]]))
    truth = class_truth.of_items("e.h5", table)
    assert (truth.id, truth.labels) == (["a", "b"], [["cat"], ["dog", "all"]])
    with pytest.raises(UserError, match=r"e\.h5: has no labels"):
        class_truth.of_items("e.h5", Items(items.encode(["a"])))
