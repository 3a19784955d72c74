"""Tables of several metrics files: which number is meant, what is in a cell, how it looks."""

import csv
import io
import json
import re
import statistics

import pytest

from hiertools import metric_records, table_formats, tabulation
from hiertools.errors import UsageError, UserError
from hiertools.files.metrics import Metrics
from tests.metrics_made import row

ROWS = [
    row("top-1", 0.75, low=0.7, chance=0.01),
    row("ndcg", 0.5, k=10, chance=0.125),
    row("ndcg", 0.625, k=100),
    row("map", 0.25),
    row("map", 0.5, of="superclass"),
    row("map@r", 0.125),
    row("recall", 0.4, km=25, of="city"),
    row("precision", 0.1, k=5, of="image", find="children", exclude="self"),
    row("precision", 0.2, k=5, of="box", find="children", exclude="self"),
]


def record(tags=(), rows=ROWS, name="m.json"):
    return metric_records.Record(name, {"file": name, **dict(tags)}, rows)


def made(found, **options):
    options = {"rows": ["file"], "columns": ["top-1"], "across": None, "mean_over": []} | options
    return tabulation.tabulate(found, **options)


def values(table):
    return [[cell and cell.value for cell in cells] for _, cells in table.rows]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("top-1", 0.75), ("ndcg@10", 0.5), ("ndcg@100", 0.625), ("map", 0.25),
        ("map@superclass", 0.5), ("map@r", 0.125), ("recall", 0.4), ("recall@25km", 0.4),
        ("recall@city", 0.4), ("precision@box", 0.2), ("precision@5@image", 0.1),
        ("precision@image@5@children", 0.1), ("top-1:low", 0.7), ("ndcg@10:chance", 0.125),
    ],
)  # fmt: skip
def test_a_metric_is_named_by_as_much_as_tells_it_apart(column, value):
    assert values(made([record()], columns=[column])) == [[value]]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("ndcg", "m.json: 'ndcg' can be ndcg@10, ndcg@100; name one of them"),
        ("precision@5", "can be precision@5@image@children@self, precision@5@box@children@self"),
        ("top-5", "no file has the metric 'top-5'; there are top-1, ndcg@10, "),
        ("map@class", "no file has the metric 'map@class'"),
        ("map:chance", "map:chance: map has no number 'chance'"),
    ],
)
def test_what_no_metric_or_several_are_called_is_refused(column, message):
    with pytest.raises(UserError, match=re.escape(message)):
        made([record()], columns=[column])


def test_every_metric_can_be_named_as_it_is_listed():
    names = metric_records.all_columns([record()])
    assert len(names) == len(ROWS)
    assert values(made([record()], columns=names)) == [[each["value"] for each in ROWS]]


def test_files_of_one_row_are_put_together():
    found = [
        record({"loss": "hxe"}, [row("top-1", 0.5)], "c.json"),
        record({"loss": "hxe"}, [row("map", 0.25)], "r.json"),
        record({"loss": "ce"}, [row("top-1", 0.75)], "d.json"),
    ]
    table = made(found, rows=["loss"], columns=["top-1", "map"])
    assert [key for key, _ in table.rows] == [("hxe",), ("ce",)]
    assert values(table) == [[0.5, 0.25], [0.75, None]]


def test_two_files_in_one_cell_are_refused():
    found = [record({"loss": "hxe", "seed": seed}, name=f"{seed}.json") for seed in "01"]
    with pytest.raises(UserError) as caught:
        made(found, rows=["loss"])
    assert str(caught.value).startswith("1.json: has top-1 for the same row as 0.json; tell them")
    again = [*found, record({"loss": "hxe", "seed": "1"}, name="again.json")]
    with pytest.raises(UserError, match=r"again[.]json: has top-1 for the same row as 1[.]json"):
        made(again, rows=["loss"], mean_over=["seed"])


