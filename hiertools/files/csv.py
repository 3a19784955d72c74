"""CSV as we read it: columns found by name, in batches, ids as text, errors with their line."""

import csv
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import polars as pl

from hiertools.errors import UserError
from hiertools.files.inputs import Source, decode

CHUNK_BYTES = 1 << 24
NO_SEPARATORS = bytes(set(range(256)) - set(b',"\n'))

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
    header = _fields(decode(header_bytes, source.name), f"{source.name}:1")
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
        if not _has_plain_lines(chunk, len(header)):
            _check_lines(chunk, len(header), source.name, line)
        frame = _parse(chunk, header, types, source.name, line)
        yield Batch(frame, source.name, line, header, chunk)
        line += len(frame)


def _first_line(source: Source) -> bytes:
    line = source.head.partition(b"\n")[0]
    if len(line) == len(source.head) and len(line) >= 1 << 16:
        raise UserError(f"{source.name}:1: a first line of over 64 KiB is not a CSV header")
    return source.read(len(line) + 1).rstrip(b"\r\n")


def _chunks(source: Source) -> Iterator[bytes]:
    """Yield the rest of the stream in pieces that end with a line that is not blank.

    Blank lines wait for the next piece: at the end of the file they are no rows.
    """
    text = b""
    while block := source.read(CHUNK_BYTES):
        text += block
        rows = text[: text.rfind(b"\n") + 1].rstrip(b"\r\n")
        cut = text.find(b"\n", len(rows)) + 1 if rows else 0
        if cut:
            yield text[:cut]
            text = text[cut:]
    if text.strip():
        yield text.rstrip(b"\r\n") + b"\n"


def _ahead(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Read and digest the next chunk while the one before is worked on."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(next, chunks, None)
        while (chunk := waiting.result()) is not None:
            waiting = pool.submit(next, chunks, None)
            yield chunk


def _has_plain_lines(chunk: bytes, columns: int) -> bool:
    """Return whether there are no quotes and as many commas in each line as in the header."""
    line = b"," * (columns - 1) + b"\n"
    return chunk.translate(None, delete=NO_SEPARATORS) == line * chunk.count(b"\n")


def _check_lines(chunk: bytes, columns: int, name: str, first_line: int) -> None:
    """Refuse lines with more or fewer fields than the header, such as one that was cut off."""
    for number, line in enumerate(chunk[:-1].split(b"\n"), first_line):
        found = len(_fields(line.decode("utf-8", "replace"), f"{name}:{number}"))
        if found != columns:
            raise UserError(
                f"{name}:{number}: has {found} fields, the header {columns}; is the file cut off?"
            )


def _fields(line: str, place: str) -> list[str]:
    if line.count('"') % 2:
        raise UserError(f"{place}: has a quote without its other end")
    try:
        return next(csv.reader([line.rstrip("\r")], strict=True), [])
    except csv.Error as error:
        raise UserError(f"{place}: is not a line of CSV: {error}") from None


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
        _check_lines(chunk, len(header), name, line)
        reason = str(error).partition("\n")[0]
        raise UserError(f"{name}: lines from {line} on are not CSV: {reason}") from None
    if len(frame) != chunk.count(b"\n"):
        raise UserError(f"{name}: lines from {line} on are not CSV: a line is not a row")
    return frame.rename({str(i): header[i] for i in positions})
