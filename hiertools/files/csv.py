"""CSV as we read it: columns found by name, in batches, ids as text, errors with their line."""

import csv
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import polars as pl

from hiertools.errors import UserError
from hiertools.files.inputs import HDF5_MAGIC, Source, decode

CHUNK_BYTES = 1 << 22
CACHED_BYTES = 1 << 17  # as much as a core's nearest memory holds while it is counted
PARSERS = 2
NO_SEPARATORS = bytes(set(range(256)) - set(b',"\n'))

Types = Mapping[str, pl.DataType | type[pl.DataType]]
Rows = TypeVar("Rows")


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


@dataclass(frozen=True)
class _Piece:
    """Whole lines of a file, as many as `lines`."""

    text: bytes
    first_line: int
    lines: int


def read(source: Source, needed: Types, optional: Types) -> Iterator[Batch]:
    """Yield batches of rows with the needed columns and those optional ones that are there.

    A field that is not what its type says is null. Raises `UserError` for a missing column and
    for lines of the wrong length.
    """
    header, types = _columns(source, needed, optional)
    yield from _ahead(_pieces(source), lambda piece: _parse(piece, header, types, source.name))


def read_quickly(
    source: Source,
    needed: Types,
    optional: Types,
    quick: Callable[[bytes, int, list[str], Types], Rows | None],
) -> Iterator[Batch | Rows]:
    """Yield what `quick` makes of whole lines, and batches as `read` does where that is None.

    quick: is given so many lines, the header, and the types of columns that are there.
    """
    header, types = _columns(source, needed, optional)

    def parse(piece: _Piece) -> Batch | Rows:
        found = quick(piece.text, piece.lines, header, types)
        return _parse(piece, header, types, source.name) if found is None else found

    yield from _ahead(_pieces(source), parse)


def _columns(source: Source, needed: Types, optional: Types) -> tuple[list[str], Types]:
    """Return the names in the header, and the types of those columns that are to be read."""
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
    return header, types


def refuse_others(source: Source) -> None:
    """Raise `UserError` for a folder, and for HDF5 and JSON, which would be read as odd columns."""
    kinds = {HDF5_MAGIC: "HDF5", b"{": "JSON", b"[": "JSON"}
    found = next((kind for start, kind in kinds.items() if source.head.startswith(start)), None)
    if source.is_folder or found:
        raise UserError(f"{source.name}: is {found or 'a folder'}; a CSV file is needed")


def _first_line(source: Source) -> bytes:
    refuse_others(source)
    line = source.head.partition(b"\n")[0]
    if len(line) == len(source.head) and len(line) >= 1 << 16:
        raise UserError(f"{source.name}:1: a first line of over 64 KiB is not a CSV header")
    return source.read(len(line) + 1).rstrip(b"\r\n")


def _pieces(source: Source) -> Iterator[_Piece]:
    line = 2
    for text in _chunks(source):
        piece = _Piece(text, line, _count(text, b"\n"))
        yield piece
        line += piece.lines


def _chunks(source: Source) -> Iterator[bytes]:
    """Yield the rest of the stream in pieces that end with a line that is not blank.

    Blank lines wait for the next piece: at the end of the file they are no rows.
    """
    rest = b""
    while block := source.read(CHUNK_BYTES):
        if cut := _end_of_rows(block):
            yield b"".join((rest, memoryview(block)[:cut]))
            rest = block[cut:]
        else:
            rest += block
    if cut := _end_of_rows(rest):
        yield rest[:cut]
        rest = rest[cut:]
    if rest.strip():
        yield rest.rstrip(b"\r\n") + b"\n"


def _end_of_rows(text: bytes) -> int:
    """Return where the last whole line that is not blank ends, 0 where there is none."""
    last = text.rfind(b"\n")
    while last >= 0 and text[last] in b"\r\n":
        last -= 1
    return text.find(b"\n", last) + 1 if last >= 0 else 0


