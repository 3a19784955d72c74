"""`hiertools index` of a model of classes and `hiertools query` of it, beside plain loops."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from hiertools.cli import main
from hiertools.encoder import digest, load
from hiertools.files import inputs
from hiertools.files.embeddings import read_embeddings
from hiertools.files.index import read_index
from hiertools.files.items import Items, decode, encode, label_sets
from hiertools.files.model import digest_of, read_model, write_model
from hiertools.files.results import read_results
from tests.search import class_material, material

SMALL = "timm:test_efficientnet,random=true"
ONCE = "--no-provenance"
TREE = class_material.taxonomy()
N, B = 50, 9


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Indexes of items i0 to i49 by a model of classes; queries i45 to i53."""
    folder = tmp_path_factory.mktemp("made")
    items, asked = class_material.table(N), class_material.table(B, seed=1, first=45)
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((N, class_material.FEATURES))
    vectors[7] = vectors[3]  # a tie
    more = rng.standard_normal((B, class_material.FEATURES))
    more[:5] = vectors[45:]
    labels = label_sets([class_material.CLASSES[i % 5]] for i in range(B))
    material.save_embeddings(folder / "e.h5", items, vectors=vectors)
    material.save_embeddings(folder / "q.h5", asked, vectors=more)
    material.save_embeddings(
        folder / "labelled.h5", Items(asked.id, asked.image, asked.kind, labels), vectors=more
    )
    material.save_embeddings(folder / "other.h5", asked, digest="b" * 64)
    class_material.save_model(folder / "m.h5")
    class_material.save_model(folder / "odd-m.h5", class_material.not_semi_definite())
    material.save_model(folder / "parts-m.h5")
    model = ("--model", folder / "m.h5")
    make_index(folder / "e.h5", *model, "-o", folder / "exact.h5")
    make_index(folder / "e.h5", "-o", folder / "plain.h5")
    make_index(folder / "e.h5", *model, "--method", "flat", "-o", folder / "cosine.h5")
    make_index(folder / "e.h5", "--model", folder / "parts-m.h5", "-o", folder / "parts.h5")
    for name in ("flat", "ivf", "hnsw"):
        options = ("--method", name, "--by", "soft", *(("--lists", 4) if name == "ivf" else ()))
        make_index(folder / "e.h5", *model, *options, "-o", folder / f"{name}.h5")
    return folder


def make_index(*arguments):
    assert main(["index", *map(str, arguments), "-q"]) == 0


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in made.iterdir():
        (tmp_path / path.name).symlink_to(path)


def query(*arguments):
    return main(["query", *map(str, arguments)])


def rankings(path="results.jsonl"):
    return list(read_results(inputs.Path(path))[1])


def expected(weighting, *, mu=0.25, kappa=1.0, oracle=False, gallery="predicted", categories=None):
    """Return the class and the hits of each query, by loops over all pairs."""
    index, asked = read_index(inputs.Path("exact.h5")), read_embeddings(inputs.Path("labelled.h5"))
    vectors = np.asarray(read_embeddings(inputs.Path("e.h5")).vectors)
    y, p_items = class_material.embed(index.head, index.meta, vectors)
    x, p = class_material.embed(index.head, index.meta, np.asarray(asked.vectors))
    y, x = y.astype(np.float32).astype(float), x.astype(np.float32).astype(float)
    found = []
    for i in range(B):
        c_q = asked.items.labels.of(i)[0] if oracle else TREE.classes[p[i].argmax()]
        p_q = np.eye(5)[TREE.places[c_q]] if oracle else p[i]
        classes, scores = [], []
        for j in range(N):
            label = index.items.labels.of(j)[0]
            known = gallery == "labels" and label in TREE.places
            classes.append(label if known else TREE.classes[p_items[j].argmax()])
            pair = (x[i], c_q, p_q), (y[j], classes[-1], p_items[j])
            scores.append(class_material.score(TREE, weighting, mu, kappa, *pair))
        first = nearest(index, c_q)[:categories]
        order = sorted(
            (classes[j] not in first, -scores[j], decode(index.items.id[j]))
            for j in range(N)
            if index.items.id[j] != asked.items.id[i]
        )
        found.append((c_q, [key for _, _, key in order], [-score for _, score, _ in order]))
    return found


