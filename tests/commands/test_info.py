"""`hiertools info`: what a file is, what is in it, where it came from; a hierarchy as trees."""

import json

import numpy as np
import pytest

from hiertools.files import embeddings, rejects
from hiertools.files.hierarchy import Dropped, Edge, Hierarchy, Node, write_hierarchy
from hiertools.files.items import Items, encode, label_sets

RECORD = {
    "program": "hiertools",
    "version": "0.1.0",
    "argv": ["mine-hierarchy", "boxes.csv"],
    "time": "2026-01-02T03:04:05Z",
}


@pytest.fixture
def trees(tmp_path):
    """A hierarchy with two trees that share a part."""
    path = tmp_path / "h.json"
    nodes = [Node("/m/car", "Car", count=1200), Node("House", "House"), Node("/m/door", "Door")]
    nodes += [Node("handle", "handle", count=5), Node("Tree", "Tree", count=1)]
    edges = [
        Edge("/m/car", "/m/door", 1500, 600, 0.5),
        Edge("/m/car", "handle", 3, 2, 0.0017),
        Edge("House", "/m/door"),
        Edge("/m/door", "handle", 7, 6, 0.125),
    ]
    dropped = [Dropped("Tree", "Tree", 1, 1, 1.0, reason="same-class")]
    found = Hierarchy(
        nodes, edges, ["handle", "Tree"], dropped,
        {"format": "openimages", "files": ["boxes.csv"]}, {"freq": 50}, {"boxes": 1306}, "path",
    )  # fmt: skip
    write_hierarchy(path, found, chain=[RECORD], overwrite=False)
    return path


def test_a_hierarchy_is_printed_as_trees(trees, hier):
    result = hier("info", trees)
    assert (result.returncode, result.stderr) == (0, "")
    about, _, tree = result.stdout.partition("\n\n")
    assert tree.splitlines() == [
        "Car (/m/car)  1,200 boxes",
        "  Door (/m/door)  1,500 times, in 50.0%",
        "    handle  7 times, in 12.5%",
        "House",
        "  Door (/m/door)  (above)",
        "Tree  1 boxes",
    ]
    assert about.splitlines() == [
        f"{trees}: hierarchy, version 1",
        "  nodes: 5",
        "  edges: 4",
        "  roots: 3",
        "  leaves: 2",
        "  dropped",
        "    same-class: 1",
        "  distance: path",
        "  source",
        "    format: openimages",
        "    files: boxes.csv",
        "  parameters",
        "    freq: 50",
        "  statistics",
        "    boxes: 1,306",
        "  made by",
        "    2026-01-02T03:04:05Z hiertools mine-hierarchy boxes.csv",
    ]


def test_json_has_all_of_it(trees, hier):
    result = hier("info", "--json", trees)
    assert result.returncode == 0
    assert result.stdout.count("\n") == 1
    found = json.loads(result.stdout)
    assert found["file"] == str(trees)
    assert (found["kind"], found["version"], found["nodes"], found["edges"]) == (
        "hierarchy", 1, 5, 4,
    )  # fmt: skip
    assert found["dropped"] == {"same-class": 1}
    assert found["provenance"] == [RECORD]


def test_embeddings(tmp_path, hier):
    path = tmp_path / "e.h5"
    table = Items(
        encode(["a", "b", "c"]),
        kind=np.array([0, 1, 1], np.uint8),
        labels=label_sets([["x"], ["x", "y"], []]),
    )
    meta = {"encoder": "lite0", "digest": "0" * 64, "dimension": 2}
    embeddings.write_embeddings(
        path, [np.ones((3, 2), np.float32)], 2, table, meta=meta, chain=[], overwrite=False
    )
    result = hier("info", "--json", path)
    assert json.loads(result.stdout) == {
        "file": str(path),
        "kind": "embeddings",
        "version": 1,
        "rows": 3,
        "columns": ["id", "kind", "labels"],
        "kinds": {"image": 1, "box": 2},
        "labels": 2,
        **meta,
        "provenance": [],
    }
    text = hier("info", path).stdout
    assert text.startswith(
        f"{path}: embeddings, version 1\n  rows: 3\n  columns: id, kind, labels\n"
    )


def test_several_files_and_one_that_is_bad(trees, hier, tmp_path):
    path = tmp_path / "r.jsonl"
    lines = [{"id": "a", "path": "a.jpg", "reason": reason} for reason in ("cut", "cut", "no")]
    rejects.write_rejects(path, lines, chain=[], overwrite=False)
    result = hier("info", "--json", trees, path)
    assert result.returncode == 0
    assert [json.loads(line)["kind"] for line in result.stdout.splitlines()] == [
        "hierarchy", "rejects",
    ]  # fmt: skip
    assert json.loads(result.stdout.splitlines()[1])["reasons"] == {"cut": 2, "no": 1}
    result = hier("info", path, tmp_path / "none", trees)
    assert result.returncode == 3
    assert result.stdout.startswith(f"{path}: rejects, version 1\n  rejects: 3\n")
    assert result.stderr == f"hiertools info: {tmp_path / 'none'}: no such file\n"


def test_standard_input(trees, hier):
    result = hier("info", "-", stdin=trees.read_bytes())
    assert result.returncode == 0
    assert result.stdout == hier("info", trees).stdout.replace(str(trees), "-")


@pytest.mark.parametrize("name", ["text", "empty", "folder", "image"])
def test_what_is_not_ours_is_refused(tmp_path, hier, name):
    path = tmp_path / name
    content = {"text": b"hello\n", "empty": b"", "image": b"\xff\xd8\xff\xe0\0\x10JFIF"}
    if name == "folder":
        path.mkdir()
    else:
        path.write_bytes(content[name])
    result = hier("info", path)
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.startswith(f"hiertools info: {path}: is ")
    assert result.stderr.count("\n") == 1
