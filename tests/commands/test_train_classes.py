"""`hiertools train classes`, on small embeddings and small pictures."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hiertools import plugins
from hiertools.cli import main
from hiertools.encoder import load
from hiertools.files import embeddings, kinds
from hiertools.files.embeddings import read_embeddings
from hiertools.files.hierarchy import write_hierarchy
from hiertools.files.items import Items, encode, label_sets
from hiertools.files.log import LogWriter, read_log
from hiertools.files.model import read_model
from hiertools.files.rejects import read_rejects
from hiertools.losses.classes.unit_sphere import class_embeddings
from hiertools.models.classes import of_weights, taxonomy_of
from tests.models.classes_made import ENCODER, hierarchy

TINY = "timm:test_resnet,random=true,size=32"
EDGES = [
    ("r", "animal"), ("r", "thing"), ("animal", "cat"), ("animal", "dog"), ("thing", "cup"),
    ("thing", "pot"),
]  # fmt: skip
CLASSES = ["pot", "cat", "dog", "cup"]
FEATURES, ITEMS = 6, 60
SMALL = ("--dimension", 5, "--epochs", 3, "--batch-size", 16, "--log-every", 1)
LAST_STEP = 12
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def tree(path, **options):
    found = hierarchy(**{"edges": EDGES, "leaves": CLASSES, **options})
    write_hierarchy(path, found, chain=[], overwrite=False)


def embedded(path, labels, vectors, *, first=0, **more):
    ids = encode([f"i{first + place}" for place in range(len(labels))])
    table = Items(ids, labels=None if labels[0] is None else label_sets(labels))
    meta = {**ENCODER, "dimension": vectors.shape[1], **more}
    embeddings.write_embeddings(
        path, [vectors], vectors.shape[1], table, meta=meta, chain=[], overwrite=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A hierarchy, embeddings in one file and in two, held-out ones, and pictures."""
    root = tmp_path_factory.mktemp("classes")
    tree(root / "t.json")
    tree(root / "heights.json", distance="height")
    tree(root / "more.json", edges=[*EDGES, ("r", "sun")], leaves=[*CLASSES, "sun"])
    rng = np.random.default_rng(0)
    centres = 2 * rng.normal(size=(4, FEATURES))
    which = rng.integers(0, 4, ITEMS)
    vectors = (centres[which] + rng.normal(size=(ITEMS, FEATURES))).astype(np.float32)
    labels = [[CLASSES[place]] for place in which]
    embedded(root / "all.h5", labels, vectors)
    embedded(root / "one.h5", labels[:20], vectors[:20])
    embedded(root / "two.h5", labels[20:], vectors[20:], first=20)
    held = rng.integers(0, 4, 40)
    more = (centres[held] + rng.normal(size=(40, FEATURES))).astype(np.float32)
    embedded(root / "held.h5", [[CLASSES[place]] for place in held], more, first=100)
    for place in range(4):
        (root / "images" / CLASSES[place]).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 60, (20, 24, 3), dtype=np.uint8) + np.uint8(60 * place)
            Image.fromarray(pixels).save(root / "images" / CLASSES[place] / f"{number}.png")
    return root


def given(folder, out, *more, files=("all",), source="t.json"):
    vectors = [word for name in files for word in ("--embeddings", folder / f"{name}.h5")]
    words = ["train", "classes", folder / source, *vectors, "-o", out, *SMALL, *more]
    return list(map(str, words))


def trained(folder, out, *more, **inputs):
    assert main([*given(folder, out, *more, **inputs), "-q"]) == 0
    return read_model(out)


def same(one, other):
    for group in ("weights", "encoder"):
        arrays, others = getattr(one, group), getattr(other, group)
        assert arrays.keys() == others.keys()
        for name, array in arrays.items():
            np.testing.assert_array_equal(array, others[name], err_msg=name)


