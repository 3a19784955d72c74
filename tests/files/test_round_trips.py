"""What is written is what is read, whatever it holds, and the same input gives the same bytes."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from hiertools.files import counts, hierarchy, index, kinds, rejects
from hiertools.files.embeddings import read_embeddings, write_embeddings
from hiertools.files.items import Items, decode, encode, label_sets
from hiertools.files.pairs import read_pairs, write_pairs
from tests import strategies

META = {"encoder": "lite0", "dimension": 3}
few = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def written(tmp_path, name, write):
    """Write a file twice, check it, and return its path."""
    path, again = tmp_path / name, tmp_path / f"again-{name}"
    write(path)
    write(again)
    assert path.read_bytes() == again.read_bytes()
    kind, version, _ = kinds.header(path)
    assert kinds.check(path, full=True) == kind
    assert version == (index.VERSION if kind == "index" else 1)
    assert kinds.KINDS[kind].describe(path)
    return path


def assert_same_items(found, table):
    assert found.columns().keys() == table.columns().keys()
    for name, column in table.columns().items():
        np.testing.assert_array_equal(getattr(found, name), column, strict=len(table) > 0)
    assert (found.labels is None) == (table.labels is None)
    if table.labels is not None:
        for field in fields(table.labels):
            np.testing.assert_array_equal(
                getattr(found.labels, field.name), getattr(table.labels, field.name)
            )


@few
@given(strategies.embeddings(), strategies.documents, strategies.chains)
def test_embeddings(tmp_path, drawn, meta, chain):
    vectors, table = drawn

    def write(path):
        write_embeddings(
            path, [vectors[:2], vectors[2:]], vectors.shape[1], table,
            meta=meta, chain=chain, overwrite=True,
        )  # fmt: skip

    path = written(tmp_path, "e.h5", write)
    found = read_embeddings(path)
    np.testing.assert_array_equal(found.vectors, vectors, strict=True)
    np.testing.assert_array_equal(np.signbit(found.vectors), np.signbit(vectors))
    assert_same_items(found.items, table)
    assert (found.meta, found.chain) == (meta, chain)
    assert kinds.header(path)[2] == chain


@few
@given(strategies.pairs())
def test_pairs(tmp_path, pairs):
    path = written(
        tmp_path, "p.h5", lambda path: write_pairs(path, pairs, chain=pairs.chain, overwrite=True)
    )
    found = read_pairs(path)
    np.testing.assert_array_equal(found.parent, pairs.parent)
    np.testing.assert_array_equal(found.child, pairs.child)
    assert_same_items(found.items, pairs.items)
    assert (found.meta, found.chain) == (pairs.meta, pairs.chain)


@few
@given(strategies.hierarchies())
def test_hierarchies(tmp_path, drawn):
    def write(path):
        hierarchy.write_hierarchy(path, drawn, chain=drawn.chain, overwrite=True)

    assert hierarchy.read_hierarchy(written(tmp_path, "h.json", write)) == drawn


@few
@given(strategies.counts())
def test_counts(tmp_path, drawn):
    def write(path):
        counts.write_counts(path, drawn, chain=drawn.chain, overwrite=True)

    assert counts.read_counts(written(tmp_path, "c.json", write)) == drawn


@few
@given(strategies.rejects, strategies.chains)
def test_rejects(tmp_path, drawn, chain):
    def write(path):
        rejects.write_rejects(path, drawn, chain=chain, overwrite=True)

    header, lines = rejects.read_rejects(written(tmp_path, "r.jsonl", write))
    assert lines == drawn
    assert header == {"kind": "rejects", "version": 1, "provenance": chain}


@pytest.mark.parametrize("block_rows", [1, 7, 100, 1000])
def test_the_same_vectors_in_other_blocks_give_the_same_bytes(tmp_path, block_rows):
    vectors = np.random.default_rng(0).normal(size=(1000, 600)).astype(np.float32)
    table = Items(encode([str(i) for i in range(1000)]))
    for name, step in (("a", 333), ("b", block_rows)):
        blocks = (vectors[row : row + step] for row in range(0, 1000, step))
        write_embeddings(tmp_path / name, blocks, 600, table, meta=META, chain=[], overwrite=False)
    kinds.check(tmp_path / "b", full=True)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("rows", [0, 1])
@pytest.mark.parametrize("dimension", [0, 1])
def test_an_empty_matrix_is_a_matrix(tmp_path, rows, dimension):
    vectors, table = np.ones((rows, dimension), np.float32), Items(encode(["a"][:rows]))
    path = tmp_path / "e.h5"
    write_embeddings(path, [vectors], dimension, table, meta=META, chain=[], overwrite=False)
    kinds.check(path, full=True)
    np.testing.assert_array_equal(read_embeddings(path).vectors, vectors, strict=True)


def test_vectors_are_a_memory_map_of_the_file(tmp_path):
    path, vectors = tmp_path / "e.h5", np.eye(3, dtype=np.float32)
    table = Items(encode(["a", "b", "c"]))
    write_embeddings(path, [vectors], 3, table, meta=META, chain=[], overwrite=False)
    found = read_embeddings(path).vectors
    assert isinstance(found, np.memmap)
    assert path.read_bytes()[found.offset :][: vectors.nbytes] == vectors.tobytes()


@pytest.mark.parametrize("text", strategies.LIKE_NUMBERS + strategies.ODD)
def test_ids_stay_the_text_that_they_are(tmp_path, text):
    path = tmp_path / "e.h5"
    table = Items(encode([text, "other"]), labels=label_sets([[text], []]))
    write_embeddings(
        path, [np.zeros((2, 1), np.float32)], 1, table, meta=META, chain=[], overwrite=False
    )
    found = read_embeddings(path).items
    assert [decode(value) for value in found.id] == [text, "other"]
    assert found.labels.of(0) == [text]


@few
@given(strategies.items(), strategies.items())
def test_rows_that_are_taken_keep_their_columns(first, second):
    rows = np.arange(len(first))[::-1]
    there_and_back = first.take(rows).take(rows)
    assert_same_items(there_and_back, first)
    kept = rows % 2 == 0
    np.testing.assert_array_equal(first.take(kept).id, first.id[np.flatnonzero(kept)])


@pytest.mark.parametrize("bad", ["a\0b", "x" * 1025, "half \ud800"])
def test_text_that_cannot_be_an_id_is_refused(bad):
    with pytest.raises(kinds.UserError):
        encode([bad])


def test_a_document_keeps_a_file_name_that_is_not_utf8(tmp_path):
    path, odd = tmp_path / "h.json", "\udcff.csv"
    empty = hierarchy.Hierarchy([], [], [], [], {"files": [odd]}, {}, {}, "path")
    hierarchy.write_hierarchy(path, empty, chain=[{"argv": [odd]}], overwrite=False)
    found = hierarchy.read_hierarchy(path)
    assert found == replace(empty, source={"files": ["?.csv"]}, chain=[{"argv": ["?.csv"]}])
