"""Which embedding is which row's: a join of ids by their hashes, in memory that does not grow.

Hashes are of 64 bits: two of 5 million ids are the same by chance in 1 of 1.5 million cases.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiertools.entities.spooling import Spool

ROWS = 1 << 20  # that are sorted at once

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]


def hashes(ids: NDArray[np.bytes_]) -> Hashes:
    """Return a hash of each id, the same whatever the length of the column's bytes.

    FNV-1a (Fowler, Noll, Vo) of the bytes, mixed by the finalizer of splitmix64 (Vigna).
    """
    found = np.full(len(ids), 0xCBF29CE484222325, np.uint64)
    width = ids.dtype.itemsize
    if len(ids) and width:
        for column in np.ascontiguousarray(ids.view(np.uint8).reshape(len(ids), width).T):
            there = column != 0
            found[there] = (found[there] ^ column[there]) * np.uint64(0x100000001B3)
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return found ^ (found >> np.uint64(31))


def folds_of(found: Hashes, folds: int) -> NDArray[np.uint8]:
    """Return the fold of each id, from the high half of its hash."""
    return ((found >> np.uint64(32)) * np.uint64(folds) >> np.uint64(32)).astype(np.uint8)


def repeated(spool: Spool) -> tuple[int, int] | None:
    """Return two rows of the same id, the second of them the first in order that is repeated."""
    parts = max(1, -(-len(spool) // ROWS))
    worst: tuple[int, int] | None = None
    for part in range(parts):
        rows, found = [], []
        for start, block in _numbered(spool):
            mine = np.flatnonzero(block % np.uint64(parts) == part) if parts > 1 else slice(None)
            found.append(block[mine])
            rows.append(np.arange(start, start + len(block))[mine])
        if not rows:
            continue
        row, value = np.concatenate(rows), np.concatenate(found)
        order = np.argsort(value, kind="stable")
        again = np.flatnonzero(value[order][1:] == value[order][:-1])
        if len(again):
            second = row[order][again + 1]
            place = int(np.argmin(second))
            pair = int(row[order][again[place]]), int(second[place])
            worst = pair if worst is None or pair[1] < worst[1] else worst
    return worst


def places(wanted: Spool, table: Spool, output: Path) -> Spool:
    """Return the row of `table` that has the id of each row of `wanted`, -1 where none has."""
    found, ahead = Spool(output, np.int64), 0
    for block in wanted.blocks(ROWS):
        same = table.read(ahead, min(ahead + len(block), len(table)))
        if len(same) == len(block) and (same == block).all():
            rows = np.arange(ahead, ahead + len(block))
        else:
            rows = _looked_up(block, table)
        ahead = max(ahead, int(rows.max(initial=-1)) + 1)
        found.append(rows)
    return found


def _looked_up(block: Hashes, table: Spool) -> Rows:
    """Return the row of the table for each hash of a block, -1 where there is none."""
    order = np.argsort(block)
    ordered = block[order]
    rows = np.full(len(block), -1, np.int64)
    for start, known in _numbered(table):
        place = np.minimum(np.searchsorted(ordered, known), len(ordered) - 1)
        hit = np.flatnonzero(ordered[place] == known)
        rows[order[place[hit]]] = start + hit
    return rows


def _numbered(spool: Spool) -> Iterator[tuple[int, Hashes]]:
    for number, block in enumerate(spool.blocks(ROWS)):
        yield number * ROWS, block
