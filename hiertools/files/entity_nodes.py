"""The node table of entities.h5: what must hold of it, and the hierarchy that it is."""

from typing import TYPE_CHECKING

import numpy as np

from hiertools.errors import UserError
from hiertools.files.hierarchy import Edge, Hierarchy, Node
from hiertools.files.items import decode

if TYPE_CHECKING:
    from hiertools.files.entities import Entities


def check_nodes(entities: "Entities") -> None:
    """Raise `UserError` where the columns do not fit each other."""
    n, offsets = len(entities.key), entities.offsets
    _check_shapes(entities)
    if offsets[0] != 0 or offsets[-1] != n or (np.diff(offsets) < 0).any():
        raise UserError("the offsets of the levels do not rise from 0 to the number of nodes")
    if len(np.unique(entities.key)) != n:
        raise UserError("a node's key is there twice")
    if (entities.fold_count.sum(axis=0) != entities.count).any() or (entities.count < 0).any():
        raise UserError("the folds' counts of a node are not its count")
    for level in range(len(entities.levels)):
        _check_level(entities, level)


def _check_shapes(entities: "Entities") -> None:
    n, folds = len(entities.key), len(entities.fold_count)
    wanted = {
        "offsets": (len(entities.levels) + 1,),
        **dict.fromkeys(("name", "parent", "implicit", "count", "latitude", "longitude"), (n,)),
        "children": (n, 2),
        "fold_count": (folds, n),
    }
    for name, shape in wanted.items():
        column = getattr(entities, name)
        if column is not None and column.shape != shape:
            raise UserError(f"'{name}' has the shape {column.shape}, not {shape}")
    for name, rows in (("image_sums", folds * n), ("text", n)):
        matrix = getattr(entities, name)
        if matrix is not None and len(matrix) != rows:
            raise UserError(f"'{name}' has {len(matrix)} rows, not {rows}")
    if (entities.latitude is None) != (entities.longitude is None):
        raise UserError("there is one of latitude and longitude only")


def _check_level(entities: "Entities", level: int) -> None:
    """Children of a parent stand together, in the order of their parents."""
    first, end = entities.offsets[level : level + 2]
    parent, children = entities.parent[first:end], entities.children[first:end]
    if level == 0:
        if (parent != -1).any():
            raise UserError("a node of the top level has a parent")
    elif (parent < entities.offsets[level - 1]).any() or (parent >= first).any():
        raise UserError(f"a node of the level '{entities.levels[level]}' is not below one")
    elif (np.diff(parent) < 0).any():
        raise UserError("the children of a node do not stand together")
    if level + 1 < len(entities.levels):
        below = entities.parent[end : entities.offsets[level + 2]]
        rows = np.arange(first, end)
        wanted = np.stack([np.searchsorted(below, rows), np.searchsorted(below, rows, "right")], 1)
        if (children != wanted + end).any():
            raise UserError("a node's children are not those that name it as their parent")
    elif (children[:, 0] != children[:, 1]).any():
        raise UserError("a node of the lowest level has children")


def named_above(entities: "Entities") -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the row of the nearest ancestor that is not implicit, -1 if there is none, n."""
    above = entities.parent.copy()
    for level in range(1, len(entities.levels)):
        rows = entities.rows_of(level)
        parent = entities.parent[rows]
        above[rows] = np.where(entities.implicit[parent], above[parent], parent)
    return above


def hierarchy_of(entities: "Entities") -> Hierarchy:
    """Return the entities as a hierarchy: a child hangs under the nearest ancestor with a name."""
    above = named_above(entities)
    named = np.flatnonzero(~entities.implicit)
    keys = [decode(key) for key in entities.key.tolist()]
    nodes, edges = [], []
    for level in range(len(entities.levels)):
        rows = entities.rows_of(level)
        for row in named[(named >= rows.start) & (named < rows.stop)].tolist():
            count = int(entities.count[row])
            name = decode(entities.name[row])
            nodes.append(Node(keys[row], name, entities.levels[level], count))
            if above[row] >= 0:
                edges.append(Edge(keys[above[row]], keys[row]))
    leaves = np.setdiff1d(named, above[named])
    return Hierarchy(
        nodes,
        edges,
        [keys[row] for row in leaves.tolist()],
        dropped=[],
        source=entities.meta["source"],
        parameters={"levels": entities.levels},
        statistics={"rows": entities.meta["rows"]},
        distance="path",
        chain=entities.chain,
    )
