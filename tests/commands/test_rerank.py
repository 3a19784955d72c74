"""`hiertools rerank`: what it gives to methods, and what it makes of what they give back."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hiertools import plugins
from hiertools.cli import main
from hiertools.commands import reranking
from hiertools.files import inputs, items
from hiertools.files.items import Items
from hiertools.files.local_features import Raw, read_local, write_local
from hiertools.files.masks import read_masks
from hiertools.files.results import read_results
from hiertools.local.hulls import hull
from hiertools.local.verification import Matching, verify
from hiertools.reranking import driving
from tests.local import made as local
from tests.search import material

ONCE = "--no-provenance"
IMAGES = [f"im{n}" for n in range(12)]  # three scenes of four images
ASKED = ["q0", "im5", "q1"]  # im5 is an item too
SCENES = {"q0": 0, "q1": 1, **{key: n // 4 for n, key in enumerate(IMAGES)}}


def vectors(ids, seed):
    """Return vectors in which an image is near to its scene, more or less."""
    rng = np.random.default_rng(seed)
    middles = np.random.default_rng(1).standard_normal((3, material.FEATURES))
    near = [middles[SCENES[key]] for key in ids]
    return np.array(near) + 0.9 * rng.standard_normal((len(ids), material.FEATURES))


def raw(key):
    """Return 40 features of an image, all of them of its scene, as it is seen there."""
    rng = np.random.default_rng(SCENES[key])
    turn = 0.04 * (int(key[2:]) % 4 if key in IMAGES else 5)
    places, rows = rng.uniform(200, 500, (40, 2)), rng.integers(0, 200, (40, 128))
    model = np.array([[1 - turn, -turn, 200 * turn], [turn, 1 - turn, 5], [0, 0, 1.0]])
    frames = np.hstack([local.seen(places, model), np.full((40, 1), 3.0)])
    return Raw(frames.astype(np.float32), rows.astype(np.uint8), 1024, 768)


def save_local(path, ids):
    meta = {"descriptor": "sift", "dimension": 128, "stored": "uint8", "keypoints": 40}
    write_local(
        Path(path), Items(items.encode(ids)), lambda: map(raw, ids), meta=meta, chain=[],
        overwrite=True,
    )  # fmt: skip


def table(ids):
    labels = items.label_sets([[f"scene{SCENES[key]}", "photo"] for key in ids])
    return Items(items.encode(ids), items.encode(ids), np.zeros(len(ids), np.uint8), labels)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An index, results of its own items and of other queries, local features of all of them."""
    folder = tmp_path_factory.mktemp("made")
    before = Path.cwd()
    os.chdir(folder)
    material.save_embeddings(folder / "e.h5", table(IMAGES), vectors=vectors(IMAGES, 2))
    material.save_embeddings(folder / "q.h5", table(ASKED), vectors=vectors(ASKED, 3))
    material.save_embeddings(folder / "other.h5", table(IMAGES[:6]), seed=9)
    save_local("local.h5", IMAGES)
    save_local("asked.h5", ["q0", "q1"])
    for name in ("e", "other"):
        assert main(["index", f"{name}.h5", "-o", f"{name}-index.h5", "-q", ONCE]) == 0
    asked = ["query", "e-index.h5", "-q", ONCE, "-k", "6"]
    assert main([*asked, "e.h5", "-o", "own.jsonl"]) == 0
    assert main([*asked, "q.h5", "-o", "r.jsonl"]) == 0
    assert main([*asked, "q.h5", "-o", "r.h5", "--format", "h5"]) == 0
    assert main([*asked, "q.h5", "-o", "r.trec", "--format", "trec"]) == 0
    assert main(["query", "other-index.h5", "e.h5", "-o", "elsewhere.jsonl", "-q", ONCE]) == 0
    os.chdir(before)
    return folder


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in made.iterdir():
        (tmp_path / path.name).symlink_to(path)


def rerank(results, method, *arguments, index="e-index.h5"):
    given = ["rerank", results, "--index", index, "--method", method, ONCE, *arguments]
    return main(list(map(str, given)))


BOTH = ("--queries", "q.h5", "--local", "local.h5", "--local", "asked.h5")


def read(path="reranked.jsonl"):
    header, rankings = read_results(Path(path))
    return header, list(rankings)


def body(path):
    return Path(path).read_text().split("\n", 1)[1]


