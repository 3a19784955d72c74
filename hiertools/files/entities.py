"""entities.h5: the nodes of a hierarchy of places or classes, and the members of each.

A node's key is its path from the top: sanitized labels, joined by `/`. Where an item has no label
at a level its path goes through an implicit node, whose part of the key is `%`; in a label, `%`
and `/` are escaped (`%25`, `%2F`). Implicit nodes only carry paths: they are no entities.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import hdf5, items, json
from hiertools.files.entity_nodes import check_nodes, hierarchy_of
from hiertools.files.items import Items
from hiertools.files.json import Document, Fields

__all__ = ["Entities", "Members", "digest_of", "hierarchy_of", "read_entities", "read_members"]

KIND = "entities"
VERSION = 1
IMPLICIT = "%"
BLOCK_ROWS = 1 << 16
CENTROIDS = ("sphere", "latlon")
COLUMNS = {
    "offsets": "i", "key": "S", "name": "S", "parent": "i", "children": "i", "implicit": "b",
    "count": "i", "fold_count": "i",
}  # fmt: skip

Rows = NDArray[np.int64]
Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Entities:
    """n nodes, level after level from the top; of level l the rows offsets[l] : offsets[l + 1].

    key: unique paths; name: what people read; parent: rows, -1 at the top; children: the first
    row and the end of each node's children in the level below (n x 2); implicit: nodes of a
    missing label; count: items; fold_count: items of each fold (folds x n); latitude, longitude:
    centroids in degrees, None without coordinates; image_sums: sums of unit image embeddings, row
    fold * n + node (folds * n x d, often a memory map); text: embeddings of the names (n x t, 0
    for implicit nodes).

    `meta` has `levels`, `folds`, `rows`, `centroid`, `features` (d, 0 without embeddings), with
    embeddings also `encoder`, `digest`, `preprocess` and `output`, `text` (encoder, digest,
    prompt; or null) and `source`.
    """

    levels: list[str]
    offsets: Rows
    key: NDArray[np.bytes_]
    name: NDArray[np.bytes_]
    parent: Rows
    children: Rows
    implicit: NDArray[np.bool_]
    count: Rows
    fold_count: Rows
    latitude: NDArray[np.float64] | None
    longitude: NDArray[np.float64] | None
    image_sums: Matrix | None
    text: Matrix | None
    meta: Document
    chain: list[Document] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_nodes(self)
        _check_meta(self)

    def __len__(self) -> int:
        return len(self.key)

    def rows_of(self, level: int) -> slice:
        """Return the rows of a level."""
        return slice(int(self.offsets[level]), int(self.offsets[level + 1]))

    def prototypes(self, level: int, *, without: int | None) -> Matrix:
        """Return the unit mean image embedding of each node of a level, n_l x d.

        without: a fold whose items are left out. A node that has no items left gets zeros. Raises
        `UserError` if the entities were built without embeddings.
        """
        if self.image_sums is None:
            raise UserError("the entities have no image embeddings; build them with --embeddings")
        rows, n = self.rows_of(level), len(self)
        total = np.zeros((rows.stop - rows.start, self.image_sums.shape[1]))
        for fold in range(len(self.fold_count)):
            if fold != without:
                total += self.image_sums[fold * n + rows.start : fold * n + rows.stop]
        norm = np.linalg.norm(total, axis=1, keepdims=True)
        np.divide(total, norm, out=total, where=norm > 0)
        return total.astype(np.float32)


def _check_meta(entities: Entities) -> None:
    fields = Fields(entities.meta, "meta")
    if fields.texts("levels") != entities.levels or not entities.levels:
        raise UserError("the levels are not those that meta names")
    if fields.count("folds") != len(entities.fold_count):
        raise UserError(f"{len(entities.fold_count)} folds, meta says {fields.count('folds')}")
    fields.count("rows")
    fields.object("source")
    if (fields.count("features") > 0) != (entities.image_sums is not None):
        raise UserError("the sums of image embeddings are not those that meta has features of")
    if entities.image_sums is not None:
        for key in ("encoder", "digest", "output"):
            fields.text(key)
        fields.object("preprocess")
    if entities.latitude is not None:
        fields.one_of("centroid", CENTROIDS)
    if entities.text is not None:
        about = Fields(fields.object("text"), "meta", "text")
        for key in ("encoder", "digest", "prompt"):
            about.text(key)


@dataclass(frozen=True)
class Members:
    """m items in input order, each in one node of every level.

    items: id, latitude, longitude; entity: rows of the nodes (m x levels, int32), implicit ones
    too; fold: m, uint8, by a hash of the id.
    """

    items: Items
    entity: NDArray[np.int32]
    fold: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if len(self.entity) != len(self.items) or len(self.fold) != len(self.items):
            raise UserError(
                f"{len(self.entity)} paths and {len(self.fold)} folds of {len(self.items)} items"
            )

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True)
class Columns:
    """What an output of `rows` members is written from: blocks of each column, read once each.

    latitude, longitude: None without coordinates; id_bytes: of the longest id.
    """

    rows: int
    id_bytes: int
    id: Iterable[NDArray[np.bytes_]]
    entity: Iterable[NDArray[np.int32]]
    fold: Iterable[NDArray[np.uint8]]
    latitude: Iterable[NDArray[np.float64]] | None
    longitude: Iterable[NDArray[np.float64]] | None


def columns_of(members: Members) -> Columns:
    """Return members that are in memory as what an output is written from."""
    table = members.items
    at = (table.latitude, table.longitude)
    latitude, longitude = (None if column is None else [column] for column in at)
    entity, fold = [members.entity], [members.fold]
    size = table.id.dtype.itemsize
    return Columns(len(table), size, [table.id], entity, fold, latitude, longitude)


def write_entities(
    path: Path,
    entities: Entities,
    members: Members | Columns,
    *,
    image_sums: Iterable[Matrix] | None = None,
    chain: list[Document],
    overwrite: bool,
) -> None:
    """Write entities and their members; big arrays are read block by block.

    image_sums: blocks to write in place of those of `entities`, which only say their shape.
    """
    columns = columns_of(members) if isinstance(members, Members) else members
    with hdf5.create(
        path, KIND, VERSION, meta=entities.meta, chain=chain, overwrite=overwrite
    ) as writer:
        for name in (*COLUMNS, "latitude", "longitude"):
            if getattr(entities, name) is not None:
                writer.column(name, getattr(entities, name))
        for name in ("image_sums", "text"):
            matrix = getattr(entities, name)
            if matrix is not None:
                given = image_sums if name == "image_sums" else None
                writer.matrix(name, matrix.shape, _cut(matrix) if given is None else given)
        _write_members(writer, columns, len(entities.levels))


def _cut(matrix: Matrix) -> Iterator[Matrix]:
    for row in range(0, len(matrix), BLOCK_ROWS):
        yield matrix[row : row + BLOCK_ROWS]


def _write_members(writer: hdf5.Writer, columns: Columns, levels: int) -> None:
    like = {
        "items/id": (np.zeros(0, f"S{max(1, columns.id_bytes)}"), columns.id),
        "items/latitude": (np.zeros(0), columns.latitude),
        "items/longitude": (np.zeros(0), columns.longitude),
        "entity": (np.zeros((0, levels), np.int32), columns.entity),
        "fold": (np.zeros(0, np.uint8), columns.fold),
    }
    for name, (empty, blocks) in like.items():
        if blocks is not None:
            writer.stream(name, empty, columns.rows, blocks)


def read_entities(path: Path) -> Entities:
    """Read the nodes. Matrices are memory maps: nothing of them is loaded yet."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        return _from_reader(reader)


