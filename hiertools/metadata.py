"""Metadata of photographs as it is published: ids, coordinates, names of places or classes.

Columns are found by name: those of OSV5M, MP16 and MP16-Pro, IM2GPS, IM2GPS3K and YFCC25600
(MediaEval's spelling), GeoCLIP, PIGEON, or of any CSV with the levels that are asked for. A file
without a header and with tabs is read as YFCC100M's (YFCC4K's info.txt): id, longitude and
latitude are its columns 1, 12 and 13, counted from 0. Text stays text: `NA` is Namibia.
"""

import csv as stdlib_csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import csv
from hiertools.files.inputs import Source, decode
from hiertools.images import SUFFIXES

ID = ("id", "image_id", "img_id", "img_file", "image")
LATITUDE = ("latitude", "lat")
LONGITUDE = ("longitude", "lon", "lng", "long")
ALIASES = {
    "country": ("country", "cc"),
    "region": ("state", "region", "admin1"),  # MP16-Pro's `region` is a part of the world
    "sub-region": ("sub-region", "subregion", "area", "county", "admin2"),
    "city": ("city",),
}
YFCC_ID, YFCC_LONGITUDE, YFCC_LATITUDE, YFCC_LEAST = 1, 12, 13, 14
MP16 = re.compile(r"^([0-9a-f]{1,3})_([0-9a-f]{1,3})_(\d+)(\.\w+)?$")
IMAGE_SUFFIX = rf"(?i)({'|'.join(re.escape(suffix) for suffix in sorted(SUFFIXES))})$"

Degrees = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """A batch of n rows of one file: `frame` has `id`, the levels that are there, and numbers.

    latitude, longitude: degrees, n; None without coordinates.
    """

    batch: csv.Batch
    id: pl.Series
    labels: dict[str, pl.Series]
    latitude: Degrees | None
    longitude: Degrees | None

    def __len__(self) -> int:
        return len(self.id)

    def complaint(self, row: int, what: str) -> UserError:
        """Return an error that names the file and the line of a row."""
        return self.batch.complaint(row, what)


@dataclass(frozen=True)
class Columns:
    """What a file's columns are called: of the id, of both coordinates, of each level."""

    id: str
    at: tuple[str, str] | None
    levels: dict[str, str]
    header: list[str]


def read(source: Source, levels: Sequence[str], *, like: str | None) -> Iterator[Rows]:
    """Yield the rows of a metadata file in batches.

    like: an id as the items to join are called: MP16's `e1/55/1.jpg` may be `e1_55_1` there. Raises
    `UserError` with file and line for a coordinate that is none.
    """
    if _is_yfcc(source):
        yield from _checked(_yfcc(source), Columns("id", ("latitude", "longitude"), {}, []), like)
        return
    columns = columns_of(source, levels)
    types: dict[str, type[pl.DataType]] = dict.fromkeys(columns.levels.values(), pl.String)
    types |= {columns.id: pl.String, **dict.fromkeys(columns.at or (), pl.Float64)}
    yield from _checked(csv.read(source, types, {}), columns, like)


def columns_of(source: Source, levels: Sequence[str]) -> Columns:
    """Find the columns of a CSV. Raises `UserError` without an id or with one coordinate only."""
    header = header_of(source)
    key = _first(header, ID)
    if key is None:
        raise UserError(
            f"{source.name}:1: no column of ids ({', '.join(ID)}); there are {', '.join(header)}"
        )
    latitude, longitude = coordinate_columns(header)
    if (latitude is None) != (longitude is None):
        raise UserError(f"{source.name}:1: has only one of latitude and longitude")
    found = {level: _first(header, ALIASES.get(level, (level.casefold(),))) for level in levels}
    at = (latitude, longitude) if latitude and longitude else None
    return Columns(key, at, {level: name for level, name in found.items() if name}, header)


def coordinate_columns(header: Sequence[str]) -> tuple[str | None, str | None]:
    """Return the columns of latitude and longitude, None for one that is not there."""
    return _first(header, LATITUDE), _first(header, LONGITUDE)


def _first(header: Sequence[str], aliases: Sequence[str]) -> str | None:
    """Return the column that has the first of some names, whatever its case."""
    names = {name.casefold(): name for name in reversed(header)}
    return next((names[name] for name in aliases if name in names), None)