def nearest(index, c_q):
    """Return all classes from the nearest to one class on."""
    rows = index.head["classifier.weight"].astype(float)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    at = TREE.places[c_q]
    return sorted(
        TREE.classes,
        key=lambda c: (
            TREE.distances[at, TREE.places[c]],
            np.linalg.norm(rows[at] - rows[TREE.places[c]]),
            c,
        ),
    )


def test_an_index_of_classes_has_its_head_and_its_hierarchy(capsys):
    assert main(["index", "e.h5", "--model", "m.h5", "-o", "new.h5"]) == 0
    assert capsys.readouterr().err == "new.h5: 50 points of 4 dimensions (5 classes)\n"
    found, model = read_index(inputs.Path("new.h5")), read_model(inputs.Path("m.h5"))
    vectors = np.asarray(read_embeddings(inputs.Path("e.h5")).vectors)
    z, p = class_material.embed(model.weights, model.meta, vectors)
    np.testing.assert_allclose(found.points, z, atol=1e-5)
    np.testing.assert_array_equal(found.category, p.argmax(1))
    meta = found.meta
    assert meta["model"] == digest_of(model)
    assert (meta["task"], meta["features"], meta["dimension"]) == ("classes", 6, 4)
    assert (meta["taxonomy"], meta["taxonomy_digest"]) == (TREE.document(), TREE.digest)
    assert found.items.labels.of(0) == class_material.table(N).labels.of(0)


def test_appending_gives_the_bytes_of_indexing_at_once(tmp_path):
    material.save_embeddings(tmp_path / "more.h5", class_material.table(20, first=90), seed=8)
    make_index("e.h5", "more.h5", "--model", "m.h5", "-o", "whole.h5", ONCE)
    make_index("e.h5", "--model", "m.h5", "-o", "grown.h5", ONCE)
    make_index("more.h5", "-o", "grown.h5", "--append", ONCE)
    assert (tmp_path / "whole.h5").read_bytes() == (tmp_path / "grown.h5").read_bytes()


WAYS = [
    ("additive", {}, ()),
    ("additive", {"mu": 1.5}, ("--mu", 1.5)),
    ("additive", {"gallery": "labels"}, ("--gallery-classes", "labels")),
    ("additive", {"oracle": True}, ("--oracle-query-label",)),
    ("power", {}, ("--weighting", "power")),
    ("power", {"kappa": 0.3}, ("--weighting", "power", "--kappa", 0.3)),
    (
        "power",
        {"oracle": True, "gallery": "labels"},
        ("--weighting", "power", "--oracle-query-label", "--gallery-classes", "labels"),
    ),
    ("soft", {}, ("--weighting", "soft")),
    ("soft", {"mu": 3.0}, ("--weighting", "soft", "--mu", 3)),
    ("soft", {"oracle": True}, ("--weighting", "soft", "--oracle-query-label")),
]


@pytest.mark.parametrize(("weighting", "given", "options"), WAYS)
def test_weighted_hits_are_those_of_a_full_sort(weighting, given, options):
    k = 7 if weighting == "additive" else 80
    assert query("exact.h5", "labelled.h5", "--by", "weighted", *options, "-k", k, "-q") == 0
    for found, (c_q, ids, scores) in zip(rankings(), expected(weighting, **given), strict=True):
        assert found.category == c_q
        assert found.ids == ids[:k]
        np.testing.assert_allclose(found.scores, scores[:k], atol=1e-5)


@pytest.mark.parametrize(("weighting", "given", "options"), WAYS)
@pytest.mark.parametrize("categories", [1, 3])
def test_hierarchical_hits_come_from_the_first_classes_then_from_all(
    weighting, given, options, categories
):
    ways = ("--by", "hierarchical", "--top-categories", categories, *options)
    assert query("exact.h5", "labelled.h5", *ways, "-k", 80, "-q") == 0
    wanted = expected(weighting, categories=categories, **given)
    for found, (c_q, ids, _) in zip(rankings(), wanted, strict=True):
        assert (found.category, found.ids) == (c_q, ids)
        assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize(("weighting", "given", "options"), WAYS)
