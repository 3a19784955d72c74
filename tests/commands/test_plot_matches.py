"""`hiertools plot matches` and `plot masks`, on pictures that are made up."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiertools.cli import main
from tests.local.test_extraction import noise

SIZE = (240, 180)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A picture, a part of it, and one of something else; their local features."""
    folder = tmp_path_factory.mktemp("plots")
    (folder / "photos").mkdir()
    picture = noise(SIZE)
    picture.save(folder / "photos/a.png")
    picture.crop((20, 10, 220, 170)).save(folder / "photos/b.png")
    noise(SIZE, seed=7).save(folder / "photos/c.png")
    local = ["embed", "--local", str(folder / "photos"), "-o", str(folder / "local.h5"), "-q"]
    assert main(local) == 0
    return folder


@pytest.fixture
def here(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").symlink_to(folder / "photos")
    (tmp_path / "local.h5").symlink_to(folder / "local.h5")
    explained = {"spatial": {"inliers": 3, "tentative": 9, "matches": [[30, 30, 10, 20]] * 3}}
    regions = [{"features": 12, "left": [[30, 20], [90, 20], [60, 80]], "right": [[5, 5]] * 3}]
    found = {"topological": {"features": 12, "tentative": 20, "matches": [], "regions": regions}}
    hits = [
        {"id": "c", "score": 2.0, "explained": {"spatial": {"inliers": 0, "matches": []}}},
        {"id": "b", "score": 1.0, "explained": explained},
        {"id": "a", "score": 0.5, "explained": found},
        {"id": "x", "score": 0.1},
    ]
    lines = [
        {"kind": "results", "version": 1, "provenance": []},
        {"query": "a", "reranked": ["spatial"], "hits": hits},
    ]
    Path("results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path


def matches(*words):
    return main(["plot", "matches", *words, "--images", "photos"])


def masks(*words):
    return main(["plot", "masks", *words, "--images", "photos"])


def picture(name):
    with Image.open(name) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("method", "said"), [("spatial", "inliers of"), ("topological:radius=80", "regions")]
)
def test_two_images_are_verified_and_drawn(here, capsys, method, said):
    assert matches("a", "b", "--local", "local.h5", "--method", method) == 0
    text = capsys.readouterr().err
    assert said in text
    assert not text.startswith("matches.png: 0 ")
    yellow = (np.abs(picture("matches.png") - [255, 210, 63]).sum(-1) < 40).sum()
    assert yellow > 200


def test_images_that_share_nothing_are_drawn_without_lines(here, capsys):
    assert matches("a", "c", "--local", "local.h5") == 0
    assert "matches.png: 0 inliers" in capsys.readouterr().err


def test_the_same_drawing_has_the_same_bytes(here):
    for name in ("1.png", "2.png", "1.svg", "2.svg"):
        assert matches("a", "b", "--local", "local.h5", "-o", name, "-q") == 0
    for kind in ("png", "svg"):
        assert Path(f"1.{kind}").read_bytes() == Path(f"2.{kind}").read_bytes()


def test_results_that_explain_are_drawn(here, capsys):
    words = ("--results", "results.jsonl", "--query", "a")
    assert matches(*words) == 0  # the first hit that has matches
    assert "spatial: 3 inliers, 9 tentative" in capsys.readouterr().err
    assert matches(*words, "--hit", "a", "-o", "regions.pdf") == 0
    assert "topological: 12 features, 20 tentative" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("a", "b"), 2, "--local H5"),
        (("a", "--local", "local.h5"), 2, "two images are needed"),
        ((), 2, "LEFT and RIGHT"),
        (("a", "z", "--local", "local.h5"), 3, "no local features of 'z'"),
        (("a", "b", "--local", "local.h5", "--method", "aqe"), 2, "aqe: has no matches"),
        (("a", "b", "--local", "local.h5", "--query", "a"), 2, "are for --results"),
        (("a", "b", "--local", "local.h5", "-o", "x.jpg"), 2, "ends with"),
        (("--results", "results.jsonl"), 2, "--query ID"),
        (("--results", "results.jsonl", "--query", "z"), 3, "has no query 'z'"),
        (("--results", "results.jsonl", "--query", "a", "--hit", "x"), 3, "says nothing of 'x'"),
        (("--results", "results.jsonl", "--query", "a", "--hit", "y"), 3, "no hit 'y'"),
        (("--results", "results.jsonl", "--query", "a", "--local", "local.h5"), 2, "do not apply"),
    ],
)
def test_wrong_matches_are_one_line(here, capsys, words, code, message):
    assert matches(*words) == code
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert message in said[0]
    assert not list(here.glob("matches*"))


