"""Tables of classes: by hand."""

import numpy as np
import pytest

from hiertools.errors import UserError
from hiertools.evaluation import class_sizes, class_tables
from hiertools.evaluation.class_chance import chance
from hiertools.evaluation.class_sizes import UNKNOWN
from hiertools.evaluation.class_tables import Parts
from hiertools.files.inputs import Source
from tests.evaluation import classes_made as made

COUNTS = {"poodle": 5, "beagle": 20, "cat": 5, "bear": 100, "car": 7}


def parts(other=None):
    case = made.case()
    return Parts(case, other, chance(case.ground, None))


def sizes(counts=COUNTS):
    return class_sizes.sizes("counts.csv", counts, made.CLASSES)


def test_depths_are_those_of_the_truth():
    rows = list(class_tables.depth_rows(parts()))
    assert [(r["depth"], r["classes"], r["items"]) for r in rows] == [(2, 3, 4), (3, 1, 2)]
    # cat, twice a dog, and car
    assert rows[0]["accuracy"] == 1 / 4
    assert rows[0]["distance"] == (2 + 0 + 2 + 2) / 4
    assert rows[0]["chance"] == pytest.approx((1 + 2 + 2 + 1) / 20)
    assert rows[1]["accuracy"] == 1 / 2
    assert 0 < rows[1]["low"] < 1 / 2 < rows[1]["high"] < 1


def test_classes_have_what_they_are_taken_for():
    rows = {row["class"]: row for row in class_tables.class_rows(parts(), sizes().count)}
    assert list(rows) == [*made.CLASSES, "dog"]
    poodle = rows["poodle"]
    assert (poodle["name"], poodle["items"], poodle["training"]) == ("Poodle", 2, 5)
    assert (poodle["accuracy"], poodle["distance"]) == (1 / 2, 1)
    assert (poodle["confused"], poodle["confused_name"]) == ("beagle", "Beagle")
    assert (poodle["confused_items"], poodle["confused_distance"]) == (1, 2)
    assert rows["beagle"] == {"class": "beagle", "name": "Beagle", "items": 0, "training": 20}
    assert "training" not in rows["dog"]
    assert (rows["dog"]["accuracy"], rows["dog"]["confused"]) == (1 / 2, "cat")
    assert class_tables.empty_classes(made.case()) == ["beagle", "bear"]


def test_another_run_stands_beside():
    all_right = made.case(
        [(label, "poodle" if label == "dog" else label) for label, _ in made.ITEMS]
    )
    rows = list(class_tables.depth_rows(parts(all_right)))
    assert (rows[0]["against"], rows[0]["difference"]) == (1, -3 / 4)
    assert rows[0]["p"] == pytest.approx(2 / 8)  # 0 against 3


def test_bins_have_about_as_many_classes():
    bins = class_sizes.quantiles(sizes(), 2)
    assert [(b.low, b.high, b.classes.tolist()) for b in bins] == [
        (5, 7, [0, 2, 4]),
        (8, 100, [1, 3]),
    ]
    rows = list(class_tables.size_rows(parts(), bins))
    assert [(r["from"], r["to"], r["classes"], r["items"]) for r in rows] == [
        (5, 7, 3, 4),
        (8, 100, 2, 0),
    ]
    assert rows[0]["accuracy"] == 1 / 4  # two poodles, a cat and a car
    assert "accuracy" not in rows[1]


@pytest.mark.parametrize("bins", [1, 2, 3, 4, 7])
def test_every_class_is_in_one_bin(bins):
    rng = np.random.default_rng(bins)
    names = [f"c{i}" for i in range(60)]
    found = class_sizes.sizes(
        "x", dict(zip(names, rng.integers(1, 9, 60).tolist(), strict=True)), names
    )
    made_of = class_sizes.quantiles(found, bins)
    assert sorted(np.concatenate([b.classes for b in made_of]).tolist()) == list(range(60))
    for each in made_of:
        assert found.count[each.classes].min() >= each.low
        assert found.count[each.classes].max() <= each.high


def test_equal_counts_are_one_bin():
    bins = class_sizes.quantiles(sizes(dict.fromkeys(made.CLASSES, 400)), 3)
    assert [(b.low, b.high, len(b.classes)) for b in bins] == [(400, 400, 5)]


def test_bins_begin_at_edges_and_may_be_empty():
    bins = class_sizes.between(sizes(), [7, 1000])
    assert [(b.low, b.high, b.classes.tolist()) for b in bins] == [
        (0, 6, [0, 2]),
        (7, 999, [1, 3, 4]),
        (1000, None, []),
    ]


def test_counts_of_other_classes_are_told():
    found = sizes({"poodle": 3, "wolf": 1})
    assert found.count.tolist() == [3, *[UNKNOWN] * 4]
    assert found.foreign == ["wolf"]
    assert [b.classes.tolist() for b in class_sizes.quantiles(found, 2)] == [[0]]
    with pytest.raises(UserError, match="none of its 1 classes is one of the hierarchy's"):
        sizes({"wolf": 1})
    with pytest.raises(UserError, match="no class has any items"):
        sizes({"poodle": 0})


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("class,count\na,x\n", "2: count is 'x', no whole number"),
        ("class,count\na,-1\n", "2: count is '-1', no whole number"),
        ("class,count\na,1\nb,2\na,3\n", "4: the class 'a' is there twice"),
        ("label,count\na,1\n", "no column 'class'"),
    ],
)
def test_damaged_counts_are_refused(tmp_path, text, what):
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(UserError, match=what):
        class_sizes.read(Source(tmp_path / "c.csv"))


def test_counts_are_read(tmp_path):
    (tmp_path / "c.csv").write_text("count,class,more\n3,007,x\n0,b,y\n")
    assert class_sizes.read(Source(tmp_path / "c.csv")) == {"007": 3, "b": 0}