def test_hits_of_the_same_thing_rise_and_keep_what_they_were(capsys):
    before, old = read("r.jsonl")
    assert rerank("r.jsonl", "spatial:top=6,weight=2", *BOTH) == 0
    header, new = read()
    assert header == {
        **before,
        "reranked": [
            {
                "method": "spatial", "top": 6, "ratio": 0.8, "pixels": 4.0, "model": "homography",
                "least": 6, "tau": 10, "weight": 2.0, "cap": 50,
            }
        ],
    }  # fmt: skip
    said = capsys.readouterr().err
    assert said.startswith("reranked.jsonl: 3 of 3 queries re-ranked by spatial in ")
    assert said.endswith(" s a query)\n")
    assert [each.query for each in new] == ASKED
    for ranking, was in zip(new, old, strict=True):
        scenes = [SCENES[key] for key in ranking.ids]
        right = scenes.count(SCENES[ranking.query])
        assert 0 < right < 6
        assert set(scenes[:right]) == {SCENES[ranking.query]}
        assert ranking.reranked == ("spatial",)
        known = dict(zip(was.ids, zip(was.scores, was.labels, strict=True), strict=True))
        told = zip(ranking.initial, ranking.labels, strict=True)
        assert dict(zip(ranking.ids, told, strict=True)) == known
        assert ranking.explained is None
    assert any(ranking.ids != was.ids for ranking, was in zip(new, old, strict=True))


def test_provenance_says_what_was_read():
    arguments = ["--index", "e-index.h5", "--method", "spatial", *BOTH, "-o", "p.jsonl"]
    assert main(["rerank", "r.jsonl", *arguments]) == 0
    (record,) = read("p.jsonl")[0]["provenance"]
    assert record["command"] == "rerank"
    assert {each["path"] for each in record["inputs"]} == {
        "r.jsonl", "e-index.h5", "q.h5", "local.h5", "asked.h5",
    }  # fmt: skip
    pairs = ["verify", "p.jsonl", "--local", "local.h5", "--local", "asked.h5", "--workers", "0"]
    assert main([*pairs, "-o", "p.h5"]) == 0
    assert main(["rerank", "r.jsonl", *arguments[:-1], "2.jsonl", "--verified", "p.h5"]) == 0
    chain = read("2.jsonl")[0]["provenance"]
    assert [each["command"] for each in chain] == ["rerank", "verify", "rerank"]


def test_methods_go_through_a_pipe_and_keep_the_first_scores():
    run = f"{sys.executable} -m hiertools"
    common = f"--index e-index.h5 {ONCE} -o -"
    given = " ".join(BOTH)
    command = (
        f"{run} rerank r.jsonl {common} --queries q.h5 --method alpha-qe:n=3 -k 9 |"
        f" {run} rerank - {common} {given} --method spatial --explain > two.jsonl"
    )
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("standard output: 3 of 3 queries re-ranked by ") == 2
    header, found = read("two.jsonl")
    assert [each["method"] for each in header["reranked"]] == ["alpha-qe", "spatial"]
    for ranking, was in zip(found, read("r.jsonl")[1], strict=True):
        assert ranking.reranked == ("alpha-qe", "spatial")
        first = dict(zip(was.ids, was.scores, strict=True))
        assert len(ranking.ids) == 9
        expected = [first.get(key, np.nan) for key in ranking.ids]
        np.testing.assert_array_equal(ranking.initial, expected)
        assert np.isnan(ranking.initial).sum() == 3
        assert ranking.labels == [f"scene{SCENES[key]}" for key in ranking.ids]
    line = json.loads(body("two.jsonl").splitlines()[0])
    assert [("initial" in hit) for hit in line["hits"]].count(False) == 3
    assert rerank("r.jsonl", "alpha-qe:n=3", "-k", 9, "--queries", "q.h5", "-o", "1.jsonl") == 0
    assert rerank("1.jsonl", "spatial", "--explain", *BOTH, "-o", "2.jsonl") == 0
    assert Path("2.jsonl").read_bytes() == Path("two.jsonl").read_bytes()


def test_explanations_of_all_methods_are_kept():
    assert rerank("own.jsonl", "superglobal", "--explain", "-o", "1.jsonl") == 0
    assert rerank("1.jsonl", "spatial:top=3", "--explain", "--local", "local.h5") == 0
    assert rerank("1.jsonl", "aqe", "-o", "quiet.jsonl") == 0
    known = read_local(Path("local.h5"))
    for ranking, was, quiet in zip(
        read()[1], read("1.jsonl")[1], read("quiet.jsonl")[1], strict=True
    ):
        told = dict(zip(was.ids, was.explained, strict=True))
        for place, (key, about) in enumerate(zip(ranking.ids, ranking.explained, strict=True)):
            assert about["superglobal"] == told[key]["superglobal"]
            assert set(about["superglobal"]["neighbours"]) <= set(was.ids)
            assert ("spatial" in about) == (key in was.ids[:3]), place
            if key in was.ids[:3]:
                left, right = (known.of(known.row(each)) for each in (ranking.query, key))
                pair = verify(left, right, Matching(0.8, 4.0, "homography", 6, 0))
                assert about["spatial"]["inliers"] == len(pair)
        for key, about in zip(quiet.ids, quiet.explained, strict=True):
            assert about == told.get(key)