def _from_reader(reader: hdf5.Reader) -> Entities:
    try:
        columns: dict[str, Any] = {
            name: reader.column(name, kind, 2 if name in ("children", "fold_count") else 1)
            for name, kind in COLUMNS.items()
        }
        for name in ("latitude", "longitude"):
            columns[name] = reader.column(name, "f", 1) if reader.has(name) else None
        for name in ("image_sums", "text"):
            columns[name] = reader.matrix(name) if reader.has(name) else None
        levels = Fields(reader.meta, "meta").texts("levels")
        return Entities(levels, **columns, meta=reader.meta, chain=reader.chain)
    except UserError as error:
        raise UserError(f"{reader.path}: {str(error).removeprefix(f'{reader.path}: ')}") from None


def read_members(path: Path) -> Members:
    """Read the items. Raises `UserError` where one is in a node that is not there."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        return _members(reader, _from_reader(reader))


def _members(reader: hdf5.Reader, entities: Entities) -> Members:
    entity, fold = reader.column("entity", "i", 2), reader.column("fold", "u", 1)
    try:
        found = Members(items.read(reader), entity, fold)
        _check_members(found, entities)
    except UserError as error:
        raise UserError(f"{reader.path}: {str(error).removeprefix(f'{reader.path}: ')}") from None
    return found


def _check_members(members: Members, entities: Entities) -> None:
    offsets, entity = entities.offsets, members.entity
    if len(members) != entities.meta["rows"] or entity.shape[1] != len(entities.levels):
        raise UserError(f"entities of shape {entity.shape} for {entities.meta['rows']} items")
    if not ((entity >= offsets[:-1]) & (entity < offsets[1:])).all():
        raise UserError("an item is in a node that its level does not have")
    if (entities.parent[entity[:, 1:]] != entity[:, :-1]).any():
        raise UserError("an item's node is not below its node of the level above")
    if len(members) and members.fold.max() >= len(entities.fold_count):
        raise UserError("an item is in a fold that is not there")


def digest_of(entities: Entities) -> str:
    """Return the sha256 of the levels and of the keys of their nodes."""
    sha256 = hashlib.sha256(json.line(entities.levels).encode())
    sha256.update(entities.offsets.astype("<i8").tobytes())
    sha256.update(b"\n".join(entities.key.tolist()))
    return sha256.hexdigest()


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound; `full` reads every number and checksum."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        entities = _from_reader(reader)
        _members(reader, entities)
        for name in ("image_sums", "text") if full else ():
            if getattr(entities, name) is not None:
                reader.verify_matrix(name)
                for rows in _cut(getattr(entities, name)):
                    if not np.isfinite(rows).all():
                        raise UserError(f"{path}: '{name}' has numbers that are not finite")


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    found = read_entities(path)
    table = []
    for level, name in enumerate(found.levels):
        rows = found.rows_of(level)
        named = ~found.implicit[rows]
        items_named = int(found.count[rows][named].sum())
        about = {"level": name, "entities": int(named.sum()), "items": items_named}
        table.append({**about, "implicit": int((~named).sum())})
    return {"nodes": len(found), "nodes_of_levels": table, **found.meta}
