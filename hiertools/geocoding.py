"""Names for coordinates: those of the nearest place, appended to the rows of a CSV as they come."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hiertools import metadata
from hiertools.errors import UserError
from hiertools.files import csv
from hiertools.files.inputs import Source, decode
from hiertools.files.places import LEVELS, Places
from hiertools.places import Metric, Tree, nearest, tree
from hiertools.terminal import Tick

DISTANCE = "distance_km"
KM_DECIMALS = 3  # a metre
MOST = (90, 180)


@dataclass
class Tally:
    """How many rows there were, how many of them without coordinates, and the first of these."""

    rows: int = 0
    bad: int = 0
    first: str = ""


def append(
    source: Source,
    places: Places,
    *,
    metric: Metric,
    prefix: str,
    skip_bad: bool,
    tally: Tally,
    tick: Tick,
) -> Iterator[str]:
    """Yield a CSV as it is, with columns for the names by level and the distance at the end.

    prefix: of the names of the new columns; skip_bad: leave the new columns of rows without good
    coordinates empty; tally: is told of the rows. Raises `UserError` with file and line for such
    a row, for no columns of coordinates, and for columns that are called like the new ones.
    """
    header = metadata.header_of(source)
    at = _coordinates(source, header)
    new = [prefix + column for column in (*LEVELS, DISTANCE)]
    for column in new:
        if column in header:
            raise UserError(
                f"{source.name}:1: has a column {column!r} already; take it out, or name the new"
                " ones otherwise with --prefix"
            )
    index = tree(places.latitude, places.longitude, metric=metric)
    endings = _endings(places)
    yield from _header(source, new)
    for batch in csv.read(source, dict.fromkeys(at, pl.Float64), {}):
        good = _good(batch, at, tally)
        if tally.bad and not skip_bad:
            raise UserError(tally.first)
        yield _named(batch, at, index, endings, good)
        tick(len(batch.frame))


def _header(source: Source, new: list[str]) -> Iterator[str]:
    line = decode(source.head.partition(b"\n")[0], source.name).rstrip("\r")
    yield ",".join([line, *(_field(column) for column in new)]) + "\n"


def _endings(places: Places) -> pl.Series:
    """Return what comes behind a row of the CSV for each place, but for the distance."""
    columns = [[_field(name) for name in places.names[level].to_list()] for level in LEVELS]
    return pl.Series([f",{','.join(names)}," for names in zip(*columns, strict=True)])


def _field(text: str) -> str:
    """Return text as a field of a CSV."""
    if not any(c in text for c in ',"\r\n'):
        return text
    return '"' + text.replace('"', '""') + '"'


def _named(
    batch: csv.Batch,
    at: tuple[str, str],
    index: Tree,
    endings: pl.Series,
    good: NDArray[np.bool_],
) -> str:
    """Return the rows of a batch as text, each with the names of the nearest place."""
    latitude, longitude = (batch.frame[column].to_numpy()[good] for column in at)
    rows, km = nearest(index, latitude, longitude)
    found = pl.Series(np.round(km, KM_DECIMALS)).cast(pl.String)
    new = pl.Series(["," * (len(LEVELS) + 1)]).new_from_index(0, len(good))
    new = new.scatter(np.flatnonzero(good), endings.gather(rows) + found)
    lines = decode(batch.text, batch.name, batch.first_line).removesuffix("\n").split("\n")
    old = pl.Series(lines, dtype=pl.String).str.strip_suffix("\r")
    return "\n".join((old + new).to_list()) + "\n"


def _coordinates(source: Source, header: list[str]) -> tuple[str, str]:
    """Return the columns of latitude and longitude."""
    found = []
    aliases_of = (metadata.LATITUDE, metadata.LONGITUDE)
    for column, aliases in zip(metadata.coordinate_columns(header), aliases_of, strict=True):
        if column is None:
            raise UserError(
                f"{source.name}:1: no column of {aliases[0]}s ({', '.join(aliases)}); there are"
                f" {', '.join(header)}"
            )
        found.append(column)
    return found[0], found[1]


def _good(batch: csv.Batch, at: tuple[str, str], tally: Tally) -> NDArray[np.bool_]:
    """Return which rows have coordinates, and count them."""
    values = [batch.frame[column].to_numpy() for column in at]
    good = (np.abs(values[0]) <= MOST[0]) & (np.abs(values[1]) <= MOST[1])  # NaN is not
    if not good.all():
        first = int(np.argmin(good))
        latitude, longitude = (float(each[first]) for each in values)
        what = _fault(batch, first, at, latitude, longitude)
        tally.first = tally.first or str(batch.complaint(first, what))
    tally.rows += len(good)
    tally.bad += int((~good).sum())
    return np.asarray(good)


def _fault(
    batch: csv.Batch, row: int, at: tuple[str, str], latitude: float, longitude: float
) -> str:
    """Return what is wrong with the coordinates of a row."""
    values = (latitude, longitude)
    place = 0 if not abs(latitude) <= MOST[0] else 1
    column, value, most = at[place], values[place], MOST[place]
    text = batch.field(row, column)
    if not np.isfinite(value):
        return f"{column} is {text}, not a number"
    swapped = 90 < abs(latitude) <= 180 and abs(longitude) <= 90
    hint = "; are latitude and longitude swapped?" if swapped else ""
    return f"{column} is {text}, not in [-{most}, {most}]{hint}"
