"""Rankings and truth that were made before."""

import numpy as np
import pytest

from hiertools.errors import UserError
from hiertools.evaluation import rankings, truth
from hiertools.files.rankings import Ranking
from tests.evaluation.made import items, sides

SEARCHED = items([("b#0", ["car"]), ("a", ["car"]), ("c#0", ["hub"]), ("b", [])])


def ranking(query, *hits):
    return Ranking(query, list(hits), np.zeros(len(hits)), [None] * len(hits))


def test_hits_are_rows_and_then_places_of_candidates():
    hits = rankings.read([ranking("q#0", "b", "b#0"), ranking("b")], SEARCHED, "r")
    assert {query: rows.tolist() for query, rows in hits.items()} == {"q#0": [3, 0], "b": []}
    queries = items([("b", ["car"]), ("q#0", ["car"])])
    found = sides(queries, SEARCHED)
    boxes = found.candidates.take(found.candidates.kind == 1)  # b#0, c#0
    places = [
        [each.tolist() for each in rankings.places(hits, found.queries, candidates, 4)]
        for candidates in (found.candidates, boxes)
    ]
    assert places == [[[], [1, 2]], [[], [0]]]


def test_a_hit_of_something_else_is_refused():
    with pytest.raises(UserError, match=r"r: the hit 'z' of 'q' is not among the items"):
        rankings.read([ranking("q", "b", "z")], SEARCHED, "r")


def test_queries_come_from_the_first_file_that_has_them():
    other = items([("q#0", ["hub"]), ("a", ["lamp"])], occluded=np.zeros(2, np.bool_))
    found = rankings.queries_of(["q#0", "a", "b#0"], [SEARCHED, other], "r")
    assert [key.decode() for key in found.id] == ["q#0", "a", "b#0"]
    assert [found.labels.of(i) for i in range(3)] == [["hub"], ["car"], ["car"]]
    assert found.occluded is None
    assert rankings.queries_of(["q#0"], [SEARCHED, other], "r").occluded is not None
    with pytest.raises(UserError, match=r"r: no file has the item of 1 queries, such as 'x'"):
        rankings.queries_of(["a", "x"], [SEARCHED, other], "r")


def test_truth_says_which_items_are_boxes(tmp_path):
    (tmp_path / "t.csv").write_text("id,labels\na,car|hub\na#0,car\nb#1#2,\n")
    found, sha256 = truth.read(tmp_path / "t.csv")
    assert found.image.tolist() == [b"a", b"a", b"b#1"]
    assert found.kind.tolist() == [0, 1, 1]
    assert [found.labels.of(i) for i in range(3)] == [["car", "hub"], ["car"], []]
    assert len(sha256) == 64
    (tmp_path / "t.csv").write_text("image,id,label\np,q,car\np,p,car\n")
    found, _ = truth.read(tmp_path / "t.csv")
    assert found.kind.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,label\na,car\na,hub\n", "t.csv: the id 'a' is there twice"),
        ("name,label\na,car\n", "t.csv:1: no column 'id'"),
        ("id,label,x0\na,car,1\n", "t.csv: has the columns x0"),
    ],
)
def test_truth_that_is_none(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        truth.read(tmp_path / "t.csv")
