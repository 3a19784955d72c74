"""Tables that somebody reports: what cannot be."""

import pytest

from hiertools.errors import UserError
from hiertools.evaluation import class_checks, class_reported, class_sizes
from hiertools.files.inputs import Source
from tests.evaluation import classes_made as made


@pytest.fixture
def check(tmp_path):
    """Return results and texts of the checks of a table."""

    def checks(text, items=None):
        (tmp_path / "t.csv").write_text(text)
        found = class_reported.read(Source(tmp_path / "t.csv"))
        tree = made.ground().tree
        made_of = class_reported.checks(found, tree, made.CLASSES, items or {})
        return [(each.result, each.text.partition(": ")[2]) for each in made_of]

    return checks


def test_percentages_of_fifty_items_are_multiples_of_two(check):
    found = check("class,accuracy,items\npoodle,92,50\nbeagle,91.5,50\ncat,0,50\ncar,100,50\n")
    assert found == [
        ("ok", "of 4 classes all are in the hierarchy"),
        ("failed", "line 3: beagle: 91.5 of 50 items cannot be; the nearest is 92, 46 right"),
    ]


@pytest.mark.parametrize(
    ("accuracy", "items", "result"),
    [
        ("33.3", 3, "ok"),
        ("33.4", 3, "failed"),
        ("33", 3, "ok"),
        ("33.33", 3, "ok"),
        ("66.7%", 3, "ok"),
        ("66.7 %", 3, "ok"),
        ("100.0", 7, "ok"),
        ("101", 7, "failed"),
        ("1.5", 66, "ok"),
        ("55.6", 45, "ok"),  # 25 of 45 is 55.555…
        ("12.5", 8, "ok"),
        ("12.4", 8, "failed"),
        ("99.9", 1000, "ok"),
        ("99.95", 1000, "failed"),
        (".5", 4, "ok"),
        (".85", 4, "failed"),
    ],
)
def test_an_accuracy_is_rounded_to_its_last_digit(check, accuracy, items, result):
    assert check(f"class,accuracy,items\ncat,{accuracy},{items}\n")[1][0] == result


def test_shares_are_at_most_one(check):
    found = check("class,accuracy,items\ncat,.5,4\n".replace(".5", "0.5") + "car,0.6,4\n")
    assert found[1] == (
        "failed",
        "line 3: car: 0.6 of 4 items cannot be; the nearest is 0.5, 2 right",
    )


def test_names_may_be_ids_or_names_in_any_spelling(check):
    assert check("class,accuracy\nPOODLE,50\nBeagle,50\n")[0][0] == "ok"
    found = check("class,accuracy\nPoodle dog,50\nviceroy,50\ndog,50\n")
    assert found[0] == (
        "failed",
        "of 3 classes these are none of the hierarchy: 3 (Poodle dog - poodle?, viceroy, dog)",
    )


def test_items_are_those_that_were_judged_where_the_table_has_none(check):
    text = "class,accuracy\npoodle,55\nbeagle,50\n"
    assert check(text, {"poodle": 2, "beagle": 0})[1:] == [
        ("failed", "line 2: poodle: 55 of 2 items cannot be; the nearest is 50, 1 right"),
        ("note", "nobody says how many items these have: 1 (beagle)"),
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("class,accuracy\na,high\n", "2: accuracy is 'high', no number"),
        ("class,accuracy\na,-3\n", "2: accuracy is '-3', no number"),
        ("class,accuracy,items\na,3,0\n", "2: items is '0', no number above 0"),
        ("class,items\na,3\n", "no column 'accuracy'"),
    ],
)
def test_damaged_tables_are_refused(tmp_path, text, what):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=what):
        class_reported.read(Source(tmp_path / "t.csv"))


def test_empty_classes_and_depths_fail():
    rows = [{"depth": 2, "items": 4}, {"depth": 3, "items": 0}]
    found = list(class_checks.of_items(["car"], 5, rows))
    assert [(each.result, each.text) for each in found] == [
        ("failed", "of 5 classes these have no items: 1 (car)"),
        ("failed", "no items at the depths 3"),
    ]
    found = class_checks.of_items([], 5, rows[:1])
    assert [each.result for each in found] == ["ok", "ok"]


def test_bins_without_classes_fail():
    counts = {"poodle": 732, "beagle": 1300, "cat": 1300, "bear": 1300, "wolf": 3}
    found = class_sizes.sizes("c.csv", counts, made.CLASSES)
    bins = class_sizes.between(found, [1000, 2000])
    checks = class_checks.of_sizes(found, bins, made.CLASSES)
    assert [(each.result, each.text) for each in checks] == [
        ("failed", "c.csv: these are no classes of the hierarchy: 1 (wolf)"),
        ("failed", "c.csv: has no count of 1 (car)"),
        ("failed", "c.csv: no class has 2,000 or more items in training"),
    ]