def header_of(source: Source) -> list[str]:
    """Return the names of the columns of a CSV, without reading on."""
    csv.refuse_others(source)
    line = decode(source.head.partition(b"\n")[0], source.name).rstrip("\r")
    return [name.strip() for name in next(stdlib_csv.reader([line]), [])]


def has_levels(source: Source, levels: Sequence[str]) -> list[str]:
    """Return those of the levels that a file has a column of."""
    return [] if _is_yfcc(source) else list(columns_of(source, levels).levels)


def _is_yfcc(source: Source) -> bool:
    if source.is_folder:
        return False
    fields = source.head.partition(b"\n")[0].split(b"\t")
    return len(fields) >= YFCC_LEAST and _is_number(fields[YFCC_LATITUDE])


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _yfcc(source: Source) -> Iterator[csv.Batch]:
    places = {YFCC_ID: "id", YFCC_LONGITUDE: "longitude", YFCC_LATITUDE: "latitude"}
    line = 1
    for text in csv._chunks(source):
        decode(text, source.name, line)
        rows = text.rstrip(b"\r\n").split(b"\n")
        cells = [row.split(b"\t") for row in rows]
        for number, row in enumerate(cells, line):
            if len(row) < YFCC_LEAST:
                raise UserError(f"{source.name}:{number}: has {len(row)} fields, not {YFCC_LEAST}")
        frame = pl.DataFrame(
            {name: [row[i].decode() for row in cells] for i, name in places.items()}
        )
        degrees = [
            pl.col(name).cast(pl.Float64, strict=False) for name in ("latitude", "longitude")
        ]
        yield csv.Batch(frame.with_columns(degrees), source.name, line, [], text)
        line += len(rows)


def _checked(batches: Iterator[csv.Batch], columns: Columns, like: str | None) -> Iterator[Rows]:
    for batch in batches:
        frame = batch.frame
        at = [frame[name].to_numpy() for name in columns.at] if columns.at else [None, None]
        labels = {level: frame[name] for level, name in columns.levels.items()}
        rows = Rows(batch, _spelled(frame[columns.id], like), labels, *at)
        _check_ids(rows)
        if columns.at:
            _check_coordinates(rows, columns.at)
        yield rows


def _spelled(ids: pl.Series, like: str | None) -> pl.Series:
    """Return ids spelled as the items are: without suffix, and MP16's with `/`, unless they are."""
    if like is None or PurePosixPath(like).suffix.lower() not in SUFFIXES:
        ids = ids.str.replace(IMAGE_SUFFIX, "")
    if like is None or not MP16.match(like):
        ids = ids.str.replace(MP16.pattern.replace(r"\d", "[0-9]"), "$1/$2/$3$4")
    else:
        ids = ids.str.replace(
            r"^([0-9a-f]{1,3})/([0-9a-f]{1,3})/([0-9]+)(\.\w+)?$", "${1}_${2}_$3$4"
        )
    return ids


def _check_ids(rows: Rows) -> None:
    empty = (rows.id == "") | rows.id.is_null()
    if empty.any():
        raise rows.complaint(int(empty.arg_max() or 0), "the id is empty")


def _check_coordinates(rows: Rows, names: tuple[str, str]) -> None:
    """Raise `UserError` naming the first row whose coordinates are none, or swapped."""
    latitude, longitude = rows.latitude, rows.longitude
    assert latitude is not None
    assert longitude is not None
    good = (np.abs(latitude) <= 90) & (np.abs(longitude) <= 180)  # NaN is not
    if good.all():
        return
    row = int(np.argmin(good))
    for name, values, most in zip(names, (latitude, longitude), (90, 180), strict=True):
        if not np.isfinite(values[row]):
            raise rows.complaint(row, f"{name} of {rows.id[row]!r} is not a number")
        if abs(values[row]) > most:
            swapped = abs(latitude[row]) <= 180 and abs(longitude[row]) <= 90
            hint = "; are latitude and longitude swapped?" if swapped else ""
            value = f"{values[row]:.10g}"
            raise rows.complaint(row, f"{name} is {value}, not in [-{most}, {most}]{hint}")
