"""What `train`, `query` and `evaluate` say of their cost, and `--profile`."""

import gzip
import json
import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest

from hiertools.cli import COMMANDS, MEASURED, main
from hiertools.files.embeddings import write_embeddings
from hiertools.files.hierarchy import write_hierarchy
from hiertools.files.items import Items, decode, encode, label_sets
from hiertools.files.pairs import read_pairs
from hiertools.profiling import TRACED_STEPS
from hiertools.search.ranking import Searcher
from hiertools.training.store import Store
from tests.evaluation import classes_made

COST = re.compile(r"^([\d,]+) rows in [\d.,]+ s: [\d.,]+ rows/s; peak memory [\d,]+ MB$", re.M)
SQUARE = [[-0.5, -0.5], [9.5, -0.5], [9.5, 9.5], [-0.5, 9.5]]
ROWS, STEPS = 126, 18  # of the training


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six images with boxes as pairs, embeddings and an index; predictions of other programs."""
    folder = tmp_path_factory.mktemp("profile")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        of_parts()
        mask = {"query": "q", "image": "a", "polygons": [SQUARE], "size": [40, 50]}
        Path("found.jsonl").write_text(json.dumps(mask) + "\n")
        Path("masks.jsonl").write_text(json.dumps({**mask, "level": "easy"}) + "\n")
        Path("places.csv").write_text("id,latitude,longitude\na,48,16\nb,47,11\n")
        write_hierarchy(Path("h.json"), classes_made.hierarchy(), chain=[], overwrite=False)
        Path("classes.csv").write_text("id,label\na,poodle\nb,cat\nc,car\n")
        Path("run.trec").write_text("q Q0 a 1 0.9 x\nq Q0 b 2 0.8 x\np Q0 a 1 0.5 x\n")
        Path("truth.qrels").write_text("q 0 a 1\np 0 b 1\n")
        truth = {"imlist": ["a", "b"], "qimlist": ["q"], "gnd": [
            {"bbx": [0, 0, 1, 1], "easy": [0], "hard": [1], "junk": []},
        ]}  # fmt: skip
        Path("gnd.json").write_text(json.dumps(truth))
    return folder


def of_parts():
    lines = ["ImageID,LabelName,XMin,XMax,YMin,YMax"]
    for name in "abcdef":
        for label, x in (("car", "0.1,0.9"), ("wheel", "0.2,0.5"), ("wheel", "0.5,0.8")):
            lines.append(f"{name},{label},{x},{x}")
    Path("boxes.csv").write_text("\n".join(lines) + "\n")
    run("mine-hierarchy", "boxes.csv", "--freq", "1", "--pairs", "pairs.h5", "-o", "tree.json")
    ids = [decode(each) for each in read_pairs(Path("pairs.h5")).items.id]
    boxes = np.array(["#" in key for key in ids])
    labels = label_sets([["wheel"] if box else ["car"] for box in boxes])
    corners = np.tile([0.0, 0, 1, 1], (len(ids), 1))
    table = Items(encode(ids), encode([key[0] for key in ids]), boxes.astype("u1"), labels, corners)
    vectors = np.random.default_rng(0).normal(size=(len(ids), 6)).astype(np.float32)
    about = {"encoder": "made", "digest": "0" * 64, "preprocess": {}, "output": "embedding"}
    meta = {**about, "dimension": 6}
    write_embeddings(Path("e.h5"), [vectors], 6, table, meta=meta, chain=[], overwrite=False)
    run("index", "e.h5", "-o", "i.h5")


def run(*words):
    assert main([*words, "-q"]) == 0


@pytest.fixture
def here(folder, tmp_path, monkeypatch):
    """Run in the folder; outputs go to another one."""
    monkeypatch.chdir(folder)
    return tmp_path


def train(*words):
    small = ["--dimension", "4", "--epochs", "3", "--batch-size", "8", "--checkpoint-every", "0"]
    return main(["train", "parts", "pairs.h5", "--embeddings", "e.h5", *small, *map(str, words)])


def ranges(path):
    """Return the names of the ranges of a trace, which is JSON."""
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    events = json.loads(text)["traceEvents"]
    return [each["name"] for each in events if each.get("cat") == "user_annotation"]


def test_the_commands_that_have_rows_have_the_option(capsys):
    measured = [name for name in COMMANDS if name.split()[0] in MEASURED]
    assert len(measured) == 9
    for name in measured:
        assert main([*name.split(), "--help"]) == 0
        assert "--profile" in capsys.readouterr().out


def test_a_training_traces_some_steps_and_says_its_rows(here, capsys):
    out, trace = here / "m.h5", here / "t.json"
    assert train("-o", out, "--profile", trace) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[-2] == f"{trace}: a trace of steps 3 to {TRACED_STEPS + 2}"
    assert COST.match(said[-1])[1] == str(ROWS)
    found = ranges(trace)
    for name in ("loading", "forward", "backward", "settling", "stepping", "checkpoint"):
        assert found.count(name) >= TRACED_STEPS, name
    assert sorted(os.listdir(here)) == ["m.h5", "m.h5.log.jsonl", "t.json"]
    assert train("-o", here / "other.h5", "--profile", trace) == 5
    line = f"hiertools train parts: {trace}: is there already; give --overwrite or another"
    assert capsys.readouterr().err == f"{line} --profile\n"
    assert not (here / "other.h5").exists()


def test_a_trace_takes_the_place_of_no_other_output(here, capsys):
    out, log = here / "m.h5", here / "m.h5.log.jsonl"
    assert train("-o", out, "--profile", log, "--overwrite") == 2
    assert capsys.readouterr().err.endswith(f"--profile {log}: is another file of this command\n")
    assert not log.exists()
    words = ["i.h5", "e.h5", "-k", "3", "--overwrite", "--profile", "results.jsonl"]
    assert main(["query", *words]) == 2
    assert "--profile results.jsonl: is another file" in capsys.readouterr().err
    assert not Path("results.jsonl").exists()


def test_a_training_that_stops_keeps_its_trace_and_says_the_rows_of_each_run(
    here, capsys, monkeypatch
):
    """The signal comes in the fourth step, and the fifth is the last one."""
    out, trace = here / "m.h5", here / "t.json.gz"
    keep = Store.keep

    def stopping(self, state):
        keep(self, state)
        if state.step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Store, "keep", stopping)
    assert train("-o", out, "--profile", trace) == 75
    said = capsys.readouterr().err
    assert f"{trace}: a trace of steps 3 to 5\n" in said
    first = int(COST.search(said)[1])
    assert ranges(trace).count("forward") == 3
    assert train("-o", out, "--profile", trace, "--resume") == 0
    assert int(COST.search(capsys.readouterr().err)[1]) == ROWS - first
    assert "backward" in ranges(trace)
    assert train("-o", out, "--profile", here / "no.json", "--resume") == 0
    said = capsys.readouterr().err
    assert "no.json: is not written: there was no step to trace\n" in said
    assert not COST.search(said)


def test_a_training_that_fails_leaves_no_trace(here, capsys):
    trace = here / "t.json"
    assert train("-o", here / "m.h5", "--rate", "1e30", "--profile", trace) == 3
    assert "rows/s" not in capsys.readouterr().err
    assert not trace.exists()


def test_query(here, capsys):
    trace = here / "t.json"
    words = ["query", "i.h5", "e.h5", "--batch-size", "5", "-o", str(here / "r.jsonl")]
    assert main([*words, "--profile", str(trace)]) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[-3:-1] == [f"{here / 'r.jsonl'}: 24 rankings", f"{trace}: a trace of steps 1 to 5"]
    assert COST.match(said[-1])[1] == "24"
    found = ranges(trace)
    for name in ("reading", "placing", "searching", "writing"):
        assert found.count(name) == 5, name
    assert main([*words, "--overwrite", "--profile", str(trace), "-q"]) == 0
    assert capsys.readouterr().err == ""


def test_a_query_that_is_interrupted_keeps_its_trace(here, monkeypatch):
    trace = here / "t.json"
    search, calls = Searcher._search, []

    def stopping(self, queries):
        calls.append(queries)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return search(self, queries)

    monkeypatch.setattr(Searcher, "_search", stopping)
    words = ["query", "i.h5", "e.h5", "--batch-size", "5", "-o", str(here / "r.jsonl")]
    assert main([*words, "--profile", str(trace)]) == 130
    assert ranges(trace).count("writing") == 2
    assert os.listdir(here) == ["t.json"]


@pytest.mark.parametrize(
    ("words", "rows", "stages"),
    [
        ("parts i.h5 e.h5 --hierarchy tree.json", 42, ("placing", "searching", "distances")),
        ("retrieval i.h5 e.h5 --hierarchy tree.json", 24, ("placing", "searching", "metrics")),
        ("retrieval run.trec --truth truth.qrels", 2, ("reading", "judging", "metrics")),
        ("retrieval run.trec --protocol revisited --truth gnd.json", 1, ("reading", "metrics")),
        ("geo places.csv --truth places.csv", 2, ("reading", "judging")),
        ("classes classes.csv --truth classes.csv --hierarchy h.json", 3, ("reading",)),
        ("pixels found.jsonl --truth masks.jsonl", 1, ("reading", "judging", "metrics")),
    ],
)
def test_evaluate(here, capsys, words, rows, stages):
    trace = here / "t.json"
    given = ["evaluate", *words.split(), "-o", str(here / "m.json"), "--resamples", "9"]
    assert main([*given, "--profile", str(trace)]) == 0, capsys.readouterr().err
    assert COST.match(capsys.readouterr().err.splitlines()[-1])[1] == str(rows)
    assert {*stages, "judging", "writing"} <= set(ranges(trace))


def test_a_dry_run_and_a_complete_model_say_no_rows(here, capsys):
    assert train("-o", here / "m.h5", "--dry-run") == 0
    assert "rows/s" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("trace", "code", "message"),
    [
        ("-", 2, "--profile: a trace cannot go through a pipe; name a file"),
        ("e.h5", 2, "--profile e.h5: is another file of this command"),
        ("r.jsonl", 2, "--profile r.jsonl: is another file of this command"),
        (".", 3, ".: is a folder; name a file with --profile"),
        ("nowhere/t.json", 3, "nowhere: no such folder; make it first (mkdir -p)"),
        ("/dev/null", 3, "/dev/null: is not a regular file and is not replaced; name another"),
    ],
)
def test_a_trace_that_cannot_be_written(here, capsys, trace, code, message):
    words = ["query", "i.h5", "e.h5", "-o", "r.jsonl", "--overwrite", "--profile", trace]
    assert main(words) == code
    said = capsys.readouterr().err
    assert said.startswith(f"hiertools query: {message}")
    assert said.count("\n") == 1
    assert not Path("r.jsonl").exists()
