"""index.h5: points, items, head and structure come back; what does not fit together is refused."""

import hashlib

import h5py
import numpy as np
import pytest
from hypothesis import given

from hiertools.errors import UserError
from hiertools.files import kinds
from hiertools.files.index import describe, read_index, write_index
from hiertools.files.items import Items, encode
from tests import strategies
from tests.files.test_model import assert_same_arrays, edit
from tests.files.test_round_trips import assert_same_items, few, written

POINTS = np.arange(6, dtype=np.float32).reshape(3, 2)
TABLE = Items(encode(["a", "b", "c"]), kind=np.array([0, 1, 1], np.uint8))
HEAD = {"head.weight": np.ones((2, 4), np.float32), "log_c": np.array(0.5, np.float32)}
META = {
    "task": "parts", "geometry": "lorentz", "c": 1.5, "features": 4, "dimension": 2,
    "encoder": "lite0", "digest": "0" * 64, "preprocess": {}, "output": "embedding",
    "model": "1" * 64, "method": "hnsw", "by": "cosine", "structure": {"m": 32},
}  # fmt: skip
PLAIN = {"task": "plain", "geometry": "euclidean", "c": 1.0, "model": None}


def save(path, *, points=POINTS, table=TABLE, head=HEAD, graph=b"graph", **meta):
    write_index(
        path, [points[:1], points[1:]], table, head=head, structure=graph, meta=META | meta,
        chain=[], overwrite=True,
    )  # fmt: skip
    return path


def sample(path):
    return save(path)


@few
@given(strategies.indexes(), strategies.chains)
def test_indexes(tmp_path, drawn, chain):
    points, table, head, structure, meta = drawn

    def write(path):
        write_index(
            path, [points[:2], points[2:]], table, head=head, structure=structure, meta=meta,
            chain=chain, overwrite=True,
        )  # fmt: skip

    found = read_index(written(tmp_path, "i.h5", write))
    np.testing.assert_array_equal(found.points, points, strict=True)
    assert_same_items(found.items, table)
    assert_same_arrays(found.head, head)
    assert (found.structure, found.chain) == (structure, chain)
    sha256 = {"sha256": hashlib.sha256(structure).hexdigest()} if structure else {}
    rows = {"rows": len(table), "structure": meta["structure"] | sha256}
    assert found.meta == meta | rows


def test_points_are_a_memory_map(tmp_path):
    found = read_index(save(tmp_path / "i.h5"))
    assert isinstance(found.points, np.memmap)
    np.testing.assert_array_equal(found.points, POINTS, strict=True)


