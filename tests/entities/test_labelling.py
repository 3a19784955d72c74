"""Labels to nodes: what is the same place, and that numbers go by the order of rows."""

import numpy as np
import polars as pl
import pytest

from hiertools.entities.joining import folds_of, hashes, places, repeated
from hiertools.entities.labelling import Paths, escape, sanitize
from hiertools.entities.spooling import Spool, TextSpool
from hiertools.entities.summing import MOST, UNIT, add_units, check_most, upward
from hiertools.errors import UserError


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (" São  Paulo", "são paulo", True),
        ("Sa\u0303o", "São", True),
        ("STRASSE", "Straße", True),
        ("São", "Sao", False),
        ("a/b", "a b", False),
    ],
)
def test_what_is_the_same_label(one, other, same):
    assert (sanitize(one) == sanitize(other)) is same


def test_no_label_can_look_like_a_path_or_a_missing_one():
    assert [escape(token) for token in ("a/b", "%", "a%2Fb")] == ["a%2Fb", "%25", "a%252Fb"]


def paths_of(rows, *, cut):
    paths = Paths(["top", "low"], {})
    columns = [pl.Series(column, dtype=pl.String) for column in zip(*rows, strict=True)]
    found = [
        paths.add([column[i : i + cut] for column in columns], lambda *_: None)
        for i in range(0, len(rows), cut)
    ]
    return paths, np.concatenate(found)


ROWS = [("B", "x"), ("a", ""), ("b ", "X"), ("", ""), ("", "x"), ("A", ""), ("B", "y")]


@pytest.mark.parametrize("cut", [1, 2, 7])
def test_nodes_are_numbered_as_they_come_whatever_the_batches(cut):
    paths, leaves = paths_of(ROWS, cut=cut)
    np.testing.assert_array_equal(leaves, [0, 1, 0, -1, 2, 1, 3])
    assert paths.levels[0].parent == [-1, -1, -1]
    assert paths.levels[1].parent == [0, 1, 2, 0]
    assert paths.levels[0].names == ["", "B", "a"]


def test_a_hash_does_not_depend_on_the_width_of_the_column():
    ids = np.array(["a", "bc", "é"], "U").astype("O")
    short = np.array([text.encode() for text in ids])
    np.testing.assert_array_equal(hashes(short), hashes(short.astype("S40")))
    # FNV-1a of "a" is 0xaf63dc4c8601ec8c (its authors' test vector), mixed as splitmix64 does
    x = 0xAF63DC4C8601EC8C
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> shift)) * factor % 2**64
    assert int(hashes(short)[0]) == x ^ (x >> 31)


def test_folds_are_of_equal_size():
    ids = np.arange(100_000).astype("S")
    counts = np.bincount(folds_of(hashes(ids), 3))
    assert counts.min() > 32_900


def spool(tmp_path, values):
    made = Spool(tmp_path / "out", np.uint64)
    made.append(np.array(values[:2], np.uint64))
    made.append(np.array(values[2:], np.uint64))
    return made


@pytest.mark.parametrize("rows", [2, 3, 100])
def test_a_join_finds_rows_in_any_order(tmp_path, monkeypatch, rows):
    monkeypatch.setattr("hiertools.entities.joining.ROWS", rows)
    wanted, table = spool(tmp_path, [5, 9, 7, 6, 1]), spool(tmp_path, [7, 8, 5, 6, 4, 1])
    found = places(wanted, table, tmp_path / "out")
    np.testing.assert_array_equal(found.read(0, 5), [2, -1, 0, 3, 5])


@pytest.mark.parametrize("rows", [2, 3, 100])
def test_a_repeated_id_is_found(tmp_path, monkeypatch, rows):
    monkeypatch.setattr("hiertools.entities.joining.ROWS", rows)
    assert repeated(spool(tmp_path, [5, 9, 7, 6, 1])) is None
    assert repeated(spool(tmp_path, [5, 9, 7, 6, 7, 5, 5])) == (2, 4)


def test_texts_on_disk_come_back(tmp_path):
    made = TextSpool(tmp_path / "out")
    for piece in (np.array([b"a", b"bcd"]), np.zeros(0, "S1"), np.array([b"e"])):
        made.append(piece)
    assert [bytes(text) for block in made.blocks() for text in block] == [b"a", b"bcd", b"e"]
    assert (made.at(1), made.at(2), made.width) == (b"bcd", b"e", 3)


def test_sums_do_not_depend_on_the_order():
    rng = np.random.default_rng(0)
    vectors, rows = rng.normal(size=(500, 5)).astype("f4"), rng.integers(0, 3, 500)
    sums, other = np.zeros((2, 3, 5), np.int64)
    assert add_units(vectors, rows, sums) == -1
    for i in rng.permutation(500):
        add_units(vectors[i : i + 1], rows[i : i + 1], other)
    np.testing.assert_array_equal(sums, other)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(sums[1] / UNIT, unit[rows == 1].sum(0), atol=1e-5)


def test_a_vector_without_direction_is_found_and_unused_rows_are_passed():
    vectors, sums = np.array([[1.0, 0], [0, 0], [0, 0]]), np.zeros((1, 2), np.int64)
    assert add_units(vectors, np.array([0, -1, 0]), sums) == 2
    np.testing.assert_array_equal(sums, [[2**40, 0]])


def test_sums_go_up_the_levels():
    leaf = np.array([[1], [2], [4], [8]])
    top, middle, low = upward(leaf, [np.array([0, 1, 1]), np.array([0, 1, 1, 2])], [2, 3, 4])
    assert (top.tolist(), middle.tolist()) == ([[1], [14]], [[1], [6], [8]])
    assert low is leaf


def test_the_largest_sum_of_equal_vectors_fits():
    assert MOST * int(UNIT) <= np.iinfo(np.int64).max < (MOST + 1) * int(UNIT)
    check_most(np.array([1, MOST]))
    with pytest.raises(UserError, match="has 8,388,608 items; an exact sum takes 8,388,607"):
        check_most(np.array([1, MOST + 1]))
