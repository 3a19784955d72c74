"""What is relevant, from a file that was made elsewhere: classes of items, or grades of hits.

A format of grades has two functions in `FORMATS`: whether a file has it, and a reader of it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from hiertools.evaluation import truth
from hiertools.files import item_table, trec
from hiertools.files.inputs import Source, spooled
from hiertools.files.items import Items

Grades = dict[str, dict[str, int]]  # of candidates, 0 or more, for each query


class Format(NamedTuple):
    """A format in which candidates are judged for single queries."""

    has: Callable[[Source], bool]
    read: Callable[[Source], Grades]


FORMATS = {"qrels": Format(trec.are_qrels, trec.read_qrels)}


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
