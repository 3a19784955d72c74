"""metrics.json: what an evaluation found, each number beside its chance level and its interval."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hiertools.errors import UserError
from hiertools.files import json
from hiertools.files.inputs import Source
from hiertools.files.json import Document, Fields

KIND = "metrics"
VERSION = 1
TEXTS = ("find", "of", "exclude")
COUNTS = ("k", "km")
NUMBERS = (
    "low", "high", "chance", "adjusted", "frequent", "coverage",
    "against", "difference", "difference_low", "difference_high", "p",
)  # fmt: skip


@dataclass(frozen=True)
class Metrics:
    """What an evaluation of a task found.

    metrics: rows with `metric`, `value` and `queries` (how many items it is of), and where they
    apply `find`, `of`, `exclude`, `k`, `km`, `low` and `high` (of a 95 % interval), `chance`,
    `adjusted` (0 at chance, 1 at best), `frequent`, `coverage`, `against`, `difference`,
    `difference_low`, `difference_high` and `p` (of the difference). A metric without queries has
    no row: `counts` says what was left out. tables: lists of rows by name.
    """

    task: str
    parameters: Document
    counts: Document
    metrics: list[Document]
    tables: dict[str, list[Document]]
    chain: list[Document] = field(default_factory=list)

    def __post_init__(self) -> None:
        _check(Fields(vars(self), "metrics"))


def _check(fields: Fields) -> None:
    """Raise `UserError` for rows that are none, and for null."""
    for row in fields.objects("metrics"):
        row.text("metric")
        row.number("value")
        row.count("queries")
        for keys, check in ((TEXTS, row.text), (NUMBERS, row.number), (COUNTS, row.count)):
            for key in keys:
                if key in row.document:
                    check(key)
    tables = Fields(fields.object("tables"), fields.name, "tables")
    rows = [row for name in tables.document for row in tables.objects(name)]
    for row in (*fields.objects("metrics"), *rows):
        if None in row.document.values():
            raise UserError(f"{row.name}: {row.place} has null; leave out what has no value")


def write_metrics(path: Path, metrics: Metrics, *, chain: list[Document], overwrite: bool) -> None:
    """Write metrics to a file, or to standard output for `-`."""
    document = {
        "kind": KIND,
        "version": VERSION,
        "provenance": chain,
        "task": metrics.task,
        "parameters": metrics.parameters,
        "counts": metrics.counts,
        "metrics": metrics.metrics,
        "tables": metrics.tables,
    }
    json.write(path, document, overwrite=overwrite)


def read_metrics(source: Source | Path) -> Metrics:
    """Read metrics."""
    source = source if isinstance(source, Source) else Source(source)
    fields = Fields(json.read(source, KIND, VERSION), source.name)
    about: dict[str, Any] = {key: fields.object(key) for key in ("parameters", "counts", "tables")}
    try:
        return Metrics(
            fields.text("task"),
            metrics=fields.list("metrics"),
            chain=fields.list("provenance"),
            **about,
        )
    except UserError as error:
        raise UserError(f"{source.name}: {error}") from None


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound. Reading it checks everything."""
    read_metrics(path)


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    found = read_metrics(path)
    return {
        "task": found.task,
        "parameters": found.parameters,
        "counts": found.counts,
        "metrics": found.metrics,
        "tables": {name: len(rows) for name, rows in found.tables.items()},
    }
