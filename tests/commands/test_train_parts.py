"""`hiertools train parts`, on small embeddings and small pictures."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiertools.cli import main
from hiertools.encoder import load
from hiertools.files import embeddings
from hiertools.files.embeddings import read_embeddings
from hiertools.files.items import decode
from hiertools.files.log import LogWriter, read_log
from hiertools.files.model import read_model
from hiertools.files.pairs import read_pairs
from hiertools.files.rejects import read_rejects

TINY = "timm:test_resnet,random=true"
LAST_STEP = 18


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pairs of six images and of two of them, embeddings in one file and two, the images."""
    root = tmp_path_factory.mktemp("train")
    rng = np.random.default_rng(0)
    lines = ["ImageID,LabelName,XMin,XMax,YMin,YMax"]
    (root / "images").mkdir()
    for name in "abcdef":
        pixels = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{name}.png")
        for label, corners in (("car", (0.1, 0.9)), ("wheel", (0.2, 0.5)), ("wheel", (0.5, 0.8))):
            x = f"{corners[0]},{corners[1]}"
            lines.append(f"{name},{label},{x},{x}")
    (root / "boxes.csv").write_text("\n".join(lines) + "\n")
    mine = ["mine-hierarchy", root / "boxes.csv", "--freq", 1, "--pairs", root / "pairs.h5"]
    assert main([*map(str, mine), "-o", str(root / "tree.json"), "-q"]) == 0
    (root / "few.txt").write_text("a\nb\n")
    few = ["--images", root / "few.txt", "--freq", 1, "--pairs", root / "few.h5"]
    mine = ["mine-hierarchy", root / "boxes.csv", *few, "-o", root / "few.json", "-q"]
    assert main(list(map(str, mine))) == 0
    ids = [decode(each) for each in read_pairs(root / "pairs.h5").items.id]
    assert len(ids) == 24
    write_embeddings(root, "all", ids, rng.normal(size=(24, 6)))
    whole = read_embeddings(root / "all.h5")
    for name, rows in (("one", np.arange(10)), ("two", np.arange(10, 24))):
        part(root / f"{name}.h5", whole, rows)
    return root


def write_embeddings(root, name, ids, vectors):
    (root / f"{name}.txt").write_text("".join(f"{each}\n" for each in ids))
    np.save(root / f"{name}.npy", vectors.astype(np.float32))
    given = ["--from", root / f"{name}.npy", "--ids", root / f"{name}.txt"]
    assert main(["embed", *map(str, given), "-o", str(root / f"{name}.h5"), "-q"]) == 0


def part(path, whole, rows, **more):
    """Write some rows of embeddings, with more in their meta."""
    vectors, table = np.array(whole.vectors[rows]), whole.items.take(rows)
    meta = {**whole.meta, **more}
    embeddings.write_embeddings(path, [vectors], 6, table, meta=meta, chain=[], overwrite=False)


def run(*arguments):
    return main(["train", "parts", *map(str, arguments), "-q"])


def trained(out, folder, *more, files=("all",)):
    given = [word for name in files for word in ("--embeddings", folder / f"{name}.h5")]
    small = ("--dimension", 4, "--epochs", 3, "--batch-size", 8, "--log-every", 1)
    assert run(folder / "pairs.h5", *given, *small, "-o", out, *more) == 0
    return read_model(out)


def same(one, other):
    assert one.weights.keys() == other.weights.keys()
    for name, weight in one.weights.items():
        np.testing.assert_array_equal(weight, other.weights[name], err_msg=name)


@pytest.mark.parametrize("geometry", ["lorentz", "euclidean"])
def test_writes_a_model_and_a_log(folder, tmp_path, geometry):
    found = trained(tmp_path / "m.h5", folder, "--geometry", geometry)
    about = read_embeddings(folder / "all.h5").meta
    for key in ("digest", "encoder", "output", "preprocess"):
        assert found.meta[key] == about[key]
    assert (found.meta["task"], found.meta["geometry"]) == ("parts", geometry)
    assert (found.meta["features"], found.meta["dimension"]) == (6, 4)
    assert found.weights["head.weight"].shape == (4, 6)
    assert found.encoder == {}
    np.testing.assert_allclose(found.meta["tau"], np.exp(found.weights["log_tau"]), rtol=1e-6)
    assert found.meta["training"]["options"]["rate"] == 1e-3
    header, lines = read_log(tmp_path / "m.h5.log.jsonl")
    assert header["config"] == found.meta["training"]["config"]
    assert [line["step"] for line in lines] == list(range(1, LAST_STEP + 1))
    assert found.meta["training"]["steps"] == LAST_STEP
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert {path.name for path in tmp_path.iterdir()} == {"m.h5", "m.h5.log.jsonl"}
    assert [record["command"] for record in found.chain][-1] == "train parts"


