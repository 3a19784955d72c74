"""Countries by code and name, as people write them."""

import pycountry
import pytest

from hiertools import countries


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("NA", "NA"),
        ("na", "NA"),
        ("Namibia", "NA"),
        ("NAM", "NA"),
        ("Côte d'Ivoire", "CI"),
        ("Cote d'Ivoire", "CI"),
        ("Côte d\N{RIGHT SINGLE QUOTATION MARK}Ivoire", "CI"),
        ("Co\N{COMBINING CIRCUMFLEX ACCENT}te d'Ivoire", "CI"),
        ("Ivory Coast", "CI"),
        ("USA", "US"),
        ("U.S.A.", "US"),
        ("United States of America", "US"),
        ("GBR", "GB"),
        ("UK", "GB"),
        ("  united   KINGDOM ", "GB"),
        ("South Korea", "KR"),
        ("Korea, Republic of", "KR"),
        ("North Korea", "KP"),
        ("Russia", "RU"),
        ("Russian Federation", "RU"),
        ("Czechia", "CZ"),
        ("Czech Republic", "CZ"),
        ("Kosovo", "XK"),
        ("XK", "XK"),
        ("The Gambia", "GM"),
        ("the bahamas", "BS"),
        ("Turkey", "TR"),
        ("Türkiye", "TR"),
        ("Republic of the Congo", "CG"),
        ("Republic of Congo", "CG"),
        ("Democratic Republic of the Congo", "CD"),
        ("Macedonia", "MK"),
        ("Swaziland", "SZ"),
        ("Niger", "NE"),
        ("Nigeria", "NG"),
        ("Georgia", "GE"),
        ("Guinea", "GN"),
        ("Guinea-Bissau", "GW"),
        ("Dominica", "DM"),
        ("Dominican Republic", "DO"),
        ("Antarctica", "AQ"),
        ("Atlantis", None),
        ("California", None),
        ("", None),
        ("the", None),
        ("NaN", None),
        ("AN", None),
        ("ZZ", None),
    ],
)
def test_a_country_is_known_by_what_people_call_it(text, code):
    assert countries.alpha2(text) == code


def test_all_names_of_iso_are_known():
    for country in pycountry.countries:
        for key in ("alpha_2", "alpha_3", "name", "official_name", "common_name"):
            if hasattr(country, key):
                assert countries.alpha2(getattr(country, key)) == country.alpha_2


def test_a_name_is_that_of_its_code():
    codes = [country.alpha_2 for country in pycountry.countries] + ["XK"]
    for code in codes:
        name = countries.name(code)
        assert name
        assert countries.alpha2(name) == code
    assert countries.name("NA") == "Namibia"
    assert countries.name("ZZ") is None


def test_continents_are_those_of_geonames():
    known = {
        "NA": "Africa", "JP": "Asia", "RU": "Europe", "XK": "Europe", "US": "North America",
        "CU": "North America", "PA": "North America", "BR": "South America", "NZ": "Oceania",
        "AQ": "Antarctica",
    }  # fmt: skip
    assert {code: countries.continent(code) for code in known} == known
    assert countries.continent("ZZ") is None
    assert all(countries.continent(country.alpha_2) for country in pycountry.countries)


def test_an_island_has_no_neighbour_on_land():
    islands = ("AU", "JP", "NZ", "IS", "MG", "PH", "SG", "CY", "LK", "MT", "AQ")
    others = ("IE", "GB", "HT", "DO", "ID", "PG", "TL", "BN", "FR", "US", "RU", "NA", "ZA", "LS")
    assert all(countries.is_island(code) for code in islands)
    assert not any(countries.is_island(code) for code in others)
    with pytest.raises(KeyError):
        countries.is_island("ZZ")


@pytest.mark.parametrize(
    ("text", "label"),
    [("France", "FR"), ("uk", "GB"), ("zz", "ZZ"), ("Z1", None), ("Atlantis", None), ("", None)],
)
def test_entities_are_called_by_codes_or_by_any_two_letters(text, label):
    assert countries.label(text) == label
