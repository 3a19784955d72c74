"""Columns of rows on disk, beside the output; their files have no name, so a kill leaves none."""

import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.files import atomic

MOST_AT_ONCE = 1 << 20

Array = NDArray[Any]


class Spool:
    """A column that grows: written once, in order, and read in slices."""

    def __init__(self, output: Path, dtype: Any) -> None:
        self.output, self.dtype = output, np.dtype(dtype)
        with atomic.explained(output):
            self._file = tempfile.TemporaryFile(dir=output.parent)  # noqa: SIM115
        self._rows = 0

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def __len__(self) -> int:
        return self._rows

    def append(self, values: Array) -> None:
        """Add rows at the end."""
        data = np.ascontiguousarray(values, self.dtype)
        with atomic.explained(self.output):
            self._file.write(data.data)
        self._rows += len(data)

    def read(self, start: int, stop: int) -> Array:
        """Return the rows from `start` to `stop`."""
        self._file.flush()
        size = self.dtype.itemsize
        data = os.pread(self._file.fileno(), (stop - start) * size, start * size)
        return np.frombuffer(data, self.dtype)

    def at(self, rows: NDArray[np.int64]) -> Array:
        """Return some rows, in any order."""
        if not len(rows):
            return np.zeros(0, self.dtype)
        low, high = int(rows.min()), int(rows.max()) + 1
        if high - low <= MOST_AT_ONCE:
            return self.read(low, high)[rows - low]
        self._file.flush()
        whole = np.memmap(self._file, self.dtype, "r", shape=(len(self),))
        found = whole[rows]
        whole._mmap.madvise(mmap.MADV_DONTNEED)  # type: ignore[attr-defined]
        return found

    def blocks(self, rows: int) -> Iterator[Array]:
        """Yield the column in blocks of rows."""
        for start in range(0, len(self), rows):
            yield self.read(start, min(start + rows, len(self)))


class TextSpool:
    """A column of texts that grows: kept as bytes of the length that each piece needs."""

    def __init__(self, output: Path) -> None:
        self._bytes = Spool(output, np.uint8)
        self._pieces: list[tuple[int, int, int]] = []  # first byte, rows, bytes of a row

    def append(self, values: Array) -> None:
        """Add rows of bytes of fixed length."""
        width = max(1, values.dtype.itemsize)
        self._pieces.append((len(self._bytes), len(values), width))
        self._bytes.append(values.astype(f"S{width}").view(np.uint8))

    @property
    def width(self) -> int:
        """Return the bytes of the longest text's piece."""
        return max((width for _, _, width in self._pieces), default=1)

    def blocks(self) -> Iterator[Array]:
        """Yield the pieces as they were added."""
        for first, rows, width in self._pieces:
            yield self._bytes.read(first, first + rows * width).view(f"S{width}")

    def at(self, row: int) -> bytes:
        """Return one text."""
        for first, rows, width in self._pieces:
            if row < rows:
                start = first + row * width
                return bytes(self._bytes.read(start, start + width).tobytes().rstrip(b"\0"))
            row -= rows
        raise IndexError(row)
