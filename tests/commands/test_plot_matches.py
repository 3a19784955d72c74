"""`hiertools plot matches` and `plot masks`, on pictures that are made up."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiertools.cli import main
from hiertools.files import items
from hiertools.plots import masks as drawing
from tests.local.test_extraction import noise
from tests.search import material

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


def explain(**about):
    """Write results in which the hit b of a is explained."""
    hits = [{"id": "b", "score": 1.0, "explained": about}]
    write("told.jsonl", [{"query": "a", "reranked": ["spatial"], "hits": hits}])
    return "--results", "told.jsonl", "--query", "a"


def near(name, colour):
    """Return how many pixels of a picture have a colour, more or less."""
    return int((np.abs(picture(name) - colour).sum(-1) < 60).sum())


YELLOW, GREEN, RED = (255, 210, 63), (59, 206, 172), (238, 66, 102)


def test_regions_of_results_have_matches_in_colours_of_their_own(here, capsys):
    rows = [[30 + x, 30 + y, 10 + x, 20 + y] for x in range(0, 40, 4) for y in range(0, 40, 4)]
    sizes = {"left": [[30, 30], [70, 30], [70, 70]], "right": [[10, 20], [50, 20], [50, 60]]}
    regions = [
        {"features": 500, **sizes, "matches": rows},
        {"features": 40, **sizes, "matches": [[150, y, 130, y - 10] for y in range(20, 160, 2)]},
        {"features": 20, **sizes, "matches": [[200, y, 180, y - 10] for y in range(20, 160, 20)]},
    ]
    topological = {"features": 500, "tentative": 900, "matches_total": 560, "regions": regions}
    assert matches(*explain(topological=topological)) == 0
    said = "; of 560 matches 120 are drawn as lines and 177 as dots"
    assert said in capsys.readouterr().err
    assert all(near("matches.png", colour) > 100 for colour in (YELLOW, GREEN, RED))
    topological["regions"] = regions[:1]
    assert matches(*explain(topological=topological), "--overwrite") == 0
    assert near("matches.png", GREEN) == near("matches.png", RED) == 0


def test_lines_that_are_all_drawn_are_not_spoken_of(here, capsys):
    spatial = {"inliers": 3, "tentative": 9, "matches": [[30, 30, 10, 20]] * 3}
    assert matches(*explain(spatial=spatial)) == 0
    assert capsys.readouterr().err == "matches.png: spatial: 3 inliers, 9 tentative\n"
    assert matches(*explain(spatial={**spatial, "inliers": 9}), "--overwrite") == 0
    assert "; of 9 matches 3 are drawn as lines and 3 as dots" in capsys.readouterr().err


GOOD = [[30, 30, 10, 20]]


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ([], "what spatial explains of 'b' and 'a' is not an object"),
        ({"matches": 3}, "matches is not a list"),
        ({"matches": [[1, 2, 3]]}, "matches is not a list of rows of 4 numbers"),
        ({"matches": [[1, 2, 3, "4"]]}, "rows of 4 numbers"),
        ({"matches": [[1, 2, 3, True]]}, "rows of 4 numbers"),
        ({"matches": [[1, 2, 3, 10**400]]}, "rows of 4 numbers"),
        ({"matches": [5]}, "rows of 4 numbers"),
        ({"matches": GOOD, "inliers": "three"}, "inliers is not a whole number"),
        ({"matches": GOOD, "matches_total": -1}, "matches_total is not a whole number"),
        ({"matches": GOOD, "regions": {}}, "regions is not a list"),
        ({"regions": [1]}, "regions[0] is not an object"),
        ({"regions": [{"left": []}]}, "regions[0]: no key 'right'"),
        ({"regions": [{"left": [[1]], "right": []}]}, "left is not a list of rows of 2 numbers"),
        ({"matches": [[300, 30, 10, 20]]}, "outside of the picture of 'a'"),
        ({"matches": [[30, 30, 10, -20]]}, "outside of the picture of 'b'"),
    ],
)
def test_damaged_explanations_are_one_line(here, capsys, about, message):
    assert matches(*explain(spatial=about)) == 3
    (said,) = capsys.readouterr().err.strip().splitlines()
    assert said.startswith("hiertools plot matches: told.jsonl: ")
    assert message in said


def test_boxes_are_matched_by_what_is_inside_and_drawn_on_their_image(here, capsys):
    ids, images = items.encode(["a", "a#0"]), items.encode(["a", "a"])
    corners = np.array([[0, 0, 1, 1], [0.25, 0.2, 0.7, 0.8]])
    table = items.Items(ids, images, np.array([0, 1], np.uint8), box=corners)
    material.save_embeddings(Path("e.h5"), table)
    assert main(["index", "e.h5", "-o", "i.h5", "-q"]) == 0
    assert matches("a#0", "b", "--local", "local.h5") == 3
    assert "for a box of an image give --index too" in capsys.readouterr().err
    counts = []
    for left in ("a#0", "a"):
        words = (left, "b", "--local", "local.h5", "--index", "i.h5", "-o", f"{left}.png")
        assert matches(*words) == 0
        counts.append(int(capsys.readouterr().err.split(": ")[1].split()[0]))
    assert 0 < counts[0] < counts[1]


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
        {"query": "a", "image": key, "polygons": [SQUARE], "size": size}
        for key, size in {"b": [160, 200], "c": [180, 240]}.items()
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


def rle(pixels):
    """Return a mask as a run-length encoding with counts in a list."""
    flat = np.concatenate([[False], np.asarray(pixels, bool).ravel(order="F"), [False]])
    places = np.flatnonzero(np.diff(flat.astype(int)))
    runs = np.diff(np.concatenate([[0], places, [flat.size - 2]])).tolist()
    return {"size": list(np.shape(pixels)), "counts": runs}


def test_runs_have_an_outline_also_if_they_cover_everything(here):
    part = np.zeros((160, 200), bool)
    part[40:120, 50:150] = True
    masks_of = {"part": part, "all": np.ones((160, 200), bool), "none": part & False}
    for name, pixels in masks_of.items():
        write(f"{name}.jsonl", [{"query": "a", "image": "b", "rle": rle(pixels)}])
        write(f"{name}-true.jsonl", [{"query": "a", "image": "b", "rle": rle(pixels)}])
    for name in masks_of:
        assert masks(f"{name}.jsonl", "-o", f"{name}.png") == 0
        assert masks("none.jsonl", "--truth", f"{name}-true.jsonl", "-o", f"{name}-true.png") == 0
    assert near("none.png", YELLOW) == near("none-true.png", GREEN) == 0
    for name in ("part", "all"):
        assert near(f"{name}.png", YELLOW) > 200
        assert near(f"{name}-true.png", GREEN) > 100


def test_large_runs_are_drawn_in_the_size_in_which_they_are_seen(here):
    """A mask of 20 million pixels has no array of floats for each of them."""
    Image.new("RGB", (5000, 4000)).save("large.png")
    Path("large").mkdir()
    Path("large.png").rename("large/large.png")
    half = np.zeros((4000, 5000), bool)
    half[:, :2500] = True
    write("m.jsonl", [{"query": "large", "image": "large", "rle": rle(half)}])
    tracemalloc.start()
    assert main(["plot", "masks", "m.jsonl", "--images", "large"]) == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert near("masks.png", YELLOW) > 100
    assert peak < 300e6


def test_a_tile_says_the_rank_that_is_known(here, monkeypatch):
    names = []
    monkeypatch.setattr(drawing, "_short", lambda name: names.append(name) or name)
    write("masks.jsonl", [
        {"query": "a", "image": "c", "polygons": [], "rank": 4},
        {"query": "a", "image": "b", "polygons": []},
    ])  # fmt: skip
    assert masks("masks.jsonl") == 0
    assert names == ["query a", "4  c", "b"]


def test_true_masks_that_are_not_drawn_are_counted(here, capsys):
    write("masks.jsonl", [{"query": "a", "image": key, "polygons": []} for key in "bc"])
    write("truth.jsonl", [{"query": "a", "image": key, "polygons": []} for key in "abc"])
    assert masks("masks.jsonl", "--truth", "truth.jsonl", "--hits", "1") == 0
    said = capsys.readouterr().err
    assert said == "masks.png: masks of 1 of 1 queries; 2 true masks are not of the hits drawn\n"


def test_a_box_is_drawn_on_its_image(here):
    write("masks.jsonl", [{"query": "a#3", "image": "b#0", "polygons": [SQUARE]}])
    assert masks("masks.jsonl") == 0


def test_a_query_that_is_named_twice_is_drawn_once(here):
    write("masks.jsonl", [{"query": q, "image": "b", "polygons": [SQUARE]} for q in "ab"])
    for name, words in {"1.png": ["a"], "2.png": ["a", "a"], "3.png": ["a", "b"]}.items():
        assert masks("masks.jsonl", "-o", name, *(f"--query={query}" for query in words)) == 0
    assert Path("1.png").read_bytes() == Path("2.png").read_bytes()
    assert picture("3.png").shape > picture("1.png").shape


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
        ([{"query": "a", "image": "b", "rle": {"size": [160, 200], "counts": "zz"}}], (), 3,
         "cannot be read"),
        ([{"query": "a", "image": "b", "polygons": [SQUARE], "size": [170, 200]}], (), 3,
         "line 1: 'b' is of (170, 200) pixels (height, width), and its picture of (160, 200)"),
        ([{"query": "a", "image": "b", "rle": {"size": [1, 1], "counts": [1]}}], (), 3,
         "'b' is of (1, 1) pixels"),
        ([{"query": "a", "image": "b", "polygons": [[[1, 1], [230, 1], [5, 5]]]}], (), 3,
         "the picture of 'b': the corner 230.0, 1.0 is outside"),
        ([{"query": "a", "image": "b", "polygons": [SQUARE], "rank": 0}], (), 3, "from 1"),
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
