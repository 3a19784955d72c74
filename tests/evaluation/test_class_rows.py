"""Rows of metrics, and of two runs on the same items."""

import numpy as np
import pytest

from hiertools.evaluation.class_chance import chance
from hiertools.evaluation.class_columns import columns
from hiertools.evaluation.class_rows import (
    Resamples,
    calibration_rows,
    metric_rows,
    reliability_rows,
)
from tests.evaluation import classes_made as made

HOW = Resamples(200, 0)
OTHER = [  # right for the first three and the last
    ("poodle", "poodle beagle"),
    ("poodle", "poodle cat"),
    ("cat", "cat bear"),
    ("dog", "cat car"),
    ("dog", "cat poodle"),
    ("car", "car bear"),
]


def found(case, nodes=False):
    return columns(case, chance(case.ground, None), tops=(1, 2), depths=(1, 2), nodes=nodes)


def rows(*arguments):
    made_of = metric_rows(*arguments, HOW)
    return {(row["metric"], row.get("k", row.get("of"))): row for row in made_of}


def test_a_row_has_its_interval_and_chance():
    row = rows(found(made.case()), None, [])["top-1", None]
    assert row["low"] <= row["value"] <= row["high"]
    assert row["value"] == pytest.approx(1 / 3)
    assert row["chance"] == pytest.approx(4 / 15)
    assert row["adjusted"] == pytest.approx((1 / 3 - 4 / 15) / (1 - 4 / 15))
    assert row["queries"] == 6
    assert "against" not in row
    assert "frequent" not in row


def test_severity_is_of_the_wrong_items_alone():
    made_of = rows(found(made.case()), None, [])
    assert made_of["mistake-severity", 1]["queries"] == 4
    assert made_of["hierarchical-distance", 1]["queries"] == 6
    assert made_of["accuracy", "breed"]["queries"] == 2


def test_two_runs_by_hand():
    row = rows(found(made.case()), found(made.case(OTHER)), [])["top-1", None]
    assert (row["value"], row["against"]) == (pytest.approx(2 / 6), pytest.approx(4 / 6))
    assert row["difference"] == pytest.approx(-2 / 6)
    assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    assert row["p"] == pytest.approx(2 * (1 + 4) / 16)  # 1 against 3 of McNemar
    severity = rows(found(made.case()), found(made.case(OTHER)), [])["mistake-severity", 1]
    assert severity["against"] == pytest.approx(2)
    assert severity["queries"] == 4
    assert 0 < severity["p"] <= 1


def test_an_exact_p_that_is_too_small_for_a_number_is_0():
    many = 1200  # 2 · 2^-1200 is below the least number above 0
    right = [("poodle", "poodle beagle")] * many
    wrong = [("poodle", "cat beagle")] * many
    row = rows(found(made.case(right)), found(made.case(wrong)), [])["top-1", None]
    assert row["p"] == 0


def test_shares_of_other_items_are_compared_by_permutation():
    """Mistakes that are all 1 away are no share of the items: as severe in both runs."""
    case, other = (
        made.case([("poodle", top)] * 3 + [("poodle", "cat")]) for top in ("cat", "poodle")
    )
    for each in (case, other):
        object.__setattr__(each.ground, "distance", np.where(each.ground.right, 0.0, 1.0))
    row = rows(found(case), found(other), [])["mistake-severity", 1]
    assert (row["difference"], row["p"]) == (0, 1)


def test_a_run_does_not_differ_from_itself():
    for row in rows(found(made.case()), found(made.case()), []).values():
        assert row["difference"] == row["difference_low"] == row["difference_high"] == 0
        assert row["p"] == 1


def test_what_is_always_most_frequent_stands_beside():
    case = made.case()
    order = np.array([4, 0, 1, 2, 3])  # a car, then a poodle
    always = case.always(order)
    assert always.top.shape == (6, 2)
    row = rows(found(case), None, found(always))
    assert row["top-1", None]["frequent"] == pytest.approx(1 / 6)
    assert row["top-2", None]["frequent"] == pytest.approx(5 / 6)  # a poodle is a dog
    assert row["hierarchical-distance", 1]["frequent"] == pytest.approx((5 + 5 + 4 + 4 + 4) / 6)


def test_calibration_by_hand():
    probabilities = [[0.9, 0.1], [0.92, 0], [0.5, 0.2], [0.91, 0], [0.5, 0.3], [0.5, 0.2]]
    case = made.case(probabilities=probabilities)
    row = next(calibration_rows(case, None, nodes=False))
    # 0.9 to 14/15: two of three right; at 0.5: none of three
    error = (abs(2 - 0.9 - 0.92 - 0.91) + 1.5) / 6
    assert row == {
        "metric": "calibration-error", "value": pytest.approx(error), "queries": 6
    }  # fmt: skip
    bins = list(reliability_rows(case, nodes=False))
    assert [(b["items"], b["accuracy"]) for b in bins] == [(3, 0), (3, pytest.approx(2 / 3))]
    against = next(calibration_rows(case, case, nodes=False))
    assert (against["against"], against["difference"]) == (pytest.approx(error), 0)


def test_without_probabilities_there_is_no_calibration():
    assert list(calibration_rows(made.case(), None, nodes=False)) == []
    assert list(reliability_rows(made.case(), nodes=True)) == []
    assert not any(column.name["metric"] == "brier" for column in found(made.case()))
