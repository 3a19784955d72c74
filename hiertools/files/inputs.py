"""Inputs as streams of bytes: plain, gzip or `-`, read once and digested on the way."""

import gzip
import hashlib
import io
import sys
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from hiertools.errors import UsageError, UserError

STDIN = Path("-")
HEAD_BYTES = 1 << 16
BLOCK_BYTES = 1 << 20
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
GZIP_MAGIC = b"\x1f\x8b"


class _Digested(io.RawIOBase):
    """A raw stream that feeds what is read through it to a sha256."""

    def __init__(self, raw: io.BufferedReader) -> None:
        self.raw, self.sha256 = raw, hashlib.sha256()

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed and self.raw is not getattr(sys.stdin, "buffer", None):
            self.raw.close()
        super().close()

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        count = self.raw.readinto(view)
        self.sha256.update(view[:count])
        return count


class Source:
    """An input file, or standard input for `-`: its name, its first bytes and its stream.

    `head` (up to 64 KiB, unpacked) is for finding out what the input is; `stream` then reads
    it from the start. Both unpack gzip. `digest` is the sha256 of the bytes as stored, once
    all were read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = "standard input" if path == STDIN else str(path)
        self.is_folder = path != STDIN and path.is_dir()
        self.head = b""
        if not self.is_folder:
            self._raw = _Digested(self._open())
            self._stream = self._unpacked(io.BufferedReader(self._raw, BLOCK_BYTES))
            with self.explained():
                self.head = self._stream.peek(HEAD_BYTES)[:HEAD_BYTES]
            if not self.head:
                raise UserError(f"{self.name}: is empty")

    def _open(self) -> io.BufferedReader:
        if self.path == STDIN:
            if sys.stdin is None or sys.stdin.isatty():
                raise UserError("standard input: is a terminal; pipe data into '-'")
            return cast(io.BufferedReader, sys.stdin.buffer)
        return open_input(self.path)

    @staticmethod
    def _unpacked(stream: io.BufferedReader) -> io.BufferedReader:
        if stream.peek(2)[:2] != GZIP_MAGIC:
            return stream
        return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=stream)), BLOCK_BYTES)

    def __del__(self) -> None:
        if hasattr(self, "_stream"):
            self._stream.close()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn the errors of a damaged gzip file into one line."""
        try:
            yield
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(f"{self.name}: gzip data is truncated or damaged: {error}") from error

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` unpacked bytes, all that is left by default."""
        if self.is_folder:
            raise UserError(f"{self.name}: is a folder; a file is needed")
        with self.explained():
            return self._stream.read(size)

    def text(self) -> str:
        """Return all that is left as text. Raises `UserError` if it is not UTF-8."""
        return decode(self.read(), self.name)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that are left with their numbers from 1, each with its line break."""
        if self.is_folder:
            raise UserError(f"{self.name}: is a folder; a file is needed")
        with self.explained():
            yield from enumerate(self._stream, 1)

    def digest(self) -> str:
        """Return the sha256 of the input, reading what is left of it.

        A folder's is that of the names and sizes of its files.
        """
        if self.is_folder:
            entries = sorted((p.name, p.stat().st_size) for p in self.path.iterdir())
            return hashlib.sha256(repr(entries).encode()).hexdigest()
        while self.read(BLOCK_BYTES):
            pass
        return self._raw.sha256.hexdigest()


@contextmanager
def spooled(path: Path) -> Iterator[Path]:
    """Yield a path that can be read several times: for `-`, that of a temporary copy."""
    if path != STDIN:
        yield path
        return
    source = Source(path)
    if source.head.startswith(HDF5_MAGIC):
        raise UsageError("HDF5 does not come through a pipe; name a file")
    with tempfile.NamedTemporaryFile(prefix="hiertools-") as copy:
        copy.write(source.read())
        copy.flush()
        try:
            yield Path(copy.name)
        except UserError as error:
            error.args = (str(error).replace(copy.name, "standard input"),)
            raise


def decode(data: bytes, name: str, first_line: int = 1) -> str:
    """Return UTF-8 bytes, with or without a byte order mark, as text."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + first_line  # without the order mark
        raise UserError(f"{name}:{line}: is not UTF-8 text") from None


def open_input(path: Path) -> io.BufferedReader:
    """Open a file for reading, or say in one line why it cannot be."""
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def digest_file(path: Path) -> str:
    """Return the sha256 of a file."""
    with open_input(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_stdin_once(paths: Iterable[Path | None]) -> None:
    """Raise `UsageError` if more than one input is `-`."""
    if list(paths).count(STDIN) > 1:
        raise UsageError("standard input (-) can be read once only")


def lines(path: Path) -> tuple[list[str], str]:
    """Return the lines of a text file that are not blank, and the file's sha256."""
    source = Source(path)
    if source.is_folder:
        raise UserError(f"{path}: is a folder; a list of lines is needed")
    found = [line.strip("\r\n") for line in source.text().split("\n")]
    return [line for line in found if line.strip()], source.digest()
