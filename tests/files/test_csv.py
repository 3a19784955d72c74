"""CSV: columns by name, text as it stands, lines by their number, whatever the size of pieces."""

import gzip
import warnings

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hiertools.errors import UserError
from hiertools.files import csv
from hiertools.files.inputs import Source
from tests.strategies import LIKE_NUMBERS

NEEDED = {"id": pl.String, "x": pl.Float64}
OPTIONAL = {"flag": pl.Int8, "note": pl.String}
SIZES = [1, 2, 3, 5, 7, 8, 13, 64, 1 << 24]


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read CSV text in pieces of a size; return its rows, each with its line."""

    def run(text, size=1 << 24, needed=None, optional=None):
        path = tmp_path / "a.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        monkeypatch.setattr(csv, "CHUNK_BYTES", size)
        found = []
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for batch in csv.read(Source(path), needed or NEEDED, optional or OPTIONAL):
                lines = range(batch.first_line, batch.first_line + len(batch.frame))
                found += zip(lines, batch.frame.rows(named=True), strict=True)
        return found

    return run


def row(line, name, x, **more):
    return (line, {"id": name, "x": x, **more})


def test_columns_are_found_by_name_in_any_order(read):
    expected = [row(2, "a", 1.0), row(3, "b", -0.5)]
    assert read("id,x\na,1\nb,-.5\n") == expected
    assert read("x,id\n1,a\n-5e-1,b\n") == expected
    assert read("more,x,y,id,z\n?,1,,a,\n,-0.50,3,b,9\n") == expected
    assert read(' id , "x"\na,1\nb,-.5\n'.replace(' "x"', '"x"')) == expected


def test_optional_columns_are_those_that_are_there(read):
    assert read("note,id,x,flag\n,a,1,-1\n") == [row(2, "a", 1.0, note="", flag=-1)]


def test_ids_that_look_like_numbers_stay_text(read):
    lines = [f"{name},{name}\n" for name in LIKE_NUMBERS]
    found = read("id,note,x\n" + "".join(line[:-1] + ",1\n" for line in lines))
    assert [values["id"] for _, values in found] == LIKE_NUMBERS
    assert [values["note"] for _, values in found] == LIKE_NUMBERS


@pytest.mark.parametrize("size", SIZES)
def test_pieces_give_what_the_whole_gives(read, size):
    text = "x,id\r\n" + "".join(f"{i / 8},id {i}\r\n" for i in range(20)) + '3,"a,""b"""\n4,ü日'
    expected = [row(i + 2, f"id {i}", i / 8) for i in range(20)]
    expected += [row(22, 'a,"b"', 3.0), row(23, "ü日", 4.0)]
    assert read(text, size) == expected
    assert read(gzip.compress(text.encode()), size) == expected


def test_a_batch_is_given_before_the_file_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(csv, "CHUNK_BYTES", 10)
    path = tmp_path / "a.csv"
    path.write_text("id,x\n" + "abc,1\n" * 100)
    source = Source(path)
    first = next(iter(csv.read(source, NEEDED, {})))
    assert len(first.frame) == 1
    assert len(source.read()) > 500


fields = st.text(st.sampled_from('ab,"|ü日 \t.#-'), max_size=6)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(fields, st.integers(-(10**6), 10**6)), min_size=1), st.integers(1, 40))
def test_every_field_comes_back(read, rows, size):
    quoted = ((name.replace('"', '""'), number) for name, number in rows)
    text = "id,x\n" + "".join(f'"{name}",{number}\n' for name, number in quoted)
    assert read(text, size) == [row(i, name, n) for i, (name, n) in enumerate(rows, 2)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("end", ["", "\n", "\n\n\n", "\r\n\r\n", "\n \n\n", "\n\r\n\n"])
def test_blank_lines_at_the_end_are_no_rows(read, size, end):
    if end == "\n \n\n":
        with pytest.raises(UserError, match=r"a\.csv:4: has 1 fields, the header 2"):
            read("id,x\na,1\nb,2" + end, size)
    else:
        assert read("id,x\na,1\nb,2" + end, size) == [row(2, "a", 1.0), row(3, "b", 2.0)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("", "has 0 fields, the header 2; is the file cut off?"),
        ("c", "has 1 fields, the header 2; is the file cut off?"),
        ("c,1,2", "has 3 fields, the header 2; is the file cut off?"),
        ('"c', "has a quote without its other end"),
        ('c"d,3', "has a quote without its other end"),
        ('"c"d,3', "is not a line of CSV"),
        ('"c,3"', "has 1 fields, the header 2; is the file cut off?"),
    ],
)
def test_a_line_in_the_middle_that_is_no_row_is_named(read, size, end, bad, message):
    lines = ["id,x", "a,1", '"b,",2', bad, "d,3", "e,4", ""]
    with pytest.raises(UserError, match=r"a\.csv:4: ") as caught:
        read(end.join(lines), size)
    assert message in str(caught.value)


@pytest.mark.parametrize("size", SIZES)
def test_a_short_and_a_long_line_do_not_make_up_for_each_other(read, size):
    with pytest.raises(UserError, match=r"a\.csv:3: has 2 fields, the header 3"):
        read("id,x,y\na,1,2\nb,1\nc,2,3,4\n", size)
    with pytest.raises(UserError, match=r"a\.csv:3: has 4 fields, the header 3"):
        read("id,x,y\na,1,2\nb,1,3,4\nc,2\n", size)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("wanted", ["id", "x", "y", "z"])