def test_means_have_the_deviation_of_a_sample():
    tops = [0.5, 0.625, 0.9]
    found = [record({"seed": str(i)}, [row("top-1", v)], f"{i}") for i, v in enumerate(tops)]
    ((_, (cell,)),) = made(found, rows=["loss"], mean_over=["seed"]).rows
    assert (cell.value, cell.runs) == (statistics.fmean(tops), 3)
    assert cell.deviation == pytest.approx(statistics.stdev(tops))
    ((_, (one,)),) = made(found[:1], rows=[], mean_over=["seed"]).rows
    assert (one.value, one.deviation, one.runs) == (0.5, None, 1)


def test_numbers_rise_and_other_tags_stay_as_they_come():
    tags = [{"loss": loss, "m": m} for loss in ("z", "a") for m in ("10", "9", "0.5")]
    found = [record(each, name=str(i)) for i, each in enumerate(tags)]
    assert [key for key, _ in made(found, rows=["loss", "m"]).rows] == [
        ("z", "0.5"), ("z", "9"), ("z", "10"), ("a", "0.5"), ("a", "9"), ("a", "10"),
    ]  # fmt: skip


def test_a_tag_across_gives_columns():
    found = [record({"loss": loss, "m": m}, [row("top-1", float(m)), row("map", 1.0)], loss + m)
             for loss in "ab" for m in ("10", "9")][:3]  # fmt: skip
    table = made(found, rows=["loss"], columns=["top-1", "map"], across="m")
    assert table.columns == ["top-1 m=9", "top-1 m=10", "map m=9", "map m=10"]
    assert values(table) == [[9, 10, 1, 1], [None, 10, None, 1]]


def test_rows_of_a_table_have_their_fields_as_tags():
    rows = [{"from": 0, "accuracy": 0.5, "name": "x"}, {"from": 10, "accuracy": 0.75}]
    files = [(loss, Metrics("classes", {"tags": {"loss": loss}}, {}, [], {"training": rows}))
             for loss in "ab"]  # fmt: skip
    found = metric_records.records(files, "training")
    assert metric_records.tag_names(files) == ["loss"]
    table = made(found, rows=["loss"], columns=["accuracy"], across="from")
    assert table.columns == ["accuracy from=0", "accuracy from=10"]
    assert values(table) == [[0.5, 0.75], [0.5, 0.75]]
    with pytest.raises(UserError, match="a: has no table 'depth'; its tables are training"):
        metric_records.records(files, "depth")


def test_files_without_tags_are_told_apart_by_name():
    assert metric_records.tag_names([("a", Metrics("parts", {}, {}, [], {}))]) == ["file"]
    with pytest.raises(UsageError, match="--rows seed: no file has it; there are file, loss"):
        metric_records.check_tags([record({"loss": "a"})], ["seed"], "--rows")


@pytest.fixture
def table():
    cell = tabulation.Cell
    return tabulation.Table(
        ["loss"],
        ["top-1", "map"],
        [(("a|b",), [cell(2 / 3, 0.125, 3, {}), None]), (("c",), [cell(0.5, None, 1, {})] * 2)],
    )


def test_text(table):
    assert table_formats.rendered(table, "text", 2) == (
        "loss        top-1   map\n"
        "----  -----------  ----\n"
        "a|b   0.67 ± 0.12     -\n"
        "c            0.50  0.50\n"
    )


def test_markdown(table):
    assert table_formats.rendered(table, "markdown", 1).splitlines() == [
        "| loss | top-1 | map |", "| --- | ---: | ---: |", "| a\\|b | 0.7 ± 0.1 | - |",
        "| c | 0.5 | 0.5 |",
    ]  # fmt: skip


def test_csv_and_json_have_numbers_in_full(table):
    rows = list(csv.DictReader(io.StringIO(table_formats.rendered(table, "csv", 1))))
    assert list(rows[0]) == ["loss", "top-1", "top-1 sd", "top-1 runs", "map"]
    assert float(rows[0]["top-1"]) == 2 / 3
    assert (rows[1]["top-1 sd"], rows[0]["map"]) == ("", "")
    found = json.loads(table_formats.rendered(table, "json", 1))["rows"]
    assert found == [
        {"loss": "a|b", "top-1": 2 / 3, "top-1 sd": 0.125, "top-1 runs": 3},
        {"loss": "c", "top-1": 0.5, "map": 0.5},
    ]
