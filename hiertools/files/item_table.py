"""A CSV of columns for items, joined to them by id."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hiertools.errors import UserError
from hiertools.files import csv, items
from hiertools.files.inputs import Source
from hiertools.files.items import Items

TEXT = {"id": pl.String}
OPTIONAL = {
    "image": pl.String,
    "label": pl.String,
    "labels": pl.String,
    **dict.fromkeys(("x0", "y0", "x1", "y1", "latitude", "longitude"), pl.Float64),
    **dict.fromkeys(items.FLAGS, pl.Int8),
}
NUMBERS = ("x0", "y0", "x1", "y1", "latitude", "longitude", *items.FLAGS)
SEPARATOR = "|"


def join(table: Items, path: Path) -> tuple[Items, str]:
    """Return items with the columns of a CSV, and the sha256 of that file.

    Columns: id, and any of image, label, labels (with | between them), x0, y0, x1, y1 (in
    [0, 1]), latitude, longitude (degrees) and the flags (0 or 1). Raises `UserError` where an
    item has no line, an id has two, or a number is none.
    """
    source = Source(path)
    batches = list(csv.read(source, TEXT, OPTIONAL))
    if not batches:
        raise UserError(f"{path}: has no lines below its header")
    for batch in batches:
        _check(batch)
    frame = pl.concat([batch.frame for batch in batches])
    if (twice := frame["id"].is_duplicated()).any():
        raise UserError(f"{path}: the id {frame['id'].filter(twice)[0]!r} is there twice")
    wanted = pl.DataFrame({"id": [items.decode(value) for value in table.id]})
    frame = frame.with_columns(pl.lit(True).alias("found"))
    joined = wanted.join(frame, on="id", how="left", maintain_order="left")
    missing = joined["found"].is_null()
    if missing.any():
        first = joined["id"].filter(missing)[0]
        raise UserError(f"{path}: has no line for {missing.sum():,} items, such as {first!r}")
    try:
        return replace(table, **_columns(joined)), source.digest()
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _check(batch: csv.Batch) -> None:
    for column in NUMBERS:
        if column in batch.frame.columns:
            values = batch.frame[column]
            bad = values.is_null() | ~values.cast(pl.Float64).is_finite()
            if bad.any():
                row = int(bad.arg_max() or 0)
                raise batch.complaint(row, f"{column} is {batch.field(row, column)}, no number")


def _columns(frame: pl.DataFrame) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name in ("latitude", "longitude"):
        if name in frame.columns:
            columns[name] = frame[name].to_numpy()
    for name in items.FLAGS:
        if name in frame.columns:
            columns[name] = (frame[name] == 1).to_numpy()
    if "image" in frame.columns:
        columns["image"] = items.encode(frame["image"].to_list())
    corners = [name for name in ("x0", "y0", "x1", "y1") if name in frame.columns]
    if corners:
        if len(corners) != 4:
            raise UserError(f"has the columns {', '.join(corners)} of x0, y0, x1, y1 only")
        columns["box"] = np.stack([frame[name].to_numpy() for name in corners], axis=1)
    if "labels" in frame.columns:
        rows = (text.split(SEPARATOR) if text else [] for text in frame["labels"])
        columns["labels"] = items.label_sets(rows)
    elif "label" in frame.columns:
        columns["labels"] = items.label_sets([text] if text else [] for text in frame["label"])
    return columns
