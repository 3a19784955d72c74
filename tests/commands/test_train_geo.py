"""`hiertools train geo`, on a small world."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hiertools.cli import main
from hiertools.files import kinds
from hiertools.files.embeddings import write_embeddings
from hiertools.files.entities import digest_of, write_entities
from hiertools.files.log import LogWriter, read_log
from hiertools.files.model import read_model
from hiertools.models.geo import of_weights
from hiertools.models.geo_inputs import entity_inputs
from tests.training.geography import ENCODER, LEVELS, Geography

SMALL = (
    "--dimension", 8, "--hidden", 12, "--heads", 2, "--scales", 4, "--epochs", 2,
    "--batch-size", 16, "--log-every", 1,
)  # fmt: skip
LAST_STEP = 16
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def embedded(path, world, rows, **more):
    about = {**ENCODER, "dimension": world.vectors.shape[1], **more}
    table = world.members.items.take(rows)
    write_embeddings(
        path, [world.vectors[rows]], world.vectors.shape[1], table, meta=about, chain=[],
        overwrite=False,
    )  # fmt: skip


def entities(path, found, members):
    write_entities(path, found, members, chain=[], overwrite=False)


@pytest.fixture(scope="module")
def world():
    return Geography(100, missing=0.25)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, world):
    """The world with embeddings in one file and in two, and worlds that lack something."""
    root = tmp_path_factory.mktemp("geo")
    everyone = np.arange(100)
    entities(root / "e.h5", world.entities, world.members)
    entities(root / "bare.h5", world.without_embeddings(), world.members)
    flat = Geography(100, coordinates=False)
    entities(root / "flat.h5", flat.entities, flat.members)
    single = Geography(60, branching=(1, 2, 3))
    entities(root / "single.h5", single.entities, single.members)
    embedded(root / "single.v.h5", single, np.arange(60))
    for name, rows in (("v", everyone), ("one", everyone[:40]), ("two", everyone[40:])):
        embedded(root / f"{name}.h5", world, rows)
    embedded(root / "other.h5", world, everyone, digest="1" * 64)
    embedded(root / "logits.h5", world, everyone, output="logits")
    (root / "list.txt").write_text("".join(f"i0-{row}\n" for row in range(40)))
    (root / "wrong.txt").write_text("i0-1\nnobody\n")
    return root


def given(folder, out, *more, files=("v",), source="e"):
    vectors = [word for name in files for word in ("--embeddings", folder / f"{name}.h5")]
    words = ["train", "geo", folder / f"{source}.h5", *vectors, "-o", out, *SMALL, *more]
    return list(map(str, words))


def trained(folder, out, *more, **inputs):
    assert main([*given(folder, out, *more, **inputs), "-q"]) == 0
    return read_model(out)


def same(one, other):
    assert one.weights.keys() == other.weights.keys()
    for name, weight in one.weights.items():
        np.testing.assert_array_equal(weight, other.weights[name], err_msg=name)


def test_writes_a_model_that_can_be_used(folder, world, tmp_path):
    out = tmp_path / "m.h5"
    found = trained(folder, out)
    assert {key: found.meta[key] for key in ENCODER} == ENCODER
    assert found.meta["levels"] == LEVELS
    assert found.meta["entities"] == digest_of(world.entities)
    assert (found.meta["task"], found.meta["geometry"], found.meta["folds"]) == (
        "geo",
        "lorentz",
        2,
    )
    assert (found.meta["inputs"], found.meta["text"]) == (["image", "location"], None)
    assert found.meta["training"]["steps"] == LAST_STEP
    np.testing.assert_allclose(found.meta["tau"], np.exp(found.weights["log_tau"]), rtol=1e-6)
    assert kinds.check(out, full=True) == "model"
    model = of_weights(found.weights, found.meta)
    tangents = model.entity_tangents(entity_inputs(world.entities, found.meta))
    assert [len(level) for level in tangents] == [3, 9, 27]
    header, lines = read_log(Path(f"{out}.log.jsonl"))
    assert header["config"] == found.meta["training"]["config"]
    assert [line["step"] for line in lines] == list(range(1, LAST_STEP + 1))
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert [record["command"] for record in found.chain][-1] == "train geo"
    assert "geoopt" in found.chain[-1]["libraries"]
    assert {path.name for path in tmp_path.iterdir()} == {"m.h5", "m.h5.log.jsonl"}


def test_the_same_command_gives_the_same_bytes(folder, tmp_path):
    for name in ("one", "two"):
        trained(folder, tmp_path / name, "--no-provenance")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    other = trained(folder, tmp_path / "three", "--seed", 1)
    one = read_model(tmp_path / "one")
    assert (other.weights["entity.anchors"] != one.weights["entity.anchors"]).any()


def test_shards_of_embeddings_are_as_good_as_one_file(folder, tmp_path):
    same(trained(folder, tmp_path / "1"), trained(folder, tmp_path / "2", files=("two", "one")))


ABLATIONS = [
    (["--geometry", "euclidean"], {"geometry": "euclidean"}),
    (["--geometry", "sphere", "--anchor", "tangent"], {"geometry": "sphere", "anchor": "tangent"}),
    (["--curvature", 2], {"c": 2.0}),
    (["--lambda", 0], {"lambda": 0.0}),
    (["--tau", 0.3, "--learn", "none"], {"tau": pytest.approx(0.3)}),
    (["--sigma", 25, "--kernel", "gauss"], {"kernel": "gauss", "sigma": pytest.approx(25)}),
    (["--kernel", "inverse", "--power", 2], {"kernel": "inverse", "power": 2.0}),
    (["--unsquared"], {"squared": False}),
    (["--no-attention"], {"attention": False}),
    (["--detach-kv"], {}),
    (["--no-cross-fit"], {"folds": 1}),
    (["--entity-refresh", 3], {}),
    (["--without", "location"], {"inputs": ["image"], "location": None}),
    (["--without", "image, text"], {"inputs": ["location"], "folds": 1}),
    (["--without-means", "country,region"], {"without_means": ["country", "region"]}),
    (["--geo-from", "positive"], {"geo_from": "positive"}),
    (["--beta", "1,0.5,2"], {"beta": [1.0, 0.5, 2.0]}),
    (["--images", "list.txt"], {}),
    (["--dropout", 0], {"dropout": 0.0}),
]


@pytest.fixture(scope="module")
def plain(folder, tmp_path_factory):
    return trained(folder, tmp_path_factory.mktemp("plain") / "m.h5")


@pytest.mark.parametrize(("options", "meta"), ABLATIONS)
def test_each_option_changes_what_is_learned(folder, tmp_path, monkeypatch, plain, options, meta):
    monkeypatch.chdir(folder)
    found = trained(folder, tmp_path / "m.h5", *options)
    assert {key: found.meta[key] for key in meta} == meta
    weights, others = found.weights["image.first.weight"], plain.weights["image.first.weight"]
    assert (weights != others).any()


def test_to_learn_the_weighting_undoes_it_and_that_is_said(folder, tmp_path, capsys):
    words = given(folder, tmp_path / "m.h5", "--learn", "tau,lambda,sigma", "--rate", 0.05)
    assert main(words) == 0
    assert "to learn them undoes the weighting" in capsys.readouterr().err
    meta = read_model(tmp_path / "m.h5").meta
    assert meta["lambda"] < 0.9
    assert meta["sigma"] < 280


def test_a_world_without_coordinates_works(folder, tmp_path, capsys):
    assert main(given(folder, tmp_path / "m.h5", source="flat")) == 0
    error = capsys.readouterr().err
    assert "there are no coordinates: all entities of a level count the same" in error
    assert "inputs of entities: image\n" in error


def test_a_level_with_one_entity_is_said(folder, tmp_path, capsys):
    assert main(given(folder, tmp_path / "m.h5", source="single", files=["single.v"])) == 0
    assert "the level country has a single entity" in capsys.readouterr().err


def test_a_dry_run_says_how_much_there_is(folder, tmp_path, capsys):
    assert main(given(folder, tmp_path / "m.h5", "--dry-run")) == 0
    error = capsys.readouterr().err
    assert "100 items an epoch: 16 steps; entities: country 3, region 7, city 27;" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--curvature", "0"], 2, "--curvature 0.0: is not above 0"),
        (["--rate", "nan"], 2, "--rate nan: is not above 0"),
        (["--tau", "5"], 2, "--tau 5.0: is not in [0.01, 1]"),
        (["--lambda", "-1"], 2, "--lambda -1.0: is not in [0, 100]"),
        (["--sigma", "0.5"], 2, "--sigma 0.5: is not in [1, 20000]"),
        (["--dropout", "1"], 2, "--dropout 1.0: is not in [0, 0.99]"),
        (["--r-min", "2"], 2, "--r-max 1.0: is below --r-min 2.0"),
        (["--heads", "3"], 2, "--dimension 8: is no multiple of --heads"),
        (["--no-attention", "--detach-kv"], 2, "--detach-kv is for attention"),
        (["--without", "place"], 2, "--without place: there are image, text, location"),
        (["--without", "image,location"], 2, "leaves no input of"),
        (["--without-means", "town"], 2, "--without-means town: there are country, region, city"),
        (["--learn", "beta"], 2, "--learn beta: there are tau, lambda, sigma"),
        (["--beta", "1,2"], 2, "--beta 1,2: there are 3 levels: country, region, city"),
        (["--beta", "1,2,x"], 2, "--beta 1,2,x: write numbers, such as"),
        (["--beta", "0,0,0"], 2, "--beta 0,0,0: is not 0 or more, with one above 0"),
        (["-o", "-"], 2, "HDF5 cannot go through a pipe"),
        (["-o", "list.txt"], 5, "list.txt: is there already"),
        (["--device", "cuda:7"], 6, "no such GPU"),
        (["--images", "wrong.txt"], 3, "e.h5: has no 1 listed items, such as 'nobody'"),
        (["--embeddings", "v.h5"], 3, "have two vectors of 'i0-0'"),
    ],
)
def test_options_that_do_not_fit_are_an_error_of_one_line(
    folder, tmp_path, monkeypatch, capsys, more, code, message
):
    monkeypatch.chdir(folder)
    assert main(given(folder, tmp_path / "m.h5", *more)) == code
    error = capsys.readouterr().err.splitlines()
    assert message in error[-1]
    assert error[-1].startswith("hiertools train geo: ")
    assert not (tmp_path / "m.h5").exists()


@pytest.mark.parametrize(
    ("source", "files", "message"),
    [
        ("e", ["one"], "one.h5: has no vector for 60 of 100 items of"),
        ("e", ["other"], "other.h5: has another digest than the embeddings that"),
        ("e", ["logits"], "logits.h5: has logits; embed without --logits"),
        ("e", ["missing"], "missing.h5: no such file"),
        ("v", ["v"], "v.h5: is an embeddings file; an entities file is needed"),
        ("e", ["e"], "e.h5: is an entities file; an embeddings file is needed"),
        ("bare", ["v"], "bare.h5: was built without --embeddings; build it with them, or give"),
    ],
)
def test_files_that_do_not_fit_are_an_error_of_one_line(
    folder, tmp_path, capsys, source, files, message
):
    assert main(given(folder, tmp_path / "m.h5", source=source, files=files)) == 3
    error = capsys.readouterr().err.splitlines()
    assert message in error[-1]
    assert not (tmp_path / "m.h5").exists()


def test_entities_without_mean_images_work_where_they_are_not_wanted(folder, tmp_path):
    found = trained(folder, tmp_path / "m.h5", "--without", "image", source="bare")
    assert found.meta["inputs"] == ["location"]
    assert found.meta["encoder"] == "made"


@pytest.fixture
def signal_at(monkeypatch):
    """Send a signal once the log has the line of some step."""

    def send(step, name="TERM"):
        write = LogWriter.write

        def also_send(self, line):
            write(self, line)
            if line["step"] == step:
                os.kill(os.getpid(), getattr(signal, f"SIG{name}"))

        monkeypatch.setattr(LogWriter, "write", also_send)

    return send


@pytest.mark.parametrize(("step", "name"), [(1, "TERM"), (7, "INT"), (14, "USR1")])
def test_stopped_and_continued_gives_the_same_weights(
    folder, tmp_path, capsys, signal_at, step, name
):
    more = ["--entity-refresh", 3] if step == 7 else []
    whole = trained(folder, tmp_path / "whole.h5", *more)
    out = tmp_path / "m.h5"
    signal_at(step, name)
    assert main([*given(folder, out, *more), "-q"]) == 75
    error = capsys.readouterr().err
    stopped = f"stopped by SIG{name} after {step + 1} of {LAST_STEP} steps; --resume continues"
    assert error == f"hiertools train geo: {stopped}\n"
    assert not out.exists()
    checkpoint = Path(f"{out}.checkpoint.h5")
    assert kinds.check(checkpoint, full=True) == "checkpoint"
    assert main([*given(folder, out, *more, "--resume", "--rate", 0.1), "-q"]) == 3
    assert "was made from other inputs or with other options" in capsys.readouterr().err
    same(trained(folder, out, *more, "--resume"), whole)
    assert not checkpoint.exists()
    steps = [line["step"] for line in read_log(Path(f"{out}.log.jsonl"))[1]]
    assert steps == list(range(1, LAST_STEP + 1))


def test_killed_and_continued_gives_the_same_weights(folder, tmp_path):
    whole = trained(folder, tmp_path / "whole.h5")
    out, log = tmp_path / "m.h5", tmp_path / "m.h5.log.jsonl"
    words = [sys.executable, "-c", SLOW, *given(folder, out, "--checkpoint-every", 0)]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, env=ONE_THREAD)
    until = time.monotonic() + 60
    while not (log.exists() and log.read_text().count("\n") > 4):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    process.kill()
    process.wait()
    same(trained(folder, out, "--resume"), whole)


SLOW = """
import sys, time
from hiertools.cli import main
from hiertools.training.store import Store
keep = Store.keep
def slowly(self, state):
    keep(self, state)
    time.sleep(0.1)
