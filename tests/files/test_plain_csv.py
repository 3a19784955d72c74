from unittest import mock

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiertools.boxes import from_fractions, from_trillionths
from hiertools.files import csv, plain_csv
from hiertools.files.inputs import Source

HEADER = ["id", "x", "other", "label", "y", "flag"]
TYPES = {"id": pl.String, "label": pl.String, "y": pl.Float64, "x": pl.Float64, "flag": pl.Int8}

lightly = settings(deadline=None, max_examples=200)


def parse(text, lines=1, header=HEADER):
    return plain_csv.parse(text, lines, header, TYPES)


def line(id="a", x="0.1", other="", label="b", y="0.2", flag="0", end="\n"):
    return (",".join((id, x, other, label, y, flag)) + end).encode()


def numbers(found):
    return found.numbers.tolist()


def by_polars(number):
    """The corner that is made of a number in the ordinary way, None if it is none."""
    frame = csv._frame(line(x=number), HEADER, TYPES)
    value = frame["x"][0]
    return None if value is None else from_fractions(np.full((1, 4), value))[0, 0]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_columns_by_their_types(end):
    text = line("é", "0.25", "xyz", "l", "1", "-1", end) + line(
        "b", "9", "", "m", "-0.5", "12", end
    )
    found = parse(text, 2)
    assert {name: texts.to_list() for name, texts in found.texts.items()} == {
        "id": ["é", "b"],
        "label": ["l", "m"],
    }
    assert numbers(found) == [[10**12, 25 * 10**10], [-5 * 10**11, 9 * 10**12]]  # y, x
    assert {name: column.tolist() for name, column in found.small.items()} == {"flag": [-1, 12]}


@pytest.mark.parametrize(
    "number", ["0", "1", "-0", "0.1", "0.123456", "0.1234567", "1.000000", "0.999999999999",
               "0.000000000001", "9.999999", "0.1234564", "0.0624999999999999", "-0.123456"],
)  # fmt: skip
def test_numbers_are_exact(number):
    found = numbers(parse(line(x=number)))[0][1]
    assert found == round(float(number) * 1e12)
    assert from_trillionths(np.full((1, 4), found))[0, 0] == by_polars(number)


decimals = st.integers(0, 20).flatmap(
    lambda places: st.integers(-(10 ** (places + 1)), 10 ** (places + 1)).map(
        lambda whole: f"{whole / 10**places:.{places}f}"
    )
)
written = st.one_of(
    decimals,
    st.floats(-2, 11).map(repr),
    st.text(st.sampled_from("0123456789.-+e "), max_size=12),
    st.integers(0, 10**7).map(lambda n: f"0.{n:07}5"),
    st.integers(0, 10**6).map(lambda n: f"0.{n:06}4999999"),
    st.integers(0, 10**6).map(lambda n: f"0.{n:06}5000000"),
)


@lightly
@given(written)
def test_a_number_is_what_the_ordinary_way_makes_of_it_or_left_to_it(number):
    if (found := parse(line(x=number))) is not None:
        assert from_trillionths(found.numbers[:, [1] * 4])[0, 0] == by_polars(number)


@lightly
@given(st.text(st.sampled_from("019-+. ae\t"), max_size=4))
def test_a_small_number_is_what_the_ordinary_way_makes_of_it_or_left_to_it(number):
    if (found := parse(line(flag=number))) is not None:
        frame = csv._frame(line(flag=number), HEADER, TYPES)
        assert frame["flag"].to_list() == found.small["flag"].tolist()


@lightly
@given(st.lists(st.text(st.sampled_from('ab,"|ü日 \t.#-\r'), max_size=5), min_size=6, max_size=6))
def test_a_line_is_what_the_ordinary_way_makes_of_it_or_left_to_it(fields):
    text = (",".join(fields) + "\n").encode()
    if (found := plain_csv.parse(text, 1, HEADER, dict.fromkeys(HEADER, pl.String))) is not None:
        frame = csv._frame(text, HEADER, dict.fromkeys(HEADER, pl.String))
        assert {k: v.to_list() for k, v in found.texts.items()} == frame.to_dict(as_series=False)


@pytest.mark.parametrize(
    "text",
    [
        line(id='"a"'), line(id=""), line(label=""), line(x=""), line(x="nan"), line(x="1e-3"),
        line(x="10"), line(x=".5"), line(x="5."), line(x="+1"), line(x=" 1"), line(x="1.2.3"),
        line(x="--1"), line(x="-0.123456-1"), line(x="0.1234565000000001234"), line(flag="0.5"),
        line(x="0.12345678901234567890"), line(x="0.1234567890125"), line(flag="100"),
        line(flag=""), line(flag="x"), line(end="\r"), line(id="a\r"),
        line()[:-1] + b",\n", line()[:-3] + b"\n",
        b"a\n", b"\n" * 9, line(id="a").replace(b"a", b"\xe9"),
    ],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_the_ordinary_way(text):
    assert parse(text + line(), 2) is None
    assert parse(line() + text, 2) is None
    assert parse(text, 1) is None


def test_lines_of_two_kinds_of_ends_are_left_to_the_ordinary_way():
    assert parse(line() + line(end="\r\n"), 2) is None
    assert parse(line(end="\r\n") + line(), 2) is None


def test_plain_and_other_batches_come_in_order(tmp_path):
    path = tmp_path / "a.csv"
    rows = [line(id=f"i{i}" if i % 3 else f'"i{i}"', x=f"0.{i:03}") for i in range(200)]
    path.write_bytes(",".join(HEADER).encode() + b"\n" + b"".join(rows))
    with mock.patch.object(csv, "CHUNK_BYTES", 40):
        found = list(csv.read_quickly(Source(path), TYPES, {}, plain_csv.parse))
    ids = [
        id
        for rows in found
        for id in (rows.texts if isinstance(rows, plain_csv.PlainRows) else rows.frame)["id"]
    ]
    assert ids == [f"i{i}" for i in range(200)]
    assert len({type(rows) for rows in found}) == 2
