"""`hiertools query`, beside a search by numpy alone."""

import json
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest
from PIL import Image

from hiertools.cli import main
from hiertools.files import inputs
from hiertools.files.embeddings import read_embeddings
from hiertools.files.index import read_index
from hiertools.files.items import decode
from hiertools.files.results import read_results
from hiertools.search.placing import Placer
from tests.search import material

SMALL = "timm:test_efficientnet,random=true"
ONCE = "--no-provenance"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Indexes of images 0 to 29 by two models and by none; queries of images 25 to 34."""
    folder = tmp_path_factory.mktemp("made")
    items, asked = material.table(range(30)), material.table(range(25, 35))
    vectors = np.random.default_rng(1).standard_normal((len(items), material.FEATURES))
    material.save_embeddings(folder / "e.h5", items, vectors=vectors)
    more = np.random.default_rng(2).standard_normal((len(asked), material.FEATURES))
    same = np.isin(asked.id, items.id)
    more[same] = vectors[np.isin(items.id, asked.id)]
    material.save_embeddings(folder / "q.h5", asked, vectors=more)
    material.save_embeddings(folder / "other.h5", asked, digest="b" * 64)
    material.save_embeddings(folder / "wide.h5", asked, features=7)
    for geometry in ("lorentz", "euclidean"):
        model = material.save_model(folder / f"{geometry}-model.h5", geometry=geometry)
        make_index(folder / "e.h5", "--model", model, "-o", folder / f"{geometry}.h5")
    lorentz = ("--model", folder / "lorentz-model.h5")
    make_index(folder / "e.h5", "-o", folder / "plain.h5")
    for name, by in (("flat", "cosine"), ("hnsw", "cosine"), ("ivf", "distance")):
        make_index(
            folder / "e.h5", *lorentz, "--method", name, "--by", by, "-o", folder / f"{name}.h5"
        )
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


def expected(index, measure, exclude, only, k):
    """Return for each query the ids and scores of its hits, by numpy."""
    found, asked = read_index(inputs.Path(index)), read_embeddings(inputs.Path("q.h5"))
    meta = found.meta
    points = Placer(found.head, meta).place(np.asarray(asked.vectors))
    names = dict(zip(("by", "find", "parent_score"), measure, strict=True))
    score = material.scores(points, found.points, **names, geometry=meta["geometry"], c=meta["c"])
    items = found.items
    if exclude != "none":
        column = {"self": "id", "image": "image"}[exclude]
        own = getattr(asked.items, column)[:, None] == getattr(items, column)
        score[own] = -np.inf
    if only is not None:
        score[:, items.kind != {"image": 0, "box": 1}[only]] = -np.inf
    hits = []
    for row in score:
        order = np.lexsort((items.id, -row))[:k]
        order = order[row[order] > -np.inf]
        hits.append(([decode(items.id[i]) for i in order], row[order]))
    return hits


@pytest.mark.parametrize("measure", material.MEASURES)
@pytest.mark.parametrize("index", ["lorentz.h5", "euclidean.h5", "plain.h5"])
@pytest.mark.parametrize(
    ("exclude", "only"), [("self", "any"), ("image", "box"), ("none", "image")]
)
def test_hits_are_those_of_a_full_sort(index, measure, exclude, only):
    by, find, parent_score = measure
    options = ["--by", by, "--find", find, "--parent-score", parent_score, "-k", "7", "-q"]
    assert query(index, "q.h5", *options, "--exclude", exclude, "--only", only) == 0
    wanted = expected(index, measure, exclude, None if only == "any" else only, 7)
    found = rankings()
    assert [each.query for each in found] == [
        decode(key) for key in read_embeddings(inputs.Path("q.h5")).items.id
    ]
    for ranking, (ids, scores) in zip(found, wanted, strict=True):
        assert ranking.ids == ids
        np.testing.assert_allclose(ranking.scores, scores, atol=1e-6)


def test_defaults_are_children_by_angle_among_boxes_without_the_query():
    assert query("lorentz.h5", "q.h5", "-q") == 0
    header, found = read_results(inputs.Path("results.jsonl"))
    wanted = expected("lorentz.h5", ("angle", "children", "ext"), "self", "box", 10)
    assert [ranking.ids for ranking in found] == [ids for ids, _ in wanted]
    digest = inputs.digest_file(inputs.Path("lorentz.h5"))
    assert {key: header[key] for key in header if key not in ("kind", "version", "provenance")} == {
        "index": digest,
        "by": "angle",
        "find": "children",
        "k": 10,
        "sort": "score",
        "exclude": "self",
        "only": "box",
        "method": "exact",
    }
    paths = [each["path"] for each in header["provenance"][-1]["inputs"]]
    assert paths == ["lorentz.h5", "q.h5"]
    assert query("plain.h5", "q.h5", "-q", "--overwrite", "--find", "parents") == 0
    header, _ = read_results(inputs.Path("results.jsonl"))
    assert (header["by"], header["only"]) == ("cosine", "any")


def test_hits_have_their_first_label():
    assert query("lorentz.h5", "q.h5", "-q", "--only", "any", "-k", "200") == 0
    for ranking in rankings():
        labels = dict(zip(ranking.ids, ranking.labels, strict=True))
        assert labels["im3"] == "a"
        assert labels["im3#2"] == "l2"
        assert labels["im3#0"] is None


@pytest.mark.parametrize("index", ["lorentz.h5", "flat.h5", "hnsw.h5"])
def test_results_do_not_depend_on_the_batch_size(index):
    for size in (1, 64):
        assert query(index, "q.h5", "-q", "--batch-size", size, "-o", f"{size}.jsonl", ONCE) == 0
    assert inputs.Path("1.jsonl").read_bytes() == inputs.Path("64.jsonl").read_bytes()


@pytest.mark.parametrize("name", ["flat.h5", "hnsw.h5", "ivf.h5"])
def test_a_structure_finds_what_exact_search_finds(name):
    by = ("--by", "distance" if name == "ivf.h5" else "cosine")
    effort = {"flat.h5": (), "hnsw.h5": ("--ef", 200), "ivf.h5": ("--probes", 99)}[name]
    assert query(name, "q.h5", "-q", *by, *effort, "--oversample", 9, "-o", "near.jsonl") == 0
    assert query(name, "q.h5", "-q", *by, "--exact", "-o", "exact.jsonl") == 0
    assert query("lorentz.h5", "q.h5", "-q", *by, "-o", "all.jsonl") == 0
    lines = [
        inputs.Path(f"{name}.jsonl").read_text().split("\n", 1)[1]
        for name in ("near", "exact", "all")
    ]
    assert lines[0] == lines[1] == lines[2]
    header = read_results(inputs.Path("near.jsonl"))[0]
    assert header["method"] == name.removesuffix(".h5")
    assert header["oversample"] == 9
    assert ("ef" in header, "probes" in header) == (name == "hnsw.h5", name == "ivf.h5")
    assert read_results(inputs.Path("exact.jsonl"))[0]["method"] == "exact"


def test_within_an_angle_general_things_come_first():
    options = ("--find", "parents", "--max-angle", 1.0, "--only", "any", "-k", 200, "-q")
    assert query("lorentz.h5", "q.h5", *options) == 0
    assert query("lorentz.h5", "q.h5", *options, "--sort", "norm", "-o", "norm.jsonl") == 0
    found = read_index(inputs.Path("lorentz.h5"))
    norms = np.linalg.norm(found.points, axis=1)
    radius = dict(
        zip(map(decode, found.items.id), np.arcsinh(np.sqrt(2) * norms) / np.sqrt(2), strict=True)
    )
    for within, sorted_ in zip(rankings(), rankings("norm.jsonl"), strict=True):
        assert (within.scores >= -1).all()
        assert set(within.ids) == set(sorted_.ids)
        np.testing.assert_allclose(sorted_.scores, [-radius[key] for key in sorted_.ids], atol=1e-5)
        assert (np.diff(sorted_.scores) <= 0).all()
    assert read_results(inputs.Path("norm.jsonl"))[0]["max_angle"] == 1.0


def test_more_hits_than_there_are_and_none_are_said(capsys):
    assert query("lorentz.h5", "q.h5", "-k", 91, "--exclude", "none") == 0
    assert capsys.readouterr().err.startswith(
        "-k 91: the index has 90 items of kind box; all are returned\nresults.jsonl: 40 rankings\n"
    )
    assert {len(ranking.ids) for ranking in rankings()} == {90}
    assert query("lorentz.h5", "q.h5", "--max-angle", 1e-9, "-o", "none.jsonl") == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "none.jsonl: 40 rankings, 40 without hits"
    assert said[1].startswith("40 rows in ")
    assert {len(ranking.ids) for ranking in rankings("none.jsonl")} == {0}


@pytest.mark.parametrize("index", ["plain.h5", "lorentz.h5"])
def test_queries_with_the_id_of_another_item_are_counted(index, capsys):
    asked = read_embeddings(inputs.Path("q.h5")).items
    material.save_embeddings(inputs.Path("strangers.h5"), asked, seed=5)
    known = int(np.isin(asked.id, read_index(inputs.Path(index)).items.id).sum())
    assert query(index, "strangers.h5") == 0
    assert f"warning: {known} queries have the id of an item" in capsys.readouterr().err
    for given in (["strangers.h5", "--exclude", "none"], ["q.h5"]):
        assert query(index, *given, "--overwrite") == 0
        assert "warning" not in capsys.readouterr().err


def test_some_queries_can_be_taken(capsys):
    inputs.Path("list").write_text("im26\nim33\n")
    assert query("lorentz.h5", "q.h5", "--images", "list", "--only-queries", "image", "-q") == 0
    assert [ranking.query for ranking in rankings()] == ["im26", "im33"]


@pytest.mark.parametrize("form", ["jsonl", "h5", "trec"])
def test_formats_hold_the_same(form):
    assert query("lorentz.h5", "q.h5", "-q", "--format", form) == 0
    assert query("lorentz.h5", "q.h5", "-q", "-o", "expected.jsonl") == 0
    pairs = zip(rankings(f"results.{form}"), rankings("expected.jsonl"), strict=True)
    for found, expected in pairs:
        assert (found.query, found.ids) == (expected.query, expected.ids)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_two_files_of_queries_and_standard_output(capsys):
    material.save_embeddings(inputs.Path("more.h5"), material.table(range(50, 52)))
    assert query("lorentz.h5", "q.h5", "more.h5", "-o", "-", "-q", "-k", 1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 40 + 8
    assert json.loads(lines[-1])["query"] == "im51#2"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            "lorentz.h5 other.h5",
            3,
            "other.h5: is of the encoder timm:x (bbbbbbbbbbbb), lorentz.h5 of timm:x"
            " (aaaaaaaaaaaa); embed with --encoder timm:x, or model:MODEL.h5 if it was fine-tuned",
        ),
        ("plain.h5 wide.h5", 3, "wide.h5: has 7 dimensions (timm:x), plain.h5 takes 6 (timm:x)"),
        ("missing.h5 q.h5", 3, "missing.h5: no such file"),
        ("lorentz.h5 missing.h5", 3, "missing.h5: no such file"),
        (
            "lorentz.h5 q.h5 --by cosine --max-angle 1",
            2,
            "--max-angle is for --by angle, not --by cosine",
        ),
        ("plain.h5 q.h5 --max-angle 1", 2, "--max-angle is for --by angle, not --by cosine"),
        ("lorentz.h5 q.h5 --max-angle 4", 2, "--max-angle 4.0 is not from 0 to pi"),
        ("lorentz.h5 q.h5 --max-angle nan", 2, "--max-angle nan is not from 0 to pi"),
        (
            "lorentz.h5 q.h5 --find parents --parent-score alpha2 --max-angle 1",
            2,
            "--max-angle is for --parent-score ext; alpha2 is better when large",
        ),
        (
            "lorentz.h5 q.h5 --sort norm",
            2,
            "--sort norm needs --max-angle: without it hits are the same for all",
        ),
        (
            "flat.h5 q.h5 --sort norm --max-angle 1",
            2,
            "--sort norm looks at all points within the angle; give --exact too",
        ),
        (
            "lorentz.h5 q.h5 --parent-score alpha2",
            2,
            "--parent-score is for --find parents --by angle",
        ),
        ("plain.h5 q.h5 --probes 3", 2, "plain.h5 is searched by exact: --probes does not apply"),
        (
            "flat.h5 q.h5 --exact --oversample 3",
            2,
            "flat.h5 is searched by exact: --oversample does not apply",
        ),
        ("hnsw.h5 q.h5 --probes 3", 2, "hnsw.h5 is searched by hnsw: --probes does not apply"),
        ("ivf.h5 q.h5", 3, "ivf.h5: its structure is for distance, not angle; give --exact"),
        (
            "flat.h5 q.h5 --by distance",
            3,
            "flat.h5: its structure is for cosine and angle, not distance; give --exact",
        ),
        ("plain.h5 q.h5 --format h5 -o -", 2, "HDF5 cannot go through a pipe; name a file with -o"),
        ("lorentz.h5 q.h5 --max-bad 3", 2, "queries are embeddings: --max-bad does not apply"),
        ("lorentz.h5 q.h5 q.h5", 3, "results.jsonl: query 40: the query 'im25' is there twice"),
        ("lorentz.h5 q.h5 -o q.h5", 5, "q.h5: is there already; give --overwrite or another -o"),
        (
            "lorentz.h5 q.h5 --device cuda:99",
            6,
            "--device cuda:99: this machine has no such GPU; use --device cpu",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(capsys, arguments, code, message):
    assert query(*arguments.split()) == code
    said = capsys.readouterr()
    assert said.err == f"hiertools query: {message}\n"
    assert said.out == ""
    assert not inputs.Path("results.jsonl").exists()


def test_embeddings_and_images_do_not_mix(capsys):
    Image.new("RGB", (9, 9)).save("p.png")
    assert query("lorentz.h5", "q.h5", "p.png") == 2
    assert capsys.readouterr().err == (
        "hiertools query: p.png is not HDF5: queries are embeddings or images, not both\n"
    )


def test_items_without_images_have_none_to_exclude(capsys, tmp_path):
    np.save("v.npy", np.eye(3))
    inputs.Path("ids").write_text("x\ny\nz\n")
    assert main(["embed", "--from", "v.npy", "--ids", "ids", "-o", "bare.h5", "-q"]) == 0
    make_index("bare.h5", "-o", "bare-index.h5")
    capsys.readouterr()
    assert query("bare-index.h5", "bare.h5", "--exclude", "image") == 3
    assert capsys.readouterr().err == (
        "hiertools query: bare-index.h5: its items have no image; give --exclude self\n"
    )
    assert query("bare-index.h5", "bare.h5", "--only", "box") == 3
    assert capsys.readouterr().err == (
        "hiertools query: bare-index.h5: its items have no kind; leave out the choice of box\n"
    )
    assert query("bare-index.h5", "bare.h5", "-q", "--by", "angle", "-k", 9) == 0
    assert [ranking.ids for ranking in rankings()] == [["y", "z"], ["x", "z"], ["x", "y"]]


def test_a_damaged_structure_is_refused(made, capsys):
    inputs.Path("broken.h5").write_bytes((made / "flat.h5").read_bytes())
    with h5py.File("broken.h5", "r+") as file:
        file["structure"][60] ^= 1
    assert query("broken.h5", "q.h5") == 3
    assert capsys.readouterr().err == (
        "hiertools query: broken.h5: 'structure' is damaged (its sha256 differs)\n"
    )


def test_a_vector_that_is_not_finite_is_named(capsys):
    vectors = np.ones((4, material.FEATURES))
    vectors[2] = np.nan
    material.save_embeddings(inputs.Path("fine.h5"), material.table([1]))
    with h5py.File("fine.h5", "r+") as file:
        file["vectors"][:] = vectors
    assert query("lorentz.h5", "fine.h5") == 3
    assert capsys.readouterr().err == (
        "hiertools query: fine.h5: the vector of 'im1#1' is not finite\n"
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
    make_index("photos.h5", "-o", "photos-index.h5")
    assert query("photos-index.h5", "photos.h5", "-q", "-o", "expected.jsonl") == 0
    assert query("photos-index.h5", "photos", "-q") == 0
    texts = [inputs.Path(f"{name}.jsonl").read_text() for name in ("expected", "results")]
    assert texts[0].split("\n", 1)[1] == texts[1].split("\n", 1)[1]
    (folder / "g.png").write_bytes(b"no picture")
    capsys.readouterr()
    assert query("photos-index.h5", "photos", "-o", "six.jsonl", "-k", 1) == 4
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "six.jsonl: 6 rankings"
    assert lines[2].startswith(
        "hiertools query: 1 images could not be used, such as photos/g.png: "
    )
    assert query("photos-index.h5", "photos", "-o", "bad.jsonl", "--max-bad", "1") == 0
    with h5py.File("photos.h5", "r+") as file:
        meta = (
            file["meta"][:]
            .tobytes()
            .replace(json.loads(file["meta"][:].tobytes())["digest"].encode(), b"c" * 64)
        )
        file["meta"][:] = np.frombuffer(meta, np.uint8)
    make_index("photos.h5", "-o", "changed.h5")
    capsys.readouterr()
    assert query("changed.h5", "photos/a.png", "-o", "changed.jsonl") == 3
    assert capsys.readouterr().err.startswith(
        f"hiertools query: changed.h5: is of the encoder {SMALL} (cccccccccccc), which is now "
    )


def test_a_closed_pipe_ends_silently():
    command = f"{sys.executable} -m hiertools query lorentz.h5 q.h5 -o - -k 80 | head -1"
    found = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0
    assert found.stdout.startswith('{"kind": "results"')
    assert re.fullmatch(r"(standard output: 40 rankings\n40 rows in .*\n)?", found.stderr)


def test_images_cannot_be_asked_of_vectors_made_elsewhere(tmp_path, capsys):
    np.save(tmp_path / "v.npy", np.eye(3, dtype=np.float32))
    (tmp_path / "ids").write_text("a\nb\nc\n")
    made = ["--from", str(tmp_path / "v.npy"), "--ids", str(tmp_path / "ids"), "--made-by", "clip"]
    assert main(["embed", *made, "-o", str(tmp_path / "foreign.h5")]) == 0
    assert main(["index", str(tmp_path / "foreign.h5"), "-o", str(tmp_path / "among.h5")]) == 0
    capsys.readouterr()
    out = ["-o", str(tmp_path / "r.jsonl")]
    assert main(["query", str(tmp_path / "among.h5"), str(tmp_path / "ids"), *out]) == 3
    said = capsys.readouterr().err
    assert "is of vectors made elsewhere (from:clip)" in said
    assert "give embeddings that embed --from has made" in said
