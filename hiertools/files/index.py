"""index.h5: points to search among, their items, the head that places queries among them.

An index of entities is the same kind of file with other parts: see `entity_index`.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import classes_model, embeddings, entity_index, hdf5, items, tensors
from hiertools.files.embeddings import Vectors
from hiertools.files.items import Items
from hiertools.files.json import Document, Fields
from hiertools.files.model import GEOMETRIES
from hiertools.files.tensors import Arrays

KIND = entity_index.KIND
VERSION = entity_index.VERSION
KNOWN = {
    "task": ("parts", "classes", "plain"),
    "geometry": GEOMETRIES,
    "method": ("exact", "flat", "ivf", "hnsw"),
    "by": ("cosine", "distance", "soft"),
}
CLASSES = "classes"
NO_MEASURES = {"parts": {"soft"}, "plain": {"soft"}, "classes": {"distance"}}  # of a structure

Codes = NDArray[np.int32]


@dataclass(frozen=True)
class Index:
    """Points (n x d, float32, often a memory map) of `items`, and how to search among them.

    head: weights that turn embeddings into points, empty without a model; structure: what FAISS
    made of the points, empty without one; category: of an index of classes the place of the class
    that each item is taken for, else None. `meta` has `task`, `geometry`, `c`, `features` and
    `dimension`, the `encoder`, `digest`, `preprocess` and `output` of embeddings, `model` (sha256
    of its weights), `method`, `by`, `structure` (its parameters and sha256) and `rows`; of an
    index of classes the `taxonomy` and what the head needs too, see `classes_model`.
    """

    points: Vectors
    items: Items
    head: Arrays
    structure: bytes
    meta: Document
    chain: list[Document]
    category: Codes | None = None


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
    classes_of: Callable[[Vectors], Codes] | None = None,
) -> None:
    """Write the points of a table's rows, given in blocks of rows in the table's order.

    classes_of: of an index of classes, the class that each point of a block is taken for. `rows`
    and the structure's sha256 are added to `meta`. Raises `UserError` if a point or a
    weight is not finite; nothing is written then.
    """
    tensors.check_numbers(head, f"{path}: head", finite=True)
    about = {**meta, "rows": len(table)}
    if structure:
        sha256 = hashlib.sha256(structure).hexdigest()
        about["structure"] = {**meta.get("structure", {}), "sha256": sha256}
    _check_meta(about, str(path), head, structured=bool(structure))
    if (about["task"] == CLASSES) != (classes_of is not None):
        raise ValueError(f"{path}: classes_of is for an index of classes")
    shape, found = (len(table), about["dimension"]), list[Codes]()
    with hdf5.create(path, KIND, VERSION, meta=about, chain=chain, overwrite=overwrite) as writer:
        points = embeddings.finite(blocks, table, str(path))
        writer.matrix("points", shape, _classified(points, classes_of, found))
        if classes_of is not None:
            writer.column("category", np.concatenate(found))
        items.write(writer, table)
        tensors.write(writer, "head", head)
        if structure:
            writer.column("structure", np.frombuffer(structure, np.uint8))


def _classified(
    blocks: Iterable[Vectors], classes_of: Callable[[Vectors], Codes] | None, found: list[Codes]
) -> Iterator[Vectors]:
    """Yield blocks; the classes of their points are added to `found`."""
    for block in blocks:
        if classes_of is not None:
            found.append(classes_of(block))
        yield block


def _check_meta(meta: Document, name: str, head: Arrays, *, structured: bool) -> None:
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
    if meta["by"] in NO_MEASURES[meta["task"]]:
        raise UserError(f"{name}: an index of {meta['task']} has no structure for {meta['by']}")
    described = "sha256" in fields.object("structure")
    if structured != described or (structured and meta["method"] == "exact"):
        raise UserError(f"{name}: the structure is not that of an index by {meta['method']}")
    headed = isinstance(meta.get("model"), str)
    if not bool(head) == headed == (meta["task"] != "plain"):
        raise UserError(f"{name}: the head is not that of a {meta['task']} index")
    if meta["task"] == CLASSES:
        classes_model.check(fields, head)
    if meta["by"] == "soft":
        fields.object("kernel")


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
    _check_meta(reader.meta, name, head, structured=bool(structure))
    if structure and hashlib.sha256(structure).hexdigest() != reader.meta["structure"]["sha256"]:
        raise UserError(f"{name}: 'structure' is damaged (its sha256 differs)")
    if points.shape != (len(table), reader.meta["dimension"]) or reader.meta["rows"] != len(table):
        raise UserError(f"{name}: points of shape {points.shape} for {len(table)} items")
    category = _read_category(reader, len(table)) if reader.meta["task"] == CLASSES else None
    return Index(points, table, head, structure, reader.meta, reader.chain, category)


def _read_category(reader: hdf5.Reader, rows: int) -> Codes:
    found, classes = reader.column("category", "i", 1), len(reader.meta["taxonomy"]["classes"])
    if len(found) != rows or (rows and not 0 <= found.min() <= found.max() < classes):
        raise UserError(f"{reader.path}: 'category' is not a class for each item")
    return found.astype(np.int32, copy=False)


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
    meta = classes_model.summary(found.meta) if found.category is not None else found.meta
    return {"rows": len(found.items), **about, **meta}
