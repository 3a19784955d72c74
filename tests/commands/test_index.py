"""`hiertools index`, on small random embeddings and models."""

import json
import os
from dataclasses import replace

import h5py
import numpy as np
import pytest

from hiertools.cli import main
from hiertools.files.embeddings import read_embeddings
from hiertools.files.index import read_index
from hiertools.files.model import digest_of, read_model
from hiertools.search.placing import Placer
from tests.search import material

ONCE = "--no-provenance"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two shards, a model, and embeddings that do not fit them."""
    monkeypatch.chdir(tmp_path)
    material.save_embeddings(tmp_path / "a.h5", material.table(range(20)), seed=1)
    material.save_embeddings(tmp_path / "b.h5", material.table(range(20, 30)), seed=2)
    material.save_embeddings(tmp_path / "other.h5", material.table(range(3)), digest="b" * 64)
    material.save_embeddings(tmp_path / "wide.h5", material.table(range(90, 93)), features=7)
    material.save_embeddings(tmp_path / "logits.h5", material.table(range(90, 93)), output="logits")
    material.save_model(tmp_path / "model.h5")
    material.save_model(tmp_path / "flat.h5", geometry="euclidean", seed=1)
    return tmp_path


def index(*arguments):
    return main(["index", *map(str, arguments)])


def test_points_are_placed_by_the_model(folder, capsys):
    assert index("a.h5", "b.h5", "--model", "model.h5") == 0
    assert capsys.readouterr().err == "index.h5: 120 points of 4 dimensions (lorentz, c = 2)\n"
    found, model = read_index(folder / "index.h5"), read_model(folder / "model.h5")
    vectors = np.concatenate([read_embeddings(folder / name).vectors for name in ("a.h5", "b.h5")])
    expected = Placer(model.weights, model.meta).place(vectors)
    np.testing.assert_array_equal(found.points, expected)
    assert found.items.id[80] == b"im20"
    assert found.items.labels.of(0) == ["a", "b"]
    meta = found.meta
    assert meta["model"] == digest_of(model)
    assert (meta["task"], meta["geometry"], meta["c"]) == ("parts", "lorentz", 2.0)
    assert (meta["features"], meta["dimension"], meta["digest"]) == (6, 4, material.DIGEST)
    assert found.chain[-1]["command"] == "index"
    assert [each["path"] for each in found.chain[-1]["inputs"]] == ["a.h5", "b.h5", "model.h5"]


def test_without_a_model_points_are_the_embeddings(folder, capsys):
    assert index("a.h5", "-o", "plain.h5") == 0
    assert capsys.readouterr().err == "plain.h5: 80 points of 6 dimensions (plain)\n"
    found = read_index(folder / "plain.h5")
    np.testing.assert_array_equal(found.points, read_embeddings(folder / "a.h5").vectors)
    assert (found.meta["task"], found.meta["geometry"], found.meta["model"]) == (
        "plain",
        "euclidean",
        None,
    )
    assert found.head == {}


def test_appending_gives_the_bytes_of_indexing_at_once(folder, capsys):
    assert index("a.h5", "b.h5", "--model", "model.h5", "-o", "whole.h5", ONCE) == 0
    assert index("a.h5", "--model", "model.h5", "-o", "grown.h5", ONCE) == 0
    assert index("b.h5", "-o", "grown.h5", "--append", ONCE) == 0
    assert (folder / "whole.h5").read_bytes() == (folder / "grown.h5").read_bytes()
    before = (folder / "grown.h5").read_bytes()
    capsys.readouterr()
    refused = {
        ("b.h5",): "b.h5: the id 'im20' is there twice; ids must be unique",
        ("wide.h5",): "wide.h5: has 7 dimensions (timm:x), grown.h5 takes 6 (timm:x)",
        ("b.h5", "--model", "flat.h5"): "grown.h5: is not of the model flat.h5; leave out --model"
        " to append to it",
    }
    for arguments, message in refused.items():
        assert index(*arguments, "-o", "grown.h5", "--append") == 3
        assert capsys.readouterr().err == f"hiertools index: {message}\n"
        assert (folder / "grown.h5").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir() if "part" in path.name) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            "a.h5 other.h5",
            3,
            "other.h5: is of the encoder timm:x (bbbbbbbbbbbb), a.h5 of timm:x (aaaaaaaaaaaa);"
            " embed with --encoder timm:x, or model:MODEL.h5 if it was fine-tuned",
        ),
        (
            "other.h5 --model model.h5",
            3,
            "other.h5: is of the encoder timm:x (bbbbbbbbbbbb), model.h5 of timm:x (aaaaaaaaaaaa);"
            " embed with --encoder timm:x, or model:MODEL.h5 if it was fine-tuned",
        ),
        (
            "wide.h5 --model model.h5",
            3,
            "wide.h5: has 7 dimensions (timm:x), model.h5 takes 6 (timm:x)",
        ),
        (
            "logits.h5 --model model.h5",
            3,
            "logits.h5: has logits rows, model.h5 takes embedding rows",
        ),
        ("a.h5 a.h5", 3, "a.h5, a.h5: the id 'im0' is there twice; ids must be unique"),
        ("a.h5 --model a.h5", 3, "a.h5: is a file of embeddings, not of a model"),
        ("missing.h5", 3, "missing.h5: no such file"),
        ("a.h5 --append", 3, "index.h5: no such index; leave out --append to make it"),
        ("a.h5 --append --overwrite", 2, "give one of --append and --overwrite"),
        (
            "a.h5 --append --method ivf",
            2,
            "--append is for exact search; index everything anew for a structure",
        ),
        ("a.h5 --lists 3", 2, "--method exact: --lists does not apply"),
        ("a.h5 --by distance", 2, "--method exact: --by does not apply"),
        ("a.h5 --report 9", 2, "--method exact: --report does not apply"),
        ("a.h5 --method hnsw --probes 3 --report 1", 2, "--method hnsw: --probes does not apply"),
        ("a.h5 --method ivf --build-ef 3", 2, "--method ivf: --build-ef does not apply"),
        ("a.h5 --method ivf --probes 3", 2, "without --report: --probes does not apply"),
        ("a.h5 --method flat --seed 3", 2, "--method flat: --seed does not apply"),
        ("a.h5 --method ivf --lists 81", 3, "--lists 81: there are only 80 items"),
        ("a.h5 -o -", 2, "HDF5 does not go through a pipe; name a file"),
        ("a.h5 -o b.h5", 5, "b.h5: is there already; give --overwrite or another -o"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(folder, capsys, arguments, code, message):
    assert index(*arguments.split()) == code
    said = capsys.readouterr()
    if "not of a model" in message:
        assert said.err.startswith("hiertools index: a.h5: ")
    else:
        assert said.err == f"hiertools index: {message}\n"
    assert said.out == ""
    assert not (folder / "index.h5").exists()


def test_an_approximate_index_is_not_appended_to(folder, capsys):
    assert index("a.h5", "--method", "flat") == 0
    capsys.readouterr()
    assert index("b.h5", "--append") == 3
    assert capsys.readouterr().err == (
        "hiertools index: index.h5: is approximate (flat); index everything anew\n"
    )


def test_a_vector_that_is_not_finite_is_named(folder, capsys):
    with h5py.File(folder / "a.h5", "r+") as file:
        file["vectors"][3, 2] = np.nan
    for more in ((), ("--model", "model.h5"), ("--method", "flat")):
        assert index("a.h5", *more) == 3
        assert "the vector of 'im0#2' is not finite" in capsys.readouterr().err
        assert not (folder / "index.h5").exists()


def test_some_items_can_be_taken(folder, capsys):
    (folder / "list").write_text("im3\nim5\n")
    assert index("a.h5", "--images", "list", "--only", "box", "-q") == 0
    found = read_index(folder / "index.h5").items
    assert sorted(found.id.tolist()) == [f"im{i}#{j}".encode() for i in (3, 5) for j in range(3)]
    (folder / "list").write_text("im3\nim77\n")
    assert index("a.h5", "--images", "list", "--overwrite") == 3
    assert capsys.readouterr().err == (
        "hiertools index: a.h5: has no items of 1 listed images, such as 'im77'\n"
    )


@pytest.mark.parametrize("method", ["flat", "ivf", "hnsw"])
def test_the_report_is_json_too(folder, capsys, method):
    options = ("--method", method, "--model", "model.h5", "--report", 30, "--json")
    assert index("a.h5", *options) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert [(line["by"], line.get("find"), line["k"]) for line in found["recall"]] == [
        ("cosine", None, 1),
        ("cosine", None, 10),
        ("angle", "children", 1),
        ("angle", "children", 10),
        ("angle", "parents", 1),
        ("angle", "parents", 10),
    ]
    assert found["recall"][0]["recall"] == 1.0
    assert all(0 <= line["recall"] <= 1 and line["exact_ms"] > 0 for line in found["recall"])
    assert f"{method}, oversample 4" in said.err
    meta = read_index(folder / "index.h5").meta
    assert (meta["method"], meta["by"]) == (method, "cosine")
    names = {"flat": set(), "ivf": {"lists", "seed"}, "hnsw": {"links", "ef", "seed"}}[method]
    assert set(meta["structure"]) == {"library", "sha256", *names}


@pytest.mark.parametrize("method", ["exact", "ivf"])
def test_same_input_gives_the_same_bytes(folder, method):
    for name in ("one.h5", "two.h5"):
        options = ("--model", "model.h5", "--method", method, ONCE, "-q")
        assert index("a.h5", "b.h5", *options, "-o", name) == 0
    assert (folder / "one.h5").read_bytes() == (folder / "two.h5").read_bytes()
    assert os.path.getsize(folder / "one.h5") < 200_000


def test_shards_with_other_columns_are_refused(folder, capsys):
    bare = replace(material.table(range(50, 52)), labels=None)
    material.save_embeddings(folder / "bare.h5", bare)
    assert index("a.h5", "bare.h5") == 3
    assert capsys.readouterr().err == (
        "hiertools index: a.h5, bare.h5: the files do not have the same columns of items\n"
    )
