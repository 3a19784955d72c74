"""`hiertools wasserstein`: distances of weights and of results, and what is refused."""

import json

import numpy as np
import ot
import pytest
from scipy.stats import wasserstein_distance

from hiertools.commands.wasserstein import Ground, wasserstein
from hiertools.errors import OutputExistsError, UsageError, UserError
from hiertools.files.hierarchy import Edge, Hierarchy, Node, write_hierarchy
from hiertools.files.rankings import Ranking
from hiertools.files.results import write_results

A = {"wheel": 3, "car": 1, "hub": 0}
B = {"bus": 1, "hub": 2.5, "car": 0.5}
TREE = [("car", "wheel"), ("car", "hub"), ("wheel", "hub"), ("street", "car"), ("street", "bus")]
HEADER = {"index": "0" * 64, "by": "angle", "k": 3}


def hierarchy_of(path, edges, more=()):
    ids = list(dict.fromkeys(["street", *(end for edge in edges for end in edge), *more]))
    ids.sort(key=["street", "car", "bus", "wheel", "hub", "others"].index)
    found = Hierarchy(
        [Node(i, i) for i in ids], [Edge(*e) for e in edges], [], [], {}, {}, {}, "path"
    )
    write_hierarchy(path, found, chain=[], overwrite=True)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two distributions, a tree with a needless edge, and a DAG whose wheel has two parents."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text(json.dumps(A))
    (tmp_path / "b.json").write_text(json.dumps(B))
    hierarchy_of(tmp_path / "tree.json", TREE)
    hierarchy_of(tmp_path / "plain.json", [edge for edge in TREE if edge != ("car", "hub")])
    hierarchy_of(tmp_path / "dag.json", [*TREE, ("bus", "wheel")])
    return tmp_path


@pytest.fixture
def measure(folder, capsys):
    """Run the command's function in the folder; return its document and what it said."""

    def run(a="a.json", b="b.json", **options):
        for key in ("hierarchy", "output"):
            if key in options:
                options[key] = folder / options[key]
        if "ground" in options:
            options["ground"] = Ground(options["ground"])
        wasserstein(folder / a, folder / b, **options)
        out, err = capsys.readouterr()
        return json.loads(out) if out else None, err.replace(f"{folder}/", "")

    return run


def scipys(labels, a, b):
    weights = [[each.get(label, 0) for label in labels] for each in (a, b)]
    return wasserstein_distance(range(len(labels)), range(len(labels)), *weights)


def test_without_a_hierarchy_labels_stand_by_name(measure):
    found, said = measure()
    assert said == ""
    assert list(found) == ["distance", "ground", "order", "labels", "sensitivity"]
    assert (found["ground"], found["order"]) == ("index", "name")
    assert found["labels"] == ["bus", "car", "hub", "wheel"]
    np.testing.assert_allclose(found["distance"], scipys(found["labels"], A, B), atol=1e-9)
    band = found["sensitivity"]
    assert list(band) == ["orders", "min", "median", "max"]
    assert band["orders"] == 200
    assert band["min"] <= found["distance"] <= band["max"]


def test_with_one_they_stand_depth_first(measure):
    found, _ = measure(hierarchy="tree.json")
    assert (found["order"], found["labels"]) == ("dfs", ["bus", "car", "hub", "wheel"])
    found, _ = measure(hierarchy="plain.json")
    assert found["labels"] == ["bus", "car", "wheel", "hub"]
    np.testing.assert_allclose(found["distance"], scipys(found["labels"], A, B), atol=1e-9)


def test_orders(measure, folder):
    found, _ = measure(order="frequency")
    assert found["labels"] == ["wheel", "car", "bus", "hub"]
    (folder / "classes").write_text("hub\nunused\nbus\n\ncar\nwheel\n")
    found, _ = measure(order=str(folder / "classes"))
    assert found["order"] == str(folder / "classes")
    assert found["labels"] == ["hub", "unused", "bus", "car", "wheel"]
    np.testing.assert_allclose(found["distance"], scipys(found["labels"], A, B), atol=1e-9)
    found, _ = measure(order="name", hierarchy="plain.json")
    assert found["labels"] == ["bus", "car", "hub", "wheel"]


def test_a_seed_is_a_band(measure):
    bands = [measure(seed=seed, orders=5)[0]["sensitivity"] for seed in (1, 1, 2)]
    assert bands[0] == bands[1] != bands[2]
    assert bands[0]["orders"] == 5


def test_the_tree_by_hand(measure):
    """Above each class: h - r is -1/4 at bus, -5/8 at hub, 1/8 at wheel, 1/4 at car."""
    for hierarchy in ("tree.json", "plain.json"):
        found, said = measure(hierarchy=hierarchy, ground="tree")
        np.testing.assert_allclose(found["distance"], 0.25 + 0.625 + 0.125 + 0.25, atol=1e-12)
        assert (found["ground"], said) == ("tree", "")
        assert list(found) == ["distance", "ground", "order", "labels"]


