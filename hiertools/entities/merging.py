"""Parts to entities: nodes put together, sums added up, members one after another."""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.entities import joining, summing
from hiertools.entities.assembling import Table, assemble, global_rows
from hiertools.entities.spooling import Spool
from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.entities import Columns, Entities
from hiertools.files.entity_part import SAME, Part
from hiertools.files.json import Document
from hiertools.places import coordinates

Array = NDArray[Any]
Rows = NDArray[np.int64]


def check_merged(parts: Sequence[tuple[str, Part]], output: Path) -> None:
    """Raise `UserError` where two parts have the same item, or counts are not those of items."""
    hashes = Spool(output, np.uint64)
    for name, part in parts:
        _check_counts(name, part)
        for ids in part.column("id"):
            hashes.append(joining.hashes(ids))
    pair = joining.repeated(hashes)
    if pair is not None:
        row = pair[1]
        for name, part in parts:
            for ids in part.column("id"):
                if 0 <= row < len(ids):
                    raise UserError(f"{name}: {items.decode(ids[row])!r} is in an earlier part too")
                row -= len(ids)


def _check_counts(name: str, part: Part) -> None:
    folds, leaves = part.fold_count.shape
    found = np.zeros(folds * leaves, np.int64)
    for leaf, fold in zip(part.column("leaf"), part.column("fold"), strict=True):
        if len(leaf) and not (leaf.min() >= 0 and leaf.max() < leaves and fold.max() < folds):
            raise UserError(f"{name}: an item is in a node or a fold that is not there")
        found += np.bincount(fold.astype(np.int64) * leaves + leaf, minlength=len(found))
    if (found != part.fold_count.ravel()).any():
        raise UserError(f"{name}: the counts are not those of the items")


def finish(parts: Sequence[Part]) -> tuple[Entities, "Merged", Columns]:
    """Return the entities of parts, their image sums and their members as they are written.

    Raises `UserError` for a level without entities.
    """
    table = assemble(
        [part.nodes for part in parts], [part.fold_count.sum(axis=0) > 0 for part in parts]
    )
    levels, folds = parts[0].meta["levels"], parts[0].meta["folds"]
    leaves = table.sizes[-1]
    if not leaves:
        raise UserError("the metadata have no rows to build entities from")
    counts = np.zeros((folds, leaves), np.int64)
    for part, rows in zip(parts, table.leaf_rows, strict=True):
        used = rows >= 0
        np.add.at(counts.T, rows[used], part.fold_count[:, used].T)
    offsets, parent, children = global_rows(table)
    _check_levels(table, offsets, levels)
    above = summing.upward(counts.T, table.parents[1:], table.sizes)
    fold_count = np.concatenate(above).T.copy()
    summing.check_most(fold_count.sum(axis=0))
    latitude, longitude = _centroids(parts, table, np.concatenate(above).sum(axis=1))
    features = parts[0].meta["features"]
    merged = Merged(parts, table, (folds * len(parent), features))
    entities = Entities(
        levels, offsets, table.key, table.name, parent, children, table.implicit,
        fold_count.sum(axis=0), fold_count, latitude, longitude,
        np.broadcast_to(np.float32(0), merged.shape) if features else None, None, _meta(parts),
    )  # fmt: skip
    return entities, merged, _members(parts, table, offsets)


def _check_levels(table: Table, offsets: Rows, levels: list[str]) -> None:
    for level, name in enumerate(levels):
        if table.implicit[offsets[level] : offsets[level + 1]].all():
            raise UserError(f"no item has a label of the level '{name}'; leave it out of --levels")


def _meta(parts: Sequence[Part]) -> Document:
    """Return the meta of the whole: counts added up, files one after another."""
    first = parts[0].meta
    meta: Document = {key: first[key] for key in SAME if key in first}
    meta["text"] = None
    meta["rows"] = sum(part.meta["rows"] for part in parts)
    meta["filled"] = sum(part.meta["filled"] for part in parts)
    left_out: dict[str, int] = {}
    for part in parts:
        for key, number in part.meta["left_out"].items():
            left_out[key] = left_out.get(key, 0) + number
    meta["left_out"] = dict(sorted(left_out.items()))
    sources = [part.meta["source"] for part in parts]
    files = list(dict.fromkeys(file for source in sources for file in source["files"]))
    meta["source"] = {**sources[0], "files": files}
    return meta


def _centroids(parts: Sequence[Part], table: Table, count: Rows) -> tuple[Any, Any]:
    """Return latitude and longitude of every node in degrees; None without coordinates."""
    if parts[0].position is None:
        return None, None
    width = parts[0].position.shape[1]
    leaf = np.zeros((table.sizes[-1], width), np.int64)
    for part, rows in zip(parts, table.leaf_rows, strict=True):
        used = rows >= 0
        assert part.position is not None
        np.add.at(leaf, rows[used], part.position[used])
    sums = np.concatenate(summing.upward(leaf, table.parents[1:], table.sizes))
    if parts[0].meta["centroid"] == "latlon":
        mean = sums / summing.UNIT / count[:, None] * [90, 180]
        return mean[:, 0].clip(-90, 90), mean[:, 1].clip(-180, 180)
    sums[~sums.any(axis=1), 0] = 1  # opposite places: any will do
    return coordinates(sums / summing.UNIT)


class Merged:
    """The image sums of all parts, made block by block: row fold * n + node."""

    def __init__(self, parts: Sequence[Part], table: Table, shape: tuple[int, int]) -> None:
        self.parts, self.table, self.shape = parts, table, shape

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the sums as float32, a fold after the other."""
        for fold in range(self.parts[0].meta["folds"]):
            leaf = np.zeros((self.table.sizes[-1], self.shape[1]), np.int64)
            for part, rows in zip(self.parts, self.table.leaf_rows, strict=True):
                assert part.sums is not None
                used = np.flatnonzero(rows >= 0)
                np.add.at(leaf, rows[used], part.sums[fold * len(rows) + used])
            levels = summing.upward(leaf, self.table.parents[1:], self.table.sizes)
            yield from summing.as_floats(levels)


def _members(parts: Sequence[Part], table: Table, offsets: Rows) -> Columns:
    paths = _paths(table, offsets)

    def column(name: str) -> Iterator[Array]:
        return chain.from_iterable(part.column(name) for part in parts)

    def entity() -> Iterator[NDArray[np.int32]]:
        for part, rows in zip(parts, table.leaf_rows, strict=True):
            for leaf in part.column("leaf"):
                yield paths[rows[leaf]]

    on_map = parts[0].position is not None
    at = [column(name) if on_map else None for name in ("latitude", "longitude")]
    rows = sum(part.meta["rows"] for part in parts)
    id_bytes = max(part.meta["id_bytes"] for part in parts)
    return Columns(rows, id_bytes, column("id"), entity(), column("fold"), *at)


def _paths(table: Table, offsets: Rows) -> NDArray[np.int32]:
    """Return the rows of the nodes above each leaf and of itself, leaves x levels."""
    paths = np.zeros((table.sizes[-1], len(table.sizes)), np.int32)
    place = np.arange(table.sizes[-1])
    for level in range(len(table.sizes) - 1, -1, -1):
        paths[:, level] = place + offsets[level]
        place = table.parents[level][place]
    return paths
