"""masks: what is written comes back, what others write is read, and bad lines are named."""

import json
import re
from pathlib import Path

import pytest

from hiertools.errors import OutputExistsError, UserError
from hiertools.files import kinds
from hiertools.files.masks import check, describe, read_masks, write_masks

SQUARE = [[1, 1], [5.5, 1], [5.5, 4]]
LINES = [
    {"query": "q", "image": "a", "rank": 3, "polygons": [SQUARE, SQUARE], "size": [6, 8]},
    {"query": "q", "image": "b", "polygons": []},
    {"query": "r", "image": "a", "rle": {"size": [2, 3], "counts": [1, 4, 1]}, "level": "hard"},
    {"query": "r", "image": "b", "rle": {"size": [2, 3], "counts": "11O"}, "size": [2, 3]},
]


def save(path, lines=LINES, **more):
    write_masks(path, lines, chain=[], overwrite=True, **more)
    return path


def foreign(path, *lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def mask(**more):
    """Return a line that is a mask, but for what is changed; None is for a key that is not there.

    A mask of a run-length encoding has no polygons unless they are given.
    """
    made = {"query": "q", "image": "a", "polygons": [SQUARE], **more}
    if "rle" in more and "polygons" not in more:
        del made["polygons"]
    return {key: value for key, value in made.items() if value is not None}


def test_what_is_written_comes_back(tmp_path):
    header, found = read_masks(save(tmp_path / "m.jsonl"))
    assert header == {"kind": "masks", "version": 1, "provenance": []}
    assert [(one.query, one.image) for one in found] == [
        (line["query"], line["image"]) for line in LINES
    ]
    corners = [(1.0, 1.0), (5.5, 1.0), (5.5, 4.0)]
    assert found[0].polygons == [corners, corners]
    assert found[1].polygons == []
    assert [one.rle for one in found] == [None, None, LINES[2]["rle"], LINES[3]["rle"]]
    assert [one.size for one in found] == [(6, 8), None, (2, 3), (2, 3)]
    assert [one.rank for one in found] == [3, None, None, None]
    assert [one.level for one in found] == [None, None, "hard", None]
    assert [one.place for one in found] == ["line 2", "line 3", "line 4", "line 5"]
    save(
        tmp_path / "again.jsonl",
        [json.loads(line) for line in (tmp_path / "m.jsonl").read_text().splitlines()[1:]],
    )
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "m.jsonl").read_bytes()


def test_a_file_of_another_program_needs_no_header(tmp_path):
    flat = mask(polygons=[[1, 1, 5.5, 1, 5.5, 4]])
    header, found = read_masks(foreign(tmp_path / "m.jsonl", flat, mask(image="b")))
    assert header == {}
    assert found[0].polygons == found[1].polygons
    assert [one.place for one in found] == ["line 1", "line 2"]


def test_it_is_a_kind_that_is_checked_and_described(tmp_path):
    path = save(tmp_path / "m.jsonl")
    check(path, full=True)
    assert describe(path) == {"masks": 4, "queries": 2, "levels": {"hard": 1}}
    assert kinds.header(path)[:2] == ("masks", 1)
    assert describe(save(tmp_path / "n.jsonl", LINES[:2])) == {"masks": 2, "queries": 1}
    assert describe(save(tmp_path / "none.jsonl", [])) == {"masks": 0, "queries": 0}


def test_a_corner_may_be_a_pixel_outside_as_edges_are_counted_in_two_ways(tmp_path):
    line = mask(polygons=[[[-1, -1], [9, -1], [9, 7]]], size=[6, 8])
    assert read_masks(foreign(tmp_path / "m.jsonl", line))[1][0].size == (6, 8)


def test_an_old_file_stays_if_a_line_cannot_be_written(tmp_path):
    path = save(tmp_path / "m.jsonl")
    before = path.read_bytes()
    with pytest.raises(OutputExistsError):
        write_masks(path, LINES, chain=[], overwrite=False)

    def broken():
        yield LINES[0]
        raise UserError("no more")

    with pytest.raises(UserError, match="no more"):
        write_masks(path, broken(), chain=[], overwrite=True)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["m.jsonl"]