def test_writes_a_model_and_a_log(folder, tmp_path):
    found = trained(folder, tmp_path / "m.h5")
    assert {key: found.meta[key] for key in ENCODER} == ENCODER
    assert (found.task, found.meta["geometry"], found.encoder) == ("classes", "euclidean", {})
    assert (found.meta["features"], found.meta["dimension"]) == (FEATURES, 5)
    assert (found.meta["hidden"], found.meta["normalised"]) == ("relu", False)
    assert taxonomy_of(found, "m").classes == CLASSES
    assert sum(found.meta["counts"]) == ITEMS
    options = found.meta["training"]["options"]
    assert (options["rate"], options["warm_up"], options["schedule"]) == (1e-3, 0.3, "cosine")
    assert (options["loss"], options["augment"]) == ("pairwise", None)
    assert found.meta["training"]["steps"] == LAST_STEP
    assert kinds.check(tmp_path / "m.h5", full=True) == "model"
    header, lines = read_log(tmp_path / "m.h5.log.jsonl")
    assert header["config"] == found.meta["training"]["config"]
    assert [line["step"] for line in lines] == list(range(1, LAST_STEP + 1))
    for line in lines:
        np.testing.assert_allclose(line["loss"], line["cross_entropy"] + line["hierarchy"])
        assert 0 <= line["accuracy"] <= 1
        assert line["related"] == 1
    assert {path.name for path in tmp_path.iterdir()} == {"m.h5", "m.h5.log.jsonl"}
    assert [record["command"] for record in found.chain][-1] == "train classes"


def test_what_is_learned_can_be_used(folder, tmp_path):
    found = trained(folder, tmp_path / "m.h5", "--epochs", 40, "--rate", 0.01)
    model, held = of_weights(found.weights, found.meta), read_embeddings(folder / "held.h5")
    import torch

    logits = model.logits(model(torch.from_numpy(np.array(held.vectors)))).numpy()
    names = [held.items.labels.of(row)[0] for row in range(len(logits))]
    right = [CLASSES[place] == name for place, name in zip(logits.argmax(1), names, strict=True)]
    assert np.mean(right) > 0.8


@pytest.mark.parametrize("loss", plugins.members(plugins.CLASS_LOSSES))
def test_every_loss_is_learned_and_the_held_out_items_are_counted(folder, tmp_path, loss):
    more = ["--loss", loss, "--epochs", 40, "--rate", 0.01, "--validation", folder / "held.h5"]
    words = [word for word in given(folder, tmp_path / "m.h5", *more)]
    if loss == "unit_sphere":
        words[words.index("--dimension") : words.index("--dimension") + 2] = []
    assert main([*words, "-q"]) == 0
    lines = read_log(tmp_path / "m.h5.log.jsonl")[1]
    assert lines[-1]["loss"] < lines[0]["loss"]
    held = [line["step"] for line in lines if "held_out" in line]
    assert held == list(range(4, 161, 4))  # at the end of each epoch
    assert lines[-1]["held_out"] > 0.8


def test_the_classes_of_unit_sphere_are_fixed(folder, tmp_path, capsys):
    more = ["--loss", "unit_sphere", "--scale", 8]
    words = given(folder, tmp_path / "m.h5", *more)
    assert main(words) == 2
    assert "--dimension 5: the loss unit_sphere has class embeddings of" in capsys.readouterr().err
    words[words.index("--dimension") : words.index("--dimension") + 2] = []
    assert main([*words, "--activation", "relu"]) == 2
    assert "--activation relu: with the loss unit_sphere it is linear" in capsys.readouterr().err
    assert main([*words, "-q"]) == 0
    found = read_model(tmp_path / "m.h5")
    rows = class_embeddings(taxonomy_of(found, "m").similarities).astype(np.float32)
    np.testing.assert_array_equal(found.weights["classifier.weight"], rows)
    assert not found.weights["classifier.bias"].any()
    about = {key: found.meta[key] for key in ("normalised", "scale", "hidden", "dimension")}
    assert about == {
        "normalised": True, "scale": 8.0, "hidden": "linear", "dimension": rows.shape[1],
    }  # fmt: skip


def test_the_same_command_gives_the_same_bytes(folder, tmp_path):
    for name in ("one", "two"):
        trained(folder, tmp_path / name, "--no-provenance", "--loss", "hxe:alpha=0.3")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    other = trained(folder, tmp_path / "three", "--seed", 1)
    one = read_model(tmp_path / "one")
    assert (other.weights["hidden.weight"] != one.weights["hidden.weight"]).any()


