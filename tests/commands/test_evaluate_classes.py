"""`hiertools evaluate classes`: the real command on a few items, each number by hand."""

import json

import numpy as np
import pytest

from hiertools import taxonomy
from hiertools.cli import main
from hiertools.files import items
from hiertools.files.class_predictions import write_class_predictions
from hiertools.files.classified import ClassPrediction
from hiertools.files.embeddings import write_embeddings
from hiertools.files.hierarchy import write_hierarchy
from hiertools.files.items import Items
from hiertools.files.metrics import read_metrics
from tests.evaluation import classes_made as made

IDS = [f"00{row}" for row in range(len(made.ITEMS))]
SURE = [0.9, 0.1]
PATHS = {
    "poodle": ["all", "animal", "dog", "poodle"], "beagle": ["all", "animal", "dog", "beagle"],
    "cat": ["all", "animal", "cat"], "bear": ["all", "animal", "bear"],
    "dog": ["all", "animal", "dog"], "animal": ["all", "animal"], "car": ["all", "toy", "car"],
}  # fmt: skip


def prediction(row, label, top, node=None, *, labels):
    path = PATHS[node or top.split()[0]]
    return ClassPrediction(
        IDS[row], top.split(), SURE[: len(top.split())], path=path, names=path,
        path_probabilities=[1.0] * (len(path) - 1) + [0.9], labels=[label] if labels else None,
    )  # fmt: skip