def test_the_same_command_gives_the_same_bytes(folder, tmp_path):
    for name in ("one", "two"):
        trained(tmp_path / name, folder, "--no-provenance", "--loss", "entailment:k=0.2")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    other = trained(tmp_path / "three", folder, "--seed", 1)
    assert (
        other.weights["head.weight"] != read_model(tmp_path / "one").weights["head.weight"]
    ).all()


def test_shards_of_embeddings_are_as_good_as_one_file(folder, tmp_path):
    one = trained(tmp_path / "1.h5", folder)
    two = trained(tmp_path / "2.h5", folder, files=("two", "one"))
    same(one, two)


def test_pairs_without_vectors_are_left_out_and_counted(folder, tmp_path, capsys):
    given = ["train", "parts", folder / "pairs.h5", "--embeddings", folder / "one.h5"]
    assert main([*map(str, given), "-o", str(tmp_path / "m.h5"), "--epochs", "1"]) == 0
    error = capsys.readouterr().err
    assert "of 30 pairs have an item without a vector" in error


def test_a_dry_run_says_how_much_there_is(folder, tmp_path, capsys):
    given = ["train", "parts", folder / "pairs.h5", "--embeddings", folder / "all.h5", "--dry-run"]
    assert main([*map(str, given), "-o", str(tmp_path / "m.h5"), "--batch-size", "8"]) == 0
    error = capsys.readouterr().err
    assert "42 pairs an epoch (12 of them across images) of 24 items: 180 steps" in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ([], 2, "give one of --embeddings H5 and --images DIR"),
        (["--embeddings", "all.h5", "--images", "images"], 2, "give one of --embeddings"),
        (["--images", "images"], 2, "--images needs the encoder to train: --encoder SPEC"),
        (["--embeddings", "all.h5", "--encoder", "lite0"], 2, "--encoder is for --images"),
        (["--embeddings", "all.h5", "--max-bad", "1"], 2, "--max-bad is for --images"),
        (["--embeddings", "all.h5", "--rate", "0"], 2, "--rate 0.0: is not above 0"),
        (["--embeddings", "all.h5", "--rate", "nan"], 2, "--rate nan: is not above 0"),
        (["--embeddings", "all.h5", "--loss", "triplet"], 2, "no loss 'triplet'; there are"),
        (["--embeddings", "all.h5", "--loss", "angular:k=1"], 2, "no option 'k'"),
        (["--embeddings", "all.h5", "--loss", "angular:positives=x"], 2, "there are out and in"),
        (["--embeddings", "all.h5", "-o", "-"], 2, "HDF5 cannot go through a pipe"),
        (["--embeddings", "all.h5", "-o", "boxes.csv"], 5, "boxes.csv: is there already"),
        (["--embeddings", "all.h5", "--device", "cuda:7"], 6, "no such GPU"),
        (["--embeddings", "missing.h5"], 3, "missing.h5: no such file"),
        (["--embeddings", "pairs.h5"], 3, "is a pairs file; an embeddings file is needed"),
        (["--embeddings", "other.h5"], 3, "other.h5: has ids like 'x' and not 'a'; these are"),
        (["--embeddings", "logits.h5"], 3, "logits.h5: has logits; embed without --logits"),
        (["--embeddings", "one.h5", "--embeddings", "encoder.h5"], 3, "has another digest"),
        (["--embeddings", "one.h5", "--embeddings", "one.h5"], 3, "have two vectors of 'a'"),
        (["--images", "empty", "--encoder", TINY], 3, "has none of the images of the pairs, such"),
        (["--images", "nowhere", "--encoder", TINY], 3, "nowhere: no such folder"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_an_error_of_one_line(
    folder, tmp_path, monkeypatch, capsys, more, code, message
):
    monkeypatch.chdir(folder)
    whole = read_embeddings(folder / "all.h5")
    if not (folder / "other.h5").exists():
        write_embeddings(folder, "other", ["x", "y"], np.ones((2, 6)))
        part(folder / "logits.h5", whole, np.arange(24), output="logits")
        part(folder / "encoder.h5", whole, np.arange(10, 24), digest="0" * 64)
        (folder / "empty").mkdir()
        Image.new("RGB", (8, 8)).save(folder / "empty" / "z.png")
    given = ["train", "parts", "pairs.h5", *more]
    given += [] if "-o" in more else ["-o", str(tmp_path / "m.h5")]
    assert main(given) == code
    error = capsys.readouterr().err.splitlines()
    assert message in error[-1]
    assert error[-1].startswith("hiertools train parts: ")
    assert not (tmp_path / "m.h5").exists()


def run_small(folder, out, *more):
    small = ["--dimension", 4, "--epochs", 3, "--batch-size", 8, "--log-every", 1]
    return run(folder / "pairs.h5", "--embeddings", folder / "all.h5", "-o", out, *small, *more)


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


@pytest.mark.parametrize(("step", "name"), [(1, "TERM"), (8, "INT"), (16, "USR1")])
def test_stopped_and_continued_gives_the_same_weights(
    folder, tmp_path, capsys, signal_at, step, name
):
    whole = trained(tmp_path / "whole.h5", folder)
    out = tmp_path / "m.h5"
    signal_at(step, name)
    assert run_small(folder, out) == 75
    error = capsys.readouterr().err
    stopped = f"stopped by SIG{name} after {step + 1} of 18 steps; --resume continues"
    assert error == f"hiertools train parts: {stopped}\n"
    assert not out.exists()
    assert run_small(folder, out, "--resume") == 0
    same(read_model(out), whole)
    assert not Path(f"{out}.checkpoint.h5").exists()
    steps = [line["step"] for line in read_log(Path(f"{out}.log.jsonl"))[1]]
    assert steps == list(range(1, LAST_STEP + 1))


def test_a_checkpoint_is_neither_lost_nor_taken_for_another(folder, tmp_path, capsys, signal_at):
    out, checkpoint = tmp_path / "m.h5", tmp_path / "m.h5.checkpoint.h5"
    signal_at(5)
    assert run_small(folder, out) == 75
    kept = checkpoint.read_bytes()
    capsys.readouterr()
    assert run_small(folder, out) == 5
    assert "an earlier run stopped half-way; --resume continues it" in capsys.readouterr().err
    for other in (["--rate", "0.5"], ["--seed", "7"], ["--loss", "entailment"], ["--epochs", "9"]):
        assert run_small(folder, out, "--resume", *other) == 3
        assert "m.h5.checkpoint.h5: was made from other inputs" in capsys.readouterr().err
    assert checkpoint.read_bytes() == kept
    assert run_small(folder, out, "--overwrite", "--rate", "0.5", "--checkpoint-every", "0") == 75
    assert checkpoint.read_bytes() != kept
    assert run_small(folder, out, "--resume", "--rate", "0.5") == 0
    assert run_small(folder, out, "--resume") == 3  # the output is complete, but of another rate
    assert "m.h5: was made from other inputs or with other options" in capsys.readouterr().err


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


def test_killed_and_continued_gives_the_same_weights(folder, tmp_path):
    whole = trained(tmp_path / "whole.h5", folder)
    out, log = tmp_path / "m.h5", tmp_path / "m.h5.log.jsonl"
    small = ["--dimension", 4, "--epochs", 3, "--batch-size", 8, "--log-every", 1]
    given = ["--embeddings", folder / "all.h5", "-o", out, *small, "--checkpoint-every", 0]
    words = [sys.executable, "-c", SLOW, "train", "parts", folder / "pairs.h5", *given]
    process = subprocess.Popen(list(map(str, words)), stderr=subprocess.DEVNULL, env=ONE_THREAD)
    until = time.monotonic() + 60
    while not (log.exists() and log.read_text().count("\n") > 4):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert run_small(folder, out, "--resume") == 0
    same(read_model(out), whole)


ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def test_resume_without_a_checkpoint_starts(folder, tmp_path, capsys):
    out = tmp_path / "m.h5"
    given = ["train", "parts", folder / "pairs.h5", "--embeddings", folder / "all.h5"]
    assert main([*map(str, given), "-o", str(out), "--epochs", "1", "--resume"]) == 0
    assert "m.h5.checkpoint.h5: is not there; the training starts" in capsys.readouterr().err
    assert main([*map(str, given), "-o", str(out), "--epochs", "1", "--resume"]) == 0
    assert "m.h5: is complete already" in capsys.readouterr().err


def test_a_loss_that_is_not_finite_keeps_the_last_checkpoint(folder, tmp_path, capsys):
    out = tmp_path / "m.h5"
    assert run_small(folder, out, "--rate", "1e30", "--checkpoint-every", "0") == 3
    assert "the first bad tensor: " in capsys.readouterr().err
    assert Path(f"{out}.checkpoint.h5").exists()
    assert not out.exists()


def test_two_ranks_are_as_good_as_one(folder, tmp_path):
    small = ["--dimension", 4, "--epochs", 3, "--log-every", 1, "--batch-size", 41]
    given = [folder / "pairs.h5", "--embeddings", folder / "all.h5", *small]
    words = ["train", "parts", *map(str, given), "--clip-norm", "5", "-o"]
    ranks = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*ranks, "-m", "hiertools", *words, str(tmp_path / "two.h5")],
        capture_output=True, text=True, check=False, env=ONE_THREAD, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("pairs an epoch") == 1  # only one of them speaks
    assert done.stderr.count(" rows/s; peak memory ") == 1
    assert main([*words, str(tmp_path / "one.h5"), "-q"]) == 0
    (_, one), (_, two) = (read_log(tmp_path / f"{name}.h5.log.jsonl") for name in ("one", "two"))
    assert len(one) == len(two) == 6  # batches of 41, and of 1, of which a rank has no row
    for line, other in zip(one, two, strict=True):
        np.testing.assert_allclose(other["loss"], line["loss"], rtol=1e-5)
        np.testing.assert_allclose(other["sqrt_c_norm"], line["sqrt_c_norm"], rtol=1e-4)
    one, two = (read_model(tmp_path / f"{name}.h5").weights for name in ("one", "two"))
    for name, weight in one.items():
        np.testing.assert_allclose(two[name], weight, atol=1e-4)


