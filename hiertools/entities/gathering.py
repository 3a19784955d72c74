"""Metadata to rows on disk: each item's id, coordinates, fold and lowest node, in one pass."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hiertools import countries, places
from hiertools.entities import joining
from hiertools.entities.labelling import Paths
from hiertools.entities.pictures import Pictures
from hiertools.entities.spooling import Spool, TextSpool
from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.inputs import Source
from hiertools.files.places import Places
from hiertools.metadata import Rows
from hiertools.terminal import Tick

UNLABELLED, NOT_LISTED = -1, -2

Degrees = NDArray[np.float64]
Fill = Callable[[Degrees, Degrees], dict[str, pl.Series]]


@dataclass
class Gathered:
    """Rows `start` to `stop` of all that there are, as spools; `hash` is of all rows.

    leaf: the lowest node, -1 of a row without labels, -2 of one that is not listed; where: the
    first row of each piece of the inputs, and where that piece is; filled: names that were missing
    and come from the gazetteer; abroad: rows whose nearest place there is in another country.
    """

    output: Path
    start: int
    stop: int | None
    hash: Spool
    ids: TextSpool
    leaf: Spool
    fold: Spool
    latitude: Spool | None = None
    longitude: Spool | None = None
    where: list[tuple[int, str, int]] = field(default_factory=list)
    filled: int = 0
    abroad: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def place(self, row: int) -> str:
        """Return the file and the line of a row."""
        first, name, line = max(entry for entry in self.where if entry[0] <= row)
        return f"{name}:{line + row - first}"

    def mine(self, rows: int) -> slice:
        """Return which of the next `rows` rows are from `start` to `stop`."""
        done = len(self.hash)
        stop = done + rows if self.stop is None else self.stop
        return slice(*(min(max(row - done, 0), rows) for row in (self.start, stop)))


def empty(output: Path, bounds: tuple[int, int | None]) -> Gathered:
    """Return no rows yet; `output` says on which disk they wait."""
    return Gathered(
        output,
        *bounds,
        hash=Spool(output, np.uint64),
        ids=TextSpool(output),
        leaf=Spool(output, np.int32),
        fold=Spool(output, np.uint8),
    )


def gather(
    gathered: Gathered,
    batches: Iterator[Rows],
    paths: Paths,
    *,
    folds: int,
    fill: Fill | None,
    listed: joining.Hashes | None,
    tick: Tick,
) -> None:
    """Add the rows of a metadata file. `listed`: hashes of the ids to take, None for all."""
    for rows in batches:
        encoded = items.encode(rows.id.to_list())
        hashes = joining.hashes(encoded)
        mine = gathered.mine(len(rows))
        _keep_coordinates(gathered, rows, mine)
        gathered.where.append((len(gathered.hash), rows.batch.name, rows.batch.first_line))
        gathered.hash.append(hashes)
        tick(len(rows))
        if mine.start == mine.stop:
            continue
        kept = np.full(len(rows), True) if listed is None else np.isin(hashes, listed)
        gathered.ids.append(encoded[mine])
        gathered.fold.append(joining.folds_of(hashes[mine], folds))
        gathered.leaf.append(_leaves(gathered, rows, mine, kept[mine], paths, fill))


def _keep_coordinates(gathered: Gathered, rows: Rows, mine: slice) -> None:
    if not gathered.where and rows.latitude is not None:
        gathered.latitude = Spool(gathered.output, np.float64)
        gathered.longitude = Spool(gathered.output, np.float64)
    if (rows.latitude is None) != (gathered.latitude is None):
        raise UserError(f"{rows.batch.name}: only some of the files have coordinates")
    if gathered.latitude is not None and gathered.longitude is not None:
        assert rows.latitude is not None
        assert rows.longitude is not None
        gathered.latitude.append(rows.latitude[mine])
        gathered.longitude.append(rows.longitude[mine])


def filler(table: Places, *, metric: places.Metric) -> Fill:
    """Return what names coordinates by the nearest place of a table."""
    tree = places.tree(table.latitude, table.longitude, metric=metric)

    def fill(latitude: Degrees, longitude: Degrees) -> dict[str, pl.Series]:
        rows, _ = places.nearest(tree, latitude, longitude)
        return {level: names.gather(rows) for level, names in table.names.items()}

    return fill


def _leaves(
    gathered: Gathered,
    rows: Rows,
    mine: slice,
    kept: NDArray[np.bool_],
    paths: Paths,
    fill: Fill | None,
) -> NDArray[np.int64]:
    """Return the lowest nodes of rows."""
    at = np.flatnonzero(kept) + mine.start
    labels = {
        level.name: (
            rows.labels[level.name].gather(at).fill_null("").str.strip_chars()
            if level.name in rows.labels
            else pl.Series([""], dtype=pl.String).new_from_index(0, len(at))
        )
        for level in paths.levels
    }
    if fill is not None:
        if rows.latitude is None or rows.longitude is None:
            raise UserError(f"{rows.batch.name}:1: --geocode needs latitude and longitude")
        filled, abroad = _fill(labels, fill, rows.latitude[at], rows.longitude[at])
        gathered.filled, gathered.abroad = gathered.filled + filled, gathered.abroad + abroad

    def unknown(row: int, level: str, label: str) -> UserError:
        return rows.complaint(
            int(at[row]), f"{label!r} is no {level} that is known; give ISO 3166 codes"
        )

    found = np.full(len(kept), NOT_LISTED, np.int64)
    found[kept] = paths.add(list(labels.values()), unknown)
    return found


def _fill(
    labels: dict[str, pl.Series], fill: Fill, latitude: Degrees, longitude: Degrees
) -> tuple[int, int]:
    """Fill the names that are missing, in place.

    Returns how many were filled, and how many rows were left as they are because the nearest place
    is in another country than the row says. Other names are spelled in too many ways to compare.
    """
    missing = np.any([labels[level] == "" for level in labels], axis=0)
    rows = np.flatnonzero(missing)
    if not len(rows):
        return 0, 0
    found = fill(latitude[rows], longitude[rows])
    abroad = _abroad(labels, found, rows)
    missing[rows[abroad]] = False
    place = np.zeros(len(missing), np.int64)
    place[rows] = np.arange(len(rows))
    filled = 0
    for level, names in found.items():
        if level in labels:
            gaps = pl.Series(missing) & (labels[level] == "")
            labels[level] = names.gather(place).zip_with(gaps, labels[level])
            filled += int((gaps & (labels[level] != "")).sum())
    return filled, int(abroad.sum())


def _abroad(
    labels: dict[str, pl.Series], found: dict[str, pl.Series], rows: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which rows name another country than the place that was found for them."""
    if "country" not in labels:
        return np.zeros(len(rows), np.bool_)
    given, there = labels["country"].gather(rows), found["country"]
    code = {text: countries.label(text) for text in {*given.unique(), *there.unique()}}
    pairs = zip(given.to_list(), there.to_list(), strict=True)
    return np.array([bool(one) and code[one] != code[other] for one, other in pairs], np.bool_)


