"""graph.h5: the nearest neighbours of each item of an index, and what diffusion makes of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import hdf5
from hiertools.files.json import Document, Fields

KIND = "graph"
VERSION = 1
COUNTS = ("k", "iterations", "truncate")
NUMBERS = ("alpha", "power", "tolerance")
ROWS_PER_CHECK = 1 << 14

Columns = NDArray[np.int32]


@dataclass(frozen=True)
class Solves:
    """What a unit of heat at each of n items becomes: f of (I - alpha S) f = e_i.

    rows, values: of item i those from offsets[i] to offsets[i + 1], rows rising, values above 0;
    options: `k`, `alpha`, `power`, `tolerance`, `iterations` and `truncate` of the solves.
    """

    offsets: NDArray[np.int64]
    rows: Columns
    values: NDArray[np.float32]
    options: Document

    def of(self, item: int) -> tuple[Columns, NDArray[np.float32]]:
        """Return rows and values of an item."""
        here = slice(self.offsets[item], self.offsets[item + 1])
        return self.rows[here], self.values[here]


@dataclass(frozen=True)
class Graph:
    """The k nearest of n items, itself left out: rows (n x k) and their cosines (n x k).

    `meta` has `index` (the sha256 of the index's file) and `k`; with solves also `offline`.
    """

    rows: Columns
    similarities: NDArray[np.float64]
    solves: Solves | None
    meta: Document
    chain: list[Document]


def write_graph(
    path: Path,
    rows: Columns,
    similarities: NDArray[np.float64],
    solves: Solves | None,
    *,
    index: str,
    k: int,
    chain: list[Document],
    overwrite: bool,
) -> None:
    """Write the neighbours of the items of an index. k: how many were asked for."""
    meta: Document = {"index": index, "k": k}
    if solves is not None:
        meta["offline"] = solves.options
    with hdf5.create(path, KIND, VERSION, meta=meta, chain=chain, overwrite=overwrite) as writer:
        writer.column("rows", rows)
        writer.column("similarities", similarities)
        if solves is not None:
            for name in ("offsets", "rows", "values"):
                writer.column(f"offline/{name}", getattr(solves, name))


def read_graph(path: Path) -> Graph:
    """Read a graph, all of it."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        fields = Fields(reader.meta, f"{path}: meta")
        fields.text("index")
        rows = reader.column("rows", "i", 2)
        similarities = reader.column("similarities", "f", 2)
        _check_neighbours(rows, similarities, fields.count("k"), str(path))
        solved = reader.has("offline") or "offline" in reader.meta
        solves = _solves(reader, len(rows)) if solved else None
        return Graph(
            rows.astype(np.int32, copy=False), similarities, solves, reader.meta, reader.chain
        )


def read_graph_of(path: Path, *, index: str, name: str) -> Graph:
    """Read the graph of an index. index: the sha256 of its file; name: of the file.

    Raises `UserError` if the graph is of another index, or of this one before it was written anew.
    """
    found = read_graph(path)
    if found.meta["index"] != index:
        raise UserError(
            f"{path}: is the graph of another index than {name}, or of an earlier one; make it anew"
            " (hiertools graph)"
        )
    return found


def _check_neighbours(rows: Columns, similarities: Any, k: int, name: str) -> None:
    n, wide = rows.shape
    if similarities.shape != rows.shape or wide != min(k, max(n - 1, 0)):
        raise UserError(f"{name}: {rows.shape} neighbours do not have {similarities.shape} cosines")
    for start in range(0, n, ROWS_PER_CHECK):
        part, values = rows[start : start + ROWS_PER_CHECK], similarities[start:]
        values = values[:ROWS_PER_CHECK]
        if part.size and not (part.min() >= 0 and part.max() < n):
            raise UserError(f"{name}: a neighbour is no item")
        own = np.arange(start, start + len(part))[:, None]
        if (part == own).any() or not (np.diff(np.sort(part, 1), axis=1) > 0).all():
            raise UserError(f"{name}: an item is its own neighbour, or has one twice")
        falling = (np.diff(values, axis=1) <= 0).all()
        if not (np.isfinite(values).all() and falling):
            raise UserError(f"{name}: cosines are not finite, or rise")


def _solves(reader: hdf5.Reader, n: int) -> Solves:
    name = f"{reader.path}: offline"
    options = Fields(reader.meta, f"{reader.path}: meta").object("offline")
    fields = Fields(options, f"{reader.path}: meta: offline")
    for key in COUNTS:
        fields.count(key)
    for key in NUMBERS:
        fields.number(key)
    offsets = reader.column("offline/offsets", "i", 1)
    rows, values = reader.column("offline/rows", "i", 1), reader.column("offline/values", "f", 1)
    whole = len(offsets) == n + 1 and offsets[0] == 0 and offsets[-1] == len(rows) == len(values)
    if not whole or (np.diff(offsets) < 0).any():
        raise UserError(f"{name}: the offsets do not rise from 0 to the number of values")
    if len(rows) and not 0 <= rows.min() <= rows.max() < n:
        raise UserError(f"{name}: a row is no item")
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise UserError(f"{name}: a value is not a finite number above 0")
    starts = np.zeros(len(rows) + 1, np.bool_)
    starts[offsets] = True
    if not ((np.diff(rows) > 0) | starts[1:-1]).all():
        raise UserError(f"{name}: the rows of an item do not rise")
    return Solves(
        offsets.astype(np.int64, copy=False), rows.astype(np.int32, copy=False),
        values.astype(np.float32, copy=False), options,
    )  # fmt: skip


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound. Reading it checks everything."""
    read_graph(path)


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    found = read_graph(path)
    about: Document = {"items": len(found.rows), **found.meta}
    about["neighbours"] = found.rows.shape[1]  # k, or as many as there are
    if found.solves is not None:
        about["solved"] = len(found.solves.rows)
    return about
