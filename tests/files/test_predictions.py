"""predictions: what is written is what is read; what others made; what is no prediction."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hiertools.errors import UserError
from hiertools.files import inputs, kinds
from hiertools.files.predictions import (
    Prediction,
    Step,
    describe,
    read_predictions,
    write_predictions,
)
from tests import strategies
from tests.files.test_round_trips import few, written

LEVELS = ["country", "region", "city"]
HEADER = {"index": "0" * 64, "entities": "1" * 64, "levels": LEVELS, "method": "beam", "k": 2}
PARIS = Step("city", "fr/idf/paris", "Paris", 0.5, 48.85, 2.35)
LYON = Step("city", "fr/ara/lyon", "Lyon", 0.25, 45.76, 4.84)
FRANCE, IDF = Step("country", "fr", "France", 0.75), Step("region", "fr/idf", "Île-de-France", 0.5)


def prediction(key="a", **changes):
    given = {
        "id": key, "top": [PARIS, LYON], "path": [FRANCE, IDF, PARIS], "latitude": 48.85,
        "longitude": 2.35, "confidence": 0.75, "level": "country",
    }  # fmt: skip
    return Prediction(**{**given, **changes})


BARE = prediction("b", top=[FRANCE], path=[FRANCE], latitude=None, longitude=None)


def save(path, predictions=None, *, header=HEADER, **options):
    predictions = [prediction(), BARE] if predictions is None else predictions
    write_predictions(path, header, predictions, **{"chain": [], "overwrite": True, **options})
    return path


def sample(path):
    return save(path)


def load(path):
    header, predictions = read_predictions(path)
    return header, list(predictions)


@st.composite
def drawn_predictions(draw):
    probability = st.floats(0, 1)
    place = st.one_of(st.none(), st.tuples(st.floats(-90, 90), st.floats(-180, 180)))

    def step(level):
        found = draw(place) or (None, None)
        return Step(
            level, draw(strategies.ids), draw(st.text(max_size=3)), draw(probability), *found
        )

    found = []
    for key in draw(st.lists(strategies.ids, unique=True, max_size=3)):
        levels = sorted(draw(st.sets(st.sampled_from(LEVELS), min_size=1)), key=LEVELS.index)
        path = [step(level) for level in levels]
        top = {
            each.key: each for each in (step(LEVELS[-1]) for _ in range(draw(st.integers(0, 3))))
        }
        sure = draw(st.sampled_from(path))
        coordinates = draw(place) or (None, None)
        ordered = sorted(top.values(), key=lambda each: -each.probability)
        found.append(Prediction(key, ordered, path, *coordinates, sure.probability, sure.level))
    return found


@few
@given(drawn_predictions(), strategies.headers, strategies.chains)
def test_predictions(tmp_path, drawn, header, chain):
    header = {**header, "levels": LEVELS}

    def write(path):
        write_predictions(path, header, drawn, chain=chain, overwrite=True)

    found, predictions = load(written(tmp_path, "p.jsonl", write))
    assert predictions == drawn
    assert found == {"kind": "predictions", "version": 1, "provenance": chain, **header}


def test_what_is_in_the_lines(tmp_path):
    lines = save(tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[0]) == {
        "kind": "predictions", "version": 1, "provenance": [], **HEADER
    }  # fmt: skip
    assert json.loads(lines[1]) == {
        "id": "a",
        "top": [
            {"level": "city", "label": "fr/idf/paris", "name": "Paris", "probability": 0.5,
             "latitude": 48.85, "longitude": 2.35},
            {"level": "city", "label": "fr/ara/lyon", "name": "Lyon", "probability": 0.25,
             "latitude": 45.76, "longitude": 4.84},
        ],
        "path": [
            {"level": "country", "id": "fr", "name": "France", "probability": 0.75},
            {"level": "region", "id": "fr/idf", "name": "Île-de-France", "probability": 0.5},
            {"level": "city", "id": "fr/idf/paris", "name": "Paris", "probability": 0.5,
             "latitude": 48.85, "longitude": 2.35},
        ],
        "depth": 3, "latitude": 48.85, "longitude": 2.35, "confidence": 0.75, "level": "country",
    }  # fmt: skip
    assert "latitude" not in json.loads(lines[2])


def test_info_counts_the_levels(tmp_path):
    found = describe(save(tmp_path / "p.jsonl"))
    assert found == {"items": 2, "sure_of": {"country": 2}, **HEADER}


def test_standard_output(tmp_path, capfdbinary):
    text = save(tmp_path / "p.jsonl").read_bytes()
    save(inputs.STDIN)
    assert capfdbinary.readouterr().out == text


@pytest.mark.parametrize(
    "text",
    [
        '{"id": "007", "latitude": 1.5, "longitude": -2, "more": 0}\n'
        '{"id": "x", "latitude": 90, "longitude": 180.0}\n',
        "longitude,id,latitude\n-2,007,1.5\n180,x,90\n",
        "\ufefflongitude,id,latitude\n-2,007,1.5\n180,x,90\n",
    ],
)
def test_files_of_others(tmp_path, text):
    path = tmp_path / "p"
    path.write_text(text, encoding="utf-8")
    header, found = load(path)
    assert header == {}
    assert [(each.id, each.latitude, each.longitude) for each in found] == [
        ("007", 1.5, -2.0),
        ("x", 90.0, 180.0),
    ]
    assert {(each.level, each.confidence, each.depth) for each in found} == {(None, None, 0)}
    with pytest.raises(UserError, match="not one of our files"):
        kinds.check(path, full=True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("id,latitude\na,1\n", "no column 'longitude'"),
        ("id,latitude,longitude\na,1,2\na,1,2\n", "line 3: the item 'a' is there twice"),
        ("id,latitude,longitude\na,91,2\n", "line 2: the latitude 91.0 is not in"),
        ("id,latitude,longitude\na,nan,2\n", "line 2: the latitude nan is not in"),
        ("id,latitude,longitude\na,x,2\n", ":2: the latitude or the longitude is not a number"),
        ('{"id": "a", "latitude": 1}\n', "line 1: no key 'longitude'"),
        ('{"id": "a", "latitude": 1, "longitude": 181}\n', "line 1: the longitude 181"),
        ('{"kind": "results", "version": 1}\n', "is a results file; a predictions file is needed"),
        ('{"kind": "predictions", "version": 2}\n', "version 2; this release reads version 1"),
    ],
)
def test_what_cannot_be_read(tmp_path, text, problem):
    path = tmp_path / "p"
    path.write_text(text)
    with pytest.raises(UserError, match=problem):
        load(path)


SWAPPED = prediction(path=[IDF, FRANCE, PARIS])
CERTAIN = Step("city", "fr", "France", 1.5)


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (prediction(latitude=None), "has one of latitude and longitude"),
        (prediction(top=[LYON, PARIS]), "'fr/idf/paris' is more probable than the one before"),
        (prediction(top=[PARIS, PARIS]), "'fr/idf/paris' is there twice"),
        (prediction(top=[CERTAIN]), "the probability of 'fr' is not from 0 to 1"),
        (prediction(top=[Step("town", "t", "T", 0.1)]), "'town' is not one of the levels"),
        (SWAPPED, "the path is not one from the top"),
        (prediction(path=[]), "the path is not one from the top"),
        (prediction(level="city"), "not the probability of the path at 'city'"),
        (prediction(longitude=-180.5), "the longitude -180.5 is not in"),
    ],
)
def test_what_is_no_prediction(tmp_path, wrong, problem):
    with pytest.raises(UserError, match=f"item 1: .*{problem}"):
        save(tmp_path / "p.jsonl", [prediction("x"), wrong])
    assert not (tmp_path / "p.jsonl").exists()


def test_a_line_whose_depth_is_wrong(tmp_path):
    path = save(tmp_path / "p.jsonl")
    path.write_text(path.read_text(encoding="utf-8").replace('"depth": 3', '"depth": 2'))
    with pytest.raises(UserError, match="line 2: depth is not the 3 of the path"):
        load(path)