def test_masks_are_where_the_query_is_in_the_hits(capsys):
    assert rerank("r.jsonl", "spatial", *BOTH, "--masks", "masks.jsonl", "-k", 4) == 0
    header, masks = read_masks(Path("masks.jsonl"))
    assert capsys.readouterr().err.endswith(f" s a query); {len(masks)} masks\n")
    assert header == {"kind": "masks", "version": 1, "provenance": []}
    features = {key: raw(key) for key in [*IMAGES, "q0", "q1"]}
    expected = [
        (ranking.query, key)
        for ranking in read()[1]
        for key in ranking.ids
        if SCENES[key] == SCENES[ranking.query]
    ]
    assert [(mask.query, mask.image) for mask in masks] == expected
    places = {ranking.query: ranking.ids for ranking in read()[1]}
    for mask in masks:
        assert places[mask.query][mask.rank - 1] == mask.image
        assert mask.size == (768, 1024)
        whole = hull(features[mask.image].frames[:, :2])
        np.testing.assert_allclose(mask.polygons[0], whole, atol=1e-3)
    assert main(["check", "masks.jsonl"]) == 0


def test_a_spent_budget_leaves_everything_as_it_is(capsys):
    assert rerank("r.jsonl", "spatial", *BOTH, "--time-budget", 0) == 0
    said = capsys.readouterr().err
    assert said == (
        "reranked.jsonl: 0 of 3 queries re-ranked by spatial; 3 beyond the time budget\n"
    )
    assert body("reranked.jsonl") == body("r.jsonl")
    assert rerank("r.jsonl", "spatial", *BOTH, "--time-budget", 0, "-k", 2, "-o", "2.jsonl") == 0
    for cut, was in zip(read("2.jsonl")[1], read("r.jsonl")[1], strict=True):
        assert cut.ids == was.ids[:2]
        assert cut.initial is None


def test_a_budget_that_ends_on_the_way_leaves_the_rest(capsys, monkeypatch):
    ticks = iter([0.0] + [0.1] * 6 + [9.0] * 99)  # the run starts; a look for each query and hit
    clock = SimpleNamespace(monotonic=lambda: next(ticks))
    monkeypatch.setattr(reranking, "HURRIED", 2)
    monkeypatch.setattr(reranking, "time", clock)
    monkeypatch.setattr(driving, "time", clock)
    assert rerank("own.jsonl", "aqe", "--time-budget", 5) == 0
    done = [bool(ranking.reranked) for ranking in read()[1]]
    assert done == [True] * 3 + [False] * 9  # two, and one more; five if all were one block
    said = capsys.readouterr().err
    assert f"{sum(done)} of 12 queries re-ranked by aqe in " in said
    assert f"; {12 - sum(done)} beyond the time budget\n" in said
    lines = [body(name).splitlines() for name in ("reranked.jsonl", "own.jsonl")]
    assert lines[0][sum(done) :] == lines[1][sum(done) :]


def test_the_budget_of_a_pipe_begins_with_its_input(monkeypatch, capsys):
    """What the commands before took is not the command's own time."""
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0])

    @contextmanager
    def slowly(path):
        now[0] = 100.0
        yield path

    monkeypatch.setattr(inputs, "spooled", slowly)
    monkeypatch.setattr(reranking, "time", clock)
    monkeypatch.setattr(driving, "time", clock)
    assert rerank("own.jsonl", "superglobal", "--time-budget", 1) == 0
    assert "12 of 12 queries re-ranked by superglobal in 0 s" in capsys.readouterr().err