def test_without_balance_the_hierarchy_changes_nothing(folder, tmp_path):
    flat = trained(folder, tmp_path / "flat.h5", "--loss", "cross_entropy")
    same(flat, trained(folder, tmp_path / "m.h5", "--loss", "pairwise:balance=0"))


def test_shards_and_subsets_are_as_good_as_one_file(folder, tmp_path):
    one = trained(folder, tmp_path / "1.h5")
    same(one, trained(folder, tmp_path / "2.h5", files=("one", "two")))
    (tmp_path / "list.txt").write_text("".join(f"i{place}\n" for place in range(20)))
    few = trained(folder, tmp_path / "3.h5", "--subset", tmp_path / "list.txt")
    same(few, trained(folder, tmp_path / "4.h5", files=["one"]))


def test_labels_come_from_a_table_too(folder, tmp_path):
    found = read_embeddings(folder / "all.h5")
    vectors = np.array(found.vectors)
    embedded(tmp_path / "bare.h5", [None] * ITEMS, vectors)
    lines = [f"i{row},{found.items.labels.of(row)[0]}" for row in range(ITEMS)]
    (tmp_path / "labels.csv").write_text("\n".join(["id,label", *reversed(lines)]) + "\n")
    words = ["train", "classes", folder / "t.json", "--embeddings", tmp_path / "bare.h5", *SMALL]
    words += ["--table", tmp_path / "labels.csv", "-o", tmp_path / "m.h5", "-q"]
    assert main(list(map(str, words))) == 0
    same(read_model(tmp_path / "m.h5"), trained(folder, tmp_path / "other.h5"))


@pytest.mark.parametrize(
    ("options", "related"),
    [
        ([], {"rule": "distance", "at": 4.0, "share": 1.0}),
        (["--related-distance", 2], {"rule": "distance", "at": 2.0, "share": 1 / 3}),
        (["--related-depth", 1], {"rule": "depth", "at": 1, "share": 1 / 3}),
        (["--related-depth", 0], {"rule": "depth", "at": 0, "share": 1.0}),
        (["--distance", "height", "--related-distance", 0.5],
         {"rule": "distance", "at": 0.5, "share": 1 / 3}),
        (["--distance", "height", "--loss", "soft_labels"],
         {"rule": None, "at": None, "share": 0.0}),
    ],
)  # fmt: skip
def test_which_classes_are_related(folder, tmp_path, options, related):
    found = trained(folder, tmp_path / "m.h5", *options)
    assert found.meta["related"] == {**related, "share": pytest.approx(related["share"])}
    lines = read_log(tmp_path / "m.h5.log.jsonl")[1]
    assert lines[0]["related"] == pytest.approx(related["share"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--related-distance", 2], "33.33% of the pairs of classes are related, apart by at most"
         " 2; 0 classes are related to none"),
        (["--related-depth", 2], "0.00% of the pairs of classes are related, with a node above both"
         " at depth 2; 4 classes are related to none"),
        (["--related-depth", 2], "warning: no two classes are related: give another"),
        ([], "warning: all classes are related: give another --related-distance or --related"),
    ],
)  # fmt: skip
def test_the_share_of_related_classes_is_said(folder, tmp_path, capsys, options, message):
    assert main(given(folder, tmp_path / "m.h5", "--dry-run", *options)) == 0
    assert message in capsys.readouterr().err
    flat = given(folder, tmp_path / "m.h5", "--dry-run", *options, "--loss", "cross_entropy")
    assert main(flat) == 0
    assert "warning" not in capsys.readouterr().err  # which asks for no relation
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_how_much_there_is(folder, tmp_path, capsys):
    assert main(given(folder, tmp_path / "m.h5", "--dry-run")) == 0
    assert "60 items an epoch, of 4 classes: 12 steps" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


