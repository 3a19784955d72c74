import random
from unittest import mock

import pytest

from hiertools.annotations import openimages
from hiertools.errors import UserError
from hiertools.files import csv
from hiertools.files.inputs import Source

ROW = {
    "ImageID": "a",
    "Source": "xclick",
    "LabelName": "/m/1",
    "Confidence": "1",
    "XMin": "0.1",
    "XMax": "0.3",
    "YMin": "0.2",
    "YMax": "0.4",
    "IsOccluded": "0",
    "IsTruncated": "1",
    "IsGroupOf": "0",
    "IsDepiction": "0",
    "IsInside": "0",
}
COLUMNS = list(ROW)


def text_of(*rows, columns=COLUMNS, end="\n"):
    lines = [columns, *([{**ROW, **row}[c] for c in columns] for row in rows)]
    return end.join(",".join(line) for line in lines) + end


def write(tmp_path, text):
    path = tmp_path / "boxes.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path):
    return list(openimages.read(Source(path)))


def boxes(path):
    return [
        (image, label, tuple(corners))
        for batch in read(path)
        for image, label, corners in zip(
            batch.images, batch.labels, batch.corners.tolist(), strict=True
        )
    ]


def test_the_13_columns(tmp_path):
    (batch,) = read(write(tmp_path, text_of({}, {"ImageID": "b", "LabelName": "/m/2"})))
    assert batch.images.to_list() == ["a", "b"]
    assert batch.labels.to_list() == ["/m/1", "/m/2"]
    assert batch.corners.tolist() == [[100_000, 200_000, 300_000, 400_000]] * 2
    assert {name: flag.tolist() for name, flag in batch.flags.items()} == {
        "occluded": [False, False],
        "truncated": [True, True],
        "group_of": [False, False],
        "depiction": [False, False],
        "inside": [False, False],
    }
    assert (batch.names, batch.listed) == ({}, [])


def test_columns_are_found_by_name_in_any_order_and_others_are_ignored(tmp_path):
    wanted = boxes(write(tmp_path, text_of({}, {"XMin": "0.05"})))
    needed = ["ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax"]
    rng = random.Random(0)
    for _ in range(5):
        columns = [*needed, "Source", "ClickX", "IsGroupOf"]
        rng.shuffle(columns)
        text = text_of({"ClickX": "nan"}, {"XMin": "0.05", "ClickX": ""}, columns=columns)
        path = write(tmp_path, text)
        assert boxes(path) == wanted
        assert list(read(path)[0].flags) == ["group_of"]
    assert read(write(tmp_path, text_of({}, columns=needed)))[0].flags == {}


def test_names_of_columns_may_have_blanks_around_them(tmp_path):
    columns = ",".join(COLUMNS)
    text = text_of({}).replace(columns, columns.replace(",", " , "))
    assert boxes(write(tmp_path, text)) == boxes(write(tmp_path, text_of({})))


def test_ids_are_text_whatever_they_look_like(tmp_path):
    ids = [
        "000000000000002f",
        "1e10",
        "007",
        "nan",
        "NaN",
        "null",
        "NA",
        "-1",
        "1.50",
        "true",
        "日本",
    ]
    path = write(tmp_path, text_of(*({"ImageID": i, "LabelName": i} for i in ids)))
    assert [(image, label) for image, label, _ in boxes(path)] == [(i, i) for i in ids]


@pytest.mark.parametrize(("value", "flag"), [("1", True), ("0", False), ("-1", False)])
def test_a_flag_is_set_by_1_only(tmp_path, value, flag):
    row = dict.fromkeys(openimages.FLAGS.values(), value)
    (batch,) = read(write(tmp_path, text_of(row)))
    assert sorted(batch.flags) == ["depiction", "group_of", "inside", "occluded", "truncated"]
    assert [found.tolist() for found in batch.flags.values()] == [[flag]] * 5


@pytest.mark.parametrize("column", ["XMin", "XMax", "YMin", "YMax"])
@pytest.mark.parametrize("value", ["nan", "NaN", "inf", "-inf", "", "x", "0.5x", "1e999", "0x1"])
def test_a_value_that_is_no_number_is_refused_with_file_and_line(tmp_path, column, value):
    path = write(tmp_path, text_of({}, {}, {column: value}, {}))
    with pytest.raises(UserError) as error:
        read(path)
    assert str(error.value) == f"{path}:4: {column} is {value!r}, not a number"


