"""index.h5 of entities: their points, who is whose child, and the head that places queries."""

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import embeddings, hdf5, items, tensors
from hiertools.files.embeddings import Vectors
from hiertools.files.items import Items
from hiertools.files.json import Document, Fields
from hiertools.files.tensors import Arrays

KIND = "index"
VERSION = 2  # 1 had no keys and values of entities
TASK = "geo"
GEOMETRIES = ("lorentz", "euclidean", "sphere")


@dataclass(frozen=True)
class Nodes:
    """What is known of n entities beside their points; see `Entities` for the columns.

    They are in levels from the top: those of level l are the rows offsets[l] : offsets[l + 1].
    """

    name: NDArray[np.bytes_]
    offsets: NDArray[np.int64]
    parent: NDArray[np.int64]
    children: NDArray[np.int64]
    implicit: NDArray[np.bool_]
    count: NDArray[np.int64]


TYPES = {
    "name": ("S", 1),
    "offsets": ("i", 1),
    "parent": ("i", 1),
    "children": ("i", 2),
    "implicit": ("b", 1),
    "count": ("i", 1),
}


@dataclass(frozen=True)
class EntityIndex:
    """Points (n x d, float32, often a memory map) of the entities that `items` has the keys of.

    head: weights that turn embeddings of images into points, empty without a model. `meta` has
    `task`, `geometry`, `c`, `features` and `dimension`, `levels`, what scores need (`beta`, `tau`,
    `squared`), the `encoder`, `digest`, `preprocess` and `output` of embeddings, `entities` and
    `model` (digests), `temperature` and how it was found (`calibration`), `rows`, and of a model
    what `models.geo.of_weights` needs. keys, values: what images look at, (heads x m) x (d /
    heads) as `keys_and_values` splits them, of the m entities with a name; without rows where
    images look at nothing.
    """

    points: Vectors
    items: Items
    nodes: Nodes
    head: Arrays
    keys: Vectors
    values: Vectors
    meta: Document
    chain: list[Document]

    @property
    def levels(self) -> list[str]:
        """Return the names of the levels, from the top."""
        return list(self.meta["levels"])

    def named(self) -> list[int]:
        """Return how many entities of each level have a name."""
        parts = np.split(~self.nodes.implicit, self.nodes.offsets[1:-1])
        return [int(np.count_nonzero(part)) for part in parts]

    def keys_and_values(self) -> list[tuple[Vectors, Vectors]]:
        """Return keys and values by level, each heads x m x (d / heads)."""
        heads = self.meta["heads"]
        ends = heads * np.cumsum(self.named())[:-1]
        keys, values = (np.split(rows, ends) for rows in (self.keys, self.values))
        return [
            (one.reshape(heads, -1, one.shape[1]), other.reshape(heads, -1, other.shape[1]))
            for one, other in zip(keys, values, strict=True)
        ]


NOTHING: Vectors = np.zeros((0, 0), np.float32)  # keys or values where images look at nothing


def write_entity_index(
    path: Path, found: EntityIndex, *, chain: list[Document], overwrite: bool
) -> None:
    """Write an index. `rows` is added to its meta.

    Raises `UserError` if a number is not finite; nothing is written then.
    """
    about = {**found.meta, "rows": len(found.items)}
    _check(found, about, str(path))
    tensors.check_numbers(found.head, f"{path}: head", finite=True)
    tensors.check_numbers(_looked_at(found), str(path), finite=True)
    with hdf5.create(path, KIND, VERSION, meta=about, chain=chain, overwrite=overwrite) as writer:
        rows = embeddings.finite([found.points], found.items, str(path))
        writer.matrix("points", (len(found.items), found.points.shape[1]), rows)
        items.write(writer, found.items)
        for field in fields(Nodes):
            writer.column(f"nodes/{field.name}", getattr(found.nodes, field.name))
        tensors.write(writer, "head", found.head)
        for name, rows in _looked_at(found).items():
            writer.matrix(name, rows.shape, [rows])


