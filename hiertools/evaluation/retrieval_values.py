"""The metrics of single queries as CSV: kept from one run, to compare another with."""

import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.evaluation.retrieval_columns import Column
from hiertools.files.inputs import Source

FIRST = "query"


def texts(queries: Sequence[str], found: Sequence[Column]) -> Iterator[str]:
    """Yield the lines of a table: a query and its metrics, empty where it has none."""
    yield _line([FIRST, *(column.label for column in found)])
    table = np.stack([column.values for column in found], axis=1)
    for key, row in zip(queries, table.tolist(), strict=True):
        yield _line([key, *("" if np.isnan(value) else repr(value) for value in row)])


def _line(cells: list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def are_values(source: Source) -> bool:
    """Return whether a file is such a table."""
    return source.head.startswith(f"{FIRST},".encode())


def read(source: Source, queries: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Return the metrics of queries by label, NaN for what the table does not have.

    Raises `UserError` if it has none of the queries.
    """
    place = {name: row for row, name in enumerate(queries)}
    lines = csv.reader(io.StringIO(source.text(), newline=""))
    labels = next(lines)[1:]
    table = np.full((len(place), len(labels)), np.nan)
    known = 0
    for cells in lines:
        if len(cells) != len(labels) + 1:
            fields = f"has {len(cells)} fields, the header {len(labels) + 1}"
            raise UserError(f"{source.name}:{lines.line_num}: {fields}")
        row = place.get(cells[0])
        if row is not None:
            known += 1
            table[row] = [_number(cell, source.name, lines.line_num) for cell in cells[1:]]
    if not known:
        raise UserError(f"{source.name}: has none of the queries; is it of the same ones?")
    return dict(zip(labels, table.T, strict=True))


def _number(cell: str, name: str, line: int) -> float:
    try:
        found = float(cell) if cell else np.nan
    except ValueError:
        found = np.inf
    if cell and not np.isfinite(found):
        raise UserError(f"{name}:{line}: {cell!r} is no number")
    return found
