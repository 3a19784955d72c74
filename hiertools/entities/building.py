"""Metadata and image embeddings to the sums of entities, after Algorithm 1 of HierLoc.

One pass over the metadata gives each row its node, one over the embeddings adds each to its node;
rows wait on disk, so that memory grows with the nodes only. All sums are exact.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.entities import joining, summing
from hiertools.entities.gathering import NOT_LISTED, UNLABELLED, Gathered
from hiertools.entities.pictures import Pictures
from hiertools.entities.spooling import Spool
from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.entity_part import LevelNodes, Part
from hiertools.files.json import Document
from hiertools.places import unit_vectors
from hiertools.terminal import Tick, warn

ROWS = 1 << 16

Array = NDArray[Any]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Rules:
    """How entities are built: `centroid` is sphere or latlon."""

    levels: list[str]
    folds: int
    centroid: str
    batch_size: int
    sort: bool


def check_ids(gathered: Gathered) -> None:
    """Raise `UserError` where two rows have one id: their labels could contradict each other."""
    pair = joining.repeated(gathered.hash)
    if pair is not None:
        first, second = map(gathered.place, pair)
        raise UserError(f"{second}: has the same id as {first}; an item has one row")


def part_of(
    gathered: Gathered,
    nodes: list[LevelNodes],
    pictures: Pictures | None,
    rules: Rules,
    *,
    about: Document,
    joined: bool,
    tick: Tick,
) -> Part:
    """Add up the gathered rows.

    joined: the rows are those of the embeddings, and need no join. about: more keys of `meta`.
    """
    leaves = len(nodes[-1].token)
    kept = Spool(gathered.output, np.bool_)
    sums = None
    if pictures is None:
        for block in gathered.leaf.blocks(ROWS):
            kept.append(block >= 0)
    else:
        sums = np.zeros((rules.folds * leaves, pictures.features), np.int64)
        place = None if joined else _places(gathered, pictures, rules)
        _add_pictures(gathered, pictures, place, sums, rules, tick)
        _match(gathered, pictures, place, kept)
    counts, position = _add_rows(gathered, kept, leaves, rules)
    unlabelled = sum(int((block == UNLABELLED).sum()) for block in gathered.leaf.blocks(ROWS))
    if unlabelled:
        gathered.left_out["without_labels"] = unlabelled
    rows = sum(int(block.sum()) for block in kept.blocks(ROWS))
    meta = {
        "levels": rules.levels,
        "folds": rules.folds,
        "centroid": None if position is None else rules.centroid,
        "features": pictures.features if pictures else 0,
        **(pictures.meta if pictures else {}),
        "rows": rows,
        "id_bytes": gathered.ids.width,
        "left_out": dict(sorted(gathered.left_out.items())),
        "filled": gathered.filled,
        **about,
    }
    return Part(nodes, counts, sums, position, _columns(gathered, kept), meta)


def _places(gathered: Gathered, pictures: Pictures, rules: Rules) -> Spool:
    """Return the row of the metadata of each embedding, -1 if it has none.

    Raises `UserError` where the rows are in another order and `rules.sort` is not set.
    """
    wanted = Spool(gathered.output, np.uint64)
    for ids in pictures.ids():
        wanted.append(joining.hashes(ids))
    pair = joining.repeated(wanted)
    if pair is not None:
        raise UserError(f"the embeddings have {pictures.id_at(pair[0])!r} twice")
    found = joining.places(wanted, gathered.hash, gathered.output)
    last, row = -1, 0
    for block in found.blocks(ROWS):
        there = np.flatnonzero(block >= 0)
        steps = np.diff(block[there], prepend=last)
        if (steps <= 0).any() and not rules.sort:
            at = int(there[np.argmax(steps <= 0)])
            raise UserError(
                f"{gathered.place(int(block[at]))}: {pictures.id_at(row + at)!r} is in another"
                " place among the embeddings; give --sort to join them by id"
            )
        last = int(block[there[-1]]) if len(there) else last
        row += len(block)
    if last < 0:
        raise UserError(
            f"no id of the metadata has an embedding; the first embedding is that of"
            f" {pictures.id_at(0)!r}"
        )
    return found


def _add_pictures(
    gathered: Gathered,
    pictures: Pictures,
    place: Spool | None,
    sums: Rows,
    rules: Rules,
    tick: Tick,
) -> None:
    """Add each embedding to its leaf and fold."""
    leaves = len(sums) // rules.folds
    stop = gathered.start + len(gathered.leaf)
    for start, vectors in pictures.vectors(rules.batch_size):
        end = start + len(vectors)
        row = np.arange(start, end) if place is None else place.read(start, end)
        mine = np.flatnonzero((row >= gathered.start) & (row < stop))
        at = row[mine] - gathered.start
        leaf, fold = gathered.leaf.at(at).astype(np.int64), gathered.fold.at(at).astype(np.int64)
        rows = np.where(leaf < 0, -1, fold * leaves + leaf)
        bad = summing.add_units(vectors[mine], rows, sums)
        if bad >= 0:
            name = pictures.id_at(start + int(mine[bad]))
            raise UserError(f"the embedding of {name!r} is 0 or not finite; it has no direction")
        tick(len(vectors))


def _match(gathered: Gathered, pictures: Pictures, place: Spool | None, kept: Spool) -> None:
    """Say which rows have an embedding and which embeddings a row; keep the rows that have one."""
    size = len(gathered.leaf)
    if place is None:
        for block in gathered.leaf.blocks(ROWS):
            kept.append(block >= 0)
        return
    matched = np.zeros(size, bool)  # a byte a row
    unused, first_unused = 0, ""
    row = 0
    for block in place.blocks(ROWS):
        mine = (block >= gathered.start) & (block < gathered.start + size)
        matched[block[mine] - gathered.start] = True
        lost = np.flatnonzero(block < 0)
        if len(lost) and not unused:
            first_unused = pictures.id_at(row + int(lost[0]))
        unused += len(lost)
        row += len(block)
    missing, first_missing = 0, ""
    for start in range(0, size, ROWS):
        leaf, known = gathered.leaf.read(start, start + ROWS), matched[start : start + ROWS]
        lost = np.flatnonzero(~known & (leaf != NOT_LISTED))
        if len(lost) and not missing:
            first_missing = items.decode(gathered.ids.at(start + int(lost[0])))
        missing += len(lost)
        kept.append(known & (leaf >= 0))
    if missing:
        gathered.left_out["without_embedding"] = missing
        warn(f"{missing:,} items of the metadata have no embedding, such as {first_missing!r}")
    if unused:
        warn(f"{unused:,} embeddings are of no item of the metadata, such as {first_unused!r}")


def _add_rows(
    gathered: Gathered, kept: Spool, leaves: int, rules: Rules
) -> tuple[Rows, Rows | None]:
    """Return how many rows each leaf has by fold, and the sums of their coordinates."""
    counts = np.zeros(rules.folds * leaves, np.int64)
    width = 3 if rules.centroid == "sphere" else 2
    position = None if gathered.latitude is None else np.zeros((leaves, width), np.int64)
    for start in range(0, len(kept), ROWS):
        span = (start, min(start + ROWS, len(kept)))
        mask = kept.read(*span)
        leaf = gathered.leaf.read(*span)[mask].astype(np.int64)
        fold = gathered.fold.read(*span)[mask].astype(np.int64)
        counts += np.bincount(fold * leaves + leaf, minlength=len(counts))
        if position is not None and gathered.latitude and gathered.longitude:
            at = [spool.read(*span)[mask] for spool in (gathered.latitude, gathered.longitude)]
            on_sphere = rules.centroid == "sphere"
            numbers = unit_vectors(*at) if on_sphere else np.stack(at, axis=1) / [90, 180]
            summing.add_numbers(numbers, leaf, position)
    return counts.reshape(rules.folds, leaves), position


def _columns(gathered: Gathered, kept: Spool) -> Callable[[str], Iterator[Array]]:
    """Return a function that yields a column of the rows that are kept."""

    def column(name: str) -> Iterator[Array]:
        if name == "id":
            row = 0
            for block in gathered.ids.blocks():
                yield block[kept.read(row, row + len(block))]
                row += len(block)
            return
        spool: Spool = getattr(gathered, name)
        for start in range(0, len(kept), ROWS):
            end = min(start + ROWS, len(kept))
            yield spool.read(start, end)[kept.read(start, end)]

    return column
