"""Where items truly are: from a table of metadata, or from what was made of one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hiertools import countries, metadata
from hiertools.entities.labelling import escape, sanitize
from hiertools.errors import UserError
from hiertools.evaluation.geo_case import Codes, Floats, Rows
from hiertools.evaluation.geo_osv5m import COLUMNS, Names, truth_of_names
from hiertools.evaluation.geo_osv5m import LEVELS as NAMES
from hiertools.files.entities import IMPLICIT, Entities, Members
from hiertools.files.inputs import Source
from hiertools.files.items import decode

Texts = tuple[str, str, str, str]


@dataclass(frozen=True)
class Truth:
    """n items at l levels.

    name: of the file; keys: a code for each key of an entity; code: of each item's entity, -1
    without a label (n x l); latitude, longitude: degrees, NaN where one is missing, None without
    coordinates; country: ISO 3166 alpha-2, None where it is missing; texts: what the protocols of
    OpenStreetView-5M compare, None for others; built: columns that these were built for.
    """

    name: str
    id: list[str]
    levels: tuple[str, ...]
    keys: dict[str, int]
    code: Codes
    latitude: Floats | None
    longitude: Floats | None
    country: list[str | None]
    texts: list[Texts] | None
    built: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.id)

    def take(self, rows: Rows) -> "Truth":
        """Return some of the items."""
        place = [None if x is None else x[rows] for x in (self.latitude, self.longitude)]
        chosen = rows.tolist()
        return replace(
            self,
            id=[self.id[i] for i in chosen],
            code=self.code[rows],
            latitude=place[0],
            longitude=place[1],
            country=[self.country[i] for i in chosen],
            texts=None if self.texts is None else [self.texts[i] for i in chosen],
        )


def of_table(source: Source, levels: Sequence[str], *, like: str | None, osv5m: bool) -> Truth:
    """Return the truth that a table of metadata holds, with codes in the order of the keys.

    levels: those of the predictions; like: the id of a prediction, for ids that are spelled in
    several ways; osv5m: whether the labels of OpenStreetView-5M are needed.
    """
    wanted = dict.fromkeys([*levels, "country", *(NAMES + COLUMNS if osv5m else ())])
    there = metadata.has_levels(source, list(wanted))
    lacking = [level for level in levels if level not in there]
    if lacking and len(lacking) < len(levels):
        raise UserError(f"{source.name}: has no column of the level {lacking[0]!r}")
    labelled = () if lacking else tuple(levels)
    batches = list(metadata.read(source, there, like=like))
    keys: dict[str, int] = {}
    code = [_codes(rows, labelled, keys) for rows in batches]
    country = [x for rows in batches for x in _countries(rows)]
    texts, built = None, tuple[str, ...]()
    if osv5m:
        built = tuple(name for name in COLUMNS if name not in there)
        texts = [x for rows in batches for x in _texts(rows, source.name, built)]
    latitude = _joined([rows.latitude for rows in batches])
    longitude = _joined([rows.longitude for rows in batches])
    ids = [key for rows in batches for key in rows.id.to_list()]
    _check_ids(ids, source.name)
    return Truth(
        source.name,
        ids,
        labelled,
        keys,
        np.concatenate(code),
        latitude,
        longitude,
        country,
        texts,
        built,
    )


def _check_ids(ids: list[str], name: str) -> None:
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    first = next(key for key in ids if key in seen or seen.add(key))  # type: ignore[func-returns-value]
    raise UserError(f"{name}: the item {first!r} is there twice")


def _joined(parts: list[Floats | None]) -> Floats | None:
    found = [part for part in parts if part is not None]
    return np.concatenate(found) if found else None


def _codes(rows: metadata.Rows, levels: Sequence[str], keys: dict[str, int]) -> Codes:
    """Return the codes of the entities of some rows, new ones added to `keys`."""
    code = np.full((len(rows), len(levels)), -1, np.int64)
    path = [""] * len(rows)
    for place, level in enumerate(levels):
        tokens: dict[str | None, str] = {}
        for row, raw in enumerate(rows.labels[level].to_list()):
            token = tokens.get(raw)
            if token is None:
                token = tokens[raw] = _token(rows, row, level, raw or "")
            path[row] = f"{path[row]}/{token or IMPLICIT}" if place else token or IMPLICIT
            if token:
                code[row, place] = keys.setdefault(path[row], len(keys))
    return code


def _token(rows: metadata.Rows, row: int, level: str, raw: str) -> str:
    """Return a label's part of a key, as `hiertools build-entities` has it."""
    if level == "country" and raw.strip():
        known = countries.label(raw.strip())
        if known is None:
            raise rows.complaint(row, f"{raw!r} is no country that is known; write its ISO code")
        raw = known
    return escape(sanitize(raw))


def _countries(rows: metadata.Rows) -> list[str | None]:
    """Return the country of each row, None where it is missing or not known."""
    if "country" not in rows.labels:
        return [None] * len(rows)
    texts = rows.labels["country"].to_list()
    known = {text: countries.alpha2(text) if text else None for text in set(texts)}
    return [known[text] for text in texts]


def _texts(rows: metadata.Rows, name: str, built: Sequence[str]) -> list[Texts]:
    """Return the labels of OpenStreetView-5M, those that a table lacks built of its names."""
    columns = [rows.labels[x].to_list() for x in COLUMNS if x not in built]
    if not built:
        return list(zip(*columns, strict=True))
    lacking = [level for level in NAMES if level not in rows.labels]
    if lacking:
        raise UserError(
            f"{name}: has neither a column {built[0]!r} nor one of {lacking[0]!r};"
            " hiertools geocode adds names to coordinates"
        )
    names = zip(*(rows.labels[level].to_list() for level in NAMES), strict=True)
    country = _countries(rows)
    made = [
        truth_of_names(Names(cc or each[0], *each[1:]))
        for cc, each in zip(country, names, strict=True)
    ]
    given = iter(columns)
    chosen = [
        [text[i] for text in made] if column in built else next(given)
        for i, column in enumerate(COLUMNS)
    ]
    return list(zip(*chosen, strict=True))


def of_entities(name: str, entities: Entities, members: Members) -> Truth:
    """Return the truth that a file of entities holds: codes are rows of its nodes."""
    rows = members.entity.astype(np.int64)
    named = np.flatnonzero(~entities.implicit)
    keys = [decode(key) for key in entities.key[named].tolist()]
    country: list[str | None] = [None] * len(members)
    if "country" in entities.levels:
        at = rows[:, entities.levels.index("country")]
        code = [
            None if hidden else countries.alpha2(_last(key)) for key, hidden in _nodes(entities)
        ]
        country = [code[row] for row in at.tolist()]
    return Truth(
        name,
        [decode(key) for key in members.items.id.tolist()],
        tuple(entities.levels),
        dict(zip(keys, named.tolist(), strict=True)),
        np.where(entities.implicit[rows], -1, rows),
        members.items.latitude,
        members.items.longitude,
        country,
        None,
    )


def _nodes(entities: Entities) -> list[tuple[str, bool]]:
    keys = [decode(key) for key in entities.key.tolist()]
    return list(zip(keys, entities.implicit.tolist(), strict=True))


def _last(key: str) -> str:
    """Return the label that ends a key."""
    return key.rpartition("/")[2]