def read_entity_index(path: Path) -> EntityIndex:
    """Read an index of entities. Points, keys and values are memory maps: not loaded yet."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        return of_reader(reader)


def of_reader(reader: hdf5.Reader) -> EntityIndex:
    """Return the index of an open file."""
    task = reader.meta.get("task")
    if task != TASK:
        raise UserError(f"{reader.path}: is an index of {task}; one of entities is needed")
    nodes = Nodes(**{
        name: reader.column(f"nodes/{name}", *kind) for name, kind in TYPES.items()
    })  # fmt: skip
    keys, values = NOTHING, NOTHING
    if reader.meta.get("attention"):
        keys, values = reader.matrix("keys"), reader.matrix("values")
    found = EntityIndex(
        reader.matrix("points"), items.read(reader), nodes, tensors.read(reader, "head"),
        keys, values, reader.meta, reader.chain,
    )  # fmt: skip
    _check(found, reader.meta, str(reader.path))
    return found


def _looked_at(found: EntityIndex) -> Arrays:
    """Return keys and values by name, if there are any."""
    return {"keys": found.keys, "values": found.values} if found.meta["attention"] else {}


def _check(found: EntityIndex, meta: Document, name: str) -> None:
    _check_meta(Fields(meta, f"{name}: meta"), headed=bool(found.head))
    rows, nodes = len(found.items), found.nodes
    wide = meta["dimension"] + (meta["geometry"] == "sphere")
    if found.points.shape != (rows, wide) or meta["rows"] != rows:
        raise UserError(f"{name}: points of shape {found.points.shape} for {rows} entities")
    if not _is_tree(nodes, rows, len(meta["levels"])):
        raise UserError(f"{name}: the levels, parents and children are not those of a hierarchy")
    wanted = (0, 0)
    if meta["attention"]:
        heads = meta["heads"]
        wanted = (heads * sum(found.named()), meta["dimension"] // heads)
    for what, array in (("keys", found.keys), ("values", found.values)):
        if array.shape != wanted:
            raise UserError(f"{name}: {what} of shape {array.shape}, not {wanted}")


def _check_meta(about: Fields, *, headed: bool) -> None:
    for key in ("c", "tau"):
        about.positive(key)
    for key in ("encoder", "digest", "output", "entities"):
        about.text(key)
    for key in ("features", "dimension", "rows"):
        about.count(key)
    about.one_of("task", (TASK,))
    about.one_of("geometry", GEOMETRIES)
    about.object("preprocess")
    beta = about.list("beta")
    numbers = all(isinstance(b, int | float) and 0 <= b < np.inf for b in beta)
    if not numbers or len(beta) != len(about.texts("levels")) or not beta:
        raise UserError(f"{about.name}: beta is not a number of at least 0 for each level")
    for key in ("squared", "attention"):
        if not isinstance(about.document.get(key), bool):
            raise UserError(f"{about.name}: {key} is not true or false")
    if about.document["attention"]:
        heads = about.count("heads")
        if not heads or about.count("dimension") % heads:
            raise UserError(f"{about.name}: the dimension is not cut evenly into {heads} heads")
    if about.document.get("temperature") is not None:
        about.positive("temperature")
        about.object("calibration")
    if headed != isinstance(about.document.get("model"), str):
        raise UserError(f"{about.name}: the head is not that of the model")


def _is_tree(nodes: Nodes, rows: int, levels: int) -> bool:
    """Return whether the children of each entity are the rows that name it as their parent."""
    columns = (nodes.name, nodes.parent, nodes.implicit, nodes.count)
    offsets = nodes.offsets
    if any(len(column) != rows for column in columns) or nodes.children.shape != (rows, 2):
        return False
    if len(offsets) != levels + 1 or offsets[0] != 0 or offsets[-1] != rows:
        return False
    if (np.diff(offsets) <= 0).any() or (nodes.parent[: offsets[1]] != -1).any():
        return False
    for level in range(1, levels):
        above = np.arange(offsets[level - 1], offsets[level])
        first, end = nodes.children[above].T
        ends = np.concatenate([[offsets[level]], end])
        if (first != ends[:-1]).any() or (end < first).any() or end[-1] != offsets[level + 1]:
            return False
        below = nodes.parent[offsets[level] : offsets[level + 1]]
        if (below != np.repeat(above, end - first)).any():
            return False
    return True


def check(reader: hdf5.Reader, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound; `full` reads every point and checksum."""
    found = of_reader(reader)
    if full:
        reader.verify_matrix("points")
        embeddings.check_all_finite(found.points, found.items, str(reader.path))
        tensors.check_numbers(found.head, f"{reader.path}: head", finite=True)
        for name, rows in _looked_at(found).items():
            reader.verify_matrix(name)
            tensors.check_numbers({name: rows}, str(reader.path), finite=True)


def describe(reader: hdf5.Reader) -> Document:
    """Return what `hiertools info` shows."""
    found = of_reader(reader)
    named = dict(zip(found.levels, found.named(), strict=True))
    about = {"rows": len(found.items), "entities_of": named}
    return {**about, "places": found.items.latitude is not None, **found.meta}
