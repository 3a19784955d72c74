"""`hiertools evaluate pixels`, on masks that are written here."""

import json
from pathlib import Path

import pytest

from hiertools.cli import main
from hiertools.files.metrics import read_metrics

SQUARE = [[-0.5, -0.5], [9.5, -0.5], [9.5, 9.5], [-0.5, 9.5]]


def line(query, image, **more):
    return {"query": query, "image": image, "polygons": [SQUARE], "size": [40, 50], **more}


def bare(polygon):
    """Return a mask whose size the truth alone knows."""
    return {"query": "q", "image": "a", "polygons": [polygon]}


TRUTH = [line("q", "a", level="easy"), line("q", "b", level="hard"), line("p", "a", level="hard")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("truth.jsonl", TRUTH)
    write("found.jsonl", [line("q", "a"), line("q", "b")])
    return tmp_path


def write(name, lines):
    Path(name).write_text("".join(json.dumps(each) + "\n" for each in lines))


def evaluate(*words):
    return main(["evaluate", "pixels", *words, "-o", "m.json", "--overwrite"])


def found():
    metrics = read_metrics(Path("m.json"))
    return {(row["metric"], row["of"]): row for row in metrics.metrics}, metrics


def test_both_protocols_are_printed(folder, capsys):
    assert evaluate("found.jsonl", "--truth", "truth.jsonl", "--tag", "method=spatial") == 0
    rows, metrics = found()
    assert metrics.task == "pixels"
    assert metrics.parameters["tags"] == {"method": "spatial"}
    assert metrics.counts["without_predictions"] == 1
    assert rows["miou", "easy"]["value"] == 1
    assert rows["miou", "hard"]["value"] == 0.5  # the second query has no prediction
    assert rows["released-map50-95", "hard"] == {
        "metric": "released-map50-95", "of": "hard", "value": 1.0, "queries": 1,
        "low": 1.0, "high": 1.0,
    }  # fmt: skip
    said = capsys.readouterr().err
    assert "1 queries have none, which count 0" in said
    assert "released-miou" in said


@pytest.mark.parametrize("protocol", ["strict", "released"])
def test_one_protocol_may_be_chosen(folder, protocol):
    assert evaluate("found.jsonl", "--truth", "truth.jsonl", "--protocol", protocol) == 0
    rows, _ = found()
    assert {name.startswith("released") for name, _ in rows} == {protocol == "released"}


def test_rle_says_the_same_as_polygons(folder):
    assert evaluate("found.jsonl", "--truth", "truth.jsonl") == 0
    expected = found()[0]
    runs = [0, *[10, 30] * 10, 1600]
    runs[-2:] = [30 + 1600]
    rle = {"size": [40, 50], "counts": runs}
    write("rle.jsonl", [{"query": "q", "image": key, "rle": rle} for key in "ab"])
    assert evaluate("rle.jsonl", "--truth", "truth.jsonl") == 0
    assert found()[0] == expected


def test_metrics_go_into_a_table(folder, capsys):
    assert evaluate("found.jsonl", "--truth", "truth.jsonl", "--tag", "method=a") == 0
    words = ["tabulate", "m.json", "--rows", "method", "--columns", "miou@easy,map50-95@hard"]
    assert main(words) == 0
    assert "0.5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty"),
        ([line("x", "a")], "has none of the queries"),
        ([line("q", "a", polygons=[[[0, 0], [60, 0], [0, 9]]])], "outside of the image"),
        ([bare([[0, 0], [60, 0], [0, 9]])], "outside of the image"),
        ([bare([[0, 0], [1e300, 0], [0, 9]])], "outside of the image"),
        ([bare([[0, 0], [10**400, 0], [0, 9]])], "outside of the image"),
        ([line("q", "a"), line("q", "a")], "is there twice"),
        ([line("q", "a", size=[8, 8])], "outside of the image"),
        ([line("q", "a", size=[99, 99])], "is of (99, 99) pixels"),
        ([line("q", "a", level="odd")], "level is not one of"),
        ([{"query": "q", "image": "a"}], "either polygons or rle"),
        ([{"query": "q", "image": "a", "rle": {"size": [40, 50], "counts": "zz"}}],
         "the mask cannot be read"),
        ([{"query": "q", "image": "a", "rle": {"size": [40, 50], "counts": [5]}}],
         "do not add up"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(folder, capsys, lines, message):
    write("bad.jsonl", lines)
    assert evaluate("bad.jsonl", "--truth", "truth.jsonl") == 3
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert message in said[0]
    assert not Path("m.json").exists()
