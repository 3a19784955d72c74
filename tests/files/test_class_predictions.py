"""predictions of classes: what is written is what is read; what others made; what is none."""

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiertools.errors import UserError
from hiertools.files import inputs, kinds, predictions
from hiertools.files.class_predictions import (
    ClassPrediction,
    read_class_predictions,
    write_class_predictions,
)
from tests import strategies
from tests.files import test_predictions
from tests.files.test_round_trips import few, written

CLASSES = ["cat", "dog", "oak"]
HEADER = {
    "task": "classes", "model": None, "taxonomy": "0" * 64, "classes": CLASSES, "rule": "argmax",
    "temperature": None, "k": 2,
}  # fmt: skip
BARE = ClassPrediction(
    "b",
    ["dog"],
    [0.75],
    None,
    ["thing", "animal", "dog"],
    ["Thing", "Tier", "Dög"],
    [1.0, 1.0, 0.75],
)


def prediction(key="a", **changes):
    given = {
        "id": key, "top": ["cat", "dog"], "probabilities": [0.5, 0.25],
        "path": ["thing", "animal", "cat"], "names": ["Thing", "Tier", "Cat"],
        "path_probabilities": [1.0, 0.75, 0.5], "labels": ["cat"],
    }  # fmt: skip
    return ClassPrediction(**{**given, **changes})


def save(path, predictions=None, *, header=HEADER, **options):
    predictions = [prediction(), BARE] if predictions is None else predictions
    write_class_predictions(
        path, header, predictions, **{"chain": [], "overwrite": True, **options}
    )
    return path


def load(path):
    header, found = read_class_predictions(path)
    return header, list(found)


@st.composite
def drawn_predictions(draw):
    found = []
    for key in draw(st.lists(strategies.ids, unique=True, max_size=3)):
        top = draw(st.lists(st.sampled_from(CLASSES), min_size=1, unique=True))
        size = len(top)
        p = sorted(draw(st.lists(st.floats(0, 1), min_size=size, max_size=size)), reverse=True)
        above = draw(st.lists(st.text(max_size=3), unique=True, max_size=2))
        path = [*(node for node in above if node not in CLASSES), top[0]]
        names = draw(st.lists(st.text(max_size=3), min_size=len(path), max_size=len(path)))
        labels = draw(st.none() | st.lists(strategies.ids, max_size=2))
        found.append(ClassPrediction(key, top, p, None, path, names, [1.0] * len(path), labels))
    return found


@few
@given(drawn_predictions(), strategies.headers, strategies.chains)
def test_predictions_of_classes(tmp_path, drawn, header, chain):
    def write(path):
        write_class_predictions(path, {**header, **HEADER}, drawn, chain=chain, overwrite=True)

    found, read = load(written(tmp_path, "p.jsonl", write))
    assert read == drawn
    assert found == {"kind": "predictions", "version": 1, "provenance": chain, **header, **HEADER}


