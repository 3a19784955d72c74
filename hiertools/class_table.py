"""A CSV of classes: a child and its parent a row, or a class a row with a column a level.

The id of a node is what the table calls it, because that is what the data have as labels. So a
name stands for one node. Of edges it may have several parents. Of levels it may not: two rows
that put one name under two parents, or into two levels, may mean one node or two.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import polars as pl

from hiertools.class_graph import ClassGraph, repeated
from hiertools.errors import UserError
from hiertools.files import csv
from hiertools.files.csv import Batch
from hiertools.files.inputs import Source
from hiertools.hierarchy import Graph
from hiertools.metadata import header_of

CHILD, PARENT = "child", "parent"
Row = tuple[Batch, int, list[str]]


@dataclass
class _Found:
    """What the rows so far say: parents, names and levels of nodes, and the line of each."""

    parents: Graph = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    levels: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)


def read_table(source: Source, *, levels: Sequence[str] | None, name: str | None) -> ClassGraph:
    """Return the classes of a table: what has no children, in the order in which it first comes.

    levels: columns from the top down; None for edges where there are columns `child` and `parent`,
    else for all columns. name: the column with the names of children or classes. Raises
    `UserError` with the line.
    """
    header = header_of(source)
    edges = levels is None and {CHILD, PARENT} <= set(header)
    columns = [CHILD, PARENT] if edges else list(levels or [c for c in header if c != name])
    if twice := repeated([*columns, *([name] if name else [])]):
        raise UserError(f"{source.name}: the column {twice[0]!r} has two parts to play")
    if levels is None and len(columns) == 1:
        raise UserError(
            f"{source.name}: has one column, {columns[0]!r}, and no commas; for classes that are"
            " under nothing name it with --levels"
        )
    found, classes = _Found(), dict[str, None]()
    for batch, row, cells in _rows(source, columns, name):
        if edges:
            _add_edge(found, batch, row, cells)
        else:
            _add_path(found, batch, row, cells[: len(columns)], columns)
        lowest = cells[0] if edges else cells[len(columns) - 1]
        classes[lowest] = None
        if name:
            _call(found, batch, row, lowest, cells[-1])
    if not classes:
        raise UserError(f"{source.name}: has no rows below its header")
    held = {parent for over in found.parents.values() for parent in over}
    keys = [key for key in classes if key not in held]
    names = {key: found.names.get(key, key) for key in found.parents}
    return ClassGraph(keys, names, found.parents, found.levels)


def _rows(source: Source, columns: list[str], name: str | None) -> Iterator[Row]:
    """Yield the cells of each row without blanks around them: columns first, the name last."""
    wanted = [*columns, *([name] if name else [])]
    for batch in csv.read(source, dict.fromkeys(wanted, pl.String), {}):
        texts = [batch.frame[column].str.strip_chars().to_list() for column in wanted]
        for row, cells in enumerate(zip(*texts, strict=True)):
            yield batch, row, list(cells)


def _add_edge(found: _Found, batch: Batch, row: int, cells: list[str]) -> None:
    child, parent = cells[:2]
    if not child:
        raise batch.complaint(row, "there is no child")
    if child == parent:
        raise batch.complaint(row, f"{child!r} is its own parent: a cycle")
    over = found.parents.setdefault(child, [])
    if parent:
        found.parents.setdefault(parent, [])
        over += [parent] if parent not in over else []


def _add_path(found: _Found, batch: Batch, row: int, cells: list[str], columns: list[str]) -> None:
    """Add a row's nodes, each below the one before; a level without a name is left out."""
    if not cells[-1]:
        raise batch.complaint(row, f"there is no {columns[-1]}")
    parent = ""
    for level, cell in zip(columns, cells, strict=True):
        if not cell:
            continue
        over = [parent] if parent else []
        line = found.lines.setdefault(cell, batch.first_line + row)
        if found.levels.setdefault(cell, level) != level:
            raise batch.complaint(
                row,
                f"{cell!r} is a {level} and in line {line} a {found.levels[cell]}; a name stands"
                " for one node: call one of them something else",
            )
        if found.parents.setdefault(cell, over) != over:
            raise batch.complaint(
                row,
                f"{cell!r} is under {parent!r} and in line {line} under"
                f" {found.parents[cell][0] if found.parents[cell] else 'nothing'!r}; if it is one"
                " node with two parents write edges (columns child,parent), else call one of them"
                " something else",
            )
        parent = cell


def _call(found: _Found, batch: Batch, row: int, key: str, name: str) -> None:
    if name and found.names.setdefault(key, name) != name:
        raise batch.complaint(row, f"{key!r} is called {name!r} and {found.names[key]!r} above")
