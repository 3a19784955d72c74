"""embeddings.h5: a vector for each item, as the encoder gave it (not normalised)."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import hdf5, items
from hiertools.files.items import Items
from hiertools.files.json import Document

KIND = "embeddings"
VERSION = 1
ROWS_PER_CHECK = 1 << 14

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Embeddings:
    """`vectors` (n x d, float32, often a memory map) of `items`, and what made them.

    `meta` has `encoder` (its name), `digest` (sha256 of its weights), `dimension`, `output`
    (embedding or logits) and `preprocess`. A foreign file's digest is that of the file.
    """

    vectors: Vectors
    items: Items
    meta: Document
    chain: list[Document]


def write_embeddings(
    path: Path,
    blocks: Iterable[Vectors],
    dimension: int,
    table: Items,
    *,
    meta: Document,
    chain: list[Document],
    overwrite: bool,
) -> None:
    """Write the vectors of a table's rows, given in blocks of rows in the table's order.

    Raises `UserError` if a vector is not finite; nothing is written then.
    """
    shape = (len(table), dimension)
    with hdf5.create(path, KIND, VERSION, meta=meta, chain=chain, overwrite=overwrite) as writer:
        writer.matrix("vectors", shape, finite(blocks, table, str(path)))
        items.write(writer, table)


def finite(blocks: Iterable[Vectors], table: Items, name: str) -> Iterable[Vectors]:
    """Yield blocks of a table's vectors. Raises `UserError` at the first that is not finite."""
    row = 0
    for block in blocks:
        check_finite(block, table, name, row)
        yield block
        row += len(block)


def check_finite(vectors: Vectors, table: Items, name: str, first_row: int = 0) -> None:
    """Raise `UserError` naming the first item whose vector has a NaN or an infinity."""
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        row = first_row + int(bad[0])
        raise UserError(f"{name}: the vector of {items.decode(table.id[row])!r} is not finite")


def check_all_finite(vectors: Vectors, table: Items, name: str) -> None:
    """Raise `UserError` naming the first item whose vector is not finite, read block by block."""
    for row in range(0, len(vectors), ROWS_PER_CHECK):
        check_finite(vectors[row : row + ROWS_PER_CHECK], table, name, row)


def read_embeddings(path: Path) -> Embeddings:
    """Read an embeddings file. The vectors are a memory map: nothing of them is loaded yet."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        return _from_reader(reader)


def _from_reader(reader: hdf5.Reader) -> Embeddings:
    table = items.read(reader)
    vectors = reader.matrix("vectors")
    if len(vectors) != len(table):
        raise UserError(f"{reader.path}: {len(vectors)} vectors for {len(table)} items")
    return Embeddings(vectors, table, reader.meta, reader.chain)


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound; `full` reads every vector and checksum."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        found = _from_reader(reader)
        if full:
            reader.verify_matrix("vectors")
            check_all_finite(found.vectors, found.items, str(path))


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    found = read_embeddings(path)
    return {"rows": len(found.items), **describe_items(found.items), **found.meta}


def describe_items(table: Items) -> Document:
    """Return the columns of an item table and how many items of each kind it has."""
    about: dict[str, Any] = {"columns": list(table.columns())}
    if table.kind is not None:
        counts = np.bincount(table.kind, minlength=len(items.KINDS))
        kinds = [items.decode(kind) for kind in items.KINDS]
        about["kinds"] = {kind: int(n) for kind, n in zip(kinds, counts, strict=True) if n}
    if table.labels is not None:
        about["columns"].append("labels")
        about["labels"] = len(table.labels.names)
    return about
