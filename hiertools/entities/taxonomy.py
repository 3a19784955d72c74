"""A table with a row per class: to the nodes of a taxonomy, by the label of the items."""

from collections.abc import Sequence

import polars as pl

from hiertools.entities.labelling import Paths
from hiertools.errors import UserError
from hiertools.files import csv
from hiertools.files.inputs import Source


def read(source: Source, levels: Sequence[str]) -> tuple[Paths, dict[bytes, int]]:
    """Return the nodes of a table's rows, and the lowest node of each label of the last level.

    Raises `UserError` where a label has two rows: its items would be under two parents.
    """
    paths = Paths(levels, {})
    leaf_of: dict[bytes, int] = {}
    line_of: dict[str, int] = {}
    for batch in csv.read(source, dict.fromkeys(levels, pl.String), {}):
        columns = [batch.frame[level].str.strip_chars() for level in levels]
        nodes = paths.add(columns, _no_spelling)
        for row, (label, node) in enumerate(
            zip(columns[-1].to_list(), nodes.tolist(), strict=True)
        ):
            if not label:
                raise batch.complaint(row, f"there is no {levels[-1]}")
            if label in line_of:
                raise batch.complaint(
                    row,
                    f"{label!r} is in line {line_of[label]} too; an item can be in one place only",
                )
            line_of[label] = batch.first_line + row
            leaf_of[label.encode()] = node
    return paths, leaf_of


def _no_spelling(row: int, level: str, label: str) -> UserError:
    raise AssertionError("classes have no spellings")