def test_only_uncertain_queries_are_re_ranked(capsys):
    results, _ = read_results(Path("own.jsonl"))
    header = json.dumps(results)
    own = [json.loads(line) for line in body("own.jsonl").splitlines()]
    known = {hit["id"]: hit for line in own for hit in line["hits"]}
    lines = [
        {"query": "im0", "hits": [known["im1"], known["im2"], known["im3"]]},
        {"query": "im1", "hits": [known[key] for key in ("im0", "im4", "im8", "im9", "im5")]},
    ]
    for line in lines:
        for place, hit in enumerate(line["hits"]):
            line["hits"][place] = {**hit, "score": 1 - 0.1 * place}
    Path("few.jsonl").write_text("\n".join([header, *map(json.dumps, lines)]) + "\n")
    assert main(["verify", "e-index.h5", "--all", "--local", "local.h5", "--workers", "0"]) == 0
    capsys.readouterr()
    gate = ["--only-uncertain", "--verified", "verified.h5"]
    assert rerank("few.jsonl", "superglobal", *gate) == 0
    said = capsys.readouterr().err
    assert said.startswith("reranked.jsonl: 1 of 2 queries re-ranked by superglobal in ")
    assert said.endswith("; 1 certain\n")
    assert [ranking.reranked for ranking in read()[1]] == [(), ("superglobal",)]
    assert body("reranked.jsonl").splitlines()[0] == body("few.jsonl").splitlines()[0]
    # of five hits, groups of two, two and one: 1.05 nats
    assert rerank("few.jsonl", "superglobal", *gate, "--uncertainty", 1.06, "-o", "no.jsonl") == 0
    assert capsys.readouterr().err == (
        "no.jsonl: 0 of 2 queries re-ranked by superglobal; 2 certain\n"
    )
    assert body("no.jsonl") == body("few.jsonl")
    gate = ["--only-uncertain", "--uncertainty", 0]  # by vectors: all of three are mutual
    assert rerank("few.jsonl", "superglobal", *gate, "-o", "near.jsonl") == 0
    assert "; 2 certain\n" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["alpha-qe:n=4", "diffusion:k=4", "aqe"])
def test_within_finds_no_other_hits(method):
    assert rerank("r.jsonl", method, "--queries", "q.h5", "--within") == 0
    assert rerank("r.jsonl", method, "--queries", "q.h5", "-o", "free.jsonl") == 0
    found, free, before = (read(name)[1] for name in ("reranked.jsonl", "free.jsonl", "r.jsonl"))
    for inside, outside, was in zip(found, free, before, strict=True):
        assert sorted(inside.ids) == sorted(was.ids)
        assert not np.isnan(inside.initial).any()
        assert len(outside.ids) == 6
    assert any(set(one.ids) != set(was.ids) for one, was in zip(free, before, strict=True))


@pytest.mark.parametrize(("k", "count"), [(2, 2), (9, 9), (100, None)])
def test_k_is_how_many_hits_there_are(k, count):
    assert rerank("r.jsonl", "aqe", "--queries", "q.h5", "-k", k) == 0
    assert rerank("r.jsonl", "k-reciprocal:k1=4,k2=2", "--queries", "q.h5", "-k", k, "-o", "o") == 0
    for ranking in read()[1]:  # of im5 eleven: the header says that it is no hit of its own
        assert len(ranking.ids) == (count or 12 - (ranking.query == "im5"))
        assert ranking.query != "im5" or "im5" not in ranking.ids
    assert {len(ranking.ids) for ranking in read("o")[1]} == {min(k, 6)}


@pytest.mark.parametrize("form", ["jsonl", "h5", "trec"])
@pytest.mark.parametrize("source", ["jsonl", "h5", "trec"])
def test_formats_go_in_and_out(source, form, capsys):
    output = f"reranked.{form}"
    assert rerank(f"r.{source}", "spatial:top=5", *BOTH, "--format", form) == 0
    assert capsys.readouterr().err.startswith(f"{output}: 3 of 3 queries")
    assert rerank("r.jsonl", "spatial:top=5", *BOTH, "-o", "expected") == 0
    (header, found), (_, expected) = read(output), read("expected")
    assert ("reranked" in header) == (form != "trec")
    for one, other in zip(found, expected, strict=True):
        assert (one.query, one.ids) == (other.query, other.ids)
        np.testing.assert_array_equal(one.scores, other.scores)
        if form != "trec":
            np.testing.assert_array_equal(one.initial, other.initial)
            assert header["reranked"][0]["method"] == "spatial"


def test_a_run_of_another_program_is_re_ranked_with_itself_among_the_hits():
    """It does not say what was left out, so nothing is."""
    assert rerank("r.trec", "aqe", "--queries", "q.h5", "-k", 12) == 0
    header, found = read()
    assert header["index"] == inputs.digest_file(Path("e-index.h5"))
    assert {len(ranking.ids) for ranking in found} == {12}
    assert found[1].query == "im5"
    assert "im5" in found[1].ids