Store.keep = slowly
sys.exit(main())
"""


def test_a_loss_that_is_not_finite_keeps_the_last_checkpoint(folder, tmp_path, capsys):
    out = tmp_path / "m.h5"
    words = given(folder, out, "--rate", 1e30, "--checkpoint-every", 0, "--clip-norm", 0)
    assert main([*words, "-q"]) == 3
    assert "the first bad tensor: " in capsys.readouterr().err
    assert Path(f"{out}.checkpoint.h5").exists()
    assert not out.exists()


def test_two_ranks_are_as_good_as_one(folder, tmp_path):
    """Batches of 31 of which a rank has 15 rows, and of 1 of which it has none."""
    more = ("--batch-size", 31, "--entity-refresh", 2, "--images", folder / "few.txt")
    folds = Geography(100, missing=0.25).members.fold
    few = [*np.flatnonzero(folds == 0)[:32], *np.flatnonzero(folds == 1)[:31]]
    (folder / "few.txt").write_text("".join(f"i0-{row}\n" for row in few))
    words = given(folder, tmp_path / "two.h5", *more)
    ranks = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*ranks, "-m", "hiertools", *words],
        capture_output=True, text=True, check=False, env=ONE_THREAD, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("items an epoch: 6 steps") == 1  # only one of them speaks
    assert done.stderr.count(" rows/s; peak memory ") == 1
    one = trained(folder, tmp_path / "one.h5", *more)
    logs = [read_log(tmp_path / f"{name}.h5.log.jsonl")[1] for name in ("one", "two")]
    for line, other in zip(*logs, strict=True):
        for key in ("loss", "level_loss", "tau", "image_radii", "entity_radii"):
            np.testing.assert_allclose(other[key], line[key], rtol=1e-5, err_msg=key)
    two = read_model(tmp_path / "two.h5")
    for name, weight in one.weights.items():
        np.testing.assert_allclose(two.weights[name], weight, atol=1e-5, err_msg=name)
