"""The item table: what each row of a file is. Every file with rows carries the same one.

Ids are unique and are what commands join by. Text is kept as UTF-8 bytes of fixed length, as in
the file: millions of rows as Python text would not fit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files.hdf5 import Reader, Writer

Array = NDArray[Any]

KINDS = np.array([b"image", b"box", b"text"])
FLAGS = ("occluded", "truncated", "group_of", "depiction", "inside")
MAX_ID_BYTES = 1024
ROWS_PER_CHECK = 1 << 16


@dataclass(frozen=True)
class Labels:
    """A set of labels for each of n rows: `codes[offsets[i]:offsets[i + 1]]` index `names`."""

    offsets: NDArray[np.int64]
    codes: NDArray[np.int32]
    names: NDArray[np.bytes_]

    def __post_init__(self) -> None:
        offsets, codes = self.offsets, self.codes
        whole = len(offsets) > 0 and offsets[0] == 0 and offsets[-1] == len(codes)
        if not whole or (np.diff(offsets) < 0).any():
            raise UserError("the label offsets do not rise from 0 to the number of labels")
        if len(codes) and (codes.min() < 0 or codes.max() >= len(self.names)):
            raise UserError("a label code has no label name")
        if len(np.unique(self.names)) != len(self.names):
            raise UserError("a label name is there twice")

    def of(self, row: int) -> list[str]:
        """Return the labels of a row."""
        codes = self.codes[self.offsets[row] : self.offsets[row + 1]]
        return [bytes(name).decode() for name in self.names[codes]]

    def take(self, rows: Array) -> "Labels":
        """Return the labels of some rows; the names stay as they are."""
        counts = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
        codes = self.codes[np.repeat(self.offsets[:-1][rows], counts) + within]
        return Labels(offsets, codes, self.names)


@dataclass(frozen=True)
class Items:
    """n rows. Columns that the file does not have are None.

    id, image: text, n; kind: 0 image, 1 box, 2 text (n, uint8); box: x0, y0, x1, y1 in [0, 1]
    (n x 4, float64; an image's is 0, 0, 1, 1); latitude, longitude: degrees (n, float64); the
    flags are booleans (n).
    """

    id: NDArray[np.bytes_]
    image: NDArray[np.bytes_] | None = None
    kind: NDArray[np.uint8] | None = None
    labels: Labels | None = None
    box: NDArray[np.float64] | None = None
    latitude: NDArray[np.float64] | None = None
    longitude: NDArray[np.float64] | None = None
    occluded: NDArray[np.bool_] | None = None
    truncated: NDArray[np.bool_] | None = None
    group_of: NDArray[np.bool_] | None = None
    depiction: NDArray[np.bool_] | None = None
    inside: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        for name, column in self.columns().items():
            if len(column) != len(self.id):
                raise UserError(f"column {name} has {len(column)} rows; there are {len(self.id)}")
        if self.labels is not None and len(self.labels.offsets) != len(self.id) + 1:
            raise UserError("the labels are not those of the rows")
        _check_unique(self.id)
        _check_ranges(self)

    def __len__(self) -> int:
        return len(self.id)

    def columns(self) -> dict[str, Array]:
        """Return the columns that are there, without the labels."""
        names = [field.name for field in fields(self) if field.name != "labels"]
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    def take(self, rows: Array) -> "Items":
        """Return some of the rows, in the order given."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        taken = {name: column[rows] for name, column in self.columns().items()}
        return replace(self, **taken, labels=self.labels and self.labels.take(rows))


def _check_unique(ids: Array) -> None:
    ordered = np.sort(ids)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(twice):
        raise UserError(f"the id {decode(twice[0])!r} is there twice; ids must be unique")
    if len(ids) and not ordered[0]:
        raise UserError("an id is empty")


def _check_ranges(items: Items) -> None:
    if items.box is not None and items.box.shape != (len(items), 4):
        raise UserError(f"boxes have the shape {items.box.shape}, not {(len(items), 4)}")
    if items.kind is not None and len(items) and items.kind.max() >= len(KINDS):
        raise UserError("an item is of an unknown kind")
    bounds = {"box": 1.0, "latitude": 90.0, "longitude": 180.0}
    for name, high in bounds.items():
        column = getattr(items, name)
        low = 0.0 if name == "box" else -high
        if column is not None and not ((column >= low) & (column <= high)).all():
            raise UserError(f"a value of {name} is not in [{low:g}, {high:g}]")


def encode(texts: Sequence[str]) -> NDArray[np.bytes_]:
    """Return texts as bytes of fixed length. Raises `UserError` for text that cannot be an id."""
    try:
        encoded = [text.encode() for text in texts]
    except UnicodeEncodeError as error:
        raise UserError(f"{error.object[:40]!r}: cannot be written as UTF-8") from None
    for text, value in zip(texts, encoded, strict=True):
        if len(value) > MAX_ID_BYTES or b"\0" in value:
            raise UserError(f"{text[:40]!r}: longer than {MAX_ID_BYTES} bytes or has a NUL")
    return np.array(encoded, dtype=np.bytes_) if encoded else np.zeros(0, "S1")


def decode(value: Any) -> str:
    """Return one text of a column."""
    return bytes(value).decode("utf-8", "replace")


def label_sets(rows: Iterable[Iterable[str]]) -> Labels:
    """Return the labels of rows, in the order in which they first come."""
    codes: list[int] = []
    offsets = [0]
    known: dict[str, int] = {}
    for row in rows:
        codes += [known.setdefault(label, len(known)) for label in dict.fromkeys(row)]
        offsets.append(len(codes))
    names = encode(list(known))
    return Labels(np.array(offsets, np.int64), np.array(codes, np.int32), names)


def concatenate(parts: Sequence[Items]) -> Items:
    """Return the rows of several tables under each other; all must have the same columns."""
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        if part.columns().keys() != first.columns().keys() or (part.labels is None) != (
            first.labels is None
        ):
            raise UserError("the files do not have the same columns of items")
    joined = {name: np.concatenate([getattr(p, name) for p in parts]) for name in first.columns()}
    labels = None
    if first.labels is not None:
        labels = label_sets(p.labels.of(i) for p in parts if p.labels for i in range(len(p)))
    return Items(**joined, labels=labels)


def write(writer: Writer, items: Items) -> None:
    """Write the table into a file."""
    for name, column in items.columns().items():
        writer.column(f"items/{name}", column)
    if items.labels is not None:
        for name in ("offsets", "codes", "names"):
            writer.column(f"items/labels/{name}", getattr(items.labels, name))


TYPES = {
    "id": "S",
    "image": "S",
    "kind": "u",
    "box": "f",
    "latitude": "f",
    "longitude": "f",
}


def read(reader: Reader) -> Items:
    """Read the table of a file. Raises `UserError` with the file's name if it is not sound."""
    names = [name for name in reader.names("items") if name != "labels"]
    unknown = [name for name in names if name not in TYPES and name not in FLAGS]
    if unknown:
        raise UserError(f"{reader.path}: items has an unknown column '{unknown[0]}'")
    if "id" not in names:
        raise UserError(f"{reader.path}: has no items")
    columns: dict[str, Any] = {
        name: reader.column(f"items/{name}", TYPES.get(name, "b"), 2 if name == "box" else 1)
        for name in names
    }
    labels = _read_labels(reader)
    try:
        for text in (columns["id"], columns.get("image"), labels.get("names")):
            if text is not None:
                _check_text(text)
        return Items(**columns, labels=Labels(**labels) if labels else None)
    except UserError as error:
        raise UserError(f"{reader.path}: {error}") from None


def _read_labels(reader: Reader) -> dict[str, Any]:
    if "labels" not in reader.names("items"):
        return {}
    kinds = {"offsets": "i", "codes": "i", "names": "S"}
    return {name: reader.column(f"items/labels/{name}", kinds[name], 1) for name in kinds}


def _check_text(column: Array) -> None:
    """Refuse bytes that are not UTF-8, many rows at a time: each ends with a NUL."""
    for row in range(0, len(column), ROWS_PER_CHECK):
        block = column[row : row + ROWS_PER_CHECK]
        try:
            block.astype(f"S{block.itemsize + 1}").tobytes().decode()
        except UnicodeDecodeError as error:
            first = block[error.start // (block.itemsize + 1)]
            raise UserError(f"{decode(first)!r} is not UTF-8") from None