def test_all_classes_are_weighted_retrieval(capsys, weighting, given, options):
    same = ("exact.h5", "labelled.h5", *options, "-k", 80)
    assert query(*same, "--by", "weighted", "-o", "w.jsonl", "-q") == 0
    for categories in (5, 9):
        ways = ("--by", "hierarchical", "--top-categories", categories)
        assert query(*same, *ways, "-o", "h.jsonl", "--overwrite") == 0
        texts = [inputs.Path(f"{name}.jsonl").read_text().split("\n", 1)[1] for name in "wh"]
        assert texts[0] == texts[1]
    assert "--top-categories 9: there are 5 classes; all are taken\n" in capsys.readouterr().err


def test_headers_say_what_was_asked():
    common = {"k": 10, "exclude": "self", "only": "any", "method": "exact"}
    asked = {
        (): {"by": "cosine"},
        ("--by", "weighted"): {
            "by": "weighted", "weighting": "additive", "mu": 0.25, "gallery_classes": "predicted",
        },
        ("--by", "weighted", "--weighting", "power"): {
            "by": "weighted", "weighting": "power", "kappa": 1.0, "gallery_classes": "predicted",
        },
        ("--by", "hierarchical", "--top-categories", 2, "--gallery-classes", "labels",
         "--oracle-query-label"): {
            "by": "hierarchical", "weighting": "additive", "mu": 0.25, "top_categories": 2,
            "gallery_classes": "labels", "oracle_query_label": True,
        },
    }  # fmt: skip
    for options, said in asked.items():
        assert query("exact.h5", "labelled.h5", *options, "-q", "--overwrite") == 0
        header = read_results(inputs.Path("results.jsonl"))[0]
        digest = inputs.digest_file(inputs.Path("exact.h5"))
        left = {key: header[key] for key in header if key not in ("kind", "version", "provenance")}
        assert left == {"index": digest, **said, **common}


def test_plain_cosine_works_too():
    assert query("exact.h5", "q.h5", "-q") == 0
    assert query("cosine.h5", "q.h5", "-q", "-o", "flat.jsonl") == 0
    index = read_index(inputs.Path("exact.h5"))
    features = np.asarray(read_embeddings(inputs.Path("q.h5")).vectors)
    x, _ = class_material.embed(index.head, index.meta, features)
    unit = [v / np.maximum(np.linalg.norm(v, axis=1), 1e-300)[:, None] for v in (x, index.points)]
    cosine = unit[0] @ unit[1].T
    for row, (found, near) in enumerate(zip(rankings(), rankings("flat.jsonl"), strict=True)):
        assert found.category is None
        assert (found.ids, found.scores.tolist()) == (near.ids, near.scores.tolist())
        best = np.sort(cosine[row][index.items.id != found.query.encode()])[::-1][:10]
        np.testing.assert_allclose(found.scores, best, atol=1e-6)


@pytest.mark.parametrize("name", ["flat", "ivf", "hnsw"])
@pytest.mark.parametrize("options", [(), ("--mu", 2), ("--oracle-query-label",)])
def test_a_folded_structure_finds_what_exact_search_finds(name, options):
    ways = ("--by", "weighted", "--weighting", "soft", "-k", 8, "-q", *options)
    effort = {"flat": (), "ivf": ("--probes", 4), "hnsw": ("--ef", 99)}[name]
    near = (f"{name}.h5", "labelled.h5", *ways)
    assert query(*near, *effort, "--oversample", 5, "-o", "near.jsonl") == 0
    assert query(*near, "--exact", "-o", "exact.jsonl") == 0
    assert query("exact.h5", "labelled.h5", *ways, "-o", "all.jsonl") == 0
    texts = [
        inputs.Path(f"{each}.jsonl").read_text().split("\n", 1)[1]
        for each in ("near", "exact", "all")
    ]
    assert texts[0] == texts[1] == texts[2]
    header = read_results(inputs.Path("near.jsonl"))[0]
    assert (header["method"], header["weighting"], header["oversample"]) == (name, "soft", 5)