def _count(text: bytes, character: bytes) -> int:
    """Return `text.count(character)`, faster where the character is frequent."""
    codes = np.frombuffer(text, np.uint8)
    blocks = (codes[i : i + CACHED_BYTES] for i in range(0, len(codes), CACHED_BYTES))
    return sum(int(np.count_nonzero(block == ord(character))) for block in blocks)


def _ahead(pieces: Iterator[_Piece], parse: Callable[[_Piece], Rows]) -> Iterator[Rows]:
    """Yield parsed pieces in order; the next ones are read and parsed while one is worked on."""
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(PARSERS) as parsers:

        def start() -> Future[Rows | None]:
            piece = reader.submit(next, pieces, None)
            return parsers.submit(lambda: parse(found) if (found := piece.result()) else None)

        waiting = deque(start() for _ in range(PARSERS))
        while (batch := waiting.popleft().result()) is not None:
            waiting.append(start())
            yield batch


def _parse(piece: _Piece, header: list[str], types: Types, name: str) -> Batch:
    text, line = piece.text, piece.first_line
    try:
        frame = _frame(text, header, types)
    except pl.exceptions.PolarsError as error:
        _check_lines(text, len(header), name, line)
        decode(text, name, line)  # names the line where it is not UTF-8
        reason = str(error).partition("\n")[0]
        raise UserError(f"{name}: lines from {line} on are not CSV: {reason}") from None
    if not _has_whole_rows(piece, frame[:, -1], len(header)):
        _check_lines(text, len(header), name, line)
    if len(frame) != piece.lines:
        raise UserError(f"{name}: lines from {line} on are not CSV: a line is not a row")
    return Batch(frame.select(c for c in header if c in types), name, line, header, text)


def _frame(text: bytes, header: list[str], types: Types) -> pl.DataFrame:
    """Return the columns that have a type, and the last one of the header."""
    last = len(header) - 1
    schema = {str(i): types.get(column, pl.String) for i, column in enumerate(header)}
    positions = [i for i, column in enumerate(header) if column in types or i == last]
    frame = pl.read_csv(
        text,
        has_header=False,
        schema=schema,
        columns=positions,
        infer_schema=False,
        ignore_errors=True,
        empty_string_is_null=False,
    )
    return frame.rename({str(i): header[i] for i in positions if header[i] in types})


def _has_whole_rows(piece: _Piece, last: pl.Series, columns: int) -> bool:
    """Return whether it is plain from what was parsed that every line has all columns.

    polars fills short lines up and cuts long ones off. But where no line is short, as no last
    field is empty, none is long either if there are as many commas as there should be.
    """
    if b'"' in piece.text or _count(piece.text, b",") != piece.lines * (columns - 1):
        return False
    return columns == 1 or not _has_gaps(last)


def _has_gaps(values: pl.Series) -> bool:
    if values.dtype.is_numeric():
        return values.has_nulls()
    return bool((values.cast(pl.String).fill_null("") == "").any())


def _check_lines(text: bytes, columns: int, name: str, first_line: int) -> None:
    """Refuse lines with more or fewer fields than the header, such as one that was cut off."""
    if _has_plain_lines(text, columns):
        return
    for number, line in enumerate(text[:-1].split(b"\n"), first_line):
        found = len(_fields(line.decode("utf-8", "replace"), f"{name}:{number}"))
        if found != columns:
            raise UserError(
                f"{name}:{number}: has {found} fields, the header {columns}; is the file cut off?"
            )


def _has_plain_lines(text: bytes, columns: int) -> bool:
    """Return whether there are no quotes and as many commas in each line as in the header."""
    line = b"," * (columns - 1) + b"\n"
    return text.translate(None, delete=NO_SEPARATORS) == line * text.count(b"\n")


def _fields(line: str, place: str) -> list[str]:
    if line.count('"') % 2:
        raise UserError(f"{place}: has a quote without its other end")
    try:
        return next(csv.reader([line.rstrip("\r")], strict=True), [])
    except csv.Error as error:
        raise UserError(f"{place}: is not a line of CSV: {error}") from None