def test_on_a_tree_paths_measure_the_same(measure):
    tree, _ = measure(hierarchy="plain.json", ground="tree")
    path, said = measure(hierarchy="plain.json", ground="path")
    np.testing.assert_allclose(path["distance"], tree["distance"], rtol=0, atol=1e-9)
    assert said == ""
    assert list(path) == ["distance", "ground", "order", "labels"]


def test_along_the_paths_of_a_dag_it_is_a_cost(measure):
    found, said = measure(hierarchy="dag.json", ground="path")
    costs = {("wheel", "bus"): 1, ("wheel", "hub"): 1, ("car", "bus"): 2, ("car", "hub"): 1}
    matrix = np.array([[costs.get((x, y), float(x != y)) for y in B] for x in ("wheel", "car")])
    expected = ot.emd2([0.75, 0.25], np.array([*B.values()]) / 4, matrix)
    np.testing.assert_allclose(found["distance"], expected, atol=1e-9)
    assert found["cost"] is True
    assert said == (
        "'wheel' has several parents: this is a transport cost and no distance, because the"
        " triangle inequality can fail\n"
    )


def test_a_class_with_several_parents_is_in_no_tree(measure):
    with pytest.raises(UserError, match=r"'wheel' has 2 parents.*--ground path"):
        measure(hierarchy="dag.json", ground="tree")


def test_a_shared_class_without_weight_is_in_nobodys_way(measure, folder):
    (folder / "c.json").write_text('{"car": 1, "wheel": 0}')
    (folder / "d.json").write_text('{"bus": 1}')
    found, _ = measure("c.json", "d.json", hierarchy="dag.json", ground="tree")
    np.testing.assert_allclose(found["distance"], 2)
    found, said = measure("c.json", "d.json", hierarchy="dag.json", ground="path")
    np.testing.assert_allclose(found["distance"], 2)
    assert (said, "cost" in found) == ("", False)


@pytest.mark.parametrize(("ground", "distance"), [("index", 0.5), ("tree", 1), ("path", 1)])
def test_labels_outside_of_the_hierarchy_are_others(measure, folder, ground, distance):
    (folder / "c.json").write_text('{"cat": 3, "zebra": 1, "street": 4}')
    (folder / "d.json").write_text('{"street": 8, "an id": 0}')
    found, said = measure("c.json", "d.json", hierarchy="plain.json", ground=ground)
    assert found["labels"] == ["street", "others"]
    np.testing.assert_allclose(found["distance"], distance)
    assert said == (
        "c.json: labels outside of the hierarchy: 2; 0.5 of the weight counts as 'others'\n"
        "d.json: labels outside of the hierarchy: 1; 0 of the weight counts as 'others'\n"
    )


def test_others_are_last_in_every_order(measure, folder):
    (folder / "c.json").write_text('{"cat": 3, "wheel": 1, "street": 1}')
    for order in ("name", "dfs", "frequency"):
        labels = measure("c.json", hierarchy="plain.json", order=order)[0]["labels"]
        assert labels[-1] == "others"
    (folder / "classes").write_text("others\nwheel\nstreet\nbus\ncar\nhub\n")
    listed = {"hierarchy": "plain.json", "order": str(folder / "classes")}
    labels = ["wheel", "street", "bus", "car", "hub", "others"]
    assert measure("c.json", **listed)[0]["labels"] == labels
    (folder / "classes").write_text("\n".join(labels[:-1]))
    assert measure("c.json", **listed)[0]["labels"] == labels
    (folder / "d.json").write_text('{"others": 1, "zebra": 1}')
    assert measure("d.json", "d.json")[0]["labels"] == ["others", "zebra"]


def test_others_stay_last_in_random_orders(measure, folder):
    """With street and wheel changing places there are two distances; between them lies 0.9."""
    (folder / "c.json").write_text('{"cat": 5, "wheel": 2, "street": 3}')
    (folder / "d.json").write_text('{"street": 1}')
    band = measure("c.json", "d.json", hierarchy="plain.json", orders=99)[0]["sensitivity"]
    np.testing.assert_allclose((band["min"], band["max"]), (0.7, 1.2))
    assert round(band["median"], 9) in (0.7, 1.2)


def test_others_cannot_be_a_class_and_what_is_outside(measure, folder):
    hierarchy_of(folder / "odd.json", [("street", "others")])
    (folder / "c.json").write_text('{"others": 1, "street": 1}')
    assert measure("c.json", "c.json", hierarchy="odd.json")[0]["distance"] == 0
    with pytest.raises(UserError, match="'wheel' is not in the hierarchy"):
        measure(hierarchy="odd.json")


@pytest.mark.parametrize("ground", ["index", "tree", "path"])
def test_the_same_twice_is_no_distance(measure, ground):
    found, _ = measure(b="a.json", hierarchy="plain.json", ground=ground)
    assert found["distance"] == 0


def rankings(labels):
    ids = [str(i) for i in range(len(labels))]
    return [
        Ranking("q", ids, -np.arange(float(len(ids))), labels),
        Ranking("p", [], np.zeros(0), []),
    ]