def test_the_queries_given_win_over_items_of_the_same_id():
    lines = Path("r.jsonl").read_text().splitlines()
    Path("im5.jsonl").write_text("\n".join([lines[0], lines[2]]) + "\n")
    moved = vectors(IMAGES, 2)[:1]
    material.save_embeddings(Path("moved.h5"), table(["im5"]), vectors=moved)
    bodies = {}
    for name, given in {"item": [], "moved": ["--queries", "moved.h5"]}.items():
        assert rerank("im5.jsonl", "aqe:n=0", *given, "-k", 3, "-o", name) == 0
        bodies[name] = read(name)[1][0].ids
    assert bodies["item"] != bodies["moved"]
    assert bodies["moved"][0] == "im0"


def test_a_result_list_without_hits_stays_empty_or_is_found_again(capsys):
    lines = Path("own.jsonl").read_text().splitlines()
    empty = json.dumps({"query": "im0", "hits": []})
    Path("empty.jsonl").write_text("\n".join([lines[0], empty, *lines[2:]]) + "\n")
    for method in ("aqe", "spatial", "superglobal", "k-reciprocal:k1=4,k2=2", "diffusion:k=4"):
        assert rerank("empty.jsonl", method, "--local", "local.h5", "-o", "1.jsonl") == 0
        found = read("1.jsonl")[1]
        assert len(found) == 12
        assert found[0].ids == []
        assert {len(ranking.ids) for ranking in found[1:]} == {6}
        Path("1.jsonl").unlink()
    assert rerank("empty.jsonl", "aqe", "-k", 3, "-o", "2.jsonl") == 0
    assert [len(ranking.ids) for ranking in read("2.jsonl")[1]] == [3] * 12
    Path("none.jsonl").write_text(lines[0] + "\n")
    capsys.readouterr()
    assert rerank("none.jsonl", "aqe", "-o", "3.jsonl") == 0
    assert capsys.readouterr().err == "3.jsonl: 0 of 0 queries re-ranked by aqe\n"


@pytest.fixture
def boxes():
    """An index of images with two boxes each, left and right, that have vectors of their own."""
    rows = [(f"im{n}{box}", f"im{n}", kind) for n in range(4) for box, kind in BOXES.items()]
    ids, images, kind = zip(*rows, strict=True)
    corners = np.tile([[0, 0, 1, 1], [0.15, 0.2, 0.35, 0.8], [0.8, 0.8, 1, 1]], (4, 1))
    found = Items(
        items.encode(ids), items.encode(images), np.array(kind, np.uint8), box=corners * 1.0
    )
    material.save_embeddings(Path("b.h5"), found, seed=4)
    assert main(["index", "b.h5", "-o", "b-index.h5", "-q"]) == 0
    return found


BOXES = {"": 0, "#0": 1, "#1": 1}


def test_masks_of_boxes_are_of_their_images_each_once(boxes):
    asked = ["query", "b-index.h5", "b.h5", "--exclude", "self", "--only", "any", "-k", "11", "-q"]
    assert main([*asked, "-o", "b.jsonl"]) == 0
    more = ("--local", "local.h5", "--masks", "masks.jsonl")
    assert rerank("b.jsonl", "spatial:tau=4,least=4", *more, index="b-index.h5") == 0
    masks = read_masks(Path("masks.jsonl"))[1]  # no image is there twice
    assert {mask.image for mask in masks} == set(IMAGES[:4])
    best = {(r.query, key): n for r in read()[1] for n, key in enumerate(r.ids, 1)}
    several = 0
    for mask in masks:
        hits = [n for box in BOXES if (n := best.get((mask.query, mask.image + box)))]
        assert mask.rank in hits
        assert mask.size == (768, 1024)
        several += len(mask.polygons) > 1
    assert several


def test_boxes_have_the_features_of_their_image_that_are_inside(boxes):
    asked = ["query", "b-index.h5", "b.h5", "--exclude", "image", "--only", "box", "-k", "9"]
    assert main([*asked, "-o", "b.jsonl", "-q"]) == 0
    assert rerank("b.jsonl", "spatial", "--explain", "--local", "local.h5", index="b-index.h5") == 0
    whole = read_local(Path("local.h5"))
    corners = dict(zip(map(items.decode, boxes.id), boxes.box, strict=True))

    def features(key):
        return whole.of(whole.row(key.partition("#")[0])).inside(corners[key])

    checked = 0
    for ranking in read()[1]:
        assert len(ranking.ids) == 6  # two boxes of each of the other three images
        for key, about in zip(ranking.ids, ranking.explained, strict=True):
            assert "#" in key
            assert key.partition("#")[0] != ranking.query.partition("#")[0]
            left, right = features(ranking.query), features(key)
            pair = verify(left, right, Matching(0.8, 4.0, "homography", 6, 0))
            assert about["spatial"]["inliers"] == len(pair)
            checked += 0 < len(pair) < 40
    assert checked > 10