OPTIONS = [
    (["--embeddings", "all.h5", "--images", "images"], 2, "give one of --embeddings H5 and"),
    ([], 2, "give one of --embeddings H5 and --images DIR"),
    (["--images", "images"], 2, "--images needs the encoder to train: --encoder SPEC"),
    (["--images", "images", "--encoder", TINY, "--validation", "held.h5"], 2,
     "--validation is for --embeddings"),
    (["--images", "images", "--encoder", TINY, "--activation", "relu"], 2,
     "--activation is of a hidden layer: with --images give --dimension"),
    (["--embeddings", "all.h5", "--encoder", "lite0"], 2, "--encoder is for --images"),
    (["--embeddings", "all.h5", "--augment", "crop"], 2, "--augment is for --images"),
    (["--embeddings", "all.h5", "--batch-norm", "batch"], 2, "--batch-norm is for --images"),
    (["--embeddings", "all.h5", "--rate", "0"], 2, "--rate 0.0: is not above 0"),
    (["--embeddings", "all.h5", "--scale", "nan"], 2, "--scale nan: is not above 0"),
    (["--embeddings", "all.h5", "--warm-up", "9", "--epochs", "3"], 2,
     "--warm-up 9.0: is longer than the epochs"),
    (["--embeddings", "all.h5", "--related-distance", "1", "--related-depth", "1"], 2,
     "give one of --related-distance and --related-depth"),
    (["--embeddings", "all.h5", "--related-distance", "-1"], 2,
     "--related-distance -1.0: is not 0 or more"),
    (["--embeddings", "all.h5", "--distance", "height"], 2,
     "heights have no usual --related-distance: give one in [0, 1], or --related-depth"),
    (["--embeddings", "all.h5", "--loss", "triplet"], 2, "no loss 'triplet'; there are"),
    (["--embeddings", "all.h5", "--loss", "pairwise:m=1"], 2, "no option 'm'"),
    (["--embeddings", "all.h5", "--loss", "pairwise:balance=-1"], 2, "balance=-1.0 is not a"),
    (["--embeddings", "all.h5", "--loss", "pairwise:form=x"], 2, "form=x: there are prototype"),
    (["--embeddings", "all.h5", "-o", "-"], 2, "HDF5 cannot go through a pipe"),
    (["--embeddings", "all.h5", "-o", "t.json"], 5, "t.json: is there already"),
    (["--embeddings", "all.h5", "--device", "cuda:7"], 6, "no such GPU"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "code", "message"), OPTIONS)
def test_options_that_do_not_fit_are_an_error_of_one_line(
    folder, tmp_path, monkeypatch, capsys, more, code, message
):
    monkeypatch.chdir(folder)
    words = ["train", "classes", "t.json", *more]
    words += [] if "-o" in more else ["-o", str(tmp_path / "m.h5")]
    assert main(words) == code
    error = capsys.readouterr().err.splitlines()
    assert message in error[-1]
    assert error[-1].startswith("hiertools train classes: ")
    assert not (tmp_path / "m.h5").exists()


@pytest.fixture(scope="module")
def bad(folder, tmp_path_factory):
    """Files that cannot be learned from."""
    root = tmp_path_factory.mktemp("bad")
    ones = np.ones((4, FEATURES), np.float32)
    labels = [[key] for key in CLASSES]
    embedded(root / "logits.h5", labels, ones, output="logits")
    embedded(root / "encoder.h5", labels, ones, first=100, digest="1" * 64)
    embedded(root / "strange.h5", [*labels[:3], ["sun"]], ones)
    embedded(root / "few.h5", labels[:2], ones[:2])
    embedded(root / "several.h5", [*labels[:3], ["cup", "pot"]], ones)
    embedded(root / "none.h5", [*labels, ["thing"]], np.ones((5, FEATURES), np.float32))
    embedded(root / "bare.h5", [None], ones[:1])
    tree(root / "leafless.json", leaves=[])
    (root / "list.txt").write_text("i0\nnobody\n")
    return root


@pytest.mark.parametrize(
    ("files", "source", "message"),
    [
        (["logits"], "t", "logits.h5: has logits; embed without --logits"),
        (["few", "encoder"], "t", "encoder.h5: has another digest than"),
        (["few", "few"], "t", "few.h5: have two vectors of 'i0'"),
        (["strange"], "t", "t.json lacks 1 (sun); "),
        (["strange"], "t", "strange.h5 lacks 1 (cup)"),
        (["few"], "t", "few.h5 lacks 2 (cup, dog); --allow-absent lets classes have no items"),
        (["several"], "t", "1 of 4 items have several classes of"),
        (["none"], "t", "1 of 5 items have no class of"),
        (["bare"], "t", "bare.h5: has no labels; embed with --label-from folder, or give --table"),
        (["missing"], "t", "missing.h5: no such file"),
        (
            ["few"],
            "leafless",
            "leafless.json: the hierarchy has no leaves, so there are no classes",
        ),
        (["few"], "few.h5", "few.h5: is an embeddings file; a hierarchy is needed"),
        (["few"], "nowhere", "nowhere.json: no such file"),
    ],
)
def test_files_that_do_not_fit_are_an_error_of_one_line(
    folder, bad, tmp_path, capsys, files, source, message
):
    place = folder / "t.json" if source == "t" else bad / source.replace(".h5", "")
    place = bad / source if source.endswith(".h5") else place.with_suffix(".json")
    words = ["train", "classes", place]
    for name in files:
        words += ["--embeddings", bad / f"{name}.h5"]
    assert main(list(map(str, [*words, "-o", tmp_path / "m.h5"]))) == 3
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "m.h5").exists()