def test_results_do_not_depend_on_the_batch_size():
    for way in (("--by", "hierarchical", "--top-categories", 2), ("--by", "weighted")):
        for size in (1, 64):
            options = (*way, "--batch-size", size, "-o", f"{size}.jsonl", ONCE, "--overwrite")
            assert query("exact.h5", "q.h5", "-q", *options) == 0
        assert inputs.Path("1.jsonl").read_bytes() == inputs.Path("64.jsonl").read_bytes()


@pytest.mark.parametrize("form", ["jsonl", "h5", "trec"])
def test_formats_hold_the_same(form):
    same = ("exact.h5", "q.h5", "--by", "weighted", "-q")
    assert query(*same, "--format", form) == 0
    assert query(*same, "-o", "expected.jsonl") == 0
    for found, wanted in zip(rankings(f"results.{form}"), rankings("expected.jsonl"), strict=True):
        assert (found.query, found.ids) == (wanted.query, wanted.ids)
        np.testing.assert_array_equal(found.scores, wanted.scores)
        assert found.category == (None if form == "trec" else wanted.category)


def test_items_without_a_class_are_said(capsys):
    assert query("exact.h5", "q.h5", "--by", "weighted", "--gallery-classes", "labels") == 0
    assert capsys.readouterr().err.startswith(
        "10 items have no label that is a class; for these the predicted class is taken\n"
        "results.jsonl: 9 rankings\n"
    )


def test_similarities_that_are_no_inner_products_are_said_and_recorded(capsys):
    said = (
        "the similarities of these classes are no inner products (least eigenvalue -0.1667): soft"
        " weighting takes the nearest that are, off by up to 0.0167\n"
    )
    options = ("--model", "odd-m.h5", "-o", "odd.h5")
    assert main(["index", "e.h5", *options, "--method", "flat", "--by", "soft"]) == 0
    assert capsys.readouterr().err == f"{said}odd.h5: 50 points of 4 dimensions (10 classes)\n"
    kernel = read_index(inputs.Path("odd.h5")).meta["kernel"]
    assert kernel == {"least_eigenvalue": -0.166667, "largest_error": 0.0166667}
    kernel = read_index(inputs.Path("flat.h5")).meta["kernel"]
    assert (kernel["least_eigenvalue"] > 0, kernel["largest_error"]) == (True, 0)
    ways = ("q.h5", "--by", "weighted", "--weighting", "soft", "-k", 50, "--mu", 4)
    assert query("odd.h5", *ways, "-o", "near.jsonl") == 0
    assert capsys.readouterr().err.startswith(f"{said}near.jsonl: 9 rankings\n9 rows in ")
    assert query("odd.h5", *ways, "--exact", "-o", "all.jsonl", "-q") == 0
    texts = [inputs.Path(f"{name}.jsonl").read_text().split("\n", 1)[1] for name in ("near", "all")]
    assert texts[0] == texts[1]