def gather_labelled(
    gathered: Gathered,
    pictures: Pictures,
    leaf_of: dict[bytes, int],
    *,
    folds: int,
    listed: joining.Hashes | None,
) -> str | None:
    """Add the items of embeddings by their labels; return a label that has no node, if any.

    listed: as in `gather`.
    """
    unknown: str | None = None
    for ids, (names, codes) in zip(pictures.ids(), pictures.labels(), strict=True):
        hashes = joining.hashes(ids)
        mine = gathered.mine(len(ids))
        gathered.hash.append(hashes)
        if mine.start == mine.stop:
            continue
        leaves = np.array([leaf_of.get(name, UNLABELLED) for name in names.tolist()], np.int64)
        found = leaves[codes[mine]]
        if listed is not None:
            found[~np.isin(hashes[mine], listed)] = NOT_LISTED
        if unknown is None and (found == UNLABELLED).any():
            unknown = items.decode(names[codes[mine][np.argmax(found == UNLABELLED)]])
        gathered.ids.append(ids[mine])
        gathered.fold.append(joining.folds_of(hashes[mine], folds))
        gathered.leaf.append(found)
    return unknown


def not_there(gathered: Gathered, listed: joining.Hashes | None) -> int:
    """Return how many of the listed items are not among the rows."""
    if listed is None:
        return 0
    wanted = np.unique(listed)
    seen = np.zeros(len(wanted), bool)
    for block in gathered.hash.blocks(joining.ROWS):
        place = np.minimum(np.searchsorted(wanted, block), len(wanted) - 1)
        seen[place[wanted[place] == block]] = True
    return int((~seen).sum())


def count_rows(sources: Sequence[Path]) -> int:
    """Return how many rows metadata files have, or a few more: lines, without parsing them."""
    lines = 0
    for path in sources:
        source = Source(path)
        while block := source.read(1 << 22):
            lines += block.count(b"\n")
    return lines
