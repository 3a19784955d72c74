"""`hiertools evaluate parts`, on a small index and on results of its own queries."""

import json
from dataclasses import replace

import numpy as np
import pytest

from hiertools.cli import main
from hiertools.files.embeddings import read_embeddings, write_embeddings
from hiertools.files.hierarchy import Edge, Hierarchy, Node, write_hierarchy
from hiertools.files.index import write_index
from hiertools.files.items import Items, encode, label_sets
from hiertools.files.metrics import read_metrics
from hiertools.files.pairs import Pairs, write_pairs
from hiertools.search.placing import Placer
from tests.evaluation.made import NAMES, hierarchy

ABOUT = {"encoder": "made", "digest": "0" * 64, "preprocess": {}, "output": "embedding"}
FEATURES, DIMENSION = 6, 4


def table(names, rng):
    """Return images of one to four boxes each, with boxes that lie in their image."""
    ids, kind, labels, box = [], [], [], []
    for name in names:
        shown = [NAMES[code] for code in rng.integers(0, len(NAMES), rng.integers(1, 5))]
        ids += [name, *(f"{name}#{i}" for i in range(len(shown)))]
        kind += [0, *[1] * len(shown)]
        labels += [shown, *([label] for label in shown)]
        box += [[0, 0, 1, 1], *([0, 0, 0.2 * (i + 1), 0.5] for i in range(len(shown)))]
    images = [name.partition("#")[0] for name in ids]
    flags = {"occluded": rng.random(len(ids)) < 0.3, "group_of": np.zeros(len(ids), np.bool_)}
    return Items(
        encode(ids), encode(images), np.array(kind, np.uint8), label_sets(labels),
        np.array(box, np.float64), **flags,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An index with a model, one without, queries of some of its images and of others."""
    folder = tmp_path_factory.mktemp("parts")
    rng = np.random.default_rng(0)
    write_hierarchy(folder / "tree.json", hierarchy(), chain=[], overwrite=False)
    searched = table([f"i{i:02d}" for i in range(25)], rng)
    others = table([f"q{i:02d}" for i in range(6)], rng)
    centres = {name: rng.normal(size=FEATURES) for name in NAMES}

    def vectors(items):
        means = [np.mean([centres[x] for x in items.labels.of(i)], 0) for i in range(len(items))]
        noise = rng.normal(size=(len(items), FEATURES))
        return (np.array(means) + 0.5 * noise).astype(np.float32)

    made = vectors(searched)
    queries = [(searched.take(np.arange(15)), made[:15]), (others, vectors(others))]
    for name, (items, each) in zip(("same.h5", "others.h5"), queries, strict=True):
        meta = {**ABOUT, "dimension": FEATURES}
        write_embeddings(
            folder / name, [each], FEATURES, items, meta=meta, chain=[], overwrite=False
        )
    head = {
        "head.weight": rng.normal(size=(DIMENSION, FEATURES)).astype(np.float32),
        "head.bias": np.zeros(DIMENSION, np.float32),
        **{name: np.array(value, np.float32) for name, value in ALPHA_C_TAU.items()},
    }
    index(folder / "index.h5", made, searched, head)
    index(folder / "plain.h5", made, searched, {})
    rows = np.arange(len(searched))
    parents = rows[np.append(searched.kind[:-1] == 0, False)]
    items = replace(searched, id=np.where(rows == 2, b"elsewhere", searched.id))
    pairs = Pairs(np.append(parents, 1), np.append(parents + 1, 2), items, {})
    write_pairs(folder / "pairs.h5", pairs, chain=[], overwrite=False)
    return folder


ALPHA_C_TAU = {"log_alpha": -1.0, "log_c": 0.5, "log_tau": 0.0}


def index(path, vectors, items, head):
    geometry = "lorentz" if head else "euclidean"
    points = Placer(head, {"task": "parts", "geometry": geometry}).place(vectors)
    meta = {
        "task": "parts" if head else "plain", "geometry": geometry,
        "c": float(np.exp(0.5)) if head else 1.0, "features": FEATURES,
        "dimension": points.shape[1], "model": "1" * 64 if head else None, "method": "exact",
        "by": "cosine", "structure": {}, **ABOUT,
    }  # fmt: skip
    write_index(
        path, [points], items, head=head, structure=b"", meta=meta, chain=[], overwrite=False
    )


QUERIES = ("same.h5", "others.h5")


@pytest.fixture
def run(folder, tmp_path, monkeypatch, capsys):
    """Run in the folder; return the exit code, the metrics, and what was said."""

    def evaluate(*arguments, tree="tree.json"):
        monkeypatch.chdir(folder)
        out = tmp_path / "metrics.json"
        words = [str(argument) for argument in arguments]
        if tree:
            words += ["--hierarchy", str(tree)]
        words += ["--resamples", "20", "--orders", "5", "-o", str(out), "--overwrite"]
        code = main(["evaluate", "parts", *words])
        said = capsys.readouterr().err
        return code, read_metrics(out) if code == 0 else None, said

    return evaluate


def values(metrics):
    return {
        tuple(row.get(name) for name in ("metric", "find", "of", "exclude", "k")): row
        for row in metrics.metrics
    }


def assert_same(left, right):
    left, right = (
        {key: row for key, row in values(each).items() if key[1] is not None}
        for each in (left, right)
    )
    assert left.keys() == right.keys()
    for key, row in left.items():
        for name in ("value", "low", "high", "chance", "queries"):
            np.testing.assert_allclose(
                row[name], right[key][name], rtol=1e-9, atol=1e-12, err_msg=str((key, name))
            )


def test_an_index_is_searched_by_queries(run):
    code, found, said = run("index.h5", *QUERIES, "-k", "1,5", "--pairs", "pairs.h5", "-v")
    assert code == 0, said
    rows = values(found)
    names = {name for name, *_ in rows}
    assert names == {
        "same_class_precision", "hierarchical_recall", "hierarchical_map", "ot_index",
        "radius_depth_spearman", "radius_depth_spearman_boxes", "parent_nearer_share",
    }  # fmt: skip
    for row in found.metrics:
        assert row["low"] <= row["value"] <= row["high"] or row["low"] == row["high"]
        assert row["queries"] > 0
    assert found.parameters["by"] == "angle"
    assert found.parameters["find"] == ["children", "parents"]
    assert found.counts["candidate_images"] == 25
    boxes = found.counts["candidate_boxes"]
    deep = sorted({k for name, find, _, _, k in rows if name == "ot_index"})
    assert deep == [-(-boxes * percent // 100) for percent in (5, 10, 25, 50)]
    assert {row["of"] for row in found.tables["radius"]} == {"queries", "candidates"}
    assert "hierarchical_recall" in said
    assert "1 of 26 pairs have an item that is no candidate" in said
    assert "candidate_boxes" in said
    assert "self, image" not in said  # the queries' images are in the index


def test_rows_that_are_the_same_whatever_is_excluded_are_shown_once(run):
    _, found, said = run("index.h5", "others.h5")
    assert "self, image" in said
    assert {row.get("exclude") for row in found.metrics} == {"self", "image", None}


def test_training_shows_at_the_class_level(run):
    """Points lie around the centre of their class, so that cosine finds the same class."""
    _, found, _ = run("plain.h5", "others.h5")
    assert found.parameters["by"] == "cosine"
    row = values(found)["same_class_precision", "children", "image", "self", 5]
    assert row["low"] > row["chance"]


def test_the_size_of_blocks_changes_nothing(run):
    given = ("index.h5", *QUERIES, "--seed", "1")
    one, many = (run(*given, "--batch-size", size)[1] for size in (1, 7))
    assert_same(one, many)
    assert one.tables["curve"] == many.tables["curve"]


@pytest.mark.parametrize(
    ("find", "by", "parent_score", "format"),
    [
        ("children", "angle", "ext", "jsonl"),
        ("parents", "angle", "ext", "h5"),
        ("parents", "angle", "alpha2", "jsonl"),
        ("children", "distance", "ext", "trec"),
        ("parents", "cosine", "ext", "jsonl"),
    ],
)
def test_results_of_all_candidates_come_to_the_same(
    run, folder, tmp_path, find, by, parent_score, format
):
    results = tmp_path / f"results.{format}"
    given = ("--find", find, "--by", by)
    given += ("--parent-score", parent_score) if parent_score != "ext" else ()
    asked = ("index.h5", *QUERIES, *given)
    code, streamed, said = run(*asked, "--exclude", "self")
    assert code == 0, said
    paths = map(str, (folder / name for name in ("index.h5", *QUERIES)))
    words = ["query", *paths, *given, "-k", "500", "-o", str(results), "--format", format]
    words += ["--exclude", "none"] if find == "parents" else []
    assert main([*words, "-q"]) == 0
    tables = [word for name in ("index.h5", *QUERIES) for word in ("--items", name)]
    said_by_header = () if format != "trec" else ("--find", find)
    code, judged, said = run(results, *tables, "--exclude", "self", *said_by_header)
    assert code == 0, said
    assert_same(streamed, judged)
    if format != "trec":
        assert judged.parameters["by"] == by


def test_truth_of_foreign_results(run, folder, tmp_path):
    found = read_embeddings(folder / "same.h5").items
    lines = ["id,image,labels"]
    for row in range(len(found)):
        labels = "|".join(found.labels.of(row))
        lines.append(f"{found.id[row].decode()},{found.image[row].decode()},{labels}")
    (tmp_path / "truth.csv").write_text("\n".join(lines) + "\n")
    run_file = tmp_path / "run.trec"
    hits = [f"i00#0 Q0 {key.decode()} {i} {-i} t" for i, key in enumerate(found.id[:6])]
    run_file.write_text("\n".join(hits) + "\n")
    code, judged, said = run(
        run_file, "--truth", tmp_path / "truth.csv", "--find", "parents", "--recall-at", "2,50"
    )
    assert code == 0, said
    assert "rankings have up to 6 hits; not judged at 10, 50, 100" in said
    assert judged.counts["query_boxes"] == 1
    assert judged.counts["candidate_boxes"] + judged.counts["candidate_images"] == len(found)


def test_filters_samples_and_seeds(run, folder):
    given = ("index.h5", "same.h5", "--sample", "3")
    found = [run(*given, "--seed", seed)[1] for seed in (0, 0, 1)]
    assert found[0].metrics == found[1].metrics != found[2].metrics
    assert found[0].counts["query_images"] == 3
    assert found[0].counts["query_boxes"] == 3
    whole = run("index.h5", "same.h5")[1].counts
    _, left, said = run("index.h5", "same.h5", "--no-occluded", "--min-area", "0.2")
    assert left.counts["candidate_images"] == whole["candidate_images"]
    assert left.counts["candidate_boxes"] < whole["candidate_boxes"]
    assert "items are left out" in said
    code, _, said = run("index.h5", "same.h5", "--no-truncated")
    assert code == 3
    assert "same.h5: the items have no column 'truncated' to filter by" in said


def test_orders_and_paths(run, folder, tmp_path):
    (tmp_path / "classes").write_text("\n".join(reversed(NAMES)) + "\n")
    given = ("index.h5", "same.h5", "--path-cost", "2")
    listed = run(*given, "--order", tmp_path / "classes")[1]
    assert [row["class"] for row in listed.tables["order"]] == NAMES[::-1]
    by_name = run(*given, "--order", "name")[1]
    assert [row["class"] for row in by_name.tables["order"]] == sorted(NAMES)
    rows = [row for row in by_name.metrics if row["metric"] == "ot_path"]
    assert rows
    assert all(row["queries"] <= 2 for row in rows)
    (tmp_path / "classes").write_text("car\n")
    code, _, said = run(*given, "--order", tmp_path / "classes")
    assert code == 3
    assert "lacks the class 'bus'; list each class of the hierarchy once" in said


def test_on_a_tree_there_is_a_distance_along_it(run, tmp_path):
    nodes = [Node(name, name) for name in NAMES]
    tree = Hierarchy(nodes, [Edge("street", "car"), Edge("car", "wheel")], [], [], {}, {}, {}, "")
    write_hierarchy(tmp_path / "tree.json", tree, chain=[], overwrite=False)
    _, found, _ = run("index.h5", "same.h5", tree=tmp_path / "tree.json")
    assert "ot_tree" in {row["metric"] for row in found.metrics}


def test_classes_that_the_hierarchy_lacks(run, tmp_path):
    small = Hierarchy([Node("lamp", "lamp")], [], [], [], {}, {}, {}, "")
    write_hierarchy(tmp_path / "small.json", small, chain=[], overwrite=False)
    code, found, said = run("index.h5", *QUERIES, tree=tmp_path / "small.json")
    assert code == 0
    assert "have no class of the hierarchy and are not in the hierarchical metrics" in said
    assert found.tables["left_out"]
    other = Hierarchy([Node("sofa", "sofa")], [], [], [], {}, {}, {}, "")
    write_hierarchy(tmp_path / "other.json", other, chain=[], overwrite=False)
    code, _, said = run("index.h5", *QUERIES, tree=tmp_path / "other.json")
    assert code == 3
    assert "no query has a class of the hierarchy, such as 'bus'; is it mined from" in said


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["index.h5"], 2, "an index needs QUERIES…, and results need --items H5 or --truth CSV"),
        (["index.h5", "same.h5", "--items", "same.h5"], 2, "--items is for results; an index has"),
        (["r.jsonl", "--items", "index.h5", "--by", "angle"], 2, "--by is for an index; results"),
        (["r.jsonl", "--items", "index.h5", "--device", "cpu"], 2, "--device is for an index;"),
        (["index.h5", "same.h5", "-k", "5,x"], 2, "-k 5,x: write numbers above 0, such as 5,10,50"),
        (["index.h5", "same.h5", "--recall-at", "0"], 2, "--recall-at 0: write numbers above 0"),
        (
            ["index.h5", "same.h5", "-k", ",".join("1" * 101)],
            2,
            "-k has 101 numbers; give up to 100",
        ),
        (["index.h5", "missing.h5"], 3, "missing.h5: no such file"),
        (["same.h5", "same.h5"], 3, "same.h5: is an embeddings file; an index file is needed"),
        (["index.h5", "index.h5"], 3, "index.h5: is an index file; an embeddings file is needed"),
        (["r.jsonl", "--items", "tree.json"], 3, "tree.json: a hierarchy file has no items; name"),
        (
            ["index.h5", "same.h5", "--find", "children", "--parent-score", "alpha2"],
            2,
            "--parent-score is for parents that are ranked by angle",
        ),
        (
            ["plain.h5", "same.h5", "--parent-score", "alpha2"],
            2,
            "--parent-score is for parents that are ranked by angle",
        ),
        (["index.h5", "same.h5", "--pairs", "tree.json"], 3, "tree.json: is not an HDF5 file"),
        (["index.h5", "other.h5"], 3, "other.h5: is of the encoder made (111111111111)"),
    ],
)
def test_wrong_input_is_one_line(run, folder, arguments, code, message):
    found = read_embeddings(folder / "same.h5")
    meta = {**found.meta, "digest": "1" * 64}
    write_embeddings(
        folder / "other.h5", [found.vectors], FEATURES, found.items, meta=meta, chain=[],
        overwrite=True,
    )  # fmt: skip
    result, _, said = run(*arguments)
    assert result == code, said
    assert message in said
    assert len(said.splitlines()) == 1


def test_results_that_do_not_say_enough(run, folder, tmp_path):
    results = tmp_path / "r.jsonl"
    results.write_text('{"query": "q00#0", "hits": [{"id": "i00", "score": 1}]}\n')
    tables = ("--items", "index.h5", "--items", "others.h5")
    code, _, said = run(results, *tables)
    assert code == 2
    assert "the results do not say what was looked for; give --find" in said
    code, _, said = run(results, "--items", "index.h5", "--find", "parents")
    assert code == 3
    assert "no file has the item of 1 queries, such as 'q00#0'" in said
    code, _, said = run(results, "--items", "others.h5", "--find", "parents")
    assert code == 3
    assert "the hit 'i00' of 'q00#0' is not among the items that were searched" in said
    assert run(results, *tables, "--find", "parents")[0] == 0
    results.write_text('{"query": "q00#0", "hits": []}\n')
    code, _, said = run(results, *tables, "--find", "parents")
    assert code == 3
    assert "has no hits" in said


def test_what_results_leave_out_stays_out(run, folder, tmp_path):
    results = tmp_path / "r.jsonl"
    words = ["query", str(folder / "index.h5"), str(folder / "same.h5"), "-o", str(results)]
    assert main([*words, "--exclude", "image", "--find", "parents", "--only", "image", "-q"]) == 0
    code, found, said = run(results, "--items", "index.h5")
    assert code == 0, said
    assert {row["exclude"] for row in found.metrics} == {"image"}
    assert found.parameters["find"] == ["parents"]
    chances = [row["chance"] for row in found.metrics if row["metric"] == "hierarchical_recall"]
    assert chances
    code, _, said = run(results, "--items", "index.h5", "--exclude", "self")
    assert code == 2
    assert "the results leave out all of a query's image" in said
    code, _, said = run(results, "--items", "index.h5", "--find", "children")
    assert code == 2
    assert "--find children: the results are of a search for parents" in said


def test_the_hierarchy_is_needed(run):
    code, _, said = run("index.h5", "same.h5", tree=None)
    assert code == 2
    assert "name the hierarchy of the classes: --hierarchy JSON" in said


def test_streams_and_provenance(hier, folder, tmp_path):
    tree = (folder / "tree.json").read_bytes()
    words = ("evaluate", "parts", folder / "index.h5", folder / "same.h5", "--hierarchy", "-")
    done = hier(*words, "-o", "-", "--no-provenance", "-q", stdin=tree)
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert (document["kind"], document["task"]) == ("metrics", "parts")
    assert document["provenance"] == []
    kept = hier(*words, "-o", tmp_path / "m.json", "-q", stdin=tree)
    assert kept.returncode == 0
    found = read_metrics(tmp_path / "m.json")
    assert found.metrics == document["metrics"]
    assert [len(each["sha256"]) for each in found.chain[-1]["inputs"]] == [64] * 3
    assert hier(*words, "-o", tmp_path / "m.json", stdin=tree).returncode == 5