def test_more_that_does_not_fit(folder, bad, tmp_path, capsys):
    assert main(given(folder, tmp_path / "m.h5", "--subset", bad / "list.txt")) == 3
    assert "all.h5: has no 1 listed items, such as 'nobody'" in capsys.readouterr().err
    assert main(given(folder, tmp_path / "m.h5", "--validation", bad / "logits.h5")) == 3
    assert "logits.h5: has logits" in capsys.readouterr().err
    assert main(given(folder, tmp_path / "m.h5", "--validation", bad / "encoder.h5")) == 3
    assert "encoder.h5: has another digest than" in capsys.readouterr().err


def test_classes_without_items_are_permitted_if_that_is_asked_for(folder, tmp_path, capsys):
    assert main(given(folder, tmp_path / "m.h5", source="more.json")) == 3
    assert "all.h5 lacks 1 (sun); --allow-absent lets" in capsys.readouterr().err
    found = trained(folder, tmp_path / "m.h5", "--allow-absent", source="more.json")
    assert found.meta["counts"][-1] == 0
    assert found.weights["classifier.weight"].shape == (5, 5)


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


@pytest.mark.parametrize(
    ("step", "name", "loss"),
    [(1, "TERM", "pairwise"), (5, "INT", "pairwise:average=0.9"), (10, "USR1", "graded")],
)
def test_stopped_and_continued_gives_the_same_weights(
    folder, tmp_path, capsys, signal_at, step, name, loss
):
    more = ["--loss", loss, "--batch-size", 16]
    whole = trained(folder, tmp_path / "whole.h5", *more)
    out = tmp_path / "m.h5"
    signal_at(step, name)
    assert main([*given(folder, out, *more), "-q"]) == 75
    error = capsys.readouterr().err
    stopped = f"stopped by SIG{name} after {step + 1} of {LAST_STEP} steps; --resume continues"
    assert error == f"hiertools train classes: {stopped}\n"
    checkpoint = Path(f"{out}.checkpoint.h5")
    assert kinds.check(checkpoint, full=True) == "checkpoint"
    for other in (["--rate", 0.1], ["--related-distance", 2], ["--loss", "hxe"], ["--epochs", 9]):
        assert main([*given(folder, out, *more, "--resume", *other), "-q"]) == 3
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
    words = given(folder, out, "--rate", 1e30, "--checkpoint-every", 0, "--warm-up", 0)
    assert main([*words, "-q"]) == 3
    assert "the first bad tensor: " in capsys.readouterr().err
    assert Path(f"{out}.checkpoint.h5").exists()
    assert not out.exists()


def on_two_ranks(words):
    ranks = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*ranks, "-m", "hiertools", *words], capture_output=True, text=True, check=False,
        env=ONE_THREAD, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


def assert_alike(folder, rtol, atol):
    """Assert that what two ranks learned is what one did, but for rounding."""
    (_, one), (_, two) = (read_log(folder / f"{name}.h5.log.jsonl") for name in ("one", "two"))
    assert len(one) == len(two)
    for line, other in zip(one, two, strict=True):
        for key in ("loss", "cross_entropy", "hierarchy", "accuracy"):
            np.testing.assert_allclose(other[key], line[key], rtol=rtol, atol=1e-5, err_msg=key)
    one, two = (read_model(folder / f"{name}.h5") for name in ("one", "two"))
    for group in ("weights", "encoder"):
        for name, array in getattr(one, group).items():
            found = getattr(two, group)[name]
            np.testing.assert_allclose(found, array, rtol=rtol, atol=atol, err_msg=name)