@pytest.mark.parametrize("method", ["aqe", "diffusion:k=4", "alpha-qe"])
def test_what_the_search_left_out_stays_out(boxes, method):
    for exclude, only in (("image", "box"), ("self", "any"), ("image", "any"), ("none", "image")):
        asked = ["query", "b-index.h5", "b.h5", "--exclude", exclude, "--only", only, "-k", "3"]
        assert main([*asked, "-o", "b.jsonl", "-q", "--overwrite"]) == 0
        assert rerank("b.jsonl", method, "-k", 99, "--overwrite", index="b-index.h5") == 0
        for ranking in read()[1]:
            image = ranking.query.partition("#")[0]
            out = {"image": {image, f"{image}#0", f"{image}#1"}, "self": {ranking.query}}
            wanted = {
                items.decode(key)
                for key, kind in zip(boxes.id, boxes.kind, strict=True)
                if only == "any" or (kind == 1) == (only == "box")
            }
            assert set(ranking.ids) == wanted - out.get(exclude, set())


def test_the_image_of_a_query_must_be_known_to_be_left_out(boxes, capsys):
    other = Items(items.encode(["x"]), items.encode(["im2"]), np.zeros(1, np.uint8))
    material.save_embeddings(Path("x.h5"), other, seed=5)
    asked = ["query", "b-index.h5", "x.h5", "--exclude", "image", "-o", "x.jsonl", "-q"]
    assert main(asked) == 0
    assert rerank("x.jsonl", "spatial", "--local", "local.h5", index="b-index.h5") == 3
    assert "the image of 'x' is not known; give the queries with --queries" in (
        capsys.readouterr().err
    )
    assert rerank("x.jsonl", "aqe", "-k", 99, "--queries", "x.h5", index="b-index.h5") == 0
    (ranking,) = read()[1]
    assert len(ranking.ids) == 6  # all other boxes
    assert not any(key.startswith("im2") for key in ranking.ids)


