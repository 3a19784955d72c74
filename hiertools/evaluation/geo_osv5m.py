"""The protocol of OpenStreetView-5M: an answer is right if its place has the label of the truth.

Astruc et al. 2024 (arXiv:2404.18873); the code is gastruc/osv5m on GitHub. Answers are coordinates.
The nearest place of a gazetteer, in degrees, names each of them; these names are compared, as
texts, with the columns `unique_country`, `unique_region`, `unique_sub-region` and `unique_city`.
Texts that the published code reads as missing become `NaN` there, and stay in the denominator:
blank labels, and Namibia, whose code is NA. A city without admin2 is `Waitangi_NaN_Chatham
Islands_NZ` in the truth and `Waitangi__Chatham Islands_NZ` in the answer. Neither is ever right.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from hiertools.evaluation.geo_case import Codes, Floats
from hiertools.files.places import Places

LEVELS = ("country", "region", "sub-region", "city")
COLUMNS = tuple(f"unique_{level}" for level in LEVELS)
MISSING = "NaN"
# what pandas 2 reads as missing unless it is told otherwise
READ_AS_MISSING = frozenset(
    [
        "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN",
        "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null",
    ]
)  # fmt: skip


class Names(NamedTuple):
    """What a place is called; blank where it has no such name."""

    country: str
    region: str
    sub_region: str
    city: str


Namer = Callable[[Floats, Floats], list[Names]]  # from degrees to the names of the nearest places


def namer(places: Places) -> Namer:
    """Return what names coordinates by the nearest place on a flat map of degrees.

    The tree is the one of the published code, so that of several places with the same coordinates
    it finds the same one: `hiertools.places` would take the first of the table.
    """
    from scipy.spatial import cKDTree

    tree = cKDTree(np.stack([places.latitude, places.longitude], axis=-1))

    def names(latitude: Floats, longitude: Floats) -> list[Names]:
        _, rows = tree.query(np.stack([latitude, longitude], axis=-1), k=1)
        columns = (places.names[level].gather(rows).to_list() for level in LEVELS)
        return [Names(*each) for each in zip(*columns, strict=True)]

    return names


def truth_of_names(names: Names) -> tuple[str, str, str, str]:
    """Return the texts of the `unique_` columns, for a file that has names alone.

    A part that is missing inside of a text is NaN. A text is blank where its own name is missing.
    """
    country, region, sub_region, city = names
    admin1, admin2 = region or MISSING, sub_region or MISSING
    return (
        country,
        f"{region}_{country}" if region else "",
        f"{sub_region}_{admin1}_{country}" if sub_region else "",
        f"{city}_{admin2}_{admin1}_{country}" if city else "",
    )


def answer_of_names(names: Names) -> tuple[str, str, str, str]:
    """Return what the published code compares with the truth, for the place of an answer."""
    country, region, sub_region, city = names
    return (
        country,
        f"{region}_{country}",
        f"{sub_region}_{region}_{country}",
        f"{city}_{sub_region}_{region}_{country}",
    )


def codes(
    truth: Sequence[Sequence[str]], answers: Sequence[Sequence[str]], *, fixed: bool
) -> tuple[Codes, Codes]:
    """Return equal codes for texts that are equal, of the truth and of answers (n x l each).

    fixed: blank labels do not count (-1), a part that is missing is the same on both sides, and NA
    is a country. Else all is as in the published code.
    """
    seen = _mended if fixed else _as_published
    left = [[seen(text) for text in row] for row in truth]
    right = [[_mended(text) if fixed else text for text in row] for row in answers]
    code: dict[str, int] = {"": -1} if fixed else {}
    both = [
        [[code.setdefault(x, len(code)) for x in row] for row in side] for side in (left, right)
    ]
    first, second = (np.array(side, np.int64) for side in both)
    return first, second


def _as_published(text: str) -> str:
    return MISSING if text in READ_AS_MISSING else text


def _mended(text: str) -> str:
    """Return a text with nothing for its missing parts; a text of nothing else is blank."""
    parts = ["" if part == MISSING else part for part in text.split("_")]
    return "_".join(parts) if parts[0] else ""
