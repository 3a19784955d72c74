"""`hiertools graph`, on small random embeddings."""

from dataclasses import replace

import numpy as np
import pytest

from hiertools.cli import main
from hiertools.files import inputs
from hiertools.files.graph import read_graph
from hiertools.files.index import read_index
from hiertools.rerankers import diffusion
from hiertools.reranking.directions import directions
from hiertools.reranking.neighbours import Neighbours
from tests.rerankers.test_diffusion import assert_same
from tests.reranking.made import gallery, shortlist
from tests.reranking.test_neighbours import by_sorting
from tests.search import material

ONCE = "--no-provenance"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An index by a model, one without, and files that are no such index."""
    monkeypatch.chdir(tmp_path)
    material.save_embeddings(tmp_path / "a.h5", material.table(range(20)), seed=1)
    material.save_model(tmp_path / "model.h5")
    assert main(["index", "a.h5", "-o", "plain.h5", "-q"]) == 0
    assert main(["index", "a.h5", "--model", "model.h5", "-o", "parts.h5", "-q"]) == 0
    return tmp_path


def graph(*arguments):
    return main(["graph", *map(str, arguments)])


@pytest.mark.parametrize("name", ["plain.h5", "parts.h5"])
def test_neighbours_are_those_of_a_full_sort(folder, capsys, name):
    capsys.readouterr()
    assert graph(name, "-k", 7) == 0
    said = capsys.readouterr().err
    assert said.startswith("graph.h5: 80 items, 7 neighbours each; ")
    assert said.count("\n") == 1
    found = read_graph(folder / "graph.h5")
    points = read_index(folder / name).points.astype(np.float64)
    unit = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    rows, similarities = by_sorting(unit, unit, 7, own=True)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.similarities, similarities, rtol=1e-12)
    assert found.solves is None
    assert found.meta == {"index": inputs.digest_file(folder / name), "k": 7}
    assert [record["command"] for record in found.chain][-2:] == ["index", "graph"]


def test_there_are_no_more_neighbours_than_items(folder, capsys):
    assert graph("plain.h5", "-k", 1000) == 0
    assert "80 items, 79 neighbours each; " in capsys.readouterr().err
    rows = np.sort(read_graph(folder / "graph.h5").rows)
    np.testing.assert_array_equal(rows, [np.delete(np.arange(80), own) for own in range(80)])


def test_solves_are_those_that_diffusion_makes_itself(folder, capsys):
    options = {"k": 6, "alpha": 0.9, "power": 2.0, "tolerance": 1e-4, "iterations": 9}
    given = [word for key, value in list(options.items())[1:] for word in (f"--{key}", value)]
    assert graph("plain.h5", "--offline", "-k", 6, *given, "--truncate", 15) == 0
    assert "items have heat of each" in capsys.readouterr().err
    found = read_graph(folder / "graph.h5")
    assert found.meta["offline"] == {**options, "truncate": 15}
    vectors = directions(read_index(folder / "plain.h5").points)
    now = replace(gallery(vectors, {"q": vectors[3] * -1}), vectors=vectors)
    before = replace(now, graph=Neighbours(found.rows, found.similarities))
    solved = replace(before, solves=found.solves)
    given = [shortlist(now, query) for query in ("q", "i0", "i7")]
    results = [
        list(diffusion.rerank(given, each, mode="offline", truncate=15, **options))
        for each in (now, before, solved)
    ]
    assert_same(results[1], results[0])
    assert_same(results[2], results[0])


def test_rerank_takes_what_it_would_find_itself(folder, capsys):
    assert main(["query", "plain.h5", "a.h5", "-k", "20", "-o", "r.jsonl", ONCE]) == 0
    assert graph("plain.h5", "--offline", "-k", 6, "--truncate", 15) == 0
    for method in ("diffusion:k=6", "diffusion:mode=offline,k=6,truncate=15", "diffusion:k=4"):
        again = ["rerank", "r.jsonl", "--index", "plain.h5", "--method", method, ONCE, "-o"]
        assert main([*again, "found.jsonl", "--overwrite"]) == 0
        assert main([*again, "taken.jsonl", "--overwrite", "--graph", "graph.h5"]) == 0
        found, taken = ((folder / f"{name}.jsonl").read_bytes() for name in ("found", "taken"))
        assert found == taken
        assert found.count(b"\n") == 81
    capsys.readouterr()
    again[5] = "diffusion:mode=offline,k=6"
    assert main([*again, "x.jsonl", "--graph", "graph.h5"]) == 3
    assert "the graph was solved with truncate=15, not 1000; give truncate=15, or" in (
        capsys.readouterr().err
    )
    assert graph("parts.h5", "-o", "other.h5") == 0
    assert main([*again, "x.jsonl", "--graph", "other.h5"]) == 3
    assert "other.h5: is the graph of another index than plain.h5" in capsys.readouterr().err
    assert not (folder / "x.jsonl").exists()


def test_the_same_index_gives_the_same_bytes(folder):
    for name in ("one.h5", "two.h5"):
        assert graph("plain.h5", "--offline", "-k", 5, "-o", name, ONCE) == 0
    assert (folder / "one.h5").read_bytes() == (folder / "two.h5").read_bytes()
    assert read_graph(folder / "one.h5").chain == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.h5"], 3, "missing.h5: no such file"),
        (["a.h5"], 3, "a.h5: is an embeddings file; an index file is needed"),
        (["-"], 2, "HDF5 does not come through a pipe"),
        (["plain.h5", "-o", "-"], 2, "HDF5 does not go through a pipe; name a file"),
        (["plain.h5", "-o", "model.h5"], 5, "model.h5: is there already"),
        (["plain.h5", "-k", 0], 2, "greater than or equal to 1"),
        (["plain.h5", "--alpha", 0.5], 2, "--alpha is for --offline"),
        (["plain.h5", "--truncate", 5], 2, "--truncate is for --offline"),
        (["plain.h5", "--offline", "--alpha", 1], 2, "alpha=1 is not in the range 0<=x<1"),
        (["plain.h5", "--offline", "--power", 0], 2, "power=0 is not above 0"),
        (["plain.h5", "--device", "tpu"], 2, "--device tpu"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(folder, capsys, arguments, code, message):
    before = (folder / "model.h5").read_bytes()
    capsys.readouterr()
    assert graph(*arguments) == code
    said = capsys.readouterr().err
    assert said.startswith("hiertools graph: ")
    assert message in said
    assert said.count("\n") == 1
    assert not (folder / "graph.h5").exists()
    assert (folder / "model.h5").read_bytes() == before