def save(path, items=made.ITEMS, *, rule="argmax", nodes=(), labels=True, **header):
    tree = taxonomy.of_hierarchy(made.hierarchy(), classes=None, distance=None)
    about = {
        "model": None, "taxonomy": tree.digest, "classes": tree.classes, "rule": rule,
        "temperature": None, "k": 20, **header,
    }  # fmt: skip
    nodes = nodes or [None] * len(items)
    rows = enumerate(zip(items, nodes, strict=True))
    found = [prediction(row, *item, node, labels=labels) for row, (item, node) in rows]
    write_class_predictions(path, about, found, chain=[], overwrite=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes")
    write_hierarchy(folder / "h.json", made.hierarchy(), chain=[], overwrite=False)
    save(folder / "p.jsonl")
    save(folder / "bare.jsonl", labels=False)
    save(folder / "other.jsonl", [(label, "car poodle") for label, _ in made.ITEMS])
    lines = [f"{key},{label}" for key, (label, _) in zip(IDS, made.ITEMS, strict=True)]
    (folder / "truth.csv").write_text("\n".join(["id,label", *lines, ""]))
    (folder / "few.csv").write_text("\n".join(["id,label", *lines[:2], "x,cat", ""]))
    lines = [f"{key},{top.split()[0]}" for key, (_, top) in zip(IDS, made.ITEMS, strict=True)]
    (folder / "foreign.csv").write_text("\n".join(["id,label", *lines, ""]))
    (folder / "counts.csv").write_text("class,count\npoodle,9\nbeagle,1\ncat,2\nbear,3\ncar,5\n")
    return folder


@pytest.fixture
def run(folder, tmp_path, monkeypatch, capsys):
    """Run in the folder; return the exit code, the metrics if there are some, and what was said."""

    def evaluate(*arguments, hierarchy="h.json"):
        monkeypatch.chdir(folder)
        out = tmp_path / "metrics.json"
        out.unlink(missing_ok=True)
        words = ["--hierarchy", hierarchy] if hierarchy else []
        words += [str(each) for each in arguments]
        code = main(["evaluate", "classes", *words, "--resamples", "50", "-o", str(out)])
        said = capsys.readouterr()
        return code, read_metrics(out) if out.exists() else None, said.err

    return evaluate


def rows(metrics):
    return {(row["metric"], row.get("k", row.get("of"))): row for row in metrics.metrics}


def test_classes_by_hand(run):
    code, found, said = run("p.jsonl", "--depths", "1,2", "--top", "1,2")
    assert code == 0, said
    made_of = rows(found)
    assert made_of["top-1", None]["value"] == pytest.approx(2 / 6)
    assert made_of["top-2", None]["value"] == pytest.approx(5 / 6)
    assert made_of["hierarchical-distance", 1]["value"] == pytest.approx(8 / 6)
    assert made_of["mistake-severity", 1]["value"] == pytest.approx(2)
    assert made_of["hierarchical-f1", None]["value"] == pytest.approx(2 / 3)
    assert made_of["accuracy", "species"]["value"] == pytest.approx(1 / 2)
    assert made_of["calibration-error", None]["value"] == pytest.approx(0.9 - 2 / 6)
    assert found.counts["items"] == 6
    assert found.counts["classes_without_items"] == 2
    assert found.parameters["distance"] == "path"
    assert found.parameters["rule"] == "argmax"
    assert set(found.tables) == {"depths", "classes", "reliability"}
    assert "2 (beagle, bear) of 5 classes have no items" in said
    assert "mistake-severity@2" in said


def test_the_truth_may_be_a_table_or_embeddings(run, folder):
    table = Items(items.encode(IDS), labels=items.label_sets([[label] for label, _ in made.ITEMS]))
    blocks = [np.ones((len(IDS), 2), np.float32)]
    meta = {"encoder": "x", "digest": "0" * 64, "dimension": 2, "output": "embedding"}
    write_embeddings(
        folder / "e.h5", blocks, 2, table, meta={**meta, "preprocess": {}}, chain=[], overwrite=True
    )
    wanted = run("p.jsonl")[1].metrics
    assert run("bare.jsonl", "--truth", "truth.csv")[1].metrics == wanted
    assert run("bare.jsonl", "--truth", "e.h5")[1].metrics == wanted


def test_predictions_of_another_program(run, folder):
    code, found, said = run("foreign.csv", "--truth", "truth.csv")
    assert code == 0, said
    assert rows(found)["top-1", None]["value"] == pytest.approx(2 / 6)
    assert ("brier", None) not in rows(found)
    assert "items list 1 classes or more: there are no metrics of k = 5, 20" in said
    (folder / "f.jsonl").write_text('{"id": "000", "top": [{"label": "dog"}]}\n')
    code, found, said = run("f.jsonl", "--truth", "truth.csv", "--max-bad", "5")
    assert rows(found)["top-1", None]["value"] == 0
    assert rows(found)["coverage", "node"]["value"] == 1
    assert rows(found)["classes", "node"]["value"] == 0
    assert rows(found)["hierarchical-precision", None]["value"] == 1
    assert rows(found)["hierarchical-recall", None]["value"] == pytest.approx(2 / 3)


def test_nodes_of_the_rule_ancestor(run, folder):
    nodes = ["dog", "dog", "cat", "animal", "cat", "car"]
    save(folder / "nodes.jsonl", rule="ancestor", nodes=nodes)
    code, found, said = run("nodes.jsonl")
    assert code == 0, said
    # dog is above a poodle, an animal above a dog, a car is a car
    assert rows(found)["coverage", "node"]["value"] == pytest.approx(5 / 6)
    assert rows(found)["classes", "node"]["value"] == pytest.approx(3 / 6)
    assert rows(found)["depth", "node"]["value"] == pytest.approx((2 + 2 + 2 + 1 + 2 + 2) / 6)
    assert rows(found)["calibration-error", "node"]["value"] == pytest.approx(0.9 - 5 / 6)
    assert "node coverage" in said
    assert [row["depth"] for row in found.tables["depths"]] == [2, 3]
    plain = run("p.jsonl", "--against", "nodes.jsonl")[1]
    assert rows(plain)["coverage", "node"]["against"] == pytest.approx(5 / 6)


def test_two_runs(run, folder):
    code, found, said = run("p.jsonl", "--against", "other.jsonl")
    assert code == 0, said
    top = rows(found)["top-1", None]
    assert (top["against"], top["difference"]) == (pytest.approx(1 / 6), pytest.approx(1 / 6))
    assert top["p"] == 1  # two against one
    assert rows(found)["hierarchical-distance", 1]["difference"] < 0
    assert found.tables["depths"][0]["against"] == pytest.approx(1 / 4)
    save(folder / "less.jsonl", made.ITEMS[:5])
    code, _, said = run("p.jsonl", "--against", "less.jsonl")
    assert code == 3
    assert "less.jsonl lacks items that are judged: 1 (005); --against needs" in said
    code, _, said = run("less.jsonl", "--against", "p.jsonl")
    assert code == 3
    assert "the other file lacks items of p.jsonl: 1 (005)" in said


def test_sizes_of_training(run, folder):
    _, found, _ = run("p.jsonl", "--counts", "counts.csv", "--edges", "2,5")
    bins = [(r["from"], r.get("to"), r["classes"], r["items"]) for r in found.tables["sizes"]]
    assert bins == [(0, 1, 1, 0), (2, 4, 2, 1), (5, None, 2, 3)]
    assert rows(found)["top-1", None]["frequent"] == pytest.approx(4 / 6)  # all are poodles
    prior = run("p.jsonl", "--counts", "counts.csv", "--chance", "prior")[1]
    assert rows(prior)["top-1", None]["chance"] == pytest.approx((18 + 2 + 20 + 5) / 20 / 6)
    save(folder / "counts.jsonl", counts=[9, 1, 2, 3, 5])
    assert run("counts.jsonl", "--edges", "2,5")[1].tables["sizes"] == found.tables["sizes"]
    code, prior, _ = run("counts.jsonl", "--chance", "prior")
    assert code == 0
    assert 0 < rows(prior)["top-1", None]["chance"] < 1
    assert run("--sanity", "--reported", "none.csv", "--chance", "prior")[0] == 2


def test_sanity(run, folder):
    code, found, said = run("p.jsonl", "--sanity", "--counts", "counts.csv")
    assert code == 3
    results = [(row["check"], row["result"]) for row in found.tables["sanity"]]
    assert results == [
        ("classes", "failed"), ("depths", "ok"), ("predictions", "note"), ("sizes", "ok")
    ]  # fmt: skip
    assert "sanity: failed: of 5 classes these have no items: 2 (beagle, bear)" in said
    assert "1 of 4 checks failed" in said
    (folder / "t.csv").write_text("class,accuracy\npoodle,50\nviceroy,90\ncat,55\n")
    code, found, said = run("p.jsonl", "--sanity", "--reported", "t.csv")
    assert code == 3
    assert "these are none of the hierarchy: 1 (viceroy)" in said
    assert "line 4: cat: 55 of 1 items cannot be" in said


def test_a_table_is_checked_without_predictions(run, folder):
    (folder / "good.csv").write_text("class,accuracy,items\npoodle,92,50\n")
    code, found, said = run("--sanity", "--reported", "good.csv")
    assert (code, found) == (0, None)
    assert "sanity: ok: good.csv: all 1 accuracies can be" in said
    (folder / "bad.csv").write_text("class,accuracy,items\npoodle,91.5,50\n")
    more = ("--counts", "counts.csv", "--edges", "1,10")
    code, found, said = run("--sanity", "--reported", "bad.csv", *more)
    assert (code, found) == (3, None)
    assert "line 2: poodle: 91.5 of 50 items cannot be; the nearest is 92, 46 right" in said
    assert "no class has 10 or more items in training" in said


def test_tags_and_json(run, folder, tmp_path, monkeypatch, capsys):
    found = run("p.jsonl", "--tag", "loss=hxe", "--tag", "seed=1")[1]
    assert found.parameters["tags"] == {"loss": "hxe", "seed": "1"}
    assert "tags" not in run("p.jsonl")[1].parameters
    monkeypatch.chdir(folder)
    out = str(tmp_path / "m.json")
    assert (
        main(["evaluate", "classes", "p.jsonl", "--hierarchy", "h.json", "--json", "-o", out]) == 0
    )
    printed = json.loads(capsys.readouterr().out)
    assert printed["task"] == "classes"
    assert printed["metrics"] == read_metrics(tmp_path / "m.json").metrics


def test_the_same_bytes_twice(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    words = ["evaluate", "classes", "p.jsonl", "--hierarchy", "h.json", "--no-provenance", "-q"]
    for name in ("a.json", "b.json"):
        assert main([*words, "--against", "other.jsonl", "-o", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_another_hierarchy(run, folder):
    other = made.hierarchy()
    other.edges.pop(0)
    write_hierarchy(folder / "cut.json", other, chain=[], overwrite=True)
    code, _, said = run("p.jsonl", hierarchy="cut.json")
    assert code == 3
    assert "the predictions are of another hierarchy than cut.json" in said
    assert run("p.jsonl", "--any-hierarchy", hierarchy="cut.json")[0] == 0
    less = made.hierarchy()
    less.nodes.remove(less.nodes[-1])
    less.edges.pop()
    less.leaves.remove("beagle")
    write_hierarchy(folder / "less.json", less, chain=[], overwrite=True)
    code, _, said = run("p.jsonl", hierarchy="less.json")
    assert code == 3
    assert "p.jsonl: has other classes than less.json: less.json lacks 1 (beagle)" in said
    code, _, said = run("foreign.csv", "--truth", "truth.csv", hierarchy="less.json")
    assert code == 3
    assert "foreign.csv: less.json lacks what is predicted: 1 (beagle)" in said


def test_heights(run):
    code, found, said = run("p.jsonl", "--distance", "height")
    assert code == 0, said
    assert found.parameters["distance"] == "height"
    # heights of dog, animal, animal, animal and toy, of 3; a bear and a cat meet at animal
    assert rows(found)["hierarchical-distance", 1]["value"] == pytest.approx(
        (0 + 1 + 2 + 0 + 2 + 1) / 3 / 6
    )


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (("bare.jsonl",), 3, "bare.jsonl: the predictions have no labels of the items"),
        (("p.jsonl", "--truth", "few.csv"), 3, "few.csv lacks items of p.jsonl: 4 (002, 003"),
        (("p.jsonl", "--truth", "few.csv"), 3, "p.jsonl lacks items of few.csv: 1 (x)"),
        (("h.json",), 3, "h.json: is a hierarchy file; predictions of hiertools classify"),
        (("missing.jsonl",), 3, "missing.jsonl: no such file"),
        ((), 2, "name predictions to judge"),
        (("--sanity",), 2, "name predictions to judge"),
        (("p.jsonl", "--reported", "truth.csv"), 2, "--reported is for --sanity"),
        (("p.jsonl", "--chance", "prior"), 2, "--chance prior needs"),
        (("p.jsonl", "--top", "0"), 2, "--top 0: write numbers above 0"),
        (("p.jsonl", "--tag", "loss"), 2, "--tag loss: write NAME=VALUE"),
        (("p.jsonl", "--counts", "truth.csv"), 3, "no column 'class'"),
        (("--sanity", "--reported", "x.csv", "--against", "p.jsonl"), 2, "--against needs"),
    ],
)
def test_bad_input_is_one_line(run, words, code, what):
    found = run(*words)
    assert (found[0], found[1]) == (code, None)
    assert what in found[2]
    assert found[2].count("\n") == 1


def test_the_hierarchy_is_needed(run):
    code, _, said = run("p.jsonl", hierarchy=None)
    assert code == 2
    assert "name the hierarchy of the classes: --hierarchy JSON" in said


def test_places_are_refused(run, folder):
    header = {"kind": "predictions", "version": 1, "provenance": [], "levels": ["city"]}
    (folder / "places.jsonl").write_text(json.dumps(header) + "\n")
    code, _, said = run("places.jsonl")
    assert code == 3
    assert "has predictions of places; those of classes are needed" in said
