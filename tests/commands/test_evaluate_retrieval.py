"""`hiertools evaluate retrieval`, on small indexes and on results of their own queries."""

import csv
import json

import numpy as np
import pytest

from hiertools.cli import main
from hiertools.files.hierarchy import Edge, Hierarchy, Node, write_hierarchy
from hiertools.files.items import Items, concatenate, encode, label_sets
from hiertools.files.metrics import read_metrics
from tests.search import class_material
from tests.search.material import save_embeddings, save_model

CLASSES = class_material.CLASSES
LEVELS = {"animal": "kingdom", "plant": "kingdom", "cat": "family", "dog": "family"}


def table(n, prefix, rng):
    ids = encode([f"{prefix}{i:03d}" for i in range(n)])
    labels = label_sets([str(name)] for name in rng.choice(CLASSES, n))
    return Items(ids, ids, np.zeros(n, np.uint8), labels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A plain index and one of classes, queries of which some are their items, a hierarchy."""
    folder = tmp_path_factory.mktemp("retrieval")
    rng = np.random.default_rng(0)
    found = class_material.hierarchy(class_material.TREE, CLASSES)
    nodes = [Node(node.id, node.id, LEVELS.get(node.id)) for node in found.nodes]
    tree = Hierarchy(nodes, found.edges, CLASSES, [], {}, {}, {}, "path")
    write_hierarchy(folder / "tree.json", tree, chain=[], overwrite=False)
    edges = [Edge("animal", "lion"), Edge("animal", "wolf")]
    nodes = [Node(name, name) for name in ("animal", "lion", "wolf")]
    small = Hierarchy(nodes, edges, ["lion", "wolf"], [], {}, {}, {}, "path")
    write_hierarchy(folder / "small.json", small, chain=[], overwrite=False)
    centres = {name: rng.normal(size=class_material.FEATURES) for name in CLASSES}

    def save(name, items):
        means = np.array([centres[items.labels.of(i)[0]] for i in range(len(items))])
        save_embeddings(folder / name, items, vectors=means + rng.normal(size=means.shape))

    searched, others = table(60, "i", rng), table(8, "q", rng)
    save("items.h5", searched)
    save("same.h5", searched.take(np.arange(12)))
    save("others.h5", others)
    bare = Items(others.id)
    save_embeddings(folder / "bare.h5", bare)
    class_material.save_model(folder / "model.h5")
    index = ["index", str(folder / "items.h5"), "-q", "-o"]
    assert main([*index, str(folder / "index.h5")]) == 0
    model = ["--model", str(folder / "model.h5")]
    assert main([*index, str(folder / "classes.h5"), *model]) == 0
    both = concatenate([searched, others])
    lines = [f"{both.id[i].decode()},{both.labels.of(i)[0]}" for i in range(len(both))]
    (folder / "truth.csv").write_text("\n".join(["id,label", *lines]) + "\n")
    return folder


QUERIES = ("same.h5", "others.h5")


@pytest.fixture
def run(folder, tmp_path, monkeypatch, capsys):
    """Run in the folder; return the exit code, the metrics, and what was said."""

    def evaluate(*arguments, tree="tree.json"):
        monkeypatch.chdir(folder)
        out = tmp_path / "metrics.json"
        words = ["--hierarchy", str(tree)] if tree else []
        words += ["--resamples", "50", "-k", "1,5", "--ndcg-at", "10", "-o", str(out)]
        words += ["--overwrite", *map(str, arguments)]
        code = main(["evaluate", "retrieval", *words])
        said = capsys.readouterr().err
        return code, read_metrics(out) if code == 0 else None, said

    return evaluate


@pytest.fixture
def results(folder, tmp_path):
    """Query an index, and return the results."""

    def make(index="index.h5", *words, format="jsonl", k="100"):
        path = tmp_path / f"results-{len(list(tmp_path.iterdir()))}.{format}"
        asked = [str(folder / name) for name in (index, *QUERIES)]
        given = ["-k", k, "--format", format, "-o", str(path), "-q", *words]
        assert main(["query", *asked, *given]) == 0
        return path

    return make


ITEMS = [word for name in ("index.h5", *QUERIES) for word in ("--items", name)]


def rows(metrics):
    return {(r["metric"], r.get("of"), r.get("k")): r for r in metrics.metrics}


def assert_same(left, right):
    left, right = rows(left), rows(right)
    assert left.keys() == right.keys()
    for key, row in left.items():
        for name in ("value", "low", "high", "chance", "queries"):
            np.testing.assert_allclose(row[name], right[key][name], rtol=1e-9, atol=1e-12)


def test_an_index_is_searched_by_queries(run):
    code, found, said = run("index.h5", *QUERIES, "--tag", "seed=1", "--tag", "loss=hxe")
    assert code == 0, said
    assert found.task == "retrieval"
    assert found.parameters["tags"] == {"seed": "1", "loss": "hxe"}
    assert found.parameters["gain"] == "inverse"
    assert found.parameters["by"] == "cosine"
    assert found.counts == {"queries": 20, "candidates": 60}
    assert set(rows(found)) == {
        ("map", None, None), ("map@r", None, None), ("map", "kingdom", None),
        ("map", "family", None), ("ndcg", None, 10), ("ndcg", None, None), ("ahp", None, 59),
        *((name, None, k) for name in ("precision", "recall", "hp") for k in (1, 5)),
    }  # fmt: skip
    for row in found.metrics:
        assert row["low"] <= row["value"] <= row["high"]
        if row["metric"] not in ("precision", "recall"):  # whose best is not 1
            expected = (row["value"] - row["chance"]) / (1 - row["chance"])
            np.testing.assert_allclose(row["adjusted"], expected)
    assert rows(found)["map", None, None]["low"] > rows(found)["map", None, None]["chance"]
    assert "20 queries; 60 candidates" in said
    assert "adjusted" in said


def test_tables_have_classes_and_depths_with_their_queries(run):
    _, found, said = run("index.h5", *QUERIES, "-v")
    classes, depths = found.tables["classes"], found.tables["depths"]
    assert {row["class"] for row in classes} == set(CLASSES)
    assert sum(row["queries"] for row in classes) == 20
    assert {row["class"]: row["depth"] for row in classes}["tabby"] == 2
    assert [(row["depth"], row["classes"]) for row in depths] == [(1, 2), (2, 3)]
    overall = rows(found)["map", None, None]["value"]
    mean = sum(row["map"] * row["queries"] for row in depths) / 20
    np.testing.assert_allclose(mean, overall)
    left = [row for row in found.tables["left_out"] if row.get("of") == "family"]
    plants = sum(row["queries"] for row in classes if row["class"] in ("oak", "fern"))
    assert left == [{"metric": "map", "of": "family", "queries": plants}]
    assert "chance ndcg" in said
    assert f"map family: nothing is relevant to {plants} queries" in said


def test_the_size_of_blocks_changes_nothing(run):
    one, many = (run("index.h5", *QUERIES, "--batch-size", size)[1] for size in (1, 7))
    assert one.metrics == many.metrics
    assert one.tables == many.tables


@pytest.mark.parametrize("format", ["jsonl", "h5", "trec"])
def test_results_of_all_candidates_come_to_the_same(run, results, format):
    _, streamed, _ = run("index.h5", *QUERIES)
    code, judged, said = run(results(format=format), *ITEMS)
    assert code == 0, said
    assert_same(streamed, judged)
    assert "cut" not in judged.parameters


@pytest.mark.parametrize(
    "words",
    [
        ["--by", "weighted"],
        ["--by", "weighted", "--weighting", "power", "--kappa", "0.5"],
        ["--by", "weighted", "--weighting", "soft", "--mu", "0.5"],
        ["--by", "hierarchical", "--top-categories", "2"],
        ["--by", "hierarchical", "--gallery-classes", "labels", "--oracle-query-label"],
        ["--by", "cosine"],
    ],
    ids=" ".join,
)
def test_class_aware_ranking_is_judged_as_query_ranks(run, results, words):
    code, streamed, said = run("classes.h5", *QUERIES, *words, tree=None)
    assert code == 0, said
    _, judged, _ = run(results("classes.h5", *words), *ITEMS)
    of_own_tree = {key: row for key, row in rows(streamed).items() if key[0] != "map"}
    for key, row in of_own_tree.items():
        other = rows(judged)[key]["value"]
        # embeddings in one direction tie, and a product tells them apart by rounding
        np.testing.assert_allclose(row["value"], other, rtol=2e-3)
    for key in ("by", "weighting", "top_categories", "oracle_query_label"):
        assert streamed.parameters.get(key) == judged.parameters.get(key)


def test_true_labels_on_both_sides_are_perfect_by_construction(run):
    words = ("--by", "hierarchical", "--gallery-classes", "labels", "--oracle-query-label")
    words += ("--top-categories", "1")
    _, found, _ = run("classes.h5", *QUERIES, *words)
    assert found.parameters["oracle_query_label"] is True
    np.testing.assert_allclose(rows(found)["map", None, None]["value"], 1)


def test_rankings_that_are_cut_are_judged_as_far_as_they_go(run, results):
    code, found, said = run(results(k="7"), *ITEMS)
    assert code == 0
    assert found.parameters["cut"] == 7
    assert "rankings are cut at 7 hits" in said
    assert ("ndcg", None, None) not in rows(found)
    assert ("ndcg", None, 10) not in rows(found)
    assert ("ahp", None, 7) in rows(found)
    _, whole, _ = run("index.h5", *QUERIES)
    for key in (("precision", None, 5), ("hp", None, 1), ("recall", None, 5)):
        np.testing.assert_allclose(rows(found)[key]["value"], rows(whole)[key]["value"])
    assert rows(found)["map", None, None]["value"] < rows(whole)["map", None, None]["value"]


def test_classes_may_come_from_a_table(run, results, folder, tmp_path):
    _, expected, _ = run("index.h5", *QUERIES)
    _, found, _ = run("index.h5", "same.h5", "others.h5", "--truth", "truth.csv")
    assert_same(expected, found)
    trec = results(format="trec")
    _, found, _ = run(trec, "--items", "index.h5", "--items", "bare.h5", "--items", "same.h5",
                      "--truth", "truth.csv")  # fmt: skip
    assert_same(expected, found)
    code, found, said = run(trec, "--truth", "truth.csv")
    assert code == 0, said
    assert found.counts["candidates"] == 68  # without --items all of the table was searched


@pytest.fixture
def parts(tmp_path):
    """An index of images, each of two classes, with a box of either, placed by a model of parts."""
    rows = [(f"p{i}", 0, ["tabby", "oak"]) for i in range(8)]
    rows += [(f"p{i}#{j}", 1, [name]) for i in range(8) for j, name in enumerate(["tabby", "oak"])]
    ids, kind, labels = zip(*rows, strict=True)
    images = [key.partition("#")[0] for key in ids]
    items = Items(encode(ids), encode(images), np.array(kind, np.uint8), label_sets(labels))
    found = str(save_embeddings(tmp_path / "parts.h5", items))
    model, index = str(save_model(tmp_path / "parts.model.h5")), str(tmp_path / "parts.index.h5")
    assert main(["index", found, "--model", model, "-o", index, "-q"]) == 0
    return index, found


@pytest.mark.parametrize("by", ["cosine", "angle"])
def test_boxes_of_an_index_of_parts(run, parts, tmp_path, by):
    code, _, said = run(*parts)
    assert (code, "these have several labels: 8 (p0, " in said) == (3, True)
    code, found, said = run(*parts, "--only", "box", "--by", by)
    assert code == 0, said
    assert found.counts == {"queries": 16, "candidates": 16}
    made = str(tmp_path / "results.jsonl")
    words = ["--by", by, "--only", "box", "--only-queries", "box", "-k", "50", "-q", "-o", made]
    assert main(["query", *parts, *words]) == 0
    code, judged, said = run(made, "--items", parts[0])  # their header says that hits are boxes
    assert code == 0, said
    assert_same(found, judged)
    code, image, said = run(*parts, "--only", "box", "--exclude", "image", "-k", "5,15")
    assert ("recall", None, 15) not in rows(image)
    assert "there are not so many candidates: not judged at 15" in said


@pytest.fixture
def qrels(folder, tmp_path):
    """Grades 2 for the same class and 1 for lion and tabby, which are both cats."""
    with open(folder / "truth.csv") as file:
        label = {row["id"]: row["label"] for row in csv.DictReader(file)}
    path, lines = tmp_path / "truth.qrels", []
    for query in sorted(key for key in label if key[0] == "q" or key < "i012"):
        for key in sorted(key for key in label if key[0] == "i" and key != query):
            same = label[key] == label[query]
            near = {label[key], label[query]} == {"lion", "tabby"}
            lines.append(f"{query} 0 {key} {2 if same else int(near)}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_grades_of_qrels_are_relevance(run, results, qrels):
    pytrec_eval = pytest.importorskip("pytrec_eval")
    trec = results(format="trec")
    code, found, said = run(trec, "--truth", qrels, tree=None)
    assert code == 0, said
    with open(qrels) as truth, open(trec) as made:
        evaluator = pytrec_eval.RelevanceEvaluator(
            pytrec_eval.parse_qrel(truth), {"map", "ndcg_cut.10", "P.5", "recall.5"}
        )
        expected = evaluator.evaluate(pytrec_eval.parse_run(made))
    names = {
        ("map", None, None): "map", ("ndcg", None, 10): "ndcg_cut_10",
        ("precision", None, 5): "P_5", ("recall", None, 5): "recall_5",
    }  # fmt: skip
    for key, name in names.items():
        mean = np.mean([row[name] for row in expected.values()])
        np.testing.assert_allclose(rows(found)[key]["value"], mean, err_msg=name)
        assert "chance" not in rows(found)[key]  # nobody knows what else was searched
    assert found.parameters["gain"] == "grade"
    _, streamed, _ = run("index.h5", *QUERIES, "--truth", qrels, "--exclude", "self", tree=None)
    for key in names:
        np.testing.assert_allclose(rows(streamed)[key]["value"], rows(found)[key]["value"])
        assert 0 < rows(streamed)[key]["chance"] < 1


def test_what_is_relevant_goes_out_as_qrels(run, results, qrels, tmp_path):
    made = tmp_path / "made.qrels"
    _, found, _ = run("index.h5", *QUERIES, "--qrels", made)
    _, again, _ = run("index.h5", *QUERIES, "--truth", made, "--exclude", "self", tree=None)
    for key in (("map", None, None), ("map@r", None, None), ("recall", None, 5)):
        np.testing.assert_allclose(rows(again)[key]["value"], rows(found)[key]["value"])
        np.testing.assert_allclose(rows(again)[key]["chance"], rows(found)[key]["chance"])
    run("index.h5", *QUERIES, "--truth", qrels, "--qrels", made, tree=None)
    relevant = sorted(line for line in qrels.read_text().splitlines() if line[-1] != "0")
    assert sorted(made.read_text().splitlines()) == relevant


def test_queries_without_grades_or_without_a_ranking_are_counted(run, results, qrels):
    kept = [line for line in qrels.read_text().splitlines() if not line.startswith("q00")]
    qrels.write_text("\n".join([*kept, "nobody 0 i001 1"]) + "\n")
    code, found, said = run(results(format="trec"), "--truth", qrels, tree=None)
    assert code == 0, said
    assert found.counts["queries"] == 12
    assert found.counts["without_truth"] == 8
    assert found.counts["without_ranking"] == 1
    assert "12 queries, 8 without truth, 1 without ranking" in said


def test_another_run_is_compared_query_by_query(run, results, tmp_path):
    other = results("index.h5", "--by", "distance")
    code, found, said = run("index.h5", *QUERIES, "--against", other)
    assert code == 0, said
    _, alone, _ = run(other, *ITEMS)
    for key, row in rows(found).items():
        against = rows(alone)[key]["value"]
        np.testing.assert_allclose(row["against"], against)
        np.testing.assert_allclose(row["difference"], row["value"] - against, atol=1e-12)
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]
        assert 0 < row["p"] <= 1
    assert "difference" in said


def test_values_of_queries_are_kept_and_compared_with(run, results, tmp_path):
    kept = tmp_path / "values.csv"
    code, found, _ = run("index.h5", *QUERIES, "--values", kept)
    assert code == 0
    with open(kept) as file:
        table = list(csv.DictReader(file))
    assert len(table) == 20
    for label, key in (("map", ("map", None, None)), ("ndcg@10", ("ndcg", None, 10))):
        mean = np.mean([float(row[label]) for row in table])
        np.testing.assert_allclose(mean, rows(found)[key]["value"])
    assert {row["map@family"] == "" for row in table} == {True, False}
    code, same, said = run("index.h5", *QUERIES, "--against", kept)
    assert code == 0, said
    for row in same.metrics:
        assert row["difference"] == 0
        assert row["p"] == 1
    _, fewer, _ = run("index.h5", "others.h5", "--against", kept)
    assert rows(fewer)["map", None, None]["difference"] == 0


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("query,map\nq000,x\n", "values.csv:2: 'x' is no number"),
        ("query,map\nq000,nan\n", "values.csv:2: 'nan' is no number"),
        ("query,map\nq000,1,2\n", "values.csv:2: has 3 fields, the header 2"),
        ("query,map\nnobody,1\n", "values.csv: has none of the queries"),
    ],
)
def test_values_that_are_none_are_refused(run, tmp_path, text, what):
    (tmp_path / "values.csv").write_text(text)
    code, _, said = run("index.h5", *QUERIES, "--against", tmp_path / "values.csv")
    assert (code, what in said) == (3, True)


def test_a_run_against_itself_over_a_pipe(folder, results, hier):
    made = results()
    words = ["evaluate", "retrieval", made, *ITEMS, "--truth", "-", "-o", "-", "--resamples", "9"]
    done = hier(*words, stdin=(folder / "truth.csv").read_bytes(), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["task"] == "retrieval"
    done = hier(
        "evaluate", "retrieval", "-", *ITEMS, "-o", "-", stdin=made.read_bytes(), cwd=folder
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "what"),
    [
        (["index.h5"], 2, "an index needs QUERIES…"),
        (["index.h5", "same.h5", "--items", "index.h5"], 2, "--items is for results"),
        (["index.h5", "same.h5", "--decay", "1"], 2, "--decay is for --gain exp"),
        (["index.h5", "same.h5", "--mu", "1"], 2, "--by cosine: --mu does not apply"),
        (["index.h5", "same.h5", "--values", "x", "--qrels", "x"], 2, "are different files"),
        (["index.h5", "same.h5", "--tag", "x"], 2, "write NAME=VALUE"),
        (["index.h5", "same.h5", "-k", "0"], 2, "-k 0"),
        (["index.h5", "same.h5", "--only", "box"], 3, "no items of kind box"),
        (["index.h5", "same.h5", "--by", "weighted"], 3, "is no index of classes"),
        (["index.h5", "bare.h5"], 3, "bare.h5: the items have no labels; give them: --truth CSV"),
        (["index.h5", "nothing.h5"], 3, "nothing.h5: no such file"),
        (["tree.json", "same.h5"], 3, "tree.json"),
        (["index.h5", "same.h5", "--hierarchy", "small.json"], 3,
         "lacks the classes of items 4 (fern, oak, poodle, tabby); of its own classes 1 (wolf)"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(run, arguments, code, what):
    found, _, said = run(*arguments, tree=None)
    assert found == code
    assert what in said
    assert said.count("\n") == 1


def test_options_of_a_hierarchy_need_one(run):
    code, _, said = run("index.h5", "same.h5", "--gain", "exp", tree=None)
    assert (code, "--gain needs --hierarchy" in said) == (2, True)
    code, _, said = run("index.h5", "same.h5", "--gain", "same", tree=None)
    assert code == 0, said


def test_results_of_other_items_are_refused(run, results, tmp_path):
    other = tmp_path / "other.trec"
    other.write_text("i001 Q0 nowhere 1 0.5 x\n")
    code, _, said = run(other, *ITEMS)
    assert (code, "the hit 'nowhere'" in said) == (3, True)
    other.write_text("nobody Q0 i001 1 0.5 x\n")
    code, _, said = run(other, *ITEMS)
    assert (code, "no file has the item of 1 queries" in said) == (3, True)
    other.write_text("nobody Q0 i001 1 0.5 x\n")
    code, _, said = run("index.h5", *QUERIES, "--against", other)
    assert (code, "has none of the queries" in said) == (3, True)


def test_results_say_what_they_leave_out(run, results):
    made = results("index.h5", "--exclude", "none")
    _, found, _ = run(made, *ITEMS)
    _, expected, _ = run("index.h5", *QUERIES)
    assert_same(expected, found)
    code, _, said = run(results(), *ITEMS, "--exclude", "none")
    assert (code, "the results leave out self already" in said) == (2, True)
    _, found, _ = run(results("index.h5", "--exclude", "image"), *ITEMS)
    assert found.parameters["exclude"] == "image"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("i001 0 i002 x\n", "the grade is no whole number"),
        ("i001 0 i002 1\ni001 0 i002 1\n", "'i002' is judged for 'i001' above"),
        ("i001 0 i002 1\ni001 0 i002\n", ":2: is not QUERY 0 ID GRADE"),
        ("i001 0 i002 5000\n", "the grade 5000 is above 1000"),
        ("i001 0 nowhere 1\n", "candidates that are not among the items of index.h5: 1 (nowhere)"),
        ("nobody 0 i001 1\n", "has no queries to evaluate"),
    ],
)
def test_qrels_that_are_none_are_refused(run, tmp_path, text, what):
    path = tmp_path / "bad.qrels"
    path.write_text(text)
    code, _, said = run("index.h5", *QUERIES, "--truth", path, tree=None)
    assert code == 3
    assert what in said
    code, _, said = run("index.h5", *QUERIES, "--truth", path)
    assert (code, "--hierarchy is for classes" in said or what in said) in ((2, True), (3, True))
