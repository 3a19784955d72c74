"""Which items are in the sets of an evaluation."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from hiertools.errors import UserError
from hiertools.evaluation import sets
from hiertools.evaluation.classes import of_hierarchy
from hiertools.evaluation.sets import Filters
from tests.evaluation.made import ALL, hierarchy, items

ROWS = [("b", ["car", "ant"]), ("b#1", ["car"]), ("b#0", ["ant"]), ("a", []), ("a#0", ["hub"])]
BOXES = np.array(
    [[0, 0, 1, 1], [0, 0, 0.1, 0.1], [0, 0, 1, 0.1], [0, 0, 1, 1], [0, 0, 0.5, 1]], np.float64
)
TABLE = items(ROWS, box=BOXES, occluded=np.array([0, 1, 0, 0, 0], np.bool_))


def select(table, filters):
    return sets.select(table, of_hierarchy(hierarchy(), [TABLE.labels]), filters, "e.h5")


def ids(found):
    return [key.decode() for key in found.items.id]


def test_classes_are_the_codes_of_labels():
    found = select(TABLE, ALL)
    assert found.rows.tolist() == [0, 1, 2, 3, 4]
    assert [found.labels.of(i) for i in range(5)] == [labels for _, labels in ROWS]
    assert found.labels.codes.tolist() == [2, 6, 2, 6, 5]
    assert found.labelled().tolist() == [True, True, True, False, True]


def test_by_id_and_take_keep_rows_and_classes_together():
    found = select(TABLE, ALL).by_id()
    assert ids(found) == ["a", "a#0", "b", "b#0", "b#1"]
    assert found.rows.tolist() == [3, 4, 0, 2, 1]
    kept = found.take(found.kind == sets.BOX)
    assert ids(kept) == ["a#0", "b#0", "b#1"]
    assert kept.rows.tolist() == [4, 2, 1]
    assert [kept.labels.of(i) for i in range(3)] == [["hub"], ["ant"], ["car"]]


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        (Filters(Decimal("0.01"), Decimal(1), ()), ["b", "b#1", "b#0", "a", "a#0"]),
        (Filters(Decimal("0.010001"), Decimal(1), ()), ["b", "b#0", "a", "a#0"]),
        (Filters(Decimal(0), Decimal("0.1"), ()), ["b", "b#1", "b#0", "a"]),
        (Filters(Decimal(0), Decimal(1), ("occluded",)), ["b", "b#0", "a", "a#0"]),
    ],
)
def test_filters_are_for_boxes_alone(filters, left):
    assert ids(select(TABLE, filters)) == left


def test_a_missing_column_is_said():
    with pytest.raises(UserError, match=r"e\.h5: the items have no column 'truncated' to filter"):
        select(TABLE, Filters(Decimal(0), Decimal(1), ("truncated",)))
    with pytest.raises(UserError, match=r"e\.h5: the items have no boxes to filter by area"):
        select(replace(TABLE, box=None), Filters(Decimal(0), Decimal("0.5"), ()))
    for column in ("kind", "image", "labels"):
        with pytest.raises(UserError, match=f"e.h5: the items have no column '{column}'"):
            sets.labels_of(replace(TABLE, **{column: None}), "e.h5")


def test_text_is_left_out():
    kind = np.array([0, 1, 2, 0, 1], np.uint8)
    assert ids(select(replace(TABLE, kind=kind), ALL)) == ["b", "b#1", "a", "a#0"]


def test_a_sample_is_of_each_kind_and_of_its_seed():
    found = select(TABLE, ALL)
    one = sets.sample(found, 1, seed=0)
    assert one.kind.tolist() in ([0, 1], [1, 0])
    assert ids(one) == ids(sets.sample(found, 1, seed=0))
    assert len({tuple(ids(sets.sample(found, 1, seed=seed))) for seed in range(20)}) > 2
    assert ids(sets.sample(found, 9, seed=0)) == ids(found)


def test_counts():
    found = select(TABLE, ALL)
    assert sets.counts(found.take(np.array([0, 1, 2])), found) == {
        "query_images": 1, "query_boxes": 2, "candidate_images": 2, "candidate_boxes": 3,
    }  # fmt: skip