SQUARE = [[20, 20], [120, 20], [120, 100], [20, 100]]


def write(name, lines):
    Path(name).write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_masks_are_tinted_and_truth_is_outlined(here, capsys):
    write("masks.jsonl", [
        {"query": "a", "image": key, "polygons": [SQUARE], "size": [160, 200]} for key in "bc"
    ])  # fmt: skip
    write("truth.jsonl", [{"query": "a", "image": "b", "polygons": [SQUARE], "level": "easy"}])
    assert masks("masks.jsonl") == 0
    assert "masks of 1 of 1 queries" in capsys.readouterr().err
    plain = picture("masks.png")
    assert masks("masks.jsonl", "--truth", "truth.jsonl", "-o", "true.png") == 0
    assert (picture("true.png") != plain).any()
    none = [{"query": "a", "image": key, "polygons": []} for key in "bc"]
    write("none.jsonl", none)
    assert masks("none.jsonl", "-o", "none.png") == 0
    assert (picture("none.png") != plain).any(-1).sum() > 5000


def test_runs_are_drawn_as_their_polygon(here):
    runs = [20 * 160 + 20, *[81, 79] * 100, 81, 79 * 160 + 59]
    rle = {"size": [160, 200], "counts": [*runs[:-1], 160 * 200 - sum(runs[:-1])]}
    write("rle.jsonl", [{"query": "a", "image": "b", "rle": rle}])
    write("none.jsonl", [{"query": "a", "image": "b", "polygons": []}])
    for name in ("rle", "none"):
        assert masks(f"{name}.jsonl", "-o", f"{name}.png") == 0
    assert (picture("rle.png") != picture("none.png")).any(-1).sum() > 2000


def test_queries_and_hits_may_be_chosen(here, capsys):
    write("masks.jsonl", [
        {"query": q, "image": h, "polygons": [SQUARE]} for q in "abc" for h in "abc"
    ])  # fmt: skip
    assert masks("masks.jsonl", "--query", "b", "--hits", "1") == 0
    assert "masks of 1 of 3 queries" in capsys.readouterr().err
    small = picture("masks.png").shape
    assert masks("masks.jsonl", "--rows", "2", "--overwrite") == 0
    assert picture("masks.png").shape > small


@pytest.mark.parametrize(
    ("lines", "words", "code", "message"),
    [
        ([{"query": "a", "image": "z", "polygons": [SQUARE]}], (), 3, "no picture of 'z'"),
        ([{"query": "a", "image": "b", "polygons": [SQUARE]}], ("--query", "z"), 2, "no masks of"),
        ([{"kind": "masks", "version": 1, "provenance": []}], (), 3, "has no masks"),
        ([{"query": "a", "image": "b", "rle": {"size": [4, 4], "counts": "zz"}}], (), 3,
         "cannot be read"),
    ],
)  # fmt: skip
def test_wrong_masks_are_one_line(here, capsys, lines, words, code, message):
    write("masks.jsonl", lines)
    assert masks("masks.jsonl", *words) == code
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert message in said[0]


def test_a_picture_that_is_none_is_named(here, capsys):
    write("masks.jsonl", [{"query": "a", "image": "b", "polygons": [SQUARE]}])
    Path("bad").mkdir()
    Path("bad/a.png").write_bytes(b"none")
    assert main(["plot", "masks", "masks.jsonl", "--images", "bad"]) == 3
    assert "bad/a.png: cannot be used" in capsys.readouterr().err