def test_lines_are_checked_whichever_column_is_last_and_wanted(read, size, wanted):
    """What polars fills up or cuts off in the columns that it reads must not go unseen."""
    types = {wanted: pl.Float64 if wanted == "x" else pl.String}
    whole = ["a,1,b,c", "d,2,e,", "f,3,,", "g,4,h,i"]
    text = "id,x,y,z\n" + "\n".join(whole) + "\n"
    column = ["id", "x", "y", "z"].index(wanted)
    values = [line.split(",")[column] for line in whole]
    assert [str(v[wanted]).removesuffix(".0") for _, v in read(text, size, types)] == values
    for bad, found in (("d,2,e", 3), ("d,2", 2), ("", 0), ("d,2,e,,", 5), ("d,2,e,f,g", 5)):
        for other in ("f,3,g,h,i", "f,3,g", "f,3,g,"):  # that may make up for it
            lines = ["id,x,y,z", "a,1,b,c", bad, other, "g,4,h,i", ""]
            with pytest.raises(UserError, match=f":3: has {found} fields, the header 4"):
                read("\n".join(lines), size, types)


lines_of_commas = st.lists(st.text("ab,", max_size=6), min_size=1, max_size=6)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines_of_commas, st.integers(1, 3), st.sampled_from([1, 5, 1 << 24]))
def test_a_line_passes_only_with_as_many_fields_as_the_header(read, lines, commas, size):
    lines = ["a" + "," * commas, *lines, "b" + "," * commas]
    types = {"0": pl.String}
    text = ",".join(map(str, range(commas + 1))) + "\n" + "\n".join(lines) + "\n"
    wrong = [i for i, line in enumerate(lines, 2) if line.count(",") != commas]
    if wrong:
        with pytest.raises(UserError, match=rf"a\.csv:{wrong[0]}: has \d fields"):
            read(text, size, types)
    else:
        firsts = [line.partition(",")[0] for line in lines]
        assert [values["0"] for _, values in read(text, size, types)] == firsts


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "text", ['id,x,y\na,1,"two\nlines"\nb,2,3\n', 'id,x,y\na,1,"p\nq,2,r"\nb,2,3\n']
)
def test_a_line_break_within_quotes_is_refused(read, size, text):
    with pytest.raises(UserError, match=r"a\.csv:2: has a quote without its other end"):
        read(text, size)


def test_quotes_that_come_in_pairs_are_kept(read):
    assert read('id,x\na"b"c,1\n"",2\n') == [row(2, 'a"b"c', 1.0), row(3, "", 2.0)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bad", ["one", "", " ", "1_0", "0x1", "1,5", "--1"])
def test_a_field_that_is_no_number_is_null_and_can_be_named(tmp_path, monkeypatch, size, bad):
    monkeypatch.setattr(csv, "CHUNK_BYTES", size)
    path = tmp_path / "a.csv"
    path.write_text(f'x,id\n1,a\n2,b\n"{bad}",c\n4,d\n')
    seen = 0
    for batch in csv.read(Source(path), NEEDED, {}):
        missing = batch.frame["x"].is_null()
        seen += missing.sum()
        if missing.any():
            place = missing.arg_max()
            error = batch.complaint(place, f"x is {batch.field(place, 'x')}")
            assert str(error) == f"{path}:4: x is {bad!r}"
    assert seen == 1


@pytest.mark.parametrize("size", SIZES)
def test_a_line_that_is_not_utf8_is_named(read, size):
    for text in (b"id,x\na,1\nb\xff,2\nc,3\n", b"id,x,y\na,1,\nb,2,\xff\n"):
        with pytest.raises(UserError, match=r"a\.csv:3: is not UTF-8 text"):
            read(text, size)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id,y", "no column 'x'; the columns are id, y"),
        ("x,id,x", "more than one column 'x'; the columns are x, id, x"),
        ("id;x", "no column 'id'"),
        ("ID,X", "no column 'id'"),
        ("", "no column 'id'"),
        ("id,x,note,note", "more than one column 'note'"),
        ('id,"x', "has a quote without its other end"),
        ("id,x\ra,1\rb,2", "is not a line of CSV: new-line character"),
        ("\xff", "no column 'id'"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(read, header, message):
    with pytest.raises(UserError, match=r"a\.csv:1: ") as caught:
        read(header + "\na,1\n")
    assert message in str(caught.value)


def test_a_header_that_is_not_utf8_or_endless_is_refused(read):
    with pytest.raises(UserError, match=r"a\.csv:1: is not UTF-8 text"):
        read(b"id,\xff\na,1\n")
    with pytest.raises(UserError, match=r"a\.csv:1: a first line of over 64 KiB"):
        read("id,x," * 20_000)


def test_a_byte_order_mark_is_no_part_of_the_first_column(read):
    assert read(b"\xef\xbb\xbfid,x\r\na,1\r\n") == [row(2, "a", 1.0)]


@pytest.mark.parametrize("text", ["id,x", "id,x\n", "id,x\r\n\r\n"])
def test_a_header_alone_has_no_rows(read, text):
    assert read(text) == []


def test_one_column_may_have_empty_fields(read):
    for size in SIZES:
        found = read("id\na\n\nb\n\n", size, {"id": pl.String})
        assert found == [(2, {"id": "a"}), (3, {"id": ""}), (4, {"id": "b"})]


def test_a_folder_is_no_csv(tmp_path):
    with pytest.raises(UserError, match="is a folder; a CSV file is needed"):
        list(csv.read(Source(tmp_path), NEEDED, {}))


@pytest.mark.parametrize(("start", "kind"), [(b"\x89HDF\r\n\x1a\n", "HDF5"), (b'{"a": 1}', "JSON")])
def test_other_kinds_are_named(tmp_path, start, kind):
    (tmp_path / "x.csv").write_bytes(start + b"rest\n1,2\n")
    with pytest.raises(UserError, match=rf"x\.csv: is {kind}; a CSV file is needed"):
        next(csv.read(Source(tmp_path / "x.csv"), {"a": pl.String}, {}))
