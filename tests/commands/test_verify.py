"""`hiertools verify`, on features of planes that are made up."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hiertools.cli import main
from hiertools.files import items
from hiertools.files.index import read_index
from hiertools.files.items import Items
from hiertools.files.local_features import Raw, read_local, write_local
from hiertools.files.verified import read_part, read_verified
from hiertools.local.verification import Matching, verify
from hiertools.reranking import verifying
from tests.local import made as local
from tests.search import material

ONCE = "--no-provenance"
IMAGES = [f"im{n}" for n in range(8)]
MATCHING = Matching(ratio=0.8, pixels=4.0, model="homography", least=6, seed=0)


def raw(n):
    """Return features of image n: images 0 to 3 show one plane, 4 and 5 another, the rest none."""
    scene = (0, 0, 0, 0, 1, 1, 2, 3)[n]
    rng = np.random.default_rng(scene)
    places, rows = rng.uniform(200, 500, (40, 2)), rng.integers(0, 200, (40, 128))
    model = np.array([[1 - 0.05 * n, -0.03 * n, 10 * n], [0.03 * n, 1 - 0.05 * n, 5], [0, 0, 1.0]])
    frames = np.hstack([local.seen(places, model), np.full((40, 1), 3.0)])
    return Raw(frames.astype(np.float32), rows.astype(np.uint8), 1024, 768)


def save_local(path, numbers=range(8), names=IMAGES):
    meta = {"descriptor": "sift", "dimension": 128, "stored": "uint8", "keypoints": 40}
    write_local(
        path, Items(items.encode([names[n] for n in numbers])), lambda: map(raw, numbers),
        meta=meta, chain=[], overwrite=True,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An index of eight images, results of a search in it, and their local features."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(verifying, "TOGETHER", 3)
    table = Items(items.encode(IMAGES), items.encode(IMAGES), np.zeros(8, np.uint8))
    material.save_embeddings(tmp_path / "e.h5", table, seed=3)
    save_local(tmp_path / "local.h5")
    assert main(["index", "e.h5", "-o", "index.h5", "-q"]) == 0
    assert main(["query", "index.h5", "e.h5", "-k", "3", "-o", "r.jsonl", "-q", ONCE]) == 0
    return tmp_path


def run(source, *arguments, local="local.h5"):
    return main(["verify", source, "--local", local, *map(str, arguments)])


def pairs_of(path):
    found = read_part(path)
    return [tuple(found.images[code] for code in both) for both in found.codes.tolist()]


def test_all_pairs_are_what_the_library_finds(folder, capsys):
    assert run("index.h5", "--all", "--workers", 0) == 0
    said = capsys.readouterr().err
    assert re.search(
        r"verified\.h5: 28 pairs, 7 of them with inliers, [\d.]+ each on average$", said
    )
    assert pairs_of(folder / "verified.h5") == list(itertools.combinations(IMAGES, 2))
    found, known = read_verified([folder / "verified.h5"]), read_local(folder / "local.h5")
    for left, right in itertools.combinations(range(8), 2):
        pair = found.pair(IMAGES[left], IMAGES[right])
        expected = verify(known.of(left), known.of(right), MATCHING)
        np.testing.assert_array_equal(pair.features, expected.features)
        np.testing.assert_array_equal(pair.points, expected.points)
        assert (len(pair) > 30) == (right < 4 or (left, right) == (4, 5))
    assert found.options == MATCHING.document()
    chain = read_part(folder / "verified.h5").chain
    assert [record["command"] for record in chain][-2:] == ["index", "verify"]


def test_of_an_index_those_are_paired_that_are_near(folder):
    assert run("index.h5", "--top", 2, "--workers", 0) == 0
    points = directions_of(folder)
    near = np.argsort(-(points @ points.T) + 9 * np.eye(8), axis=1, kind="stable")[:, :2]
    wanted = {tuple(sorted((IMAGES[i], IMAGES[j]))) for i in range(8) for j in near[i]}
    assert pairs_of(folder / "verified.h5") == sorted(wanted)


def directions_of(folder):
    points = read_index(folder / "index.h5").points.astype(np.float64)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_of_results_queries_are_paired_with_their_first_hits(folder):
    assert run("r.jsonl", "--top", 2, "--workers", 0) == 0
    lines = [json.loads(line) for line in (folder / "r.jsonl").read_text().splitlines()][1:]
    found = pairs_of(folder / "verified.h5")
    wanted = {
        frozenset((line["query"], hit if isinstance(hit, str) else hit["id"]))
        for line in lines
        for hit in (line.get("ids") or line["hits"])[:2]
    }
    assert {frozenset(both) for both in found} == {both for both in wanted if len(both) == 2}
    assert len({frozenset(both) for both in found}) == len(found)


def test_any_number_of_workers_gives_the_same_bytes(folder):
    for workers in (0, 1, 2):
        assert run("index.h5", "--all", "--workers", workers, "-o", f"{workers}.h5", ONCE) == 0
    whole = (folder / "0.h5").read_bytes()
    assert (folder / "1.h5").read_bytes() == (folder / "2.h5").read_bytes() == whole


def test_shards_are_all_pairs_together(folder):
    for n in range(3):
        assert run("index.h5", "--all", "--shard", f"{n}/3", "-o", f"{n}.h5", "--workers", 0) == 0
    paths = [folder / f"{n}.h5" for n in range(3)]
    together = [both for path in paths for both in pairs_of(path)]
    assert together == list(itertools.combinations(IMAGES, 2))
    assert run("index.h5", "--all", "--workers", 0) == 0
    found, whole = read_verified(paths), read_verified([folder / "verified.h5"])
    for key in IMAGES:
        assert found.others(key) == whole.others(key)


def test_rerank_takes_the_pairs_that_it_would_verify(folder):
    assert run("r.jsonl", "--workers", 0) == 0
    given = ["rerank", "r.jsonl", "--index", "index.h5", "--method", "spatial", ONCE, "-q", "-o"]
    assert main([*given, "now.jsonl", "--local", "local.h5"]) == 0
    assert main([*given, "before.jsonl", "--verified", "verified.h5", "--local", "local.h5"]) == 0
    ids = [
        [json.loads(line)["query"] for line in (folder / name).read_text().splitlines()[1:]]
        for name in ("now.jsonl", "before.jsonl")
    ]
    assert ids[0] == ids[1] == IMAGES
    given[5] = "spatial:ratio=0.7"
    assert main([*given, "x.jsonl", "--verified", "verified.h5", "--local", "local.h5"]) == 3


def test_a_killed_run_goes_on_and_gives_the_same_bytes(folder):
    assert run("index.h5", "--all", "--workers", 0, "-o", "whole.h5", ONCE) == 0
    code = (
        "import sys, time; from hiertools.files import parts as p;"
        "from hiertools.reranking import verifying as v; v.TOGETHER = 2;"
        "p.PART_EVERY_S = 0; old = v.verify;"
        "v.verify = lambda *a: (time.sleep(.05), old(*a))[1];"
        "from hiertools.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = ["verify", "index.h5", "--all", "--local", "local.h5", "--workers", "1", ONCE]
    process = subprocess.Popen([sys.executable, "-c", code, *command, "-q"])
    parts = folder / "verified.h5.parts"
    deadline = time.monotonic() + 60
    while len(list(parts.glob("part-*.h5"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    known = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    workers = [Path("/proc", worker) for worker in known.read_text().split()]
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    while any(worker.exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(worker.exists() for worker in workers)
    assert not (folder / "verified.h5").exists()
    assert 3 <= len(list(parts.glob("part-*.h5"))) < 14
    assert main(command) == 5
    assert main([*command, "--resume", "--ratio", "0.7"]) == 3
    assert main([*command, "--resume"]) == 0
    assert (folder / "verified.h5").read_bytes() == (folder / "whole.h5").read_bytes()
    assert not parts.exists()


def test_a_signal_keeps_what_is_done(folder, monkeypatch, capsys):
    calls = []

    def interrupted(*given):
        calls.append(given)
        if len(calls) == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return verify(*given)

    monkeypatch.setattr(verifying, "verify", interrupted)
    assert run("index.h5", "--all", "--workers", 0, ONCE) == 75
    assert "after 6 of 28 pairs; --resume continues" in capsys.readouterr().err
    assert run("index.h5", "--all", "--workers", 0, "--resume", ONCE) == 0
    assert len(calls) == 28
    assert run("index.h5", "--all", "--workers", 0, "--resume", ONCE) == 0
    assert "verified.h5: is complete already" in capsys.readouterr().err
    assert run("index.h5", "--all", "--resume", "--least", 8) == 3
    assert len(calls) == 28


def test_features_may_be_in_several_files(folder):
    save_local(folder / "one.h5", range(5))
    save_local(folder / "two.h5", range(5, 8))
    more = ["--all", "--workers", 0, "--local", "two.h5"]
    assert run("index.h5", *more, local="one.h5") == 0
    assert run("index.h5", "--all", "--workers", 0, "-o", "whole.h5") == 0
    one, two = (read_part(folder / name) for name in ("verified.h5", "whole.h5"))
    np.testing.assert_array_equal(one.points, two.points)
    np.testing.assert_array_equal(one.models, two.models)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing.h5"], 3, "missing.h5: no such file"),
        (["local.h5"], 3, "local.h5: is a local file; an index file is needed"),
        (["index.h5", "-o", "-"], 2, "HDF5 cannot go through a pipe; name a file"),
        (["index.h5", "-o", "e.h5"], 5, "e.h5: is there already"),
        (["index.h5", "--top", 0], 2, "greater than or equal to 1"),
        (["index.h5", "--ratio", 0], 2, "ratio=0 must be above 0"),
        (["index.h5", "--pixels", 0], 2, "pixels=0 must be above 0"),
        (["index.h5", "--seed", 1 << 31], 2, "verification has seeds from 0 to 2147483647"),
        (["index.h5", "--least", 3], 2, "a homography needs at least 4"),
        (["index.h5", "--model", "fish"], 2, "fish"),
        (["index.h5", "--shard", "3/3"], 2, "3/3"),
        (["r.jsonl", "--all"], 2, "--all is for an index"),
        (["index.h5", "--local", "local.h5"], 3, "'im0' is in local.h5 too"),
        (["empty.jsonl"], 3, "empty.jsonl: has no hits to verify"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(folder, capsys, arguments, code, message):
    header = (folder / "r.jsonl").read_text().splitlines()[0]
    (folder / "empty.jsonl").write_text(header + "\n")
    before = (folder / "e.h5").read_bytes()
    capsys.readouterr()
    assert run(*arguments) == code
    said = capsys.readouterr().err
    assert said.startswith("hiertools verify: ")
    assert message in said
    assert said.count("\n") == 1
    assert not (folder / "verified.h5").exists()
    assert not (folder / "verified.h5.parts").exists()
    assert (folder / "e.h5").read_bytes() == before


def test_an_image_without_features_is_said(folder, capsys):
    save_local(folder / "few.h5", range(5))
    assert run("index.h5", "--all", local="few.h5") == 3
    said = capsys.readouterr().err
    assert "no local features of 'im5'; write them with hiertools embed --local" in said
