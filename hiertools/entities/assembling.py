"""Nodes as they were numbered by one or several passes, to the node table of entities.h5."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools import countries
from hiertools.entities.labelling import Paths, escape
from hiertools.files import items
from hiertools.files.entities import IMPLICIT, Entities
from hiertools.files.entity_part import LevelNodes
from hiertools.terminal import warn

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Table:
    """The columns of a node table (see files/entities.py), and the row of each part's leaves.

    leaf_rows: for each part, the place in the lowest level of each of its leaves, -1 where no item
    is left.
    """

    sizes: list[int]
    key: NDArray[np.bytes_]
    name: NDArray[np.bytes_]
    parents: list[Rows]
    implicit: NDArray[np.bool_]
    leaf_rows: list[Rows]


def nodes_of(paths: Paths) -> list[LevelNodes]:
    """Return the nodes of a pass over the metadata."""
    found = []
    for level in paths.levels:
        tokens = list(level.tokens)
        found.append(
            LevelNodes(
                np.array(level.parent, np.int64),
                [tokens[code] for code in level.token],
                [level.names[code] for code in level.token],
            )
        )
    return found


def assemble(parts: Sequence[list[LevelNodes]], used: Sequence[NDArray[np.bool_]]) -> Table:
    """Put the nodes of parts together, in order; `used` says which leaves of each have items.

    A token is called what the first row that has it calls it.
    """
    levels = len(parts[0])
    known: list[dict[tuple[int, str], int]] = [{} for _ in range(levels)]
    names: list[dict[str, str]] = [{} for _ in range(levels)]
    leaves = []
    for part in parts:
        above = np.zeros(0, np.int64)
        for level, nodes in enumerate(part):
            for token, name in zip(nodes.token, nodes.name, strict=True):
                names[level].setdefault(token, name)
            parents = (above[nodes.parent] if level else nodes.parent).tolist()
            table = known[level]
            pairs = zip(parents, nodes.token, strict=True)
            above = np.array([table.setdefault(pair, len(table)) for pair in pairs], np.int64)
        leaves.append(above)
    kept = _kept(known, leaves, used)
    return _sorted(known, names, kept, leaves)


def _kept(
    known: list[dict[tuple[int, str], int]],
    leaves: list[Rows],
    used: Sequence[NDArray[np.bool_]],
) -> list[NDArray[np.bool_]]:
    """Return which nodes of each level have items."""
    kept = [np.zeros(len(table), bool) for table in known]
    for rows, mask in zip(leaves, used, strict=True):
        kept[-1][rows[mask]] = True
    for level in range(len(known) - 1, 0, -1):
        parent = np.array([parent for parent, _ in known[level]], np.int64)
        kept[level - 1][parent[kept[level]]] = True
    return kept


def _sorted(
    known: list[dict[tuple[int, str], int]],
    names: list[dict[str, str]],
    kept: list[NDArray[np.bool_]],
    leaves: list[Rows],
) -> Table:
    """Sort nodes by parent and token, level by level."""
    place = np.full(1, -1, np.int64)  # of the nodes of the level above; the last stands for none
    keys: list[str] = []
    above: list[str] = []
    parents, sizes, shown, implicit = [], [], list[str](), list[bool]()
    for level, table in enumerate(known):
        rows = np.flatnonzero(kept[level])
        pairs = list(table)
        tokens = [pairs[row][1] for row in rows.tolist()]
        parent = place[[pairs[row][0] for row in rows.tolist()]] if len(rows) else rows
        order = np.lexsort((_ranks(tokens), parent)) if len(rows) else rows
        parents.append(parent[order])
        tokens = [tokens[i] for i in order.tolist()]
        steps = [escape(token) if token else IMPLICIT for token in tokens]
        if level:
            steps = [f"{above[p]}/{s}" for p, s in zip(parents[-1].tolist(), steps, strict=True)]
        above = steps
        keys += steps
        shown += [names[level][token] for token in tokens]
        implicit += [not token for token in tokens]
        sizes.append(len(rows))
        place = np.full(len(table) + 1, -1, np.int64)
        place[rows[order]] = np.arange(len(rows))
    found = [place[rows] for rows in leaves]
    return Table(
        sizes, items.encode(keys), items.encode(shown), parents, np.array(implicit, bool), found
    )


def _ranks(tokens: list[str]) -> Rows:
    """Return the places of tokens in the order of their bytes."""
    return np.unique(np.array([token.encode() for token in tokens], "S"), return_inverse=True)[1]


def global_rows(table: Table) -> tuple[Rows, Rows, Rows]:
    """Return offsets (levels + 1), and the rows of each node's parent (n) and children (n x 2)."""
    offsets = np.concatenate([[0], np.cumsum(table.sizes)]).astype(np.int64)
    parent, children = [], []
    for level, size in enumerate(table.sizes):
        own = table.parents[level]
        parent.append(own + offsets[level - 1] if level else np.full(size, -1, np.int64))
        last = level + 1 == len(table.sizes)
        below = np.zeros(0, np.int64) if last else table.parents[level + 1]
        ends = [np.searchsorted(below, np.arange(size), side) for side in ("left", "right")]
        children.append(np.stack(ends, axis=1) + offsets[level + 1])
    return offsets, np.concatenate(parent), np.concatenate(children)


def warn_of(entities: Entities) -> None:
    """Say what people may not expect of the nodes.

    Levels of one node, codes that are of no country, a name in two places.
    """
    for level, name in enumerate(entities.levels):
        if int((~entities.implicit[entities.rows_of(level)]).sum()) == 1:
            warn(f"the level '{name}' has a single entity: there is nothing to tell apart")
    _warn_of_countries(entities)
    on_map = entities.latitude is not None
    first: dict[tuple[str, str], str] = {}
    twice: dict[tuple[str, str], str] = {}
    for key in entities.key[entities.rows_of(len(entities.levels) - 1)].tolist():
        text = items.decode(key)
        steps = text.split("/")
        step = (steps[0] if on_map else "", steps[-1])
        if steps[-1] != IMPLICIT and first.setdefault(step, text) != text:
            twice.setdefault(step, text)
    if twice:
        step, other = next(iter(twice.items()))
        warn(
            f"{len(twice):,} names of the level '{entities.levels[-1]}' are in several places, such"
            f" as {first[step]} and {other}; each is an entity of its own"
        )


def _warn_of_countries(entities: Entities) -> None:
    if entities.levels[0] != "country":
        return
    rows = entities.rows_of(0)
    names = [items.decode(name) for name in entities.name[rows][~entities.implicit[rows]]]
    unknown = [name for name in names if countries.alpha2(name) is None]
    if unknown:
        warn(f"{len(unknown):,} codes of countries are not known, such as {unknown[0]!r}")