WRONG = [
    (mask(polygons=None), "a mask is either polygons or rle"),
    (mask(polygons=[], rle={"size": [2, 3], "counts": [6]}), "a mask is either polygons or rle"),
    (mask(query=None), "'query'"),
    (mask(query=3), "query is not text"),
    (mask(image=None), "'image'"),
    (mask(polygons="x"), "polygons is not a list"),
    (mask(polygons=[[[1, 1], [2, 2]]]), "a polygon is not three corners or more"),
    (mask(polygons=[[1, 1, 2, 2, 3]]), "a polygon is not three corners or more"),
    (mask(polygons=[[1, 1, 2, 2, 3, 3, 4]]), "a polygon is not three corners or more"),
    (mask(polygons=[[]]), "a polygon is not three corners or more"),
    (mask(polygons=[7]), "a polygon is not three corners or more"),
    (mask(polygons=[[[1, 1], [2, 2], [3, "x"]]]), "a polygon is not three corners or more"),
    (mask(polygons=[[[1, 1], [2, 2], [3, True]]]), "a polygon is not three corners or more"),
    (mask(polygons=[[[1, 1], [2, 2], [3, 3, 3]]]), "a polygon is not three corners or more"),
    (mask(polygons=[[[1, 1], [2, 2], [-1.5, 3]]]), "the corner -1.5, 3 is outside of the image"),
    (mask(polygons=[SQUARE], size=[6, 4]), "the corner 5.5, 1 is outside of the image"),
    (mask(polygons=[SQUARE], size=[2, 9]), "the corner 5.5, 4 is outside of the image"),
    (mask(rank=0), "ranks are from 1"),
    (mask(rank="first"), "rank is not a whole number"),
    (mask(size=[6]), r"size is not \[height, width\]"),
    (mask(size=[6, 8.0]), r"size is not \[height, width\]"),
    (mask(size=[0, 8]), r"size is not \[height, width\]"),
    (mask(size=[6, 1 << 20]), r"size is not \[height, width\]"),
    (mask(size=[True, 8]), r"size is not \[height, width\]"),
    (mask(size="6x8"), "size is not a list"),
    (mask(rle="x"), "rle is not an object"),
    (mask(rle={"counts": [6]}), "'size'"),
    (mask(rle={"size": [2, 3, 1], "counts": [6]}), r"size is not \[height, width\]"),
    (mask(rle={"size": [2, 3], "counts": [6]}, size=[3, 2]), "and that of rle is"),
    (mask(rle={"size": [2, 3], "counts": [5]}), "counts of rle do not add up to its pixels"),
    (mask(rle={"size": [2, 3], "counts": [7, -1]}), "counts of rle do not add up to its pixels"),
    (mask(rle={"size": [2, 3], "counts": [5, True]}), "counts of rle do not add up to its pixels"),
    (mask(rle={"size": [2, 3], "counts": [6.0]}), "counts of rle do not add up to its pixels"),
    (mask(rle={"size": [2, 3], "counts": "é"}), "counts of rle are neither text nor a list"),
    (mask(rle={"size": [2, 3], "counts": 6}), "counts of rle are neither text nor a list"),
    (mask(rle={"size": [2, 3]}), "counts of rle are neither text nor a list"),
    (mask(level="middling"), "level is not one of easy, medium, hard, junk"),
    (mask(level=None, image="first"), "the image 'first' of 'q' is there twice"),
]


@pytest.mark.parametrize(("line", "message"), WRONG)
@pytest.mark.parametrize("headed", [True, False])
def test_the_first_line_that_is_none_is_named(tmp_path, line, message, headed):
    first = mask(image="first")
    path = tmp_path / "m.jsonl"
    if headed:
        save(path, [first, line, {}])
    else:
        foreign(path, first, line, {})
    with pytest.raises(UserError, match=message) as raised:
        read_masks(path)
    assert re.match(rf"{path}: line {3 if headed else 2}\b", str(raised.value))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ('{"kind": "results", "version": 1, "provenance": []}\n', "is a results file"),
        ('{"kind": "masks", "version": 2, "provenance": []}\n', "version 2"),
        ('{"kind": "masks", "version": 1}\n', "'provenance'"),
        ("[1]\n", r"m\.jsonl"),
        ("{\n", r"m\.jsonl"),
        ('{"query": NaN}\n', r"m\.jsonl"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, text, message):
    path = Path(tmp_path / "m.jsonl")
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_masks(path)