def test_the_report_is_of_soft_weighting(capsys):
    options = ("--model", "m.h5", "--method", "hnsw", "--by", "soft", "--report", 20, "--json")
    assert main(["index", "e.h5", *map(str, options), "-o", "new.h5"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(line["by"], line["mu"], line["k"]) for line in found["recall"]] == [
        ("soft", 0.25, 1), ("soft", 0.25, 10)
    ]  # fmt: skip
    assert main(["index", "e.h5", *map(str, options[:4]), "-o", "c.h5", "--report", "9"]) == 0
    assert "angle" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("exact.h5 other.h5 --by weighted", 3,
         "other.h5: is of the encoder timm:x (bbbbbbbbbbbb), exact.h5 of timm:x (aaaaaaaaaaaa);"
         " embed with --encoder timm:x, or model:MODEL.h5 if it was fine-tuned"),
        ("plain.h5 q.h5 --by weighted", 3,
         "plain.h5: is no index of classes; give index a --model from `hiertools train classes`"),
        ("parts.h5 q.h5 --by hierarchical", 3,
         "parts.h5: is no index of classes; give index a --model from `hiertools train classes`"),
        ("plain.h5 q.h5 --mu 2", 2, "--by cosine: --mu does not apply"),
        ("exact.h5 q.h5 --weighting soft", 2, "--by cosine: --weighting does not apply"),
        ("exact.h5 q.h5 --oracle-query-label", 2,
         "--by cosine: --oracle-query-label does not apply"),
        ("exact.h5 q.h5 --by angle", 2,
         "exact.h5 is an index of classes: --by is one of cosine, weighted, hierarchical"),
        ("exact.h5 q.h5 --by distance", 2,
         "exact.h5 is an index of classes: --by is one of cosine, weighted, hierarchical"),
        ("exact.h5 q.h5 --find parents", 2,
         "exact.h5 is an index of classes: --find does not apply"),
        ("exact.h5 q.h5 --max-angle 1", 2,
         "exact.h5 is an index of classes: --max-angle does not apply"),
        ("exact.h5 q.h5 --by weighted --top-categories 3", 2,
         "--by weighted: --top-categories does not apply"),
        ("exact.h5 q.h5 --by weighted --kappa 2", 2,
         "--weighting additive: --kappa does not apply"),
        ("exact.h5 q.h5 --by weighted --weighting power --mu 2", 2,
         "--weighting power: --mu does not apply"),
        ("exact.h5 q.h5 --by weighted --weighting soft --gallery-classes labels", 2,
         "--weighting soft: --gallery-classes does not apply"),
        ("exact.h5 q.h5 --by weighted --mu inf", 2, "--mu inf is no number"),
        ("exact.h5 q.h5 --by weighted --weighting power --kappa inf", 2,
         "--kappa inf is no number"),
        ("exact.h5 q.h5 --by weighted --weighting power --kappa 1e5", 3,
         "--kappa 100000 is too much for distances of classes here"),
        ("exact.h5 q.h5 --by weighted --oracle-query-label", 3,
         "q.h5: 1 queries have no label that is a class of exact.h5, such as 'i49'; leave out"
         " --oracle-query-label"),
        ("cosine.h5 q.h5 --by weighted", 3,
         "cosine.h5: its structure is for cosine, not additive weighting; give --exact"),
        ("flat.h5 q.h5", 3,
         "flat.h5: its structure is for soft weighting, not cosine; give --exact"),
        ("flat.h5 q.h5 --by weighted", 3,
         "flat.h5: its structure is for soft weighting, not additive weighting; give --exact"),
        ("flat.h5 q.h5 --by hierarchical --weighting soft", 3,
         "flat.h5: its structure is for soft weighting, not hierarchical ranking; give --exact"),
        ("exact.h5 q.h5 --beam 3", 2, "exact.h5 is an index of embeddings: --beam does not apply"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(capsys, arguments, code, message):
    assert query(*arguments.split()) == code
    said = capsys.readouterr()
    assert said.err == f"hiertools query: {message}\n"
    assert said.out == ""
    assert not inputs.Path("results.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("e.h5 --model m.h5 --method flat --by distance", 2,
         "m.h5: is of classes, which have cosine and soft, not --by distance"),
        ("e.h5 --model parts-m.h5 --method flat --by soft", 2,
         "parts-m.h5: --by soft is for a model of classes, from `hiertools train`"),
        ("e.h5 --method flat --by soft", 2,
         "e.h5: --by soft is for a model of classes, from `hiertools train`"),
        ("e.h5 --model m.h5 --by soft", 2, "--method exact: --by does not apply"),
        ("other.h5 --model m.h5", 3,
         "other.h5: is of the encoder timm:x (bbbbbbbbbbbb), m.h5 of timm:x (aaaaaaaaaaaa); embed"
         " with --encoder timm:x, or model:MODEL.h5 if it was fine-tuned"),
    ],
)  # fmt: skip
def test_what_cannot_be_indexed_is_one_line(capsys, arguments, code, message):
    assert main(["index", *arguments.split(), "-o", "new.h5"]) == code
    assert capsys.readouterr().err == f"hiertools index: {message}\n"
    assert not inputs.Path("new.h5").exists()


