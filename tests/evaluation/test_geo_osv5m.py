"""The protocol of OpenStreetView-5M: each defect of the published code, and its mending."""

import numpy as np
import polars as pl
import pytest

from hiertools.evaluation.geo_osv5m import Names, answer_of_names, codes, namer, truth_of_names
from hiertools.files.places import Places

PARIS = Names("FR", "Ile-de-France", "Paris", "Paris")
WAITANGI = Names("NZ", "Chatham Islands", "", "Waitangi")
WINDHOEK = Names("NA", "Khomas", "", "Windhoek")


def right(truth, answers, *, fixed):
    """Return for each item and level True, False, or None where it does not count."""
    left, found = codes(truth, answers, fixed=fixed)
    return [
        [None if t < 0 else bool(t == a) for t, a in zip(*row, strict=True)]
        for row in zip(left, found, strict=True)
    ]


def test_texts_of_names():
    assert truth_of_names(PARIS) == (
        "FR", "Ile-de-France_FR", "Paris_Ile-de-France_FR", "Paris_Paris_Ile-de-France_FR",
    )  # fmt: skip
    assert truth_of_names(PARIS) == answer_of_names(PARIS)
    assert truth_of_names(WAITANGI) == (
        "NZ", "Chatham Islands_NZ", "", "Waitangi_NaN_Chatham Islands_NZ",
    )  # fmt: skip
    assert answer_of_names(WAITANGI) == (
        "NZ", "Chatham Islands_NZ", "_Chatham Islands_NZ", "Waitangi__Chatham Islands_NZ",
    )  # fmt: skip
    assert truth_of_names(Names("MC", "", "", "Monaco")) == ("MC", "", "", "Monaco_NaN_NaN_MC")
    assert truth_of_names(Names("MC", "", "", "")) == ("MC", "", "", "")
    assert answer_of_names(Names("MC", "", "", "Monaco")) == ("MC", "_MC", "__MC", "Monaco___MC")


@pytest.mark.parametrize("fixed", [False, True])
def test_whole_names_are_right_where_they_are_equal(fixed):
    other = Names("FR", "Ile-de-France", "Essonne", "Evry")
    truth = [truth_of_names(PARIS), truth_of_names(other)]
    answers = [answer_of_names(PARIS), answer_of_names(PARIS)]
    assert right(truth, answers, fixed=fixed) == [[True] * 4, [True, True, False, False]]


def test_a_blank_label_stays_in_the_denominator_and_never_matches():
    truth, answers = [truth_of_names(WAITANGI)], [answer_of_names(WAITANGI)]
    assert right(truth, answers, fixed=False)[0][2] is False
    assert right(truth, answers, fixed=True)[0][2] is None


def test_a_city_without_admin2_has_two_spellings():
    truth, answers = [truth_of_names(WAITANGI)], [answer_of_names(WAITANGI)]
    assert right(truth, answers, fixed=False)[0] == [True, True, False, False]
    assert right(truth, answers, fixed=True)[0] == [True, True, None, True]


def test_namibia_is_read_as_missing():
    truth, answers = [truth_of_names(WINDHOEK)], [answer_of_names(WINDHOEK)]
    assert right(truth, answers, fixed=False)[0] == [False, True, False, False]
    assert right(truth, answers, fixed=True)[0] == [True, True, None, True]


@pytest.mark.parametrize("text", ["", "NA", "NULL", "None", "nan", "null", "<NA>", "n/a"])
def test_what_pandas_reads_as_missing_is_never_right(text):
    assert right([[text]], [[text]], fixed=False) == [[False]]


def test_a_name_that_only_looks_missing_is_one():
    """There is a province Nan in Thailand and a place None in Italy."""
    nan = Names("TH", "Nan", "", "Nan")
    assert right([truth_of_names(nan)], [answer_of_names(nan)], fixed=True)[0] == [
        True, True, None, True,
    ]  # fmt: skip
    none = Names("IT", "Piedmont", "Provincia di Torino", "None")
    truth, answers = [truth_of_names(none)], [answer_of_names(none)]
    assert right(truth, answers, fixed=False) == [[True] * 4]
    assert right(truth, answers, fixed=True) == [[True] * 4]


@pytest.mark.parametrize(
    "spelled", ["Waitangi_NaN_Chatham Islands_NZ", "Waitangi__Chatham Islands_NZ"]
)
def test_the_mended_one_takes_either_spelling(spelled):
    assert right([[spelled]], [["Waitangi__Chatham Islands_NZ"]], fixed=True) == [[True]]


@pytest.mark.parametrize("fixed", [False, True])
def test_an_answer_without_a_name_is_never_right(fixed):
    nameless = answer_of_names(Names("AQ", "", "", ""))
    truth = truth_of_names(Names("AQ", "", "", ""))
    found = right([truth], [nameless], fixed=fixed)[0]
    assert found == ([True, None, None, None] if fixed else [True, False, False, False])


def test_codes_are_equal_exactly_where_texts_are():
    rng = np.random.default_rng(0)
    truth, answers = (rng.choice(["a_b", "b", "c_NaN_d", "c__d", ""], (50, 4)) for _ in range(2))
    left, found = codes(truth.tolist(), answers.tolist(), fixed=False)
    wanted = [
        [t == a and t != "" for t, a in zip(*row, strict=True)]
        for row in zip(truth, answers, strict=True)
    ]
    np.testing.assert_array_equal(left == found, wanted)
    assert (left >= 0).all()


def test_the_nearest_place_is_that_of_a_plain_loop_over_degrees():
    rng = np.random.default_rng(0)
    latitude, longitude = rng.uniform(-90, 90, 200), rng.uniform(-180, 180, 200)
    parts = {"country": "cc", "region": "r", "sub-region": "s", "city": "c"}
    names = {level: pl.Series([f"{x}{i}" for i in range(200)]) for level, x in parts.items()}
    asked = rng.uniform(-90, 90, 50), rng.uniform(-180, 180, 50)
    found = namer(Places(latitude, longitude, names))(*asked)
    for name, a, b in zip(found, *asked, strict=True):
        row = int(np.argmin((latitude - a) ** 2 + (longitude - b) ** 2))
        assert name == Names(f"cc{row}", f"r{row}", f"s{row}", f"c{row}")