def test_what_is_in_the_lines(tmp_path):
    lines = save(tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == {
        "kind": "predictions", "version": 1, "provenance": [], **HEADER
    }  # fmt: skip
    assert lines[1] == (
        '{"id": "a", "top": [{"label": "cat", "probability": 0.5},'
        ' {"label": "dog", "probability": 0.25}], "path": [{"id": "thing", "name": "Thing",'
        ' "probability": 1.0}, {"id": "animal", "name": "Tier", "probability": 0.75},'
        ' {"id": "cat", "name": "Cat", "probability": 0.5}], "depth": 2, "labels": ["cat"]}'
    )
    assert "labels" not in json.loads(lines[2])


def test_costs_are_beside_the_probabilities_and_give_the_order(tmp_path):
    risky = prediction(probabilities=[0.25, 0.5], costs=[1.0, 1.5])
    path = save(tmp_path / "p.jsonl", [risky])
    assert json.loads(path.read_text().splitlines()[1])["top"] == [
        {"label": "cat", "probability": 0.25, "cost": 1.0},
        {"label": "dog", "probability": 0.5, "cost": 1.5},
    ]
    assert load(path)[1] == [risky]


def test_a_node_that_is_no_class_is_for_the_rule_ancestor(tmp_path):
    header = {**HEADER, "rule": "ancestor"}
    animal = prediction(path=["thing", "animal"], names=["", ""], path_probabilities=[1.0, 0.75])
    found = load(save(tmp_path / "p.jsonl", [animal], header=header))[1]
    assert (found, found[0].depth) == ([animal], 1)
    with pytest.raises(UserError, match="the path ends at 'animal', not at the class 'cat'"):
        save(tmp_path / "p.jsonl", [animal])


def test_check_and_info_tell_them_from_places(tmp_path):
    path = save(tmp_path / "p.jsonl")
    assert kinds.check(path, full=True) == "predictions"
    assert kinds.KINDS["predictions"].describe(path) == {
        "items": 2, "by_depth": {"2": 2}, **HEADER, "classes": 3
    }  # fmt: skip
    with pytest.raises(UserError, match="of classes; those of places are needed"):
        predictions.read_predictions(path)
    places = test_predictions.save(tmp_path / "geo.jsonl")
    with pytest.raises(UserError, match="of places; those of classes are needed"):
        load(places)


def test_standard_output(tmp_path, capfdbinary):
    text = save(tmp_path / "p.jsonl").read_bytes()
    save(inputs.STDIN)
    assert capfdbinary.readouterr().out == text


@pytest.mark.parametrize(
    ("text", "probabilities"),
    [
        ('{"id": "007", "top": [{"label": "x"}]}\n{"id": "b", "top": [{"label": "y"}]}\n', None),
        ('{"id": "007", "top": [{"label": "x", "probability": 0.5}]}\n', [0.5]),
        ("label,id\nx,007\ny,b\n", None),
        ("\ufefflabel,id\nx,007\ny,b\n", None),
    ],
)
def test_files_of_others(tmp_path, text, probabilities):
    path = tmp_path / "p"
    path.write_text(text, encoding="utf-8")
    header, found = load(path)
    assert header == {}
    assert found[0] == ClassPrediction("007", ["x"], probabilities)
    assert found[0].depth is None
    with pytest.raises(UserError, match="not one of our files"):
        kinds.check(path, full=True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("id\na\n", "no column 'label'"),
        ("id,label\na,x\na,y\n", "line 3: the item 'a' is there twice"),
        ('{"id": "a", "top": []}\n', "line 1: has no classes"),
        ('{"id": "a", "top": [{"label": "x", "probability": 2}]}\n', "'x' is not from 0 to 1"),
        (
            '{"id": "a", "top": [{"label": "x", "probability": 1}, {"label": "y"}]}\n',
            "line 1: some of its classes have no probability",
        ),
        ('{"kind": "results", "version": 1}\n', "is a results file; a predictions file is needed"),
        ('{"kind": "predictions", "version": 2}\n', "version 2; this release reads version 1"),
    ],
)
def test_what_cannot_be_read(tmp_path, text, problem):
    path = tmp_path / "p"
    path.write_text(text)
    with pytest.raises(UserError, match=problem):
        load(path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"top": []}, "has no classes"),
        ({"top": ["cat", "cat"]}, "the class 'cat' is there twice"),
        ({"top": ["cat", "cow"]}, "'cow' is not one of the 3 classes"),
        ({"probabilities": [0.5]}, "have no probability or no cost"),
        ({"probabilities": None}, "its classes have no probabilities"),
        ({"probabilities": [1.5, 0.5]}, "the probability of 'cat' is not from 0 to 1"),
        ({"probabilities": [0.5, float("nan")]}, "the probability of 'dog' is not from 0 to 1"),
        ({"probabilities": [0.25, 0.5]}, "'dog' is more probable than the one before"),
        ({"costs": [2.0, 1.0]}, "'dog' has a lower cost than the one before"),
        ({"costs": [1.0, float("nan")]}, "a cost is not a number"),
        ({"path": []}, "has no path"),
        ({"names": ["Thing"]}, "3 nodes, 1 names"),
        ({"path": ["thing", "thing", "cat"]}, "a node is in the path twice"),
        ({"path_probabilities": [0.5, 0.75, 0.5]}, "'animal' is more probable than the node above"),
        ({"path_probabilities": [2, 0.75, 0.5]}, "the probability of 'thing' is not from 0 to 1"),
        ({"path": ["thing", "animal", "dog"]}, "the path ends at 'dog', not at the class 'cat'"),
    ],
)
def test_what_is_no_prediction(tmp_path, changes, problem):
    with pytest.raises(UserError, match=f"item 1: .*{problem}"):
        save(tmp_path / "p.jsonl", [prediction("x"), prediction(**changes)])
    assert not (tmp_path / "p.jsonl").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [("taxonomy", None), ("rule", 1), ("classes", ["a", "a"]), ("k", -1), ("temperature", 0)],
)
def test_what_is_no_header(tmp_path, key, value):
    with pytest.raises(UserError):
        save(tmp_path / "p.jsonl", header={**HEADER, key: value})


def test_a_line_whose_depth_is_wrong(tmp_path):
    path = save(tmp_path / "p.jsonl", [replace(BARE, labels=[])])
    path.write_text(path.read_text(encoding="utf-8").replace('"depth": 2', '"depth": 3'))
    with pytest.raises(UserError, match="line 2: depth is not 2"):
        load(path)


def test_damage_is_one_line_of_complaint(tmp_path):
    """Any bytes that are changed, lost or added give predictions or a `UserError`."""
    path, rng = save(tmp_path / "p.jsonl"), random.Random(0)
    whole, bad = path.read_bytes(), 0
    for _ in range(400):
        place, size = rng.randrange(len(whole)), rng.randrange(20)
        more = rng.choice([b"null", b"NaN", b"-1", b"1e999", b"{}", b"[]", b'"x"', b"\xff", b"7"])
        path.write_bytes(whole[:place] + more + whole[place + size :])
        try:
            load(path)
            kinds.KINDS["predictions"].describe(path)
        except UserError:
            bad += 1
    assert bad > 200
