"""`hiertools classify`: of a model, of foreign logits, calibrated; and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from hiertools.classification import logits as of
from hiertools.cli import main
from hiertools.files import inputs, kinds
from hiertools.files.class_predictions import read_class_predictions
from hiertools.files.embeddings import write_embeddings
from hiertools.files.hierarchy import write_hierarchy
from hiertools.files.items import Items, encode, label_sets
from hiertools.files.model import digest_of, write_model
from tests.models import classes_made

N = 40
RULES = ("argmax", "paper", "crm", "restart", "hie", "ancestor")
LOGITS = np.random.default_rng(0).normal(0, 2, (N, 3)).astype(np.float32)
TRUTH = (LOGITS + np.random.default_rng(1).gumbel(size=LOGITS.shape)).argmax(1)
FOREIGN = ("l.npy", "--ids", "ids", "--classes", "classes", "--hierarchy", "h.json")


def embeddings(path, vectors, *, prefix="i", labels=True, **meta):
    ids = encode([f"{prefix}{i}" for i in range(len(vectors))])
    names = label_sets([classes_made.CLASSES[i]] for i in TRUTH[: len(vectors)])
    table = Items(ids, labels=names if labels else None)
    about = {**classes_made.ENCODER, "dimension": vectors.shape[1], **meta}
    write_embeddings(path, [vectors], vectors.shape[1], table, meta=about, chain=[], overwrite=True)


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_hierarchy(tmp_path / "h.json", classes_made.hierarchy(), chain=[], overwrite=True)
    write_model(tmp_path / "m.h5", classes_made.model(), chain=[], overwrite=True)
    (tmp_path / "classes").write_text("z\nx\ny\n")
    (tmp_path / "ids").write_text("".join(f"i{i}\n" for i in range(N)))
    np.save(tmp_path / "l.npy", LOGITS)
    embeddings(tmp_path / "e.h5", LOGITS)
    embeddings(tmp_path / "held.h5", LOGITS, prefix="h")
    embeddings(tmp_path / "l.h5", LOGITS, output="logits", digest="c" * 64)


def run(*arguments, code=0):
    assert main(["classify", *arguments]) == code


def lines(path="predictions.jsonl"):
    header, found = read_class_predictions(Path(path))
    return header, list(found)


def complaint(capsys, *arguments, code=3):
    run(*arguments, code=code)
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    return said[0].removeprefix("hiertools classify: ")


@pytest.mark.parametrize("rule", RULES)
def test_foreign_logits(rule):
    run(*FOREIGN, "--rule", rule, "-k", "2")
    header, found = lines()
    assert (header["rule"], header["k"], header["model"]) == (rule, 2, None)
    assert header["classes"] == classes_made.CLASSES
    assert [each.id for each in found] == [f"i{i}" for i in range(N)]
    assert {len(each.top) for each in found} == {2}
    assert (found[0].costs is not None) == (rule == "crm")
    assert kinds.check(Path("predictions.jsonl"), full=True)


def test_argmax_is_that_of_the_logits():
    run(*FOREIGN)
    found = [each.top[0] for each in lines()[1]]
    assert found == [classes_made.CLASSES[i] for i in LOGITS.argmax(1)]


def test_a_model_gives_the_head_the_classes_and_the_hierarchy():
    run("e.h5", "--model", "m.h5", "--rule", "hie")
    header, found = lines()
    model = classes_made.model()
    assert header["model"] == digest_of(model)
    assert header["taxonomy"] == model.meta["taxonomy_digest"]
    assert header["temperature"] is None
    table = Items(encode([each.id for each in found]))
    made = of.of_model("e", table, LOGITS, model).all()
    np.save("made.npy", made)
    run("made.npy", *FOREIGN[1:], "--rule", "hie", "-o", "b.jsonl")
    assert [each.top for each in lines("b.jsonl")[1]] == [each.top for each in found]
    assert [each.labels for each in found] == [[classes_made.CLASSES[i]] for i in TRUTH]


@pytest.mark.parametrize(
    "arguments",
    [
        ("l.h5", "--hierarchy", "h.json"),
        ("l.h5", "--hierarchy", "h.json", "--classes", "classes"),
        ("l.h5", "--model", "m.h5"),
        ("l.npy", "--ids", "ids", "--model", "m.h5"),
        ("l.npy", "--ids", "ids", "--model", "m.h5", "--hierarchy", "h.json"),
        ("l.npy", "--ids", "ids", "--hierarchy", "h.json"),
        ("from.h5", "--hierarchy", "h.json"),
    ],
)
def test_the_same_logits_in_other_ways(tmp_path, arguments):
    embeddings(tmp_path / "from.h5", LOGITS, encoder="from:l.npy", digest="d" * 64)
    run(*FOREIGN, "--rule", "crm", "-o", "a.jsonl")
    run(*arguments, "--rule", "crm", "-o", "b.jsonl")
    found, other = lines("a.jsonl")[1], lines("b.jsonl")[1]
    assert [(a.id, a.top, a.costs, a.path) for a in found] == [
        (b.id, b.top, b.costs, b.path) for b in other
    ]


def test_classes_that_were_not_listed_are_said(capsys):
    run("l.h5", "--hierarchy", "h.json")
    said = capsys.readouterr().err
    assert "the 3 classes are the leaves of h.json, in their order" in said


def test_no_items_are_no_predictions(tmp_path):
    embeddings(tmp_path / "e.h5", LOGITS[:0])
    run("e.h5", "--model", "m.h5", "--rule", "crm")
    assert lines()[1] == []


def test_probabilities_give_what_their_logits_give():
    powers = np.exp(LOGITS.astype(np.float64))
    np.save("p.npy", powers / powers.sum(1, keepdims=True))
    run(*FOREIGN, "-o", "a.jsonl")
    run("p.npy", *FOREIGN[1:], "--probabilities", "-o", "b.jsonl")
    for a, b in zip(lines("a.jsonl")[1], lines("b.jsonl")[1], strict=True):
        assert a.top == b.top
        np.testing.assert_allclose(a.probabilities, b.probabilities, rtol=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_the_same_bytes_for_any_batch_size(monkeypatch, tmp_path, rule):
    monkeypatch.setattr(of, "ROWS", 8)
    for size in ("1", "7", "4096"):
        run(
            "e.h5", "--model", "m.h5", "--rule", rule, "--batch-size", size, "-o", f"{size}.jsonl",
            "--no-provenance",
        )  # fmt: skip
    texts = {(tmp_path / f"{size}.jsonl").read_bytes() for size in ("1", "7", "4096")}
    assert len(texts) == 1


def test_standard_output(hier, tmp_path):
    piped = hier("classify", *FOREIGN, "-o", "-", "--no-provenance", cwd=tmp_path)
    run(*FOREIGN, "--no-provenance")
    assert piped.returncode == 0
    assert piped.stdout == (tmp_path / "predictions.jsonl").read_text()
    assert piped.stderr == "standard output: 40 predictions by argmax\n"


def test_lists_from_standard_input(hier, tmp_path):
    arguments = ["l.npy", "--ids", "-", "--hierarchy", "h.json", "-o", "a.jsonl"]
    ids = (tmp_path / "ids").read_bytes()
    assert hier("classify", *arguments, stdin=ids, cwd=tmp_path).returncode == 0
    assert len(lines("a.jsonl")[1]) == N


def test_what_the_header_says_of_a_rule():
    wanted = {
        "argmax": {},
        "paper": {"steps": 2, "decay": 0.5, "influence": 0.25, "distance": "height"},
        "crm": {"distance": "path"},
        "restart": {"restart": 0.25, "decay": 0.3, "distance": "path"},
        "ancestor": {"threshold": 0.75},
    }
    given = {
        "paper": ("--steps", "2", "--decay", "0.5", "--influence", ".25", "--distance", "height"),
        "restart": ("--restart", ".25"),
        "ancestor": ("--threshold", ".75"),
    }
    shared = {"kind", "version", "provenance", "task", "model", "taxonomy", "classes", "rule", "k",
              "temperature"}  # fmt: skip
    for rule, keys in wanted.items():
        run(*FOREIGN, "--rule", rule, *given.get(rule, ()), "--overwrite")
        header = lines()[0]
        assert {key: header[key] for key in header.keys() - shared} == keys


def test_the_record_of_the_run_has_all_that_was_read():
    run(*FOREIGN)
    record = lines()[0]["provenance"][-1]
    assert record["command"] == "classify"
    assert [each["path"] for each in record["inputs"]] == ["h.json", "classes", "l.npy", "ids"]


def test_a_temperature_of_held_out_items(tmp_path, capsys):
    """Logits that are three times too sure; half of the items are held out, by embeddings."""
    np.save("l.npy", 3 * LOGITS)
    embeddings(tmp_path / "sure.h5", 3 * LOGITS, prefix="h", output="logits", digest="c" * 64)
    run(*FOREIGN, "--calibrate", "sure.h5")
    header, found = lines()
    assert 1.5 < header["temperature"] < 6
    about = header["calibration"]
    assert about["items"] == N
    assert about["nll"][1] < about["nll"][0]
    said = capsys.readouterr().err
    assert "temperature" in said
    assert "of 40 items of sure.h5" in said
    sharp = np.exp(3 * LOGITS[0] / header["temperature"])
    np.testing.assert_allclose(found[0].probabilities[0], sharp.max() / sharp.sum(), rtol=1e-4)


def test_held_out_items_of_a_model_and_of_foreign_files(tmp_path):
    run("e.h5", "--model", "m.h5", "--calibrate", "held.h5", "--rule", "crm", "-o", "a.jsonl")
    assert lines("a.jsonl")[0]["calibration"]["items"] == N
    (tmp_path / "held.ids").write_text("".join(f"h{i}\n" for i in range(N)))
    rows = [f"h{i},{classes_made.CLASSES[TRUTH[i]]}" for i in range(N)]
    (tmp_path / "truth.csv").write_text("\n".join(["id,label", *reversed(rows)]) + "\n")
    held = ("--calibrate", "l.npy", "--calibrate-ids", "held.ids")
    run(*FOREIGN, *held, "--calibrate-labels", "truth.csv", "-o", "b.jsonl")
    again = ("--calibrate", "held.h5")
    embeddings(tmp_path / "held.h5", LOGITS, prefix="h", output="logits", digest="c" * 64)
    run(*FOREIGN, *again, "-o", "c.jsonl")
    assert lines("b.jsonl")[0]["temperature"] == lines("c.jsonl")[0]["temperature"]


def test_a_threshold_of_held_out_items(tmp_path, capsys):
    embeddings(tmp_path / "held.h5", LOGITS, prefix="h", output="logits", digest="c" * 64)
    asked = (*FOREIGN, "--rule", "ancestor", "--calibrate", "held.h5")
    run(*asked, "--coverage", "0.8")
    header, found = lines()
    assert header["coverage"] == 0.8
    assert 0 < header["threshold"] < 1
    assert header["calibration"]["items"] == header["calibration"]["covering_items"] == N // 2
    assert header["calibration"]["covered"] >= 0.8
    for each in found:
        assert each.path_probabilities[-1] > header["threshold"] - 1e-5 or each.depth == 0
    assert "for a coverage of 0.8" in capsys.readouterr().err
    run(*asked, "--threshold", "0.8", "--overwrite")
    header = lines()[0]
    assert (header["threshold"], "coverage" in header) == (0.8, False)
    assert header["calibration"]["items"] == N


def test_too_much_refinement_is_said(capsys):
    run(*FOREIGN, "--rule", "paper", "--steps", "30")
    said = capsys.readouterr().err
    assert "warning: only 0.3" in said
    assert "--steps and --influence" in said
    assert "apart" not in said
    run(*FOREIGN, "--rule", "paper", "--overwrite")
    said = capsys.readouterr().err
    assert "can change only where the two largest probabilities are less than 0.1" in said
    assert "warning" not in said


CLASSES_OF_OTHERS = "classes: has other classes than h.json: h.json lacks 2 (a1, a2);"


@pytest.mark.parametrize(
    ("files", "arguments", "problem"),
    [
        ({"classes": "a1\nx\na2\n"}, FOREIGN, CLASSES_OF_OTHERS + " classes lacks 2 (y, z)"),
        ({"classes": "z\nx\n"}, FOREIGN, "classes lacks 1 (y); --allow-absent lets leaves be no"),
        ({"classes": "z\nx\ny\nx\n"}, FOREIGN, "classes: the class 'x' is there twice"),
        ({"ids": "a\nb\n"}, FOREIGN, "ids: has 2 ids for the 40 rows of l.npy"),
        ({"ids": "a\n" * N}, FOREIGN, "ids: the id 'a' is there twice"),
        (
            {},
            (*FOREIGN, "--probabilities"),
            "l.npy: the probabilities of 'i0' are partly below 0; without --probabilities",
        ),
        ({}, ("e.h5", "--hierarchy", "h.json"), "e.h5: has embeddings of made; give the model"),
        ({}, ("h.json", *FOREIGN[1:]), "h.json: is not .npy, .safetensors or .parquet"),
        ({}, ("no.npy", *FOREIGN[1:]), "no.npy: no such file"),
        ({}, ("l.npy", "--model", "e.h5", "--ids", "ids"), "e.h5: is an embeddings file; a model"),
    ],
)
def test_bad_input(tmp_path, capsys, files, arguments, problem):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert problem in complaint(capsys, *arguments)
    assert not (tmp_path / "predictions.jsonl").exists()


def test_more_than_ten_classes_are_not_all_listed(tmp_path, capsys):
    (tmp_path / "classes").write_text("".join(f"c{i:02d}\n" for i in range(12)))
    said = complaint(capsys, *FOREIGN)
    assert "h.json lacks 12 (c00, c01, c02, c03, c04, c05, c06, c07, c08, c09, …)" in said


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (LOGITS[:, :2], "l.npy: has logits of 2 classes; there are 3"),
        (np.where(np.arange(3) == 1, np.nan, LOGITS), "the vector of 'i0' is not finite"),
        (LOGITS.astype(int), "l.npy: is int64 of shape (40, 3), not a matrix of floats"),
        (LOGITS[0], "l.npy: is float32 of shape (3,), not a matrix of floats"),
    ],
)
def test_logits_that_are_none(tmp_path, capsys, rows, problem):
    np.save("l.npy", rows)
    assert problem in complaint(capsys, *FOREIGN)
    assert not (tmp_path / "predictions.jsonl").exists()


def test_leaves_in_another_order_than_the_model(tmp_path, capsys):
    other = classes_made.hierarchy(leaves=["x", "z", "y"])
    write_hierarchy(tmp_path / "h.json", other, chain=[], overwrite=True)
    said = complaint(capsys, "e.h5", "--model", "m.h5", "--hierarchy", "h.json")
    assert (
        "h.json: has its classes in another order than m.h5: class 0 is 'x' and there 'z'" in said
    )


def test_embeddings_of_another_encoder(tmp_path, capsys):
    embeddings(tmp_path / "e.h5", LOGITS, digest="b" * 64)
    said = complaint(capsys, "e.h5", "--model", "m.h5")
    assert said.startswith("e.h5: is of the encoder made (bbbbbbbbbbbb), m.h5 of made (0000")


def test_leaves_that_are_no_classes_on_purpose(tmp_path):
    (tmp_path / "classes").write_text("z\nx\n")
    np.save("l.npy", LOGITS[:, :2])
    run(*FOREIGN, "--allow-absent")
    assert lines()[0]["classes"] == ["z", "x"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"prefix": "i"}, "held.h5: 40 of its 40 items are to be classified too, such as 'i0'"),
        ({"labels": False}, "held.h5: has no labels; give them with --calibrate-labels"),
        ({"digest": "b" * 64}, "held.h5: is of the encoder made (bbbbbbbbbbbb), m.h5 of made"),
    ],
)
def test_held_out_items_that_are_none(tmp_path, capsys, change, problem):
    embeddings(tmp_path / "held.h5", LOGITS, **{"prefix": "h", **change})
    assert problem in complaint(capsys, "e.h5", "--model", "m.h5", "--calibrate", "held.h5")


def test_held_out_items_of_no_class(tmp_path, capsys):
    (tmp_path / "truth.csv").write_text(
        "\n".join(["id,label", *(f"h{i},{'w' if i else 'x'}" for i in range(N))]) + "\n"
    )
    held = ("--calibrate", "held.h5", "--calibrate-labels", "truth.csv")
    said = complaint(capsys, "e.h5", "--model", "m.h5", *held)
    assert said.startswith("truth.csv: has other classes than m.h5: m.h5 lacks 1 (w)")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("l.npy",), "name a model (--model), or the hierarchy of the classes (--hierarchy)"),
        (("e.h5", "--model", "m.h5", "--classes", "classes"), "--classes is for logits without"),
        (("l.npy", "--hierarchy", "h.json"), "l.npy has no ids"),
        (("l.h5", "--hierarchy", "h.json", "--ids", "ids"), "l.h5 has ids of its own"),
        (("l.h5", "--hierarchy", "h.json", "--key", "a"), "l.h5 has ids of its own"),
        (("e.h5", "--model", "m.h5", "--probabilities"), "e.h5 has embeddings: --probabilities"),
        (("-", "--hierarchy", "h.json"), "do not come through a pipe"),
        ((*FOREIGN, "--steps", "2"), "--steps is for --rule paper, not argmax"),
        ((*FOREIGN, "--rule", "crm", "--decay", "1"), "--decay is for --rule paper or restart"),
        ((*FOREIGN, "--rule", "restart", "--influence", "1"), "--influence is for --rule paper"),
        ((*FOREIGN, "--rule", "paper", "--restart", ".1"), "--restart is for --rule restart"),
        ((*FOREIGN, "--threshold", ".5"), "--threshold is for --rule ancestor, not argmax"),
        ((*FOREIGN, "--coverage", ".5"), "--coverage is for --rule ancestor, not argmax"),
        ((*FOREIGN, "--rule", "hie", "--distance", "path"), "is for --rule paper, restart or crm"),
        ((*FOREIGN, "--rule", "ancestor", "--coverage", ".5"), "--coverage is for --calibrate"),
        ((*FOREIGN, "--calibrate-ids", "ids"), "--calibrate-ids is for --calibrate HELDOUT"),
        ((*FOREIGN, "--calibrate-labels", "t"), "--calibrate-labels is for --calibrate HELDOUT"),
        ((*FOREIGN, "--classes", "-", "--ids", "-"), "can be read once only"),
        (("l.h5", "--hierarchy", "h.json", "--allow-absent"), "--allow-absent is for --classes"),
        ((*FOREIGN, "--rule", "restart", "--restart", "1"), "a walk that never ends"),
        ((*FOREIGN, "--rule", "paper", "--decay", "nan"), "greater than or equal to 0"),
        ((*FOREIGN, "--rule", "paper", "--influence", "inf"), "--influence inf is not a finite"),
        ((*FOREIGN, "--rule", "paper", "--influence", "-1"), "greater than or equal to 0"),
        ((*FOREIGN, "--rule", "ancestor", "--threshold", "nan"), "less than or equal to 1"),
        (
            (*FOREIGN, "--rule", "ancestor", "--calibrate", "l.h5", "--coverage", "1"),
            "--coverage 1: give a share between 0 and 1",
        ),
        (
            (*FOREIGN, "--rule", "ancestor", "--calibrate", "l.h5", "--coverage", ".5",
             "--threshold", ".5"),
            "--coverage finds a threshold, and --threshold gives one",
        ),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together(capsys, arguments, problem):
    assert problem in complaint(capsys, *arguments, code=2)


def test_an_output_that_is_there():
    run(*FOREIGN)
    run(*FOREIGN, code=5)
    run(*FOREIGN, "--overwrite")


def test_info_and_check_know_the_file(capsys):
    run(*FOREIGN, "--rule", "crm", "--no-provenance")
    capsys.readouterr()
    assert main(["info", "predictions.jsonl", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["by_depth"] == {"2": N}
    assert main(["check", "predictions.jsonl"]) == 0


def test_probabilities_that_are_taken_for_logits_are_said(capsys):
    e = np.exp(LOGITS)
    np.save("p.npy", e / e.sum(1, keepdims=True))
    run("p.npy", *FOREIGN[1:])
    assert "p.npy: the rows sum to 1, as probabilities do; give --prob" in capsys.readouterr().err
    run(*FOREIGN, "--overwrite")
    run("p.npy", *FOREIGN[1:], "--probabilities", "--overwrite")
    assert "sum to 1" not in capsys.readouterr().err


def test_held_out_items_that_a_model_was_trained_on_are_said(capsys):
    """A model is surer of these: a temperature of them does not fit others."""
    read = [{"path": "held.h5", "sha256": inputs.digest_file(Path("held.h5"))}]
    for option, is_said in (("embeddings", True), ("validation", False)):
        record = {"options": {option: ["held.h5"]}, "inputs": read}
        write_model(Path("t.h5"), classes_made.model(), chain=[record], overwrite=True)
        run("e.h5", "--model", "t.h5", "--calibrate", "held.h5", "--overwrite")
        said = "warning: held.h5: the model was trained with these items"
        assert (said in capsys.readouterr().err) == is_said


def test_predictions_of_a_model_say_how_many_items_it_learned_of():
    run("e.h5", "--model", "m.h5")
    assert lines()[0]["counts"] == classes_made.model().meta["counts"]