def edited(name, change):
    """Write results whose lines were changed, and return their path."""
    lines = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    change(lines)
    Path(name).write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize(
    ("results", "method", "arguments", "code", "message"),
    [
        ("missing.jsonl", "aqe", [], 3, "missing.jsonl: no such file"),
        ("e.h5", "aqe", [], 3, "e.h5: is an embeddings file; a results file is needed"),
        ("r.jsonl", "aqe", ["--index", "e.h5"], 3, "e.h5: is an embeddings file; an index"),
        ("elsewhere.jsonl", "aqe", [], 3, "elsewhere.jsonl: are results of another index than"),
        ("r.jsonl", "aqe", [], 3, "the query 'q0' is no item of e-index.h5; give its embedding"),
        ("r.jsonl", "spatial", [], 3, "no local features of 'q0'; write them with hiertools"),
        ("r.jsonl", "spatial", ["--local", "asked.h5"], 3, "no local features of 'im"),
        ("r.jsonl", "hypergraph", BOTH, 3, "write them with hiertools verify INDEX and give"),
        ("r.jsonl", "fish", [], 2, "no method 'fish'; there are alpha-qe, aqe, "),
        ("r.jsonl", "alpha_qe", [], 2, "no method 'alpha_qe'; there are alpha-qe, "),
        ("r.jsonl", "aqe:m=3", [], 2, "method aqe has no option 'm'"),
        ("r.jsonl", "aqe:n=x", [], 2, "option n=x is not a int"),
        ("r.jsonl", "aqe:3", [], 2, "method 'aqe:3' is not written as aqe[:n=…]"),
        ("r.jsonl", "aqe:n=-1", ["--queries", "q.h5"], 2, "option n=-1 must be at least 0"),
        ("r.jsonl", "aqe:n=-1", [*BOTH, "-o", "-"], 2, "option n=-1 must be at least 0"),
        ("r.jsonl", "spatial:pixels=inf", BOTH, 2, "option pixels=inf must be above 0"),
        ("r.jsonl", "topological:checks=9223372036854775808", BOTH, 2, "is not a int"),
        ("r.jsonl", "spatial", [*BOTH, "--seed", 1 << 31], 2, "verification has seeds from 0"),
        ("r.jsonl", "spatial:tau=0", BOTH, 2, "option tau=0 must be at least 1"),
        ("r.jsonl", "diffusion:alpha=1", ["--queries", "q.h5"], 2, "alpha=1 is not in the range"),
        ("r.jsonl", "spatial", ["--local", "local.h5", *BOTH], 3, "'im0' is in local.h5 too"),
        ("r.jsonl", "aqe", ["--queries", "q.h5", *BOTH], 3, "'q0' is in another file of --queries"),
        ("r.jsonl", "aqe", ["--queries", "wide.h5"], 3, "wide.h5: "),
        ("r.jsonl", "aqe", ["-k", 0], 2, "greater than or equal to 1"),
        ("r.jsonl", "aqe", ["--time-budget", -1], 2, "greater than or equal to 0"),
        ("r.jsonl", "aqe", ["--uncertainty", 2], 2, "--uncertainty is for --only-uncertain"),
        ("r.jsonl", "aqe", ["--format", "h5", "--explain"], 2, "h5 has no place for it"),
        ("r.jsonl", "aqe", ["--format", "trec", "--explain"], 2, "trec has no place for it"),
        ("r.jsonl", "aqe", ["--format", "h5", "-o", "-"], 2, "HDF5 cannot go through a pipe"),
        ("r.jsonl", "aqe", ["--masks", "x", "-o", "x"], 2, "--masks and --output must be"),
        ("r.jsonl", "aqe", ["-o", "r.jsonl", "--overwrite"], 2, "r.jsonl: is an input too"),
        ("r.jsonl", "aqe", ["--masks", "r.jsonl", "--overwrite"], 2, "r.jsonl: is an input too"),
        ("r.jsonl", "aqe", [*BOTH, "--masks", "q.h5", "--overwrite"], 2, "q.h5: is an input too"),
        ("r.jsonl", "aqe", ["-o", "old"], 5, "old: is there already"),
        ("r.jsonl", "spatial", [*BOTH, "--masks", "old"], 5, "old: is there already"),
        ("r.jsonl", "aqe", ["-o", "none/x"], 3, "none: no such folder"),
        ("r.jsonl", "aqe", ["--device", "tpu"], 2, "--device tpu"),
        ("strange.jsonl", "aqe", BOTH, 3, "the hit 'im99' of 'im5' is not in e-index.h5; name"),
        ("rising.jsonl", "aqe", BOTH, 3, "rising.jsonl: line 3: the hit 'im"),
        ("rising.trec", "aqe", BOTH, 3, "rising.trec: query 'im5': the hit 'im"),
        ("odd.jsonl", "aqe", BOTH, 3, "'exclude' is 'some', not none, self, image"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_line(capsys, results, method, arguments, code, message):
    material.save_embeddings(Path("wide.h5"), table(["q0"]), features=7)
    Path("old").write_text("kept")
    edited("strange.jsonl", lambda lines: lines[2]["hits"][1].update(id="im99"))
    edited("rising.jsonl", lambda lines: lines[2]["hits"][1].update(score=99))
    run = [line.split() for line in Path("r.trec").read_text().splitlines()]
    run[7][4] = "99"
    Path("rising.trec").write_text("\n".join(map(" ".join, run)) + "\n")
    edited("odd.jsonl", lambda lines: lines[0].update(exclude="some"))
    capsys.readouterr()
    assert rerank(results, method, *arguments) == code
    written, said = capsys.readouterr()
    assert written == ""
    assert said.startswith("hiertools rerank: ")
    assert message in said
    assert said.count("\n") == 1
    assert Path("old").read_text() == "kept"
    assert not Path("reranked.jsonl").exists()
    assert not list(Path.cwd().glob(".*part"))


def test_an_output_is_replaced_only_if_that_is_asked_for():
    Path("reranked.jsonl").write_text("old")
    Path("masks.jsonl").write_text("old")
    more = [*BOTH, "--masks", "masks.jsonl"]
    assert rerank("r.jsonl", "spatial", *more) == 5
    assert Path("reranked.jsonl").read_text() == Path("masks.jsonl").read_text() == "old"
    assert rerank("r.jsonl", "spatial", *more, "--overwrite") == 0
    assert len(read()[1]) == 3
    assert read_masks(Path("masks.jsonl"))[1]


def test_blocks_do_not_change_what_comes_out():
    for size in (1, 64):
        assert rerank("own.jsonl", "diffusion:k=4", "--batch-size", size, "-o", f"{size}") == 0
    assert Path("1").read_bytes() == Path("64").read_bytes()


@pytest.fixture(scope="module")
def pairs(made):
    """Verified pairs of the items: in one file, and in three shards."""
    given = ["verify", str(made / "e-index.h5"), "--all", "--local", str(made / "local.h5")]
    given += ["--workers", "0", "-q", ONCE]
    for name, more in {"all": [], **{f"{n}": ["--shard", f"{n}/3"] for n in range(3)}}.items():
        assert main([*given, *more, "-o", str(made / f"pairs-{name}.h5")]) == 0
    return [made / f"pairs-{name}.h5" for name in ("all", "0", "1", "2")]


@pytest.mark.parametrize("method", sorted(plugins.members(plugins.RERANKERS)))
def test_every_method_can_be_explained_and_masked(pairs, method):
    given = [*BOTH, "--verified", pairs[0], "--explain", "--masks"]
    assert rerank("r.jsonl", method, *given, "masks.jsonl") == 0
    assert main(["check", "reranked.jsonl", "masks.jsonl"]) == 0
    assert rerank("r.jsonl", method, *given, "again.jsonl", "-o", "2.jsonl") == 0
    assert Path("2.jsonl").read_bytes() == Path("reranked.jsonl").read_bytes()
    assert Path("again.jsonl").read_bytes() == Path("masks.jsonl").read_bytes()
    header, found = read()
    (about,) = header["reranked"]
    options = plugins.members(plugins.RERANKERS)[method].options
    assert about == {"method": method, **{option.name: option.default for option in options}}
    told = [each for ranking in found for each in ranking.explained]
    assert any(each is not None for each in told)
    assert {key for each in told if each for key in each} == {method}
    places = {(ranking.query, key): n for ranking in found for n, key in enumerate(ranking.ids)}
    masks = [(mask.query, mask.image) for mask in read_masks(Path("masks.jsonl"))[1]]
    assert bool(masks) == (method in ("hypergraph", "spatial", "topological"))
    order = [(ASKED.index(query), places[query, image]) for query, image in masks]
    assert order == sorted(order)


@pytest.mark.parametrize("method", ["spatial", "hypergraph", "hypergraph:variant=bfs"])
def test_shards_of_pairs_are_as_good_as_all_in_one(pairs, method):
    given = [*BOTH, "--explain"]
    shards = [word for path in pairs[1:] for word in ("--verified", path)]
    assert rerank("r.jsonl", method, *given, "--verified", pairs[0]) == 0
    assert rerank("r.jsonl", method, *given, *shards, "-o", "shards.jsonl") == 0
    assert Path("shards.jsonl").read_bytes() == Path("reranked.jsonl").read_bytes()


def test_items_that_are_queries_need_no_features_beside_their_pairs(pairs):
    for method in ("spatial:weight=2", "hypergraph"):
        given = ["--verified", pairs[0], "--masks", f"{method}-masks.jsonl"]
        assert rerank("own.jsonl", method, *given, "-o", method) == 0
        (size,) = {mask.size for mask in read_masks(Path(f"{method}-masks.jsonl"))[1]}
        assert size == (768, 1024)
        for ranking in read(method)[1]:
            scenes = [SCENES[key] for key in ranking.ids]
            right = scenes.count(SCENES[ranking.query])
            assert set(scenes[:right]) <= {SCENES[ranking.query]}


@pytest.mark.parametrize("option", ["ratio=0.7", "pixels=3", "model=affine", "least=7"])
def test_pairs_that_were_verified_otherwise_are_refused(pairs, option, capsys):
    assert rerank("own.jsonl", f"spatial:{option}", "--verified", pairs[0]) == 3
    name = option.partition("=")[0]
    assert f"the verified pairs were made with {name}=" in capsys.readouterr().err
    assert rerank("own.jsonl", "spatial", "--verified", pairs[0], "--seed", 1) == 3
    assert "the verified pairs were made with seed=0, and here it is 1" in capsys.readouterr().err


def test_pairs_of_other_local_features_are_refused(pairs, capsys):
    for files in (["local.h5"], ["local.h5", "asked.h5"]):
        given = [word for path in files for word in ("--local", path)]
        assert rerank("own.jsonl", "spatial", *given, "--verified", pairs[0]) == 0
        Path("reranked.jsonl").unlink()
    save_local("fewer.h5", IMAGES[:11])
    assert rerank("own.jsonl", "spatial", "--local", "fewer.h5", "--verified", pairs[0]) == 3
    assert "its pairs are of other local features" in capsys.readouterr().err
