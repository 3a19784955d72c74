"""What metrics files say, by tag: the rows of several of them, to be put beside each other.

A metric is written as its name and, with @ between, what else it is of: `top-1`, `ndcg@10`,
`map@superclass`, `precision@5@children@image`; what is not needed to tell it from others may be
left out. `:FIELD` at the end takes another number of its row, as in `ndcg@10:chance`.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from hiertools.errors import UsageError, UserError
from hiertools.files.json import Document
from hiertools.files.metrics import Metrics

FILE = "file"  # the tag that every file has: its name
ABOUT = ("k", "km", "of", "find", "exclude")
SHOWN = 12


@dataclass(frozen=True)
class Record:
    """What one file, or one row of a table in it, says: tags by name, and rows of metrics."""

    name: str
    tags: dict[str, str]
    rows: list[Document]

    def key(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the values of some tags, empty for one that it does not have."""
        return tuple(self.tags.get(name, "") for name in names)


def records(files: Iterable[tuple[str, Metrics]], table: str | None) -> list[Record]:
    """Return a record a file or, of a table of each, a record a row, whose fields are tags too.

    Raises `UserError` for a file that lacks the table.
    """
    found: list[Record] = []
    for name, metrics in files:
        given = metrics.parameters.get("tags", {})
        tags = {FILE: name, **{key: str(value) for key, value in given.items()}}
        if table is None:
            found.append(Record(name, tags, metrics.metrics))
            continue
        if table not in metrics.tables:
            there = ", ".join(metrics.tables) or "none"
            raise UserError(f"{name}: has no table {table!r}; its tables are {there}")
        for row in metrics.tables[table]:
            fields = {key: _written(value) for key, value in row.items()}
            numbers = {key: value for key, value in row.items() if _is_number(value)}
            values = [{"metric": key, "value": value} for key, value in numbers.items()]
            found.append(Record(name, tags | fields, values))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def tag_names(files: Iterable[tuple[str, Metrics]]) -> list[str]:
    """Return the tags of files, in the order in which they come; their names if none has any."""
    given = (metrics.parameters.get("tags", {}) for _, metrics in files)
    return list(dict.fromkeys(key for tags in given for key in tags)) or [FILE]


def check_tags(found: Sequence[Record], names: Iterable[str], option: str) -> None:
    """Raise `UsageError` for a tag that no file has."""
    known = dict.fromkeys(key for each in found for key in each.tags)
    for name in names:
        if name not in known:
            raise UsageError(f"{option} {name}: no file has it; there are {', '.join(known)}")


def spelled(row: Document) -> str:
    """Return a row's metric with all that it is of."""
    return "@".join([str(row["metric"]), *_about(row)])


def _about(row: Document) -> list[str]:
    return [f"{row[key]}{'km' if key == 'km' else ''}" for key in ABOUT if key in row]


def look_up(record: Record, column: str) -> Document | None:
    """Return the row of a metric in a record, None if there is none.

    Raises `UserError` if several could be meant.
    """
    wanted = column.partition(":")[0]
    found = [row for row in record.rows if _fits(row, wanted)]
    exact = [row for row in found if spelled(row) == wanted]
    if len(exact or found) > 1:
        options = ", ".join(map(spelled, found))
        raise UserError(f"{record.name}: {wanted!r} can be {options}; name one of them")
    return next(iter(exact or found), None)


def _fits(row: Document, wanted: str) -> bool:
    metric, about = str(row["metric"]), _about(row)
    if wanted == metric:
        return True
    return wanted.startswith(f"{metric}@") and all(
        part in about for part in wanted[len(metric) + 1 :].split("@")
    )


def number(text: str) -> float | None:
    """Return the number that a tag's value is, None if it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def check_columns(found: Sequence[Record], columns: Sequence[str]) -> None:
    """Raise `UserError` for a metric, or a number of its row, that no file has."""
    for column in columns:
        field = column.partition(":")[2] or "value"
        rows = [row for each in found if (row := look_up(each, column)) is not None]
        if not rows:
            known = all_columns(found)
            more = ", …" if len(known) > SHOWN else ""
            raise UserError(
                f"no file has the metric {column!r}; there are {', '.join(known[:SHOWN])}{more}"
            )
        if not any(_is_number(row.get(field)) for row in rows):
            raise UserError(f"{column}: {spelled(rows[0])} has no number {field!r}")


def all_columns(found: Sequence[Record]) -> list[str]:
    """Return every metric of the records, in the order in which they come."""
    return list(dict.fromkeys(spelled(row) for each in found for row in each.rows))
