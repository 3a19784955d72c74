"""What comes from elsewhere: vectors of other programs, and a CSV of columns for items."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from hiertools.errors import UserError
from hiertools.files import csv, embeddings, foreign, item_table
from hiertools.files.items import Items, decode, encode

MATRIX = np.array([[1.5, -2.0, 0.0], [0.25, 1e-3, 7.0]])


def npy(folder, array):
    np.save(folder / "v.npy", array, allow_pickle=True)
    return folder / "v.npy"


def safetensors(folder, **tensors):
    save_file(tensors, folder / "v.safetensors")
    return folder / "v.safetensors"


def parquet(folder, name="v.parquet", **columns):
    pl.DataFrame(columns).write_parquet(folder / name)
    return folder / name


def lists(values, kind):
    return pl.Series(values, dtype=kind)


def refused(path, name=None):
    with pytest.raises(UserError) as caught:
        foreign.read_vectors(path, name=name)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", ">f8"])
@pytest.mark.parametrize("order", [np.ascontiguousarray, np.asfortranarray])
def test_npy_of_any_precision_and_order(tmp_path, dtype, order):
    expected = MATRIX.astype(dtype)
    found = foreign.read_vectors(npy(tmp_path, order(expected)), name=None)
    np.testing.assert_array_equal(found, expected)
    (block,) = foreign.blocks(found)
    np.testing.assert_array_equal(block, expected.astype(np.float32), strict=True)


def test_blocks_are_the_rows_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(foreign, "ROWS_PER_BLOCK", 4)
    many = np.random.default_rng(0).normal(size=(10, 3))
    blocks = list(foreign.blocks(foreign.read_vectors(npy(tmp_path, many), name=None)))
    assert [len(block) for block in blocks] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(blocks), many.astype(np.float32), strict=True)


def test_a_number_beyond_float32_is_refused_where_it_is_written(tmp_path):
    vectors = foreign.read_vectors(npy(tmp_path, np.array([[1.0], [1e300]])), name=None)
    table = Items(encode(["a", "b"]))
    with pytest.raises(UserError, match="the vector of 'b' is not finite"):
        embeddings.write_embeddings(
            tmp_path / "e.h5", foreign.blocks(vectors), 1, table,
            meta={}, chain=[], overwrite=False,
        )  # fmt: skip
    assert not (tmp_path / "e.h5").exists()


class Trap:
    def __reduce__(self):
        return Path.touch, (Path("sprung"),)


def test_npy_of_objects_is_refused_and_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "Python objects" in refused(npy(tmp_path, np.array([[Trap()]], object)))
    (tmp_path / "p.npy").write_bytes(pickle.dumps(Trap()))
    assert "magic string is not correct" in refused(tmp_path / "p.npy")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.arange(6).reshape(2, 3), "is int64 of shape (2, 3), not a matrix of floats"),
        (np.zeros(3), "is float64 of shape (3,), not a matrix of floats"),
        (np.zeros((2, 3, 4)), "is float64 of shape (2, 3, 4), not a matrix of floats"),
        (np.float32(1), "is float32 of shape (), not a matrix of floats"),
        (np.zeros((0, 3)), "is float64 of shape (0, 3), not a matrix of floats"),
        (np.zeros((3, 0)), "is float64 of shape (3, 0), not a matrix of floats"),
        (np.zeros((2, 2), complex), "not a matrix of floats"),
        (np.zeros((2, 2), bool), "not a matrix of floats"),
        (np.zeros((2, 2), "S3"), "not a matrix of floats"),
        (np.zeros((2, 2), [("a", "f4")]), "not a matrix of floats"),
    ],
)
def test_npy_that_is_no_matrix_of_floats_is_refused(tmp_path, array, message):
    assert message in refused(npy(tmp_path, array))


def test_a_zip_by_the_name_of_npy_is_refused(tmp_path):
    np.savez(tmp_path / "v.npz", a=MATRIX)
    (tmp_path / "v.npz").rename(tmp_path / "v.npy")
    assert "cannot be read as .npy" in refused(tmp_path / "v.npy")


@pytest.mark.parametrize("suffix", ["npy", "safetensors", "parquet"])
def test_a_file_that_is_damaged_is_refused_or_read(tmp_path, suffix):
    whole = {
        "npy": lambda: npy(tmp_path, MATRIX),
        "safetensors": lambda: safetensors(tmp_path, v=torch.tensor(MATRIX)),
        "parquet": lambda: parquet(tmp_path, v=MATRIX.tolist()),
    }[suffix]()
    data = whole.read_bytes()
    path = tmp_path / f"damaged.{suffix}"
    for length in (0, 1, 5, 8, 20, len(data) // 2, len(data) - 30, len(data) - 1):
        path.write_bytes(data[:length])
        refused(path)
    rng = np.random.default_rng(0)
    outcomes = set()
    for place in rng.integers(0, len(data), 100):
        damaged = bytearray(data)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            assert foreign.read_vectors(path, name=None).dtype.kind == "f"
            outcomes.add("read")
        except UserError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


def test_one_tensor_needs_no_name(tmp_path):
    path = safetensors(tmp_path, v=torch.tensor(MATRIX))
    for name in (None, "v"):
        np.testing.assert_array_equal(foreign.read_vectors(path, name=name), MATRIX, strict=True)
    assert refused(path, "w").endswith("has no tensor 'w'; it has v")


def test_of_several_tensors_one_is_named(tmp_path):
    path = safetensors(
        tmp_path, a=torch.zeros(3), v=torch.tensor(MATRIX).half(), n=torch.zeros(2, 2).int()
    )
    assert refused(path).endswith("has not one tensor but a, n, v; name it with --key")
    found = foreign.read_vectors(path, name="v")
    np.testing.assert_array_equal(found, MATRIX.astype(np.float16), strict=True)
    assert "of shape (3,), not a matrix of floats" in refused(path, "a")
    assert refused(path, "n").endswith("'n' is I32, not one of F16, F32, F64")
    assert refused(path, "x").endswith("has no tensor 'x'; it has a, n, v")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
def test_floats_that_numpy_has_not_are_refused(tmp_path, dtype):
    path = safetensors(tmp_path, v=torch.ones(2, 2).to(dtype))
    assert "not one of F16, F32, F64" in refused(path)


@pytest.mark.parametrize(("inner", "dtype"), [(pl.Float32, "f4"), (pl.Float64, "f8")])
@pytest.mark.parametrize("outer", [pl.List, lambda inner: pl.Array(inner, 3)])
def test_parquet_columns_of_lists_and_arrays(tmp_path, inner, dtype, outer):
    values = lists(MATRIX.tolist(), outer(inner))
    path = parquet(tmp_path, id=["a", "b"], v=values, tags=[["x"], ["y"]], n=[[1], [2]])
    for name in (None, "v"):
        found = foreign.read_vectors(path, name=name)
        np.testing.assert_array_equal(found, MATRIX.astype(dtype), strict=True)
    assert refused(path, "n").endswith("has no column of lists of floats 'n'; it has v")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"v": [1.0, 2.0]}, "has not one column of lists of floats but none"),
        ({"v": [[1.0]], "w": [[1.0]]}, "but v, w; name it with --key"),
        ({"v": [[1.0, 2.0], [1.0]]}, "the vectors of 'v' are not all of one length"),
        ({"v": [[1.0, 2.0], None]}, "the vectors of 'v' are not all of one length"),
        ({"v": [[1.0, 2.0], [1.0, None]]}, "a number of 'v' is missing"),
        ({"v": [["a"], ["b"]]}, "but none"),
        ({"v": [[[1.0, 2.0]], [[3.0, 4.0]]]}, "but none"),
        ({"v": lists([[[1.0], [2.0]]], pl.Array(pl.Array(pl.Float32, 1), 2))}, "but none"),
        ({"v": lists([[]], pl.List(pl.Float32))}, "not a matrix of floats"),
        ({"v": lists([], pl.List(pl.Float32))}, "are not all of one length"),
    ],
)
def test_parquet_that_has_no_vectors_is_refused(tmp_path, columns, message):
    assert message in refused(parquet(tmp_path, **columns))


def test_a_name_with_brackets_is_one_file(tmp_path):
    for number in (1, 2):
        parquet(tmp_path, f"v{number}.parquet", v=[[float(number)]])
    path = parquet(tmp_path, "v[12].parquet", v=[[3.0]])
    np.testing.assert_array_equal(foreign.read_vectors(path, name=None), [[3.0]])


def test_other_files_are_refused(tmp_path):
    (tmp_path / "v.pt").write_bytes(b"PK")
    assert refused(tmp_path / "v.pt").endswith("is not .npy, .safetensors or .parquet")
    assert refused(tmp_path / "v.npy").endswith("no such file")
    (tmp_path / "folder.npy").mkdir()
    assert refused(tmp_path / "folder.npy").endswith("cannot be read: Is a directory")


def test_the_digest_stands_for_the_weights():
    about = foreign.describe(Path("some/where/v.npy"), "0" * 64, 3, made_by=None)
    assert about["encoder"] == "from:v.npy"
    assert (about["digest"], about["dimension"], about["output"]) == ("0" * 64, 3, "embedding")


TABLE = Items(encode(["a", "007", "1e10"]))


@pytest.fixture(params=[5, 1 << 24])
def join(tmp_path, monkeypatch, request):
    """Join a CSV to three items, read in small pieces or in one."""
    monkeypatch.setattr(csv, "CHUNK_BYTES", request.param)

    def run(text, table=TABLE):
        path = tmp_path / "t.csv"
        path.write_text(text)
        found, digest = item_table.join(table, path)
        assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    return run


def test_columns_are_joined_by_id(join):
    found = join(
        "latitude,id,other,longitude,image,x0,y0,x1,y1,group_of\n"
        "1.5,1e10,?,-180,j,0,0,1,1,0\n"
        "9,7,?,9,?,0,0,0,0,0\n"
        "-90,a,?,0.25,i,.1,.2,.3,.4,1\n"
        "3,007,?,180,i,0,.5,1,1,-1\n"
    )
    np.testing.assert_array_equal(found.id, TABLE.id)
    np.testing.assert_array_equal(found.latitude, [-90, 3, 1.5])
    np.testing.assert_array_equal(found.longitude, [0.25, 180, -180])
    np.testing.assert_array_equal(found.image, [b"i", b"i", b"j"])
    np.testing.assert_array_equal(found.group_of, [True, False, False])
    np.testing.assert_array_equal(found.box, [[0.1, 0.2, 0.3, 0.4], [0, 0.5, 1, 1], [0, 0, 1, 1]])
    assert found.labels is None
    assert found.occluded is None


def test_labels_have_bars_between_them(join):
    found = join("id,labels,label\na,b|c|b,z\n007,,z\n1e10,d,z\n")
    assert [found.labels.of(row) for row in range(3)] == [["b", "c"], [], ["d"]]
    assert [decode(name) for name in found.labels.names] == ["b", "c", "d"]


def test_a_label_may_have_a_bar(join):
    found = join("id,label\na,b|c\n007,\n1e10,b\n")
    assert [found.labels.of(row) for row in range(3)] == [["b|c"], [], ["b"]]


def test_what_the_table_has_stays_where_the_csv_says_nothing(join):
    table = Items(TABLE.id, image=encode(["x", "y", "z"]), latitude=np.array([1.0, 2.0, 3.0]))
    found = join("id,latitude\na,4\n007,5\n1e10,6\n", table)
    np.testing.assert_array_equal(found.image, table.image)
    np.testing.assert_array_equal(found.latitude, [4.0, 5.0, 6.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\n", ": has no lines below its header"),
        ("name\na\n", ":1: no column 'id'"),
        ("id,label\na,x\n1e10,x\n", ": has no line for 1 items, such as '007'"),
        ("id,label\na,x\n7,x\n10000000000,x\n", ": has no line for 2 items, such as '007'"),
        ("id,label\na,x\n007,x\nb,x\n1e10,x\nb,y\n", ": the id 'b' is there twice"),
        ("id,latitude\na,1\n007,north\n1e10,1\n", ":3: latitude is 'north', no number"),
        ("id,latitude\na,1\n007,1\n1e10,\n", ":4: latitude is '', no number"),
        ("id,longitude\na,nan\n007,1\n1e10,1\n", ":2: longitude is 'nan', no number"),
        ("id,x0,y0,x1,y1\na,0,0,1,1\n007,0,0,1,inf\n1e10,0,0,1,1\n", ":3: y1 is 'inf', no"),
        ("id,inside\na,1\n007,yes\n1e10,0\n", ":3: inside is 'yes', no number"),
        ("id,latitude\na,1\n007,90.1\n1e10,1\n", ": a value of latitude is not in [-90, 90]"),
        ("id,longitude\na,1\n007,181\n1e10,1\n", ": a value of longitude is not in [-180, 180]"),
        ("id,x0,y0,x1,y1\na,0,0,1,2\n007,0,0,1,1\n1e10,0,0,1,1\n", ": a value of box is not"),
        ("id,x0,y1\na,0,0\n007,0,0\n1e10,0,0\n", ": has the columns x0, y1 of x0, y0, x1, y1"),
        ("id,label\na,x\n007\n1e10,x\n", ":3: has 1 fields, the header 2"),
    ],
)
def test_a_csv_that_does_not_fit_is_refused(join, tmp_path, text, message):
    with pytest.raises(UserError) as caught:
        join(text)
    assert str(caught.value).startswith(f"{tmp_path / 't.csv'}{message}")


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(UserError, match="is a folder; a CSV file is needed"):
        item_table.join(TABLE, tmp_path)


names = st.text(st.characters(exclude_characters='\0\n\r"', exclude_categories=["Cs"]), min_size=1)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.dictionaries(names, st.floats(-90, 90), min_size=1, max_size=6), st.randoms())
def test_any_ids_in_any_order_find_their_line(tmp_path, values, random):
    lines = [f'"{name}",{value!r}\n' for name, value in values.items()]
    random.shuffle(lines)
    path = tmp_path / "t.csv"
    path.write_text("id,latitude\n" + "".join(lines))
    found, _ = item_table.join(Items(encode(list(values))), path)
    np.testing.assert_array_equal(found.latitude, list(values.values()))
