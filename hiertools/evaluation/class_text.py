"""An evaluation of classes as people read it: tables of text."""

from collections.abc import Iterator, Sequence
from typing import Any

from hiertools.files.json import Document
from hiertools.files.metrics import Metrics
from hiertools.terminal import cell, table

SHOWN_CLASSES = 10  # the least accurate
TITLES = {"depths": "by depth", "sizes": "by items in training", "classes": "by class"}
NUMBERS = ("value", "chance", "adjusted", "frequent", "against")
TEXTS = ("metric", "class", "name", "confused", "confused name")
FEW = ("low", "high", "chance", "confused")  # columns that the table of classes has no room for
ORDER = [
    "metric", "value", "95 %", "chance", "adjusted", "frequent", "against", "difference",
    "95 % of it", "p", "items",
]  # fmt: skip


def lines(found: Metrics, *, whole: bool) -> Iterator[str]:
    """Yield what is shown. whole: all classes, and not only the least accurate ones."""
    counts, parameters = found.counts, found.parameters
    yield (
        f"{counts['items']:,} items, {counts['classes']:,} classes; distance"
        f" {parameters['distance']}, chance {parameters['chance']}, 95 % intervals"
    )
    yield _metrics(found.metrics)
    for name, title in TITLES.items():
        rows = found.tables.get(name, [])
        if name == "classes" and not whole:
            title = "the least accurate classes"
            rows = sorted((row for row in rows if "accuracy" in row), key=_accuracy)[:SHOWN_CLASSES]
        if name == "classes":
            rows = [{key: row[key] for key in row if key not in FEW} for row in rows]
        if rows:
            yield f"{title}:\n{_rows(rows)}"
    for row in found.tables.get("sanity", []):
        yield f"sanity: {row['result']}: {row['text']}"


def _accuracy(row: Document) -> float:
    return float(row["accuracy"])


def _metrics(rows: Sequence[Document]) -> str:
    made = [_cells(row) for row in rows]
    columns = [title for title in ORDER if any(title in row for row in made)]
    cells = [[row.get(title, "") for title in columns] for row in made]
    return table(columns, cells, texts=("metric",))


def _cells(row: Document) -> dict[str, str]:
    """Return the cells of a metric's row by the title of their column."""
    name = row["metric"] + (f"@{row['k']}" if "k" in row else "")
    found = {"metric": f"{row['of']} {name}" if "of" in row else name}
    found |= {key: format(row[key], ".4f") for key in NUMBERS if key in row}
    if "difference" in row:
        found["difference"] = format(row["difference"], "+.4f")
    for title, start, form in (("95 %", "", ".4f"), ("95 % of it", "difference_", "+.4f")):
        if f"{start}low" in row:
            ends = (format(row[f"{start}{end}"], form) for end in ("low", "high"))
            found[title] = " to ".join(ends)
    if "p" in row:
        found["p"] = format(row["p"], ".2g")
    return {**found, "items": cell(row["queries"])}


def _rows(rows: Sequence[Document]) -> str:
    columns = list(dict.fromkeys(key for row in sorted(rows, key=len, reverse=True) for key in row))
    if all(row.get("name", row.get("class")) == row.get("class") for row in rows):
        columns = [column for column in columns if column != "name"]
    titles = [column.replace("_", " ") for column in columns]
    made = [[_number(key, row.get(key, "")) for key in columns] for row in rows]
    return table(titles, made, texts=TEXTS)


def _number(key: str, value: Any) -> str:
    if not isinstance(value, float):
        return cell(value)
    return format(value, ".2g" if key == "p" else ".4f")
