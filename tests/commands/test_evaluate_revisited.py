"""`hiertools evaluate retrieval --protocol revisited`, and truths that list relevant ids."""

import json
import pickle
from pathlib import Path

import pytest

from hiertools.cli import main
from hiertools.files.metrics import read_metrics

SHARED = Path(__file__).parents[3] / "shared/data/revisited"
IMAGES = [f"i{n}" for n in range(8)]
TRUTH = {
    "imlist": IMAGES,
    "qimlist": ["a", "b"],
    "gnd": [
        {"easy": [0], "hard": [1], "junk": [2]},
        {"easy": [], "hard": [3], "junk": [0]},
    ],
}


def results(rankings):
    lines = [
        {"query": query, "hits": [{"id": key, "score": -n} for n, key in enumerate(keys)]}
        for query, keys in rankings.items()
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("gnd.pkl").write_bytes(pickle.dumps(TRUTH))
    Path("gnd.json").write_text(json.dumps(TRUTH))
    Path("r.jsonl").write_text(results({"a": IMAGES, "b": IMAGES}))
    Path("back.jsonl").write_text(results({"a": IMAGES[::-1], "b": IMAGES[::-1]}))
    return tmp_path


def evaluate(*words):
    return main(["evaluate", "retrieval", *words, "-o", "m.json", "--overwrite"])


def found():
    rows = read_metrics(Path("m.json")).metrics
    return {(row["metric"], row["of"], row.get("k")): row for row in rows}


def test_setups_are_printed_with_their_metrics(folder, capsys):
    assert evaluate("r.jsonl", "--truth", "gnd.pkl", "--protocol", "revisited") == 0
    rows = found()
    keys = [("map", None), ("mp", 1), ("mp", 5), ("mp", 10)]
    assert [*rows] == [(m, s, k) for s in ("easy", "medium", "hard") for m, k in keys]
    assert rows["map", "easy", None]["value"] == 1
    assert rows["map", "easy", None]["queries"] == 1
    # hard: the first query has rank 0 of what is not ignored; the second, of which 0 is ignored, 2
    assert rows["map", "hard", None]["value"] == pytest.approx((1 + (0 + 1 / 3) / 2) / 2)
    said = capsys.readouterr().err
    assert "easy" in said
    assert "medium" in said


def test_json_says_the_same_as_the_pickle(folder):
    assert evaluate("r.jsonl", "--truth", "gnd.pkl", "--protocol", "revisited") == 0
    first = found()
    assert evaluate("r.jsonl", "--truth", "gnd.json", "--protocol", "revisited") == 0
    assert found() == first


@pytest.mark.parametrize("how", ["results", "values"])
def test_two_runs_are_compared(folder, how):
    other = "back.jsonl"
    if how == "values":
        other = "v.csv"
        words = ("back.jsonl", "--truth", "gnd.json", "--protocol", "revisited")
        assert evaluate(*words, "--values", other) == 0
    words = ("r.jsonl", "--truth", "gnd.json", "--protocol", "revisited", "--against", other)
    assert evaluate(*words) == 0
    row = found()["map", "medium", None]
    assert row["difference"] == pytest.approx(row["value"] - row["against"])
    assert row["difference"] > 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("r.jsonl", "--protocol", "revisited"), 2, "needs --truth"),
        (("r.jsonl", "--truth", "gnd.json"), 3, "give that too"),
        (("r.jsonl", "--truth", "gnd.json", "--protocol", "revisited", "--gain", "exp"), 2,
         "--gain does not apply"),
        (("few.jsonl", "--truth", "gnd.json", "--protocol", "revisited"), 3,
         "no ranking of 1 of the 2"),
        (("r.jsonl", "--truth", "bad.pkl", "--protocol", "revisited"), 3, "was not run"),
        (("r.jsonl", "--truth", "r.jsonl", "--protocol", "revisited"), 3, "r.jsonl"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(folder, capsys, words, code, message):
    Path("few.jsonl").write_text(results({"a": IMAGES}))
    Path("bad.pkl").write_bytes(b"cos\nsystem\n(S'touch trap'\ntR.")
    assert evaluate(*words) == code
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert message in said[0]
    assert not Path("trap").exists()


def test_relevant_ids_may_be_listed_as_json(folder):
    Path("lists.json").write_text(json.dumps({"a": ["i0", "i1"], "b": ["i3"]}))
    Path("qrels").write_text("a 0 i0 1\na 0 i1 1\nb 0 i3 1\n")
    assert evaluate("r.jsonl", "--truth", "lists.json") == 0
    listed = read_metrics(Path("m.json")).metrics
    assert evaluate("r.jsonl", "--truth", "qrels") == 0
    assert read_metrics(Path("m.json")).metrics == listed
    (value,) = [row["value"] for row in listed if row["metric"] == "map"]
    assert value == pytest.approx((1 + 1 / 4) / 2)


def test_lists_that_are_none_are_refused(folder, capsys):
    Path("lists.json").write_text(json.dumps({"a": "i0"}))
    assert evaluate("r.jsonl", "--truth", "lists.json") == 3
    assert "lists.json: a is not a list of texts" in capsys.readouterr().err


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data/revisited")
@pytest.mark.parametrize(("name", "easy", "hard"), [("roxford5k", 68, 70), ("rparis6k", 70, 70)])
def test_published_ground_truth_is_read(folder, name, easy, hard):
    truth = SHARED / f"gnd_{name}.pkl"
    document = pickle.loads(truth.read_bytes())  # ours alone: the file is trusted here
    best = {}
    for query, case in zip(document["qimlist"], document["gnd"], strict=True):
        order = [*case["easy"], *case["hard"], *case["junk"]]
        best[query] = [document["imlist"][i] for i in order]
    Path("best.jsonl").write_text(results(best))
    assert evaluate("best.jsonl", "--truth", str(truth), "--protocol", "revisited") == 0
    assert {row["value"] for row in found().values()} == {1.0}
    assert found()["map", "easy", None]["queries"] == easy
    assert found()["map", "hard", None]["queries"] == hard