@pytest.mark.parametrize("form", ["jsonl", "h5"])
def test_results_count_as_labels_of_their_hits(measure, folder, form):
    path = folder / f"results.{form}"
    labels = ["car", "wheel", "car", "bus"]
    write_results(path, HEADER, rankings(labels), format=form, chain=[], overwrite=False)
    (folder / "same.json").write_text('{"car": 2, "wheel": 1, "bus": 1}')
    found, _ = measure(path.name, "same.json")
    assert found["distance"] == 0
    assert found["labels"] == ["bus", "car", "wheel"]


def test_results_made_elsewhere_need_no_header(measure, folder):
    hits = [{"id": "1", "score": 2, "label": "car"}, {"id": "2", "score": 1, "label": "bus"}]
    lines = [{"query": "q", "hits": hits}, {"query": "p", "hits": hits[:1]}]
    (folder / "r").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "same.json").write_text('{"car": 2, "bus": 1}')
    assert measure("r", "same.json")[0]["distance"] == 0


def test_a_hit_without_a_label_is_refused(measure, folder):
    path = folder / "results.jsonl"
    labels = ["car", None]
    write_results(path, HEADER, rankings(labels), format="jsonl", chain=[], overwrite=False)
    with pytest.raises(UserError) as error:
        measure("results.jsonl")
    assert str(error.value) == f"{path}: hit '1' of query 'q' has no label to count"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"car": -1}', "car is -1; a weight is at least 0"),
        ('{"car": NaN}', ":1: NaN is not a number; JSON has none"),
        ('{"car": 1e999}', ":1: 1e999 is not a number; JSON has none"),
        ('{"car": "1"}', "car is not a finite number"),
        ('{"car": true}', "car is not a finite number"),
        ('{"car": 1' + "0" * 400 + "}", "car is not a finite number"),
        ('{"car": 1, "car": 2}', 'the key "car" is there twice'),
        ("[1, 2]", "the document is not an object"),
        ("{}", "has no weight above 0; there is nothing to compare"),
        ('{"car": 0, "bus": 0.0}', "has no weight above 0; there is nothing to compare"),
        ("", "is empty"),
        ("car 1", ":1: not JSON: Expecting value"),
        ('{"kind": "metrics"}', "is a metrics file; weights by label or results are needed"),
    ],
)
def test_weights_that_are_none(measure, folder, text, message):
    (folder / "bad.json").write_text(text)
    for pair in (("bad.json", "b.json"), ("a.json", "bad.json")):
        with pytest.raises(UserError) as error:
            measure(*pair)
        assert str(error.value).startswith(str(folder / "bad.json"))
        assert str(error.value).endswith(message)
        assert error.value.exit_code == 3


def test_large_and_small_weights_are_normalised(measure, folder):
    (folder / "c.json").write_text('{"car": 1e308, "bus": 1e308}')
    (folder / "d.json").write_text('{"car": 5e-324, "bus": 5e-324}')
    assert measure("c.json", "d.json")[0]["distance"] == 0


def test_an_order_that_is_none(measure, folder):
    path = folder / "classes"
    path.write_text("car\nbus\nhub\n")
    with pytest.raises(UserError, match="'wheel' is not there; list every class"):
        measure(order=str(path))
    path.write_text("car\nbus\nhub\ncar\nwheel\n")
    with pytest.raises(UserError, match="'car' is there twice"):
        measure(order=str(path))
    with pytest.raises(UserError, match="depth: no such file"):
        measure(order="depth")


@pytest.mark.parametrize("options", [{"ground": "tree"}, {"ground": "path"}, {"order": "dfs"}])
def test_what_needs_a_hierarchy(measure, options):
    with pytest.raises(UsageError, match="needs --hierarchy"):
        measure(**options)


def test_an_output_is_not_replaced_unasked(measure, folder):
    assert measure(output="out.json") == (None, "")
    before = (folder / "out.json").read_text()
    assert json.loads(before)["ground"] == "index"
    with pytest.raises(OutputExistsError):
        measure(output="out.json")
    measure(output="out.json", order="frequency", overwrite=True)
    assert (folder / "out.json").read_text() != before


def test_pipes_and_exit_codes(hier, folder):
    done = hier("wasserstein", "-", "b.json", stdin=json.dumps(A).encode(), cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == hier("wasserstein", "a.json", "b.json", cwd=folder).stdout
    done = hier("wasserstein", "-", "b.json", stdin=b'{"car": -0.5}', cwd=folder)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "hiertools wasserstein: standard input: car is -0.5; a weight is at least 0\n"
    )
    done = hier("wasserstein", "a.json", "none.json", cwd=folder)
    assert done.returncode == 3
    assert done.stderr == "hiertools wasserstein: none.json: no such file\n"
    done = hier("wasserstein", "-", "-", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_hierarchy_can_come_through_a_pipe(hier, folder):
    options = ("--ground", "path", "--hierarchy")
    text = (folder / "dag.json").read_bytes()
    done = hier("wasserstein", "a.json", "b.json", *options, "-", stdin=text, cwd=folder)
    assert done.returncode == 0
    quiet = hier("wasserstein", "-q", "a.json", "b.json", *options, "dag.json", cwd=folder)
    assert (quiet.stdout, quiet.stderr) == (done.stdout, "")
    assert json.loads(done.stdout)["cost"] is True