def test_a_label_that_is_several_classes_is_refused(capsys):
    labels = label_sets([["oak"], ["fern", "oak"]])
    items = Items(encode(["a", "b"]), labels=labels)
    material.save_embeddings(inputs.Path("twice.h5"), items)
    make_index("twice.h5", "--model", "m.h5", "-o", "new.h5")
    capsys.readouterr()
    for arguments in (
        ("new.h5", "q.h5", "--gallery-classes", "labels"),
        ("exact.h5", "twice.h5", "--oracle-query-label"),
    ):
        assert query(*arguments, "--by", "weighted") == 3
        name = arguments[0 if "labels" in arguments else 1]
        assert capsys.readouterr().err == (
            f"hiertools query: {name}: 1 items have several labels that are classes, such as 'b'"
            " (fern, oak)\n"
        )


def test_images_are_embedded_by_the_encoder_of_the_index(capsys):
    folder = inputs.Path("photos")
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in "abcdef":
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    options = ("--encoder", SMALL, "--engine", "torch", "--workers", "0", "-q")  # as query has it
    assert main(["embed", "photos", *options, "-o", "photos.h5"]) == 0
    found = read_embeddings(inputs.Path("photos.h5"))
    wide = found.vectors.shape[1]
    model = class_material.model(features=wide)
    for key in ("encoder", "digest", "preprocess", "output"):
        model.meta[key] = found.meta[key]
    write_model(inputs.Path("of-photos.h5"), model, chain=[], overwrite=True)
    make_index("photos.h5", "--model", "of-photos.h5", "-o", "photos-index.h5")
    for way in (("--by", "hierarchical", "--top-categories", 2), ()):
        same = ("-q", "--overwrite", *way)
        assert query("photos-index.h5", "photos.h5", *same, "-o", "expected.jsonl") == 0
        assert query("photos-index.h5", "photos", *same) == 0
        texts = [inputs.Path(f"{name}.jsonl").read_text() for name in ("expected", "results")]
        assert texts[0].split("\n", 1)[1] == texts[1].split("\n", 1)[1]
        assert ("category" in texts[0]) == bool(way)
    capsys.readouterr()
    oracle = ("--by", "weighted", "--oracle-query-label", "--overwrite")
    assert query("photos-index.h5", "photos", *oracle) == 3
    assert "6 queries have no label that is a class" in capsys.readouterr().err


def test_a_model_trained_on_images_needs_no_hidden_layer(capsys):
    folder = inputs.Path("photos")
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in "abcd":
        pixels = rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    network = load(SMALL, seed=3)
    with torch.inference_mode():
        wide = network.embed(torch.zeros(1, 3, *network.preprocess["input_size"][1:])).shape[1]
    made = class_material.model(hidden=None, dimension=wide)
    state = {name: value.numpy() for name, value in network.network.state_dict().items()}
    about = {"encoder": SMALL, "digest": digest(network), "preprocess": network.preprocess}
    tuned = replace(made, encoder=state, meta={**made.meta, **about})
    write_model(inputs.Path("tuned.h5"), tuned, chain=[], overwrite=True)
    options = ("--encoder", "model:tuned.h5", "--engine", "torch", "--workers", "0", "-q")
    assert main(["embed", "photos", *options, "-o", "photos.h5"]) == 0
    make_index("photos.h5", "--model", "tuned.h5", "-o", "i.h5")
    found = read_index(inputs.Path("i.h5"))
    np.testing.assert_array_equal(found.points, read_embeddings(inputs.Path("photos.h5")).vectors)
    assert found.meta["encoder"] == "model:tuned.h5"
    assert query("i.h5", "photos", "--by", "weighted", "-q") == 0
    assert query("i.h5", "photos.h5", "--by", "weighted", "-q", "-o", "expected.jsonl") == 0
    texts = [inputs.Path(f"{name}.jsonl").read_text() for name in ("expected", "results")]
    assert texts[0].split("\n", 1)[1] == texts[1].split("\n", 1)[1]
    plain = ("--encoder", SMALL, "--workers", "0", "-q")
    assert main(["embed", "photos", *plain, "-o", "plain-photos.h5"]) == 0
    capsys.readouterr()
    assert main(["index", "plain-photos.h5", "--model", "tuned.h5", "-o", "j.h5"]) == 3
    assert "is of the encoder" in capsys.readouterr().err