@pytest.fixture(scope="module")
def fine_tuned(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("tuned") / "m.h5"
    assert run(*on_images(folder, out)) == 0
    return out


def on_images(folder, out, *more, images=None):
    small = ["--dimension", 4, "--batch-size", 5, "--workers", 0, "--cross-image", 0]
    given = ["--images", images or folder / "images", "--encoder", TINY, "-o", out]
    return [folder / "few.h5", *given, *small, *more]


def test_an_encoder_learns_and_can_embed(folder, fine_tuned, tmp_path):
    found = read_model(fine_tuned)
    assert found.meta["encoder"] == TINY
    assert found.meta["training"]["options"]["rate"] == 2e-5
    assert found.meta["training"]["options"]["epochs"] == 1
    before = load(TINY, seed=0).network.state_dict()
    assert found.encoder.keys() == before.keys()
    changed = {k for k in before if (found.encoder[k] != before[k].numpy()).any()}
    moving = {key for key in before if "running" in key or "num_batches" in key}
    assert moving
    assert not changed & moving  # statistics are frozen
    assert {key for key in before if key.endswith("conv1.weight")} <= changed
    encoder = ["--encoder", f"model:{fine_tuned}", "--workers", "0", "-o"]
    embed = ["embed", str(folder / "images"), *encoder, str(tmp_path / "e.h5"), "-q"]
    assert main(embed) == 0
    about = read_embeddings(tmp_path / "e.h5").meta
    assert about["digest"] == found.meta["digest"]
    assert about["preprocess"] == found.meta["preprocess"]
    assert about["dimension"] == found.meta["features"]


def test_neither_workers_nor_a_stop_change_what_is_learned(folder, fine_tuned, tmp_path):
    out = tmp_path / "m.h5"
    assert run(*on_images(folder, out, "--workers", 2)) == 0
    whole, other = read_model(fine_tuned), read_model(out)
    same(whole, other)
    assert whole.meta["digest"] == other.meta["digest"]


def test_a_model_of_a_frozen_encoder_cannot_embed(folder, tmp_path, capsys):
    trained(tmp_path / "m.h5", folder)
    embed = [
        "embed",
        folder / "images",
        "--encoder",
        f"model:{tmp_path}/m.h5",
        "-o",
        tmp_path / "e",
    ]
    assert main(list(map(str, embed))) == 3
    assert "m.h5: holds no encoder, it was trained on embeddings" in capsys.readouterr().err


def test_a_picture_that_is_bad_or_missing_is_left_out(folder, tmp_path, capsys):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "a.png").write_bytes((folder / "images" / "a.png").read_bytes())
    given = list(map(str, on_images(folder, tmp_path / "m.h5", images=mixed)))
    assert main(["train", "parts", *given]) == 0
    assert "5 of 10 pairs have an item without a picture" in capsys.readouterr().err
    (mixed / "b.png").write_bytes(b"no picture")
    assert main(["train", "parts", *given, "--overwrite"]) == 4
    assert "4 items could not be used; see " in capsys.readouterr().err
    _, rejects = read_rejects(tmp_path / "m.h5.rejects.jsonl")
    assert [reject["id"] for reject in rejects] == ["b", "b#0", "b#1", "b#2"]
    other = read_model(tmp_path / "m.h5")
    assert other.meta["training"]["pairs"] == 10
    assert run(*given, "--max-bad", 4, "--overwrite") == 0


def test_a_log_is_a_file(folder, tmp_path, capsys):
    out = tmp_path / "m.h5"
    assert run_small(folder, out, "--log", "-") == 2
    assert "--log -: name a file" in capsys.readouterr().err
    assert run_small(folder, out, "--log", "/dev/full") == 3
    assert "name another with --log" in capsys.readouterr().err
    assert os.listdir(tmp_path) == []