def test_an_index_without_model_and_structure(tmp_path):
    path = save(tmp_path / "i.h5", head={}, graph=b"", **PLAIN, method="exact", structure={})
    assert kinds.check(path, full=True) == "index"
    assert (read_index(path).head, read_index(path).structure) == ({}, b"")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "geo"}, "meta: task is not one of parts, classes, plain"),
        ({"geometry": "sphere"}, "meta: geometry is not one of lorentz, euclidean"),
        ({"c": 0}, "meta: c is not above 0"),
        ({"method": "lsh"}, "meta: method is not one of exact, flat, ivf, hnsw"),
        ({"by": "angle"}, "meta: by is not one of cosine, distance"),
        ({"features": -1}, "meta: features is not a whole number"),
        ({"encoder": None}, "meta: encoder is not text"),
        ({"preprocess": None}, "meta: preprocess is not an object"),
        ({"structure": None, "graph": b""}, "meta: structure is not an object"),
        ({"structure": {"sha256": "0"}, "graph": b""}, "the structure is not that of"),
        ({"method": "exact"}, "the structure is not that of an index by exact"),
        ({"model": None}, "the head is not that of a parts index"),
        ({"head": {}}, "the head is not that of a parts index"),
        ({"task": "plain"}, "the head is not that of a plain index"),
        ({"head": {}, "task": "plain"}, "the head is not that of a plain index"),
    ],
)
def test_what_does_not_fit_together_is_not_written(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        save(tmp_path / "i.h5", **change)
    assert list(tmp_path.iterdir()) == []


def replaced(name, values):
    def change(file):
        del file[name]
        if values is not None:
            file.create_dataset(name, data=values)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced("structure", np.frombuffer(b"grape", np.uint8)), "its sha256 differs"),
        (replaced("structure", None), "the structure is not that of an index by hnsw"),
        (replaced("structure", np.ones(3)), "'structure' is float64 with 1 dimensions"),
        (replaced("head", None), "the head is not that of a parts index"),
        (replaced("points", np.ones((2, 2), np.float32)), "shape (2, 2) for 3 items"),
        (replaced("points", np.ones((3, 1), np.float32)), "shape (3, 1) for 3 items"),
        (replaced("items/id", encode(["a", "b"])), "column kind has 3 rows; there are 2"),
        (replaced("meta", np.frombuffer(b"{}", np.uint8)), "meta: no key 'c'"),
    ],
)
def test_what_no_index_says_is_refused(tmp_path, change, message):
    path = edit(save(tmp_path / "i.h5"), change)
    for full in (False, True):
        with pytest.raises(UserError) as caught:
            kinds.check(path, full=full)
        assert str(caught.value).startswith(f"{path}: ")
        assert message in str(caught.value)


def test_a_structure_is_checked_before_anyone_has_it(tmp_path):
    path = edit(save(tmp_path / "i.h5"), replaced("structure", np.zeros(5, np.uint8)))
    with pytest.raises(UserError, match="'structure' is damaged"):
        read_index(path)


def test_a_point_or_a_weight_that_is_not_finite_is_not_written(tmp_path):
    points = POINTS.copy()
    points[2, 1] = np.inf
    with pytest.raises(UserError, match="the vector of 'c' is not finite"):
        save(tmp_path / "i.h5", points=points)
    with pytest.raises(UserError, match="head/log_c: 1 numbers are not finite"):
        save(tmp_path / "i.h5", head={"log_c": np.float32(np.nan)})
    assert list(tmp_path.iterdir()) == []


def test_full_finds_numbers_that_are_none(tmp_path, monkeypatch):
    path = edit(save(tmp_path / "i.h5"), replaced("head/log_c", np.float32(np.nan)))
    assert kinds.check(path, full=False) == "index"
    with pytest.raises(UserError, match="head/log_c: 1 numbers are not finite"):
        kinds.check(path, full=True)
    monkeypatch.setattr("hiertools.files.embeddings.finite", lambda blocks, table, name: blocks)
    save(path, points=np.full((3, 2), np.nan, np.float32))
    with pytest.raises(UserError, match="the vector of 'a' is not finite"):
        kinds.check(path, full=True)


def test_a_flip_in_a_point_is_found_by_full(tmp_path):
    path = save(tmp_path / "i.h5")
    data = bytearray(path.read_bytes())
    data[data.index(POINTS.tobytes())] ^= 1
    path.write_bytes(data)
    assert kinds.check(path, full=False) == "index"
    with pytest.raises(UserError, match="'points' is damaged in rows 0 to 2"):
        kinds.check(path, full=True)


def test_info_tells_rows_kinds_and_method(tmp_path):
    about = describe(save(tmp_path / "i.h5"))
    assert (about["rows"], about["kinds"], about["method"]) == (3, {"image": 1, "box": 2}, "hnsw")
    assert about["structure_bytes"] == 5
    assert about["structure"]["m"] == 32


def test_bytes_of_a_structure_are_stored_as_they_are(tmp_path):
    structure = bytes(range(256)) * 1000
    path = save(tmp_path / "i.h5", graph=structure)
    with h5py.File(path) as file:
        assert file["structure"].fletcher32
        assert file["structure"].dtype == np.uint8
    assert read_index(path).structure == structure
