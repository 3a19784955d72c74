"""A table of metrics as text for people, Markdown, CSV or JSON."""

import csv
import io
from collections.abc import Callable

from hiertools.files import json
from hiertools.files.json import Document
from hiertools.tabulation import Cell, Table

DEVIATION, RUNS = "sd", "runs"  # what follows a column's name for these, in CSV and JSON


def text(table: Table, digits: int) -> str:
    """Return columns under their names: tags to the left, numbers to the right."""
    lines = [[*table.tags, *table.columns], *_shown(table, digits)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    tags = len(table.tags)
    made = [
        [each.rjust(w) if i >= tags else each.ljust(w)
         for i, (each, w) in enumerate(zip(line, widths, strict=True))]
        for line in lines
    ]  # fmt: skip
    made.insert(1, ["-" * width for width in widths])
    return "".join("  ".join(line).rstrip() + "\n" for line in made)


def markdown(table: Table, digits: int) -> str:
    """Return a table as GitHub's Markdown has them."""
    rule = ["---"] * len(table.tags) + ["---:"] * len(table.columns)
    lines = [[*table.tags, *table.columns], rule, *_shown(table, digits)]
    rows = ([each.replace("|", "\\|") for each in line] for line in lines)
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _shown(table: Table, digits: int) -> list[list[str]]:
    return [[*key, *(_cell(each, digits) for each in cells)] for key, cells in table.rows]


def _cell(cell: Cell | None, digits: int) -> str:
    if cell is None:
        return "-"
    deviation = "" if cell.deviation is None else f" ± {cell.deviation:.{digits}f}"
    return f"{cell.value:.{digits}f}{deviation}"


def comma_separated(table: Table, digits: int) -> str:
    """Return CSV with numbers in full; a mean has its deviation and its runs beside it."""
    rows = _flat(table)
    names = [
        *table.tags,
        *dict.fromkeys(key for row in rows for key in row if key not in table.tags),
    ]
    out = io.StringIO()
    writer = csv.DictWriter(out, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def document(table: Table, digits: int) -> str:
    """Return JSON: an object with `rows`, each an object; a metric that is not there is absent."""
    return json.dumps({"rows": _flat(table)})


def _flat(table: Table) -> list[Document]:
    rows = []
    for key, cells in table.rows:
        row: Document = dict(zip(table.tags, key, strict=True))
        for name, each in zip(table.columns, cells, strict=True):
            row |= _numbers(name, each)
        rows.append(row)
    return rows


def _numbers(name: str, cell: Cell | None) -> Document:
    if cell is None:
        return {}
    if cell.deviation is None:
        return {name: cell.value}
    more = {f"{name} {DEVIATION}": cell.deviation, f"{name} {RUNS}": cell.runs}
    return {name: cell.value, **more}


FORMATS: dict[str, Callable[[Table, int], str]] = {
    "text": text, "markdown": markdown, "csv": comma_separated, "json": document,
}  # fmt: skip


def rendered(table: Table, format: str, digits: int) -> str:
    """Return a table in one of `FORMATS`. digits: decimals in text and Markdown."""
    return FORMATS[format](table, digits)
