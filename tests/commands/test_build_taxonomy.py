"""`hiertools build-taxonomy wordnet` and `table`: files, options, what is said and refused."""

import gzip
import json

import numpy as np
import pytest

from hiertools import taxonomy
from hiertools.files.distances import read_distances
from hiertools.files.trees import read_tree
from tests import wordnet_made
from tests.test_wordnet import SYNSETS

LEVELS = "kingdom,kind,class\nanimal,fish,ray\nanimal,fish,cod\nanimal,bird,owl\nplant,tree,oak\n"
EDGES = "child,parent\ndog,animal\ndog,pet\ncat,pet\nanimal,thing\npet,animal\n"


@pytest.fixture
def run(hier, tmp_path):
    """Run a command in a folder with a table of each form, WordNet's nouns and a list."""
    text, ids = wordnet_made.nouns(SYNSETS)
    (tmp_path / "data.noun").write_text(text)
    (tmp_path / "list.txt").write_text(f"{ids['cat']}\n\n{ids['Laika']} first dog in space\n")
    (tmp_path / "levels.csv").write_text(LEVELS)
    (tmp_path / "edges.csv").write_text(EDGES)
    (tmp_path / "semicolons.csv").write_text(EDGES.replace(",", ";"))
    (tmp_path / "empty.csv").write_text("kind,class\n")

    def run(*arguments, stdin=b"", **more):
        return hier("build-taxonomy", *arguments, cwd=tmp_path, stdin=stdin, **more)

    return run


def test_wordnet_gives_a_hierarchy_and_distances(run, hier, tmp_path):
    arguments = ("--classes", "list.txt", "--data", "data.noun", "--distances", "d.h5")
    done = run("wordnet", *arguments, "-o", "tree.json")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr.splitlines() == [
        "2 classes, 6 nodes, 6 edges",
        "1 classes are under a node with several parents, or have several",
        "d.h5: path distances of 2 classes: least 3, median 3, greatest 3",
    ]
    tree, found = read_tree(tmp_path / "tree.json"), read_distances(tmp_path / "d.h5")
    assert tree.source == {"format": "wordnet", "files": ["data.noun"], "wordnet": "3.0"}
    assert found.classes == tree.leaves
    np.testing.assert_array_equal(found.matrix, [[0, 3], [3, 0]])
    read = taxonomy.of_hierarchy(tree, classes=None, distance=None)
    assert (found.taxonomy, found.distance) == (read.digest, "path")
    assert "first dog in space" in read.names.values()
    checked = hier("check", "--full", "tree.json", "d.h5", cwd=tmp_path)
    assert checked.stdout == "tree.json: ok (hierarchy)\nd.h5: ok (distances)\n"
    (record,) = found.chain
    assert record["command"] == "build-taxonomy wordnet"
    assert [each["path"] for each in record["inputs"]] == ["list.txt", "data.noun"]


def test_pipes_and_gzip(run, tmp_path):
    (tmp_path / "data.gz").write_bytes(gzip.compress((tmp_path / "data.noun").read_bytes()))
    listed = (tmp_path / "list.txt").read_bytes()
    outputs = [
        run("wordnet", "--classes", "list.txt", "--data", "data.noun", "--no-provenance"),
        run("wordnet", "--classes", "-", "--data", "data.noun", "--no-provenance", stdin=listed),
        run("wordnet", "--classes", "list.txt", "--data", "data.gz", "--no-provenance"),
    ]
    documents = [json.loads(done.stdout) for done in outputs]
    for document in documents:
        document.pop("source")
    assert documents[0] == documents[1] == documents[2]
    both = run("wordnet", "--classes", "-", "--data", "-")
    assert both.returncode == 2


def test_without_wordnet_it_says_how_to_get_it(run):
    """The default file is there on machines with wordnet-base, so another one stands for it."""
    from hiertools.commands import build_taxonomy_wordnet as command

    if command.DEBIAN.exists():
        pytest.skip(f"{command.DEBIAN} is there")
    done = run("wordnet", "--classes", "list.txt")
    assert done.returncode == 3
    assert "`apt install wordnet-base` brings it, or name WordNet 3.0's data.noun" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_table_of_levels(run, tmp_path):
    done = run("table", "levels.csv", "--distance", "height", "-o", "tree.json")
    assert done.stderr == "4 classes, 9 nodes, 7 edges\n"
    tree = read_tree(tmp_path / "tree.json")
    assert (tree.leaves, tree.distance) == (["ray", "cod", "owl", "oak"], "height")
    assert {node.level for node in tree.nodes} == {"kingdom", "kind", "class"}
    assert tree.source == {"format": "table", "files": ["levels.csv"]}


def test_a_table_of_edges_stays_a_dag(run):
    done = run("table", "-", stdin=EDGES.encode())
    document = json.loads(done.stdout)
    assert document["leaves"] == ["dog", "cat"]
    assert {"parent": "animal", "child": "dog"} in document["edges"]
    assert {"parent": "pet", "child": "dog"} in document["edges"]
    assert document["statistics"]["several_parents"] == 1


def test_classes_may_be_inner_nodes_in_any_order(run, tmp_path):
    (tmp_path / "some.txt").write_text("owl\nfish\nray\n")
    arguments = ("--classes", "some.txt", "--root", "all", "--prune", "--distances", "d.h5")
    done = run("table", "levels.csv", *arguments, "-o", "tree.json")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("3 classes, 4 nodes, 3 edges; 2 with one child pruned\n")
    found = read_distances(tmp_path / "d.h5")
    assert found.classes == ["owl", "fish", "ray"]
    np.testing.assert_array_equal(found.matrix, [[0, 2, 3], [2, 0, 1], [3, 1, 0]])


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "message"),
    [
        (["table", "-"], "child,parent\na,b\nb,c\nc,a\n", 3,
         "hiertools build-taxonomy table: standard input: has a cycle: "),
        (["table", "-"], "child,parent\na,a\n", 3, "standard input:2: 'a' is its own parent"),
        (["table", "levels.csv", "--classes", "-"], "cod\ntrout\n", 3, "lacks 1 (trout)"),
        (["table", "levels.csv", "--classes", "-"], "cod\ncod\n", 3, "'cod' is there twice"),
        (["table", "levels.csv", "--levels", "kind,,class"], "", 2, "--levels kind,,class: write"),
        (["table", "levels.csv", "--root", "ray"], "", 3, "there is a node 'ray' already"),
        (["table", "semicolons.csv"], "", 3, "semicolons.csv: has one column, 'child;parent'"),
        (["table", "empty.csv"], "", 3, "empty.csv: has no rows below its header"),
        (["table", "levels.csv", "--distances", "-"], "", 2, "name a file with --distances"),
        (["table", "levels.csv", "-o", "edges.csv"], "", 5, "edges.csv"),
        (["table", "none.csv"], "", 3, "none.csv: no such file"),
        (["wordnet", "--classes", "list.txt", "--data", "edges.csv"], "", 3,
         "edges.csv:1: is no line of WordNet's data.noun"),
        (["wordnet", "--classes", "-", "--data", "data.noun"], "dog.n.01\n", 3,
         "data.noun lacks 1 (dog.n.01)"),
        (["wordnet", "--data", "data.noun"], "", 2, "Missing option '--classes'"),
    ],
)  # fmt: skip
def test_what_is_refused(run, arguments, stdin, code, message):
    done = run(*arguments, stdin=stdin.encode())
    assert (done.returncode, done.stdout) == (code, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
