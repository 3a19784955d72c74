"""index.h5: points to search among, their items, the head that places queries among them.

An index of entities is the same kind of file with other parts: see `entity_index`.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hiertools.errors import UserError
from hiertools.files import embeddings, entity_index, hdf5, items, tensors
from hiertools.files.embeddings import Vectors
from hiertools.files.items import Items
from hiertools.files.json import Document, Fields
from hiertools.files.model import GEOMETRIES
from hiertools.files.tensors import Arrays

KIND = entity_index.KIND
VERSION = entity_index.VERSION
KNOWN = {
    "task": ("parts", "plain"),
    "geometry": GEOMETRIES,
    "method": ("exact", "flat", "ivf", "hnsw"),
    "by": ("cosine", "distance"),
}


@dataclass(frozen=True)
class Index:
    """Points (n x d, float32, often a memory map) of `items`, and how to search among them.

    head: weights that turn embeddings into points, empty without a model; structure: what FAISS
    made of the points, empty without one. `meta` has `task`, `geometry`, `c`, `features` and
    `dimension`, the `encoder`, `digest`, `preprocess` and `output` of embeddings, `model` (sha256
    of its weights), `method`, `by`, `structure` (its parameters and sha256) and `rows`.
    """

    points: Vectors
    items: Items
    head: Arrays
    structure: bytes
    meta: Document
    chain: list[Document]


def write_index(
    path: Path,
    blocks: Iterable[Vectors],
    table: Items,
    *,
    head: Arrays,
    structure: bytes,
    meta: Document,
    chain: list[Document],
    overwrite: bool,
) -> None:
    """Write the points of a table's rows, given in blocks of rows in the table's order.

    `rows` and the structure's sha256 are added to `meta`. Raises `UserError` if a point or a
    weight is not finite; nothing is written then.
    """
    tensors.check_numbers(head, f"{path}: head", finite=True)
    about = {**meta, "rows": len(table)}
    if structure:
        sha256 = hashlib.sha256(structure).hexdigest()
        about["structure"] = {**meta.get("structure", {}), "sha256": sha256}
    _check_meta(about, str(path), structured=bool(structure), headed=bool(head))
    shape = (len(table), about["dimension"])
    with hdf5.create(path, KIND, VERSION, meta=about, chain=chain, overwrite=overwrite) as writer:
        writer.matrix("points", shape, embeddings.finite(blocks, table, str(path)))
        items.write(writer, table)
        tensors.write(writer, "head", head)
        if structure:
            writer.column("structure", np.frombuffer(structure, np.uint8))


def _check_meta(meta: Document, name: str, *, structured: bool, headed: bool) -> None:
    """Raise `UserError` if the keys are not those of an index with such parts."""
    fields = Fields(meta, f"{name}: meta")
    fields.positive("c")
    for key in ("encoder", "digest", "output"):
        fields.text(key)
    for key, known in KNOWN.items():
        fields.one_of(key, known)
    for key in ("features", "dimension", "rows"):
        fields.count(key)
    fields.object("preprocess")
    described = "sha256" in fields.object("structure")
    if structured != described or (structured and meta["method"] == "exact"):
        raise UserError(f"{name}: the structure is not that of an index by {meta['method']}")
    if headed != (meta["task"] != "plain") or headed != isinstance(meta.get("model"), str):
        raise UserError(f"{name}: the head is not that of a {meta['task']} index")


def read_index(path: Path) -> Index:
    """Read an index. The points are a memory map: nothing of them is loaded yet."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        return _from_reader(reader)


def task_of(path: Path) -> str:
    """Return the task of an index: `geo` if it is one of entities."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        return Fields(reader.meta, f"{path}: meta").text("task")


def _from_reader(reader: hdf5.Reader) -> Index:
    if reader.meta.get("task") == entity_index.TASK:
        raise UserError(f"{reader.path}: is an index of entities; one of embeddings is needed")
    table, points, head = items.read(reader), reader.matrix("points"), tensors.read(reader, "head")
    structure = b""
    if reader.has("structure"):
        structure = reader.column("structure", "u", 1).tobytes()
    name = str(reader.path)
    _check_meta(reader.meta, name, structured=bool(structure), headed=bool(head))
    if structure and hashlib.sha256(structure).hexdigest() != reader.meta["structure"]["sha256"]:
        raise UserError(f"{name}: 'structure' is damaged (its sha256 differs)")
    if points.shape != (len(table), reader.meta["dimension"]) or reader.meta["rows"] != len(table):
        raise UserError(f"{name}: points of shape {points.shape} for {len(table)} items")
    return Index(points, table, head, structure, reader.meta, reader.chain)


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound; `full` reads every point and checksum."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        if reader.meta.get("task") == entity_index.TASK:
            entity_index.check(reader, full=full)
            return
        found = _from_reader(reader)
        if full:
            reader.verify_matrix("points")
            embeddings.check_all_finite(found.points, found.items, str(path))
            tensors.check_numbers(found.head, f"{path}: head", finite=True)


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        if reader.meta.get("task") == entity_index.TASK:
            return entity_index.describe(reader)
        found = _from_reader(reader)
    about = embeddings.describe_items(found.items)
    if found.structure:
        about["structure_bytes"] = len(found.structure)
    return {"rows": len(found.items), **about, **found.meta}
