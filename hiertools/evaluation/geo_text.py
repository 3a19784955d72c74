"""An evaluation of places as people read it: tables of text."""

from collections.abc import Iterator, Sequence
from typing import Any

from hiertools.files.json import Document
from hiertools.files.metrics import Metrics
from hiertools.terminal import cell, table

SHARES = ("accuracy", "recall", "ece")
SHOWN_COUNTRIES = 20
PROTOCOLS = {
    "osv5m": "as the published code, defects included: blank labels, cities without sub-region and"
    " Namibia are wrong",
    "osv5m-fixed": "as the published code, but blank labels do not count, and cities without"
    " sub-region and Namibia are compared",
}
TABLES = {  # columns that are text, and titles of others
    "slices": ("by", "part"),
    "reported": ("level",),
    "reliability": ("of",),
}


def lines(found: Metrics, *, whole: bool) -> Iterator[str]:
    """Yield what is shown. whole: with all countries, and with the table of reliability."""
    counts, parameters = found.counts, found.parameters
    yield f"{counts['items']:,} items, {counts['with_distance']:,} of them with a distance"
    if "radius_km" in parameters:
        radius, rule = parameters["radius_km"], parameters["recall"]
        yield f"distances on a sphere with a radius of {radius} km; recall: {rule}"
    if parameters["protocol"] in PROTOCOLS:
        yield f"protocol {parameters['protocol']}: {PROTOCOLS[parameters['protocol']]}"
    yield _metrics(found.metrics)
    for name, texts in TABLES.items():
        rows = found.tables.get(name, [])
        if name == "slices" and not whole:
            rows = _frequent(rows)
        if rows and (whole or name != "reliability"):
            yield _rows(rows, texts)


def _metrics(rows: Sequence[Document]) -> str:
    """Return the metrics as a table, with those columns that some row has."""
    made = [_cells(row) for row in rows]
    columns = list(dict.fromkeys(key for row in made for key in row))
    order = ["metric", "of", "km", "value", "95 %", "against", "difference", "95 % of it", "chance"]
    order += ["frequent", "coverage", "items"]
    columns.sort(key=order.index)
    texts = ("metric", "of")
    return table(columns, [[row.get(key, "") for key in columns] for row in made], texts=texts)


def _cells(row: Document) -> dict[str, str]:
    """Return the cells of a metric's row by the title of their column."""
    form = ".4f" if row["metric"] in SHARES else ",.1f"
    found: dict[str, str] = {key: str(row[key]) for key in ("metric", "of", "km") if key in row}
    for key in ("value", "against", "chance", "frequent", "coverage"):
        if key in row:
            found[key] = format(row[key], form)
    if "difference" in row:
        found["difference"] = format(row["difference"], f"+{form}")
    for title, start, sign in (("95 %", "", ""), ("95 % of it", "difference_", "+")):
        if f"{start}low" in row:
            ends = (format(row[f"{start}{end}"], sign + form) for end in ("low", "high"))
            found[title] = " to ".join(ends)
    return {**found, "items": cell(row["queries"])}


def _frequent(rows: Sequence[Document]) -> list[Document]:
    """Return rows of slices, of countries only those with the most items."""
    sizes = sorted((row["items"] for row in rows if row["by"] == "country"), reverse=True)
    least = sizes[SHOWN_COUNTRIES - 1] if len(sizes) > SHOWN_COUNTRIES else 0
    return [row for row in rows if row["by"] != "country" or row["items"] >= least]


def _rows(rows: Sequence[Document], texts: Sequence[str]) -> str:
    columns = list(dict.fromkeys(key for row in sorted(rows, key=len, reverse=True) for key in row))
    titles = [column.replace("accuracy_", "").replace("_", " ") for column in columns]
    made = [[_number(key, row.get(key, "")) for key in columns] for row in rows]
    return table(titles, made, texts=texts)


def _number(key: str, value: Any) -> str:
    if not isinstance(value, float):
        return cell(value)
    return format(value, ",.1f" if key in ("mean_km", "median_km", "geoscore") else ".4f")