@pytest.mark.parametrize("value", ["", "x", "nan", "0.5", "300"])
def test_a_flag_that_is_no_number_is_refused_with_file_and_line(tmp_path, value):
    path = write(tmp_path, text_of({}, {"IsGroupOf": value}))
    with pytest.raises(UserError) as error:
        read(path)
    assert str(error.value) == f"{path}:3: IsGroupOf is {value!r}, not a number"


def test_lines_are_counted_over_batches(tmp_path):
    path = write(tmp_path, text_of(*[{}] * 40, {"YMax": "bad"}, *[{}] * 40))
    with mock.patch.object(csv, "CHUNK_BYTES", 100), pytest.raises(UserError, match=r":42: YMax"):
        read(path)


def test_the_same_column_is_named_first_each_time(tmp_path):
    path = write(tmp_path, text_of({"YMax": "bad"}, {"XMin": "worse", "IsInside": "?"}))
    with pytest.raises(UserError, match=r":3: XMin is 'worse'"):
        read(path)


@pytest.mark.parametrize("column", ["ImageID", "LabelName"])
def test_an_empty_id_is_refused(tmp_path, column):
    path = write(tmp_path, text_of({}, {column: ""}))
    with pytest.raises(UserError, match=rf"boxes\.csv:3: {column} is empty"):
        read(path)


@pytest.mark.parametrize("column", ["ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax"])
def test_a_missing_column_is_named(tmp_path, column):
    path = write(tmp_path, text_of({}, columns=[c for c in COLUMNS if c != column]))
    with pytest.raises(UserError, match=rf"boxes\.csv:1: no column '{column}'; the columns are "):
        read(path)


@pytest.mark.parametrize("column", ["XMin", "IsGroupOf"])
def test_a_column_that_is_there_twice_is_refused(tmp_path, column):
    path = write(tmp_path, text_of({}, columns=[*COLUMNS, column]))
    with pytest.raises(UserError, match=rf"boxes\.csv:1: more than one column '{column}'"):
        read(path)


@pytest.mark.parametrize(
    ("line", "fields"),
    [("a,xclick,/m/1,1,0.1,0.3,0.2", 7), ("a", 1), ("", 0), (",".join("a" * 14), 14)],
)
def test_a_line_of_another_length_is_refused(tmp_path, line, fields):
    path = write(tmp_path, text_of({}) + line + "\n" + text_of({}).partition("\n")[2])
    with pytest.raises(
        UserError, match=rf":3: has {fields} fields, the header 13; is the file cut"
    ):
        read(path)


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    text = text_of({}, {}, {})
    path = write(tmp_path, text[:-9])
    with pytest.raises(UserError, match=r":4: has \d+ fields, the header 13; is the file cut off"):
        read(path)


@pytest.mark.parametrize("tail", ["", "\n", "\n\n\n", "\r\n"])
def test_the_end_of_the_file_may_be_blank_or_have_no_line_break(tmp_path, tail):
    path = write(tmp_path, text_of({}, {"ImageID": "b"}).rstrip("\n") + tail)
    assert [image for image, _, _ in boxes(path)] == ["a", "b"]


def test_windows_text_reads_the_same(tmp_path):
    wanted = boxes(write(tmp_path, text_of({}, {"ImageID": "b"})))
    text = b"\xef\xbb\xbf" + text_of({}, {"ImageID": "b"}, end="\r\n").encode()
    path = write(tmp_path, text)
    assert boxes(path) == wanted
    assert read(path)[0].flags["inside"].tolist() == [False, False]
    assert openimages.sniff(Source(path))


def test_quoted_fields(tmp_path):
    path = write(tmp_path, text_of({"ImageID": '"a,b"', "LabelName": '"say ""x"""'}, {}))
    assert [(i, label) for i, label, _ in boxes(path)] == [("a,b", 'say "x"'), ("a", "/m/1")]


def test_text_that_is_not_utf_8_is_refused_with_its_line(tmp_path):
    text = text_of({}, {"ImageID": "CAFE"}).encode().replace(b"CAFE", b"caf\xe9")
    with pytest.raises(UserError, match=r"boxes\.csv:3: is not UTF-8"):
        read(write(tmp_path, text))


def test_a_header_alone_has_no_boxes(tmp_path):
    assert boxes(write(tmp_path, text_of())) == []


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (",".join(COLUMNS), True),
        ("XMin,YMin,LabelName,ImageID,XMax,YMax", True),
        ("ImageID", False),
        ('{"images": []}', False),
        ("label,name", False),
        ("a,b\nImageID,c", False),
    ],
)
def test_what_is_taken_for_this_format(tmp_path, head, found):
    assert openimages.sniff(Source(write(tmp_path, head + "\n"))) is found
