"""Several metrics files as one table: a row for what their tags say, a column for a metric."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from hiertools.errors import UserError
from hiertools.files.json import Document
from hiertools.metric_records import Record, check_columns, look_up, number


@dataclass(frozen=True)
class Cell:
    """The mean of a metric over some runs, their standard deviation, and the row of a single one.

    deviation: of a sample, with n - 1; None for one run.
    """

    value: float
    deviation: float | None
    runs: int
    row: Document


@dataclass(frozen=True)
class Table:
    """rows: the tags' values and the cells by column, None where there is no such metric."""

    tags: list[str]
    columns: list[str]
    rows: list[tuple[tuple[str, ...], list[Cell | None]]]


def tabulate(
    found: Sequence[Record],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    across: str | None,
    mean_over: Sequence[str],
) -> Table:
    """Return the table of some metrics: numbers of tags rise, others stay as they first come.

    across: a tag for each of whose values every metric has a column; mean_over: tags whose runs
    are put together. Raises `UserError` for a metric that no file has, and where two files would
    be in one cell.
    """
    check_columns(found, columns)
    keys = _keys([each.key(rows) for each in found])
    values = _in_order([_value(each, across) for each in found])
    cells: dict[tuple[tuple[str, ...], str], list[Record]] = {}
    for each in found:
        cells.setdefault((each.key(rows), _value(each, across)), []).append(each)
    names = [_heading(column, across, value) for column in columns for value in values]
    made = [
        [
            cell(cells.get((key, value), []), column, mean_over)
            for column in columns
            for value in values
        ]
        for key in keys
    ]
    return Table(list(rows), names, list(zip(keys, made, strict=True)))


def _heading(column: str, across: str | None, value: str) -> str:
    return f"{column} {across}={value}" if across else column


def _value(record: Record, across: str | None) -> str:
    return record.tags.get(across, "") if across else ""


def _keys(found: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the tags of rows, once each, in the order of each tag's values."""
    orders = [_in_order(values) for values in zip(*found, strict=True)]
    places = [{value: i for i, value in enumerate(order)} for order in orders]
    return sorted(
        dict.fromkeys(found),
        key=lambda key: [place[value] for place, value in zip(places, key, strict=True)],
    )


def _in_order(values: Sequence[str]) -> list[str]:
    """Return values once each: numbers as they rise, others as they come."""
    once = list(dict.fromkeys(values))
    if all(number(value) is not None for value in once):
        return sorted(once, key=lambda value: number(value) or 0.0)
    return once


def cell(found: Sequence[Record], column: str, mean_over: Sequence[str]) -> Cell | None:
    """Return a metric of some records: their mean, if the tags in `mean_over` tell them apart."""
    field = column.partition(":")[2] or "value"
    there: dict[tuple[str, ...], tuple[Record, Document]] = {}
    for each in found:
        row = look_up(each, column)
        if row is None or field not in row:
            continue
        key = each.key(mean_over)
        if key in there:
            raise UserError(
                f"{each.name}: has {column} for the same row as {there[key][0].name}; tell them"
                " apart by another tag in --rows, or take means over one with --mean-over"
            )
        there[key] = each, row
    values = [float(row[field]) for _, row in there.values()]
    if not values:
        return None
    deviation = statistics.stdev(values) if len(values) > 1 else None
    only = next(iter(there.values()))[1] if len(values) == 1 else {}
    return Cell(statistics.fmean(values), deviation, len(values), only)
