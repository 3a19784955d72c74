"""What is relevant, from a file that was made elsewhere: classes of items, or grades of hits.

A format of grades has two functions in `FORMATS`: whether a file has it, and a reader of it.
"""

from codecs import BOM_UTF8
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hiertools.errors import UserError
from hiertools.evaluation import truth
from hiertools.files import item_table, json, trec
from hiertools.files.inputs import Source, spooled
from hiertools.files.items import Items

Grades = dict[str, dict[str, int]]  # of candidates, 0 or more, for each query


class Format(NamedTuple):
    """A format in which candidates are judged for single queries."""

    has: Callable[[Source], bool]
    read: Callable[[Source], Grades]


def are_lists(source: Source) -> bool:
    """Return whether a file is a JSON object."""
    return source.head.removeprefix(BOM_UTF8).lstrip()[:1] == b"{"


def read_lists(source: Source) -> Grades:
    """Return grades of 1 for the relevant ids that JSON lists for each query."""
    document = json.loads(source.text(), source.name)
    fields = json.Fields(document, source.name)
    if {"imlist", "qimlist", "gnd"} <= fields.document.keys():
        raise UserError(f"{source.name}: is a ground truth for --protocol revisited; give that too")
    return {query: dict.fromkeys(fields.texts(query), 1) for query in fields.document}


FORMATS = {
    "qrels": Format(trec.are_qrels, trec.read_qrels),
    "lists": Format(are_lists, read_lists),
}


class Found(NamedTuple):
    """What a file says: grades, or tables of items with their classes; and its sha256."""

    grades: Grades | None
    tables: list[Items]
    sha256: str


def read(path: Path, tables: list[Items]) -> Found:
    """Read a file of grades, or a CSV of id and label, for the items of some tables.

    Without tables a CSV is the only one. Raises `UserError` for an item that the CSV lacks.
    """
    with spooled(path) as copy:
        source = Source(copy)
        for form in FORMATS.values():
            if form.has(source):
                return Found(form.read(source), tables, source.digest())
        if not tables:
            table, sha256 = truth.read(copy)
            return Found(None, [table], sha256)
        joined = [item_table.join(table, copy) for table in tables]
        return Found(None, [table for table, _ in joined], joined[0][1])
