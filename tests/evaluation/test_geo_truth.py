"""Where items truly are: the same from a table and from entities that were built of it."""

import numpy as np
import pytest

from hiertools.cli import main
from hiertools.errors import UserError
from hiertools.evaluation import geo_truth
from hiertools.evaluation.geo_training import training_of
from hiertools.files.entities import read_entities, read_members
from hiertools.files.inputs import Source
from tests import entities_made

LEVELS = ["country", "region", "sub-region", "city"]
TABLE = """id,latitude,longitude,country,region,sub-region,city
007,48,16,AT,Wien,,Wien
1e10,48,16,Austria, WIEN ,,wien
x,-22,17,NA,Khomas,Rural/East,50%
y,0,0,FRA,,,
z,1,1,FR,,Paris,Paris
"""


def table(tmp_path, text=TABLE, **options):
    (tmp_path / "t.csv").write_text(text)
    options = {"like": None, "osv5m": False} | options
    return geo_truth.of_table(Source(tmp_path / "t.csv"), LEVELS, **options)


def keys(truth):
    name = {code: key for key, code in truth.keys.items()}
    return [[name.get(code) for code in row] for row in truth.code.tolist()]


def test_keys_by_hand(tmp_path):
    found = table(tmp_path)
    assert found.id == ["007", "1e10", "x", "y", "z"]
    assert keys(found) == [
        ["at", "at/wien", None, "at/wien/%/wien"],
        ["at", "at/wien", None, "at/wien/%/wien"],
        ["na", "na/khomas", "na/khomas/rural%2Feast", "na/khomas/rural%2Feast/50%25"],
        ["fr", None, None, None],
        ["fr", None, "fr/%/paris", "fr/%/paris/paris"],
    ]
    assert found.country == ["AT", "AT", "NA", "FR", "FR"]
    assert found.latitude.tolist() == [48, 48, -22, 0, 1]


def test_built_entities_say_the_same(tmp_path):
    found = table(tmp_path)
    words = ["build-entities", str(tmp_path / "t.csv"), "-o", str(tmp_path / "e.h5"), "-q"]
    assert main(words) == 0
    entities, members = read_entities(tmp_path / "e.h5"), read_members(tmp_path / "e.h5")
    other = geo_truth.of_entities("e.h5", entities, members)
    assert keys(other) == keys(found)
    np.testing.assert_array_equal(other.code < 0, found.code < 0)
    for name in ("id", "levels", "country"):
        assert getattr(other, name) == getattr(found, name)
    np.testing.assert_array_equal(other.latitude, found.latitude)
    training = training_of(entities, found)
    assert training.known(found.code).tolist() == (found.code >= 0).tolist()
    assert training.counts(found.code).tolist() == [2, 2, 1, 2, 1]


def test_two_letters_that_are_no_country_are_a_label_of_their_own(tmp_path):
    text = (
        "id,latitude,longitude,country,region,sub-region,city\na,1,1, zz ,x,y,z\nb,2,2,FR,x,y,z\n"
    )
    found = table(tmp_path, text)
    assert keys(found)[0][0] == "zz"
    assert found.country == [None, "FR"]
    assert main(["build-entities", str(tmp_path / "t.csv"), "-o", str(tmp_path / "e.h5")]) == 0
    built = tmp_path / "e.h5"
    same = geo_truth.of_entities("e.h5", read_entities(built), read_members(built))
    assert (keys(same), same.country) == (keys(found), found.country)


def test_a_part_of_the_items(tmp_path):
    whole = table(tmp_path)
    part = whole.take(np.array([2, 0]))
    assert part.id == ["x", "007"]
    assert keys(part) == [keys(whole)[2], keys(whole)[0]]
    assert part.country == ["NA", "AT"]


def test_what_training_knew_by_hand():
    entities = entities_made.entities()
    keys = {"at": 0, "at/tirol": 1, "at/tirol/hall": 2, "at/tirol/igls": 3, "jp/tokyo/edo": 4}
    code = np.array([[0, 1, 2], [0, 1, 3], [0, -1, -1], [-1, -1, 4], [-1, -1, -1]])
    place = np.zeros(5)
    truth = geo_truth.Truth("t", list("abcde"), ("country", "region", "city"), keys, code, place,
                            place, [None] * 5, None)  # fmt: skip
    found = training_of(entities, truth)
    assert found.count[:5].tolist() == [6, 4, 2, 0, 2]
    assert found.counts(code).tolist() == [2, 0, 6, 2, -1]
    assert found.known(code).tolist() == [
        [True, True, True], [True, True, False], [True, False, False], [False, False, True],
        [False] * 3,
    ]  # fmt: skip
    assert found.most.tolist() == [0, 1, -1]  # Wien, the first of equal counts, is no one's truth


def test_ids_are_spelled_as_those_of_the_predictions(tmp_path):
    text = "IMG_ID,LAT,LON\ne1/55/47.jpg,1,2\n"
    assert table(tmp_path, text).id == ["e1/55/47"]
    assert table(tmp_path, text, like="e1_55_47.jpg").id == ["e1_55_47.jpg"]
    assert table(tmp_path, text).levels == ()


def test_labels_of_osv5m(tmp_path):
    found = table(tmp_path, osv5m=True)
    assert found.texts[0] == ("AT", "Wien_AT", "", "Wien_NaN_Wien_AT")
    assert found.built == ("unique_country", "unique_region", "unique_sub-region", "unique_city")
    head, *rest = TABLE.splitlines()
    given = "\n".join([f"{head},unique_region", *(f"{line},given" for line in rest), ""])
    found = table(tmp_path, given, osv5m=True)
    assert found.texts[0] == ("AT", "given", "", "Wien_NaN_Wien_AT")
    assert "unique_region" not in found.built


def test_an_id_that_is_there_twice(tmp_path):
    with pytest.raises(UserError, match=r"t\.csv: the item 'x' is there twice"):
        table(tmp_path, TABLE.replace("y,0", "x,0"))
