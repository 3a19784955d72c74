"""entities-part.h5: what one shard of `build-entities` found, as exact sums that can be merged.

Shards of the same metadata, put together, give what one run over all of it gives.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import hdf5, json
from hiertools.files.items import decode, encode
from hiertools.files.json import Document, Fields

KIND = "entity-part"
VERSION = 1
BLOCK_ROWS = 1 << 16
SAME = ("levels", "folds", "centroid", "features", "encoder", "digest", "preprocess", "output")
OF_ITEMS = {"id": "S", "leaf": "i", "fold": "u", "latitude": "f", "longitude": "f"}

Array = NDArray[Any]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class LevelNodes:
    """The nodes of a level: places of the parents in the level above (-1), tokens and names."""

    parent: Rows
    token: list[str]
    name: list[str]


@dataclass(frozen=True)
class Part:
    """Nodes as they were numbered, sums over the items of each leaf, and the items.

    fold_count: folds x leaves; sums: of unit image embeddings in multiples of 2^-40, row fold *
    leaves + leaf (folds * leaves x d), None without embeddings; position: of the coordinates
    (leaves x 3, or x 2 for a centroid of latitude and longitude), None without; column: returns
    blocks of a column of the items (id, leaf, fold, latitude, longitude). `meta` has levels, folds,
    centroid, features, the encoder's keys, rows, id_bytes, left_out, filled, source and shards.
    """

    nodes: list[LevelNodes]
    fold_count: Rows
    sums: Rows | None
    position: Rows | None
    column: Callable[[str], Iterator[Array]]
    meta: Document
    chain: list[Document] = field(default_factory=list)


def is_part(path: Path) -> bool:
    """Return whether a file is one of these."""
    if str(path) == "-" or path.is_dir() or not hdf5.is_hdf5(path):
        return False
    with hdf5.reading(path) as reader:
        return bool(reader.kind == KIND)


def write_part(path: Path, part: Part, *, chain: list[Document], overwrite: bool) -> None:
    """Write a part."""
    with hdf5.create(
        path, KIND, VERSION, meta=part.meta, chain=chain, overwrite=overwrite
    ) as writer:
        sizes = [len(nodes.token) for nodes in part.nodes]
        writer.column("sizes", np.array(sizes, np.int64))
        writer.column("parent", np.concatenate([nodes.parent for nodes in part.nodes]))
        for name in ("token", "name"):
            texts = [text for nodes in part.nodes for text in getattr(nodes, name)]
            writer.column(name, encode(texts))
        for name in ("fold_count", "sums", "position"):
            if getattr(part, name) is not None:
                writer.column(name, getattr(part, name))
        types = {"id": f"S{part.meta['id_bytes']}", "leaf": "i4", "fold": "u1"}
        if part.position is not None:
            types |= {"latitude": "f8", "longitude": "f8"}
        for name, dtype in types.items():
            empty = np.zeros(0, dtype)
            writer.stream(f"items/{name}", empty, part.meta["rows"], part.column(name))


def read_part(path: Path) -> Part:
    """Read a part; its items are read when they are asked for."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        meta = Fields(reader.meta, f"{path}: meta")
        levels, folds = meta.texts("levels"), meta.count("folds")
        sizes = reader.column("sizes", "i", 1)
        ends = np.cumsum(sizes)
        columns = {name: reader.column(name, "S", 1) for name in ("token", "name")}
        parent = reader.column("parent", "i", 1)
        if len(sizes) != len(levels) or not all(
            len(column) == ends[-1] for column in (*columns.values(), parent)
        ):
            raise UserError(f"{path}: the nodes are not those of {len(levels)} levels")
        texts = {name: list(map(decode, column)) for name, column in columns.items()}
        nodes = [
            LevelNodes(parent[rows], texts["token"][rows], texts["name"][rows])
            for rows in (slice(end - size, end) for end, size in zip(ends, sizes, strict=True))
        ]
        sums = reader.column("sums", "i", 2) if reader.has("sums") else None
        position = reader.column("position", "i", 2) if reader.has("position") else None
        counts = reader.column("fold_count", "i", 2)
        leaves = int(sizes[-1])
        shapes = (counts.shape == (folds, leaves), sums is None or len(sums) == folds * leaves,
                  position is None or len(position) == leaves)  # fmt: skip
        if not all(shapes):
            raise UserError(f"{path}: the sums are not those of {leaves} leaves")
        _check_parents(nodes, path)
        return Part(nodes, counts, sums, position, _reading(path), reader.meta, reader.chain)


def _check_parents(nodes: list[LevelNodes], path: Path) -> None:
    size = 0
    for level, own in enumerate(nodes):
        low, high = (-1, -1) if level == 0 else (0, size - 1)
        if ((own.parent < low) | (own.parent > high)).any():
            raise UserError(f"{path}: a node has a parent that is not there")
        size = len(own.token)


def _reading(path: Path) -> Callable[[str], Iterator[Array]]:
    def column(name: str) -> Iterator[Array]:
        with hdf5.reading_kind(path, KIND, VERSION) as reader:
            yield from reader.blocks(f"items/{name}", OF_ITEMS[name], 1, BLOCK_ROWS)

    return column


def check_together(parts: Sequence[tuple[str, Part]]) -> None:
    """Raise `UserError` if named parts are not to be merged, or one of a set is missing."""
    name, first = parts[0]
    sets: dict[str, dict[int, str]] = {}
    totals: dict[str, int] = {}
    for other, part in parts:
        for key in SAME:
            if part.meta.get(key) != first.meta.get(key):
                raise UserError(f"{other}: was built with another '{key}' than {name}")
        if (part.position is None) != (first.position is None):
            raise UserError(f"{other}: only some of the parts have coordinates")
        source = json.line(part.meta["source"])
        place, total = part.meta["shard"]
        if totals.setdefault(source, total) != total:
            raise UserError(f"{other}: shards of different --shard I/N")
        known = sets.setdefault(source, {})
        if place in known:
            raise UserError(f"{other}: is the same shard as {known[place]}; name it once")
        known[place] = other
    for source, known in sets.items():
        missing = [str(i) for i in range(totals[source]) if i not in known]
        if missing:
            some = next(iter(known.values()))
            raise UserError(
                f"{some}: of {totals[source]} shards, {', '.join(missing)} are not here"
            )


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound; `full` reads the items too."""
    part = read_part(path)
    for name in ("id", "leaf", "fold") if full else ():
        rows = sum(len(block) for block in part.column(name))
        if rows != part.meta["rows"]:
            raise UserError(f"{path}: {rows} rows of '{name}', not {part.meta['rows']}")


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    part = read_part(path)
    return {"nodes": [len(nodes.token) for nodes in part.nodes], **part.meta}
