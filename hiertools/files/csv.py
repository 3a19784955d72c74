"""CSV as we read it: columns found by name, in batches, ids as text, errors with their line."""

import csv
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl

from hiertools.errors import UserError
from hiertools.files.inputs import Source, decode

CHUNK_BYTES = 1 << 24

Types = Mapping[str, type[pl.DataType]]


@dataclass(frozen=True)
class Batch:
    """Rows of a CSV file: the columns that were asked for, and where they stand."""

    frame: pl.DataFrame
    name: str
    first_line: int
    header: list[str]
    text: bytes

    def complaint(self, row: int, what: str) -> UserError:
        """Return an error that names the file and the line of a row."""
        return UserError(f"{self.name}:{self.first_line + row}: {what}")

    def field(self, row: int, column: str) -> str:
        """Return what stands in the file in a column of the header, for a message."""
        line = self.text.split(b"\n")[row].decode("utf-8", "replace")
        return repr(next(csv.reader([line]))[self.header.index(column)])


def read(source: Source, needed: Types, optional: Types) -> Iterator[Batch]:
    """Yield batches of rows with the needed columns and those optional ones that are there.

    A field that is not what its type says is null. Raises `UserError` for a missing column and
    for lines of the wrong length.
    """
    header_bytes = _first_line(source)
    header = next(csv.reader([decode(header_bytes, source.name)]), [])
    header = [column.strip() for column in header]
    types = {
        **needed,
        **{name: kind for name, kind in optional.items() if name in header},
    }
    for name in types:
        if header.count(name) != 1:
            problem = "no column" if name not in header else "more than one column"
            raise UserError(
                f"{source.name}:1: {problem} '{name}'; the columns are {', '.join(header)}"
            )
    line = 2
    for chunk in _ahead(_chunks(source)):
        frame = _parse(chunk, header, types, source.name, line)
        _check_lengths(chunk, len(frame), len(header), source.name, line)
        yield Batch(frame, source.name, line, header, chunk)
        line += len(frame)


def _first_line(source: Source) -> bytes:
    line = source.head.partition(b"\n")[0]
    if len(line) == len(source.head) and len(line) >= 1 << 16:
        raise UserError(f"{source.name}:1: a first line of over 64 KiB is not a CSV header")
    return source.read(len(line) + 1).rstrip(b"\r\n")


def _chunks(source: Source) -> Iterator[bytes]:
    """Yield the rest of the stream in pieces that end with a line."""
    carried = b""
    while block := source.read(CHUNK_BYTES):
        cut = block.rfind(b"\n") + 1
        if cut:
            yield _ended(carried + block[:cut])
            carried = b""
        carried += block[cut:]
    if carried.strip():
        yield _ended(carried)


def _ended(chunk: bytes) -> bytes:
    """End a chunk with one line break: blank lines at the end of a file are no rows."""
    blank = chunk.endswith((b"\n\n", b"\n\r\n")) or not chunk.endswith(b"\n")
    return chunk.rstrip(b"\r\n") + b"\n" if blank else chunk


def _ahead(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Read and digest the next chunk while the one before is worked on."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, chunks, None)
        while (chunk := waiting.result()) is not None:
            waiting = pool.submit(next, chunks, None)
            yield chunk


def _check_lengths(chunk: bytes, rows: int, columns: int, name: str, first_line: int) -> None:
    """Refuse lines with more or fewer fields than the header, such as one that was cut off."""
    commas = int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == ord(",")))
    if b'"' not in chunk and commas == rows * (columns - 1):
        return
    for number, line in enumerate(chunk[:-1].split(b"\n")):
        fields = next(csv.reader([line.decode("utf-8", "replace")]), [])
        if len(fields) != columns:
            raise UserError(
                f"{name}:{first_line + number}: has {len(fields)} fields, the header {columns};"
                " is the file cut off?"
            )


def _parse(chunk: bytes, header: list[str], types: Types, name: str, line: int) -> pl.DataFrame:
    schema = {str(i): types.get(column, pl.String) for i, column in enumerate(header)}
    positions = [i for i, column in enumerate(header) if column in types]
    try:
        frame = pl.read_csv(
            chunk,
            has_header=False,
            schema=schema,
            columns=positions,
            infer_schema=False,
            ignore_errors=True,
            empty_string_is_null=False,
        )
    except pl.exceptions.PolarsError as error:
        decode(chunk, name, line)  # names the line where it is not UTF-8
        _check_lengths(chunk, 0, len(header), name, line)
        reason = str(error).partition("\n")[0]
        raise UserError(f"{name}: lines from {line} on are not CSV: {reason}") from None
    return frame.rename({str(i): header[i] for i in positions})