def test_two_ranks_are_as_good_as_one(folder, tmp_path):
    more = ["--loss", "pairwise:average=0.5,margin=1.5", "--batch-size", 59, "--rate", 0.01]
    more += ["--clip-norm", 5]
    error = on_two_ranks(given(folder, tmp_path / "two.h5", *more))
    assert error.count("items an epoch") == 1  # only one of them speaks
    trained(folder, tmp_path / "one.h5", *more)  # batches of 59, and of 1
    assert_alike(tmp_path, 1e-4, 1e-4)


def on_images(folder, out, *more, images=None, epochs=2):
    words = ["train", "classes", folder / "t.json", "--images", images or folder / "images"]
    words += ["--encoder", TINY, "--epochs", epochs, "--batch-size", 5, "--workers", 0]
    return list(map(str, [*words, "--log-every", 1, "-o", out, *more]))


@pytest.fixture(scope="module")
def fine_tuned(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("tuned") / "m.h5"
    assert main([*on_images(folder, out), "-q"]) == 0
    return out


def test_an_encoder_learns_and_can_embed(folder, fine_tuned, tmp_path):
    found = read_model(fine_tuned)
    assert found.meta["encoder"] == TINY
    assert found.meta["hidden"] is None
    assert found.meta["features"] == found.meta["dimension"]
    assert found.weights.keys() == {"classifier.weight", "classifier.bias"}
    options = found.meta["training"]["options"]
    assert (options["augment"], options["batch_norm"], options["rate"]) == ("crop", "batch", 1e-3)
    before = load(TINY, seed=0).network.state_dict()
    assert found.encoder.keys() == before.keys()
    changed = {k for k in before if (found.encoder[k] != before[k].numpy()).any()}
    assert {key for key in before if key.endswith("conv1.weight")} <= changed
    assert {key for key in before if key.endswith("running_mean")} <= changed
    encoder = ["--encoder", f"model:{fine_tuned}", "--workers", "0", "--label-from", "folder", "-o"]
    embed = ["embed", str(folder / "images"), *encoder, str(tmp_path / "e.h5"), "-q"]
    assert main(embed) == 0
    about = read_embeddings(tmp_path / "e.h5").meta
    assert about["digest"] == found.meta["digest"]
    assert about["dimension"] == found.meta["features"]
    assert about["encoder"] == f"model:{fine_tuned}"
    # a head on what a fine-tuned encoder gives; the encoder can learn again too
    again = ["train", "classes", folder / "t.json", "--embeddings", tmp_path / "e.h5", *SMALL]
    assert main(list(map(str, [*again, "-o", tmp_path / "head.h5", "-q"]))) == 0
    assert read_model(tmp_path / "head.h5").meta["digest"] == found.meta["digest"]
    more = on_images(folder, tmp_path / "more.h5", "--encoder", f"model:{fine_tuned}", epochs=1)
    assert main([*more, "-q"]) == 0
    assert read_model(tmp_path / "more.h5").meta["encoder"] == TINY


def test_neither_workers_nor_a_stop_change_what_is_learned(folder, fine_tuned, tmp_path, signal_at):
    whole = read_model(fine_tuned)
    assert main([*on_images(folder, tmp_path / "w.h5", "--workers", 2), "-q"]) == 0
    same(whole, read_model(tmp_path / "w.h5"))
    out = tmp_path / "m.h5"
    signal_at(3)  # the first step of the second epoch: statistics are in the middle of their way
    assert main([*on_images(folder, out), "-q"]) == 75
    assert main([*on_images(folder, out, "--resume"), "-q"]) == 0
    same(whole, read_model(out))
    assert read_model(out).meta["digest"] == whole.meta["digest"]


def test_frozen_statistics_stay_and_a_hidden_layer_can_be_had(folder, tmp_path):
    more = ["--batch-norm", "frozen", "--dimension", 5, "--activation", "tanh", "--augment", "none"]
    assert main([*on_images(folder, tmp_path / "m.h5", *more, epochs=1), "-q"]) == 0
    found, before = read_model(tmp_path / "m.h5"), load(TINY, seed=0).network.state_dict()
    for name, tensor in before.items():
        if "running" in name or "num_batches" in name:
            np.testing.assert_array_equal(found.encoder[name], tensor.numpy())
    assert (found.meta["hidden"], found.meta["dimension"]) == ("tanh", 5)
    assert found.weights["hidden.weight"].shape == (5, found.meta["features"])


def test_two_ranks_are_as_good_as_one_on_images(folder, tmp_path):
    more = ["--rate", 1e-4, "--batch-size", 11, "--augment", "none"]  # batches of 11, and of 1
    on_two_ranks(on_images(folder, tmp_path / "two.h5", *more))
    assert main([*on_images(folder, tmp_path / "one.h5", *more), "-q"]) == 0
    assert_alike(tmp_path, 5e-3, 5e-4)


def test_labels_of_images_come_from_a_table(folder, fine_tuned, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    lines = ["id,label"]
    for place, key in enumerate(CLASSES):
        for number in range(3):
            data = (folder / "images" / key / f"{number}.png").read_bytes()
            (flat / f"{place}{number}.png").write_bytes(data)
            lines.append(f"{place}{number},{key}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    out = tmp_path / "m.h5"
    more = ["--table", tmp_path / "labels.csv"]
    assert main([*on_images(folder, out, *more, images=flat, epochs=1), "-q"]) == 0
    assert read_model(out).meta["counts"] == [3, 3, 3, 3]
    assert main(on_images(folder, tmp_path / "n.h5", images=flat)) == 3


def test_pictures_that_are_bad_or_in_no_folder(folder, tmp_path, capsys):
    mixed = tmp_path / "mixed"
    for key in CLASSES:
        (mixed / key).mkdir(parents=True)
        for number in (0, 1):
            data = (folder / "images" / key / f"{number}.png").read_bytes()
            (mixed / key / f"{number}.png").write_bytes(data)
    out = tmp_path / "m.h5"
    assert main([*on_images(folder, tmp_path / "good.h5", images=mixed), "-q"]) == 0
    (mixed / "cat" / "broken.png").write_bytes(b"no picture")
    assert main(on_images(folder, out, images=mixed)) == 4
    assert "1 items could not be used; see " in capsys.readouterr().err
    _, rejects = read_rejects(tmp_path / "m.h5.rejects.jsonl")
    assert [reject["id"] for reject in rejects] == ["cat/broken"]
    assert main([*on_images(folder, out, "--max-bad", 1, "--overwrite", images=mixed), "-q"]) == 0
    (mixed / "loose.png").write_bytes((mixed / "cat" / "0.png").read_bytes())
    assert main(on_images(folder, tmp_path / "n.h5", images=mixed)) == 3
    error = capsys.readouterr().err
    assert "1 of 10 images are in no folder of a class, such as 'loose'; give --table" in error
    assert main(on_images(folder, tmp_path / "n.h5", images=tmp_path / "nowhere")) == 3
    assert "nowhere: no such folder" in capsys.readouterr().err


def test_held_out_items_are_not_learned_from(folder, tmp_path, capsys):
    words = given(folder, tmp_path / "m.h5", "--epochs", 1)
    assert main([*words, "--validation", str(folder / "all.h5")]) == 3
    assert "items are learned from too, such as" in capsys.readouterr().err


def test_how_a_training_ended_is_said(folder, tmp_path, capsys):
    words = given(folder, tmp_path / "m.h5", "--epochs", 2, "--validation", folder / "held.h5")
    assert main(words) == 0
    lines = read_log(Path(f"{tmp_path / 'm.h5'}.log.jsonl"))[1]
    said = f"loss {lines[-1]['loss']:.4g}, accuracy of held-out items {lines[-1]['held_out']:.4f}"
    assert said in capsys.readouterr().err


def test_pictures_that_are_all_bad_teach_nothing(folder, tmp_path, capsys):
    for key in CLASSES:
        (tmp_path / "broken" / key).mkdir(parents=True)
        (tmp_path / "broken" / key / "0.png").write_bytes(b"no picture")
    out = tmp_path / "m.h5"
    assert main(on_images(folder, out, images=tmp_path / "broken")) == 3
    first = min(CLASSES)
    said = f"none of the 4 pictures could be used, such as '{first}/0': "
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not out.exists()
