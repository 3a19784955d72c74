"""metrics.json: numbers that are some, each with what it is of."""

import json

import numpy as np
import pytest
from hypothesis import given

from hiertools import about
from hiertools.errors import UserError
from hiertools.files import kinds
from hiertools.files.metrics import Metrics, read_metrics, write_metrics
from tests import strategies
from tests.files.test_round_trips import few, written

ROW = {
    "metric": "precision", "find": "children", "of": "image", "exclude": "self", "k": 5,
    "value": 0.73371, "low": 0.7012, "high": 0.7651, "chance": 0.25, "queries": 1000,
}  # fmt: skip
OTHER = {"metric": "transport", "k": 150000, "value": 16.3, "queries": 20}
PLACES = {
    "metric": "recall", "of": "city", "km": 25, "value": 0.4381, "low": 0.43, "high": 0.45,
    "chance": 0.0003, "adjusted": 0.4379, "frequent": 0.01, "coverage": 0.93, "against": 0.43,
    "difference": 0.0081, "difference_low": -0.0002, "difference_high": 0.016,
    "p": 0.057, "queries": 2997,
}  # fmt: skip
TABLES = {"classes": [{"label": "/m/car", "queries": 3}, {"label": "/m/door", "queries": 2}]}


def found(*rows, tables=TABLES):
    return Metrics("parts", {"seed": 0}, {"queries": 1000, "empty": 3}, list(rows), tables)


def save(path, metrics):
    write_metrics(path, metrics, chain=[], overwrite=True)
    return path


@few
@given(strategies.metrics())
def test_metrics(tmp_path, drawn):
    def write(path):
        write_metrics(path, drawn, chain=drawn.chain, overwrite=True)

    assert read_metrics(written(tmp_path, "m.json", write)) == drawn


def test_standard_output(capfd):
    write_metrics(kinds.inputs.STDIN, found(ROW), chain=[], overwrite=False)
    document = json.loads(capfd.readouterr().out)
    assert list(document) == [
        "kind", "version", "provenance", "task", "parameters", "counts", "metrics", "tables",
    ]  # fmt: skip
    assert document["metrics"] == [ROW]


@pytest.mark.parametrize("key", ["metric", "value", "queries"])
def test_a_row_needs_what_it_says(key):
    with pytest.raises(UserError, match=rf"metrics\[1\]: no key '{key}'"):
        found(ROW, {k: v for k, v in ROW.items() if k != key})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": 5}, r"metrics\[0\]\.metric is not text"),
        ({"value": None}, r"metrics\[0\]\.value is not a finite number"),
        ({"value": float("nan")}, r"metrics\[0\]\.value is not a finite number"),
        ({"low": float("inf")}, r"metrics\[0\]\.low is not a finite number"),
        ({"high": "1"}, r"metrics\[0\]\.high is not a finite number"),
        ({"chance": None}, r"metrics\[0\]\.chance is not a finite number"),
        ({"km": "25"}, r"metrics\[0\]\.km is not a whole number"),
        ({"coverage": None}, r"metrics\[0\]\.coverage is not a finite number"),
        ({"difference_low": "x"}, r"metrics\[0\]\.difference_low is not a finite number"),
        ({"k": 1.5}, r"metrics\[0\]\.k is not a whole number"),
        ({"of": 1}, r"metrics\[0\]\.of is not text"),
        ({"find": None}, r"metrics\[0\]\.find is not text"),
        ({"queries": -1}, r"metrics\[0\]\.queries is not a whole number"),
        ({"order": None}, r"metrics\[0\] has null; leave out what has no value"),
    ],
)
def test_a_value_that_is_none_is_refused(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        found(ROW | change)
    path = save(tmp_path / "m.json", found(ROW))
    document = json.loads(path.read_text())
    document["metrics"] = [ROW | change]
    path.write_text(json.dumps(document))
    with pytest.raises(UserError) as caught:
        kinds.check(path, full=True)
    assert str(caught.value).startswith(f"{path}:")


@pytest.mark.parametrize("rows", [5, [5], {"a": 1}])
def test_a_table_is_a_list_of_objects(rows):
    with pytest.raises(UserError, match=r"tables\.curve"):
        found(ROW, tables={"curve": rows})


def test_null_in_a_table_is_refused():
    with pytest.raises(UserError, match=r"tables\.curve\[0\] has null"):
        found(ROW, tables={"curve": [{"precision": None}]})


def test_a_number_of_numpy_is_named_before_anything_is_written(tmp_path):
    with pytest.raises(UserError, match="queries is not a whole number"):
        save(tmp_path / "m.json", found(ROW | {"queries": np.int64(3)}))


def test_rows_about_places(tmp_path):
    assert read_metrics(save(tmp_path / "m.json", found(PLACES))).metrics == [PLACES]


def test_info_prints_rows_as_a_table(tmp_path):
    path = save(tmp_path / "m.json", found(ROW, OTHER))
    assert about.as_text(about.describe(path), path).splitlines() == [
        f"{path}: metrics, version 1",
        "  task: parts",
        "  parameters",
        "    seed: 0",
        "  counts",
        "    queries: 1,000",
        "    empty: 3",
        "  metrics",
        "    metric     find      of     exclude        k   value     low    high  chance  queries",
        "    precision  children  image  self           5  0.7337  0.7012  0.7651    0.25    1,000",
        "    transport                            150,000    16.3                               20",
        "  tables",
        "    classes: 2",
    ]
    assert about.describe(path)["metrics"] == [ROW, OTHER]
