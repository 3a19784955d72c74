"""OpenImages box CSV: a line a box, columns found by name, fractions of the image's sides.

Kuznetsova et al. 2020, The Open Images Dataset V4 (arXiv:1811.00982), section 2.3 of its data
format: ImageID, LabelName, XMin, XMax, YMin, YMax, and flags that are 1, 0 or -1 (unknown).
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from hiertools.boxes import Boxes, from_fractions, from_trillionths
from hiertools.files import csv, plain_csv
from hiertools.files.inputs import Source
from hiertools.files.texts import Texts

CORNERS = ("XMin", "YMin", "XMax", "YMax")
NEEDED = {
    "ImageID": pl.String,
    "LabelName": pl.String,
    **dict.fromkeys(CORNERS, pl.Float64),
}
FLAGS = {
    "occluded": "IsOccluded",
    "truncated": "IsTruncated",
    "group_of": "IsGroupOf",
    "depiction": "IsDepiction",
    "inside": "IsInside",
}


def sniff(source: Source) -> bool:
    """Return whether the input is a CSV with the columns of OpenImages."""
    header = source.head.partition(b"\n")[0]
    return b"ImageID" in header and b"," in header


def read(source: Source) -> Iterator[Boxes]:
    """Read boxes in batches. Raises `UserError` with file and line for a value that is none."""
    flags = dict.fromkeys(FLAGS.values(), pl.Int8)
    for rows in csv.read_quickly(source, NEEDED, flags, plain_csv.parse):
        yield _of_plain(rows) if isinstance(rows, plain_csv.PlainRows) else _of_frame(rows)


def _of_plain(rows: plain_csv.PlainRows) -> Boxes:
    flags = {name: rows.small[c] == 1 for name, c in FLAGS.items() if c in rows.small}
    return Boxes(
        rows.texts["ImageID"], rows.texts["LabelName"], from_trillionths(rows.numbers), flags
    )


def _of_frame(batch: csv.Batch) -> Boxes:
    frame = batch.frame
    for column in ("ImageID", "LabelName"):
        if (empty := frame[column].fill_null("") == "").any():
            raise batch.complaint(int(empty.arg_max() or 0), f"{column} is empty")
    for column in frame.drop("ImageID", "LabelName").columns:
        _check_numbers(batch, column)
    corners = np.stack([frame[column].to_numpy() for column in CORNERS], axis=1)
    flags = {name: frame[c].to_numpy() == 1 for name, c in FLAGS.items() if c in frame}
    images, labels = (_texts(frame[column]) for column in ("ImageID", "LabelName"))
    return Boxes(images, labels, from_fractions(corners), flags)


def _texts(column: pl.Series) -> Texts:
    sizes = column.str.len_bytes().cast(pl.Int64).to_numpy()
    return Texts.joined(column.str.join("").item().encode(), sizes)


def _check_numbers(batch: csv.Batch, column: str) -> None:
    values = batch.frame[column]
    if values.null_count() == 0 and (column in FLAGS.values() or values.is_finite().all()):
        return
    bad = values.is_null() if column in FLAGS.values() else ~values.is_finite().fill_null(False)
    if bad.any():
        row = int(bad.arg_max() or 0)
        raise batch.complaint(row, f"{column} is {batch.field(row, column)}, not a number")
