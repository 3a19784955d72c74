"""HDF5: the one module that knows it.

A file of ours has the attributes `kind` and `version`, the datasets `meta` and `provenance`
(JSON text as bytes), columns and matrices. A column is a small table's: chunked, with a
fletcher32 sum a chunk, which HDF5 checks on reading; a single number is in its own header, which
has a sum too. A matrix is contiguous and uncompressed, so that a row can be read through a memory
map; `NAME.crc32` beside it has a CRC-32 for each block of `rows_per_block` rows. Text is UTF-8 in
bytes of fixed length.
"""

import json as stdlib_json
import os
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UsageError, UserError
from hiertools.files import atomic, inputs, json, trust

BLOCK_BYTES = 1 << 20
CHUNK_ROWS = 1 << 16
CHUNK_BYTES = 1 << 26  # HDF5 takes none of 4 GB
FLOAT32 = "<f4"
FORMAT = ("v110", "v110")  # object headers with checksums; readable since HDF5 1.10

Array = NDArray[Any]


class Writer:
    """A file that is being written."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file

    def column(self, name: str, values: Array) -> None:
        """Write a column, or an array of any shape; text as bytes of fixed length."""
        values = np.asarray(values)
        if values.dtype.kind == "S" and values.dtype.itemsize == 0:
            values = values.astype("S1")
        options: dict[str, Any] = {}
        if not values.ndim:
            self._number(name, values)
            return
        if values.size:
            rows = min(len(values), CHUNK_ROWS, max(1, CHUNK_BYTES * len(values) // values.nbytes))
            options = {"chunks": (rows, *values.shape[1:]), "fletcher32": True}
        data = self._file.create_dataset(name, data=values, track_order=False, **options)
        data.flush()  # h5py hides what fails when it lets go of a dataset

    def _number(self, name: str, value: Array) -> None:
        """Write a single number into its header; h5py itself would put it elsewhere."""
        layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        layout.set_layout(h5py.h5d.COMPACT)
        layout.set_obj_track_times(False)
        links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
        links.set_create_intermediate_group(True)
        dtype = h5py.h5t.py_create(value.dtype, logical=True)
        space = h5py.h5s.create(h5py.h5s.SCALAR)
        data = h5py.h5d.create(self._file.id, name.encode(), dtype, space, layout, links)
        data.write(h5py.h5s.ALL, h5py.h5s.ALL, value)

    def stream(self, name: str, like: Array, rows: int, blocks: Iterable[Array]) -> None:
        """Write a column of so many rows from blocks, of the type and inner shape of `like`.

        The bytes of the file do not depend on how the rows are cut into blocks.
        """
        inner = like.shape[1:]
        if not rows:
            self.column(name, np.zeros((0, *inner), like.dtype))
            return
        row_bytes = max(1, like.dtype.itemsize * int(np.prod(inner)))
        chunk = min(rows, CHUNK_ROWS, max(1, CHUNK_BYTES // row_bytes))
        data = self._file.create_dataset(
            name, (rows, *inner), like.dtype, track_order=False, chunks=(chunk, *inner),
            fletcher32=True,
        )  # fmt: skip
        row = 0
        for block in _of_size(blocks, chunk):
            data[row : row + len(block)] = block
            row += len(block)
        data.flush()
        if row != rows:
            raise ValueError(f"{name}: {row} rows written, {rows} declared")

    def matrix(
        self, name: str, shape: tuple[int, int], blocks: Iterable[Array], dtype: str = FLOAT32
    ) -> None:
        """Write a matrix from blocks of rows that together have its shape."""
        data = self._file.create_dataset(name, shape, dtype, track_order=False)
        checksums = _Checksums(shape, np.dtype(dtype).itemsize)
        row = 0
        for block in blocks:
            rows = np.ascontiguousarray(block, dtype)
            data[row : row + len(rows)] = rows
            checksums.add(rows)
            row += len(rows)
        data.flush()
        if row != shape[0]:
            raise ValueError(f"{name}: {row} rows written, {shape[0]} declared")
        self.column(f"{name}.crc32", checksums.finish())
        self._file[f"{name}.crc32"].attrs["rows_per_block"] = checksums.rows_per_block


def _of_size(blocks: Iterable[Array], size: int) -> Iterator[Array]:
    """Yield the same rows in blocks of `size`, the last one shorter."""
    waiting: list[Array] = []
    for block in blocks:
        while len(block):
            piece = block[: size - sum(map(len, waiting))]
            waiting.append(piece)
            block = block[len(piece) :]
            if sum(map(len, waiting)) == size:
                yield np.concatenate(waiting)
                waiting = []
    if waiting:
        yield np.concatenate(waiting)


class _Checksums:
    """CRC-32 of blocks of rows, fed by pieces of any size."""

    def __init__(self, shape: tuple[int, int], itemsize: int) -> None:
        self.rows_per_block = max(1, BLOCK_BYTES // max(1, itemsize * shape[1]))
        self._crc, self._rows, self._done = 0, 0, list[int]()

    def add(self, rows: Array) -> None:
        while len(rows):
            piece = rows[: self.rows_per_block - self._rows]
            self._crc = zlib.crc32(piece.data, self._crc)
            self._rows += len(piece)
            rows = rows[len(piece) :]
            if self._rows == self.rows_per_block:
                self._close()

    def _close(self) -> None:
        self._done.append(self._crc)
        self._crc, self._rows = 0, 0

    def finish(self) -> Array:
        if self._rows:
            self._close()
        return np.array(self._done, "<u4")


@contextmanager
def create(
    path: Path,
    kind: str,
    version: int,
    *,
    meta: json.Document,
    chain: list[json.Document],
    overwrite: bool,
) -> Iterator[Writer]:
    """Write one of our files; it takes its name when the block succeeds."""
    if path == atomic.STDOUT:
        raise UsageError("HDF5 does not go through a pipe; name a file")
    with atomic.replacing(path, overwrite=overwrite) as temporary, _writable(temporary) as file:
        file.attrs["kind"] = np.bytes_(kind)
        file.attrs["version"] = version
        writer = Writer(file)
        writer.column("meta", _as_bytes(meta))
        writer.column("provenance", _as_bytes(chain))
        yield writer


@contextmanager
def _writable(path: Path) -> Iterator[h5py.File]:
    """Yield a new file, and close it even if it cannot be written, such as on a full disk.

    HDF5 would try again at the program's end, and crash. So what it still has goes nowhere, and
    it does not matter that there it cannot give the file its length.
    """
    file = h5py.File(path, "w", libver=FORMAT)
    try:
        yield file
        file.flush()
    except BaseException:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, file.id.get_vfd_handle())
        os.close(nowhere)
        with suppress(OSError, RuntimeError):
            file.close()
        raise
    file.close()


def _as_bytes(document: Any) -> Array:
    text = stdlib_json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return np.frombuffer(atomic.encode(text), np.uint8)


def is_hdf5(path: Path) -> bool:
    """Return whether a file starts as HDF5 does."""
    with inputs.open_input(path) as file:
        return file.read(len(inputs.HDF5_MAGIC)) == inputs.HDF5_MAGIC


class Reader:
    """A file of ours that is open: trusted in its structure, read piece by piece."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path, self._file = path, file
        self.kind = self._attribute("kind", "S")
        self.version = self._attribute("version", "iu")
        self.meta: json.Document = self._document("meta", dict)
        self.chain: list[json.Document] = self._document("provenance", list)

    def _attribute(self, name: str, kinds: str) -> Any:
        value = self._file.attrs.get(name)
        dtype = getattr(value, "dtype", None)
        if dtype is None or dtype.kind not in kinds or value.shape:
            raise UserError(f"{self.path}: no attribute '{name}'; not a file of ours")
        return value.decode("utf-8", "replace") if kinds == "S" else int(value)

    def _document(self, name: str, wanted: type) -> Any:
        text = self.column(name, "u", 1).tobytes().decode("utf-8", "replace")
        document = json.loads(text, f"{self.path}: {name}")
        if not isinstance(document, wanted):
            what = "an object" if wanted is dict else "a list"
            raise UserError(f"{self.path}: '{name}' is not {what}")
        return document

    def has(self, name: str) -> bool:
        """Return whether there is a dataset of this name."""
        return name in self._file

    def names(self, group: str) -> list[str]:
        """Return the names in a group, none if it is not there."""
        return list(self._file[group]) if isinstance(self._file.get(group), h5py.Group) else []

    def datasets(self, group: str) -> list[str]:
        """Return the names of all datasets below a group, none if it is not there."""
        found: list[str] = []

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                found.append(name)

        if isinstance(self._file.get(group), h5py.Group):
            self._file[group].visititems(visit)
        return found

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a dataset."""
        return tuple(self._dataset(name).shape)

    def _dataset(self, name: str) -> h5py.Dataset:
        data = self._file.get(name)
        if not isinstance(data, h5py.Dataset) or data.shape is None:
            raise UserError(f"{self.path}: no dataset '{name}'")
        return data

    def column(self, name: str, kinds: str, dimensions: int | None) -> Array:
        """Return a column, checked for its kind of type (as in numpy) and its dimensions.

        dimensions: None for an array of any shape.
        """
        data = self._dataset(name)
        if data.dtype.kind not in kinds or dimensions not in {None, data.ndim}:
            raise UserError(f"{self.path}: '{name}' is {data.dtype} with {data.ndim} dimensions")
        try:
            return np.asarray(data[...])
        except OSError as error:
            raise UserError(f"{self.path}: '{name}' is damaged (its checksum differs)") from error

    def blocks(self, name: str, kinds: str, dimensions: int, rows: int) -> Iterator[Array]:
        """Yield a dataset in blocks of rows, without a memory map; checked like a column."""
        data = self._dataset(name)
        if data.dtype.kind not in kinds or data.ndim != dimensions:
            raise UserError(f"{self.path}: '{name}' is {data.dtype} with {data.ndim} dimensions")
        for row in range(0, len(data), rows):
            try:
                yield np.asarray(data[row : row + rows])
            except OSError as error:
                raise UserError(
                    f"{self.path}: '{name}' is damaged (its checksum differs)"
                ) from error

    def matrix(self, name: str, dtype: str = FLOAT32) -> Array:
        """Return a matrix as a memory map."""
        data = self._dataset(name)
        if data.dtype != np.dtype(dtype) or data.ndim != 2 or data.chunks is not None:
            what = np.dtype(dtype).name
            raise UserError(f"{self.path}: '{name}' is not a contiguous matrix of {what}")
        if data.size == 0:
            return np.zeros(data.shape, dtype)
        offset = data.id.get_offset()
        if offset is None:
            raise UserError(f"{self.path}: '{name}' has no place of its own in the file")
        return np.memmap(self.path, dtype, "r", offset, data.shape)

    def verify_matrix(self, name: str, dtype: str = FLOAT32) -> None:
        """Compare a matrix with its checksums. Raises `UserError` naming the first bad rows."""
        matrix, expected = self.matrix(name, dtype), self.column(f"{name}.crc32", "u", 1)
        found = self._file[f"{name}.crc32"].attrs.get("rows_per_block")
        step = int(found) if isinstance(found, np.integer) else 0
        if step < 1 or len(expected) != -(-len(matrix) // step):
            raise UserError(f"{self.path}: the checksums of '{name}' do not fit it")
        for block, crc in enumerate(expected):
            rows = matrix[block * step : (block + 1) * step]
            if zlib.crc32(np.ascontiguousarray(rows).data) != crc:
                raise UserError(
                    f"{self.path}: '{name}' is damaged in rows {block * step} to"
                    f" {block * step + len(rows) - 1} (their checksum differs)"
                )


class Foreign:
    """A file that others made and that is trusted in its structure: groups of arrays."""

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path, self._file = path, file

    def groups_with(self, names: Collection[str]) -> list[str]:
        """Return the paths of all groups that have datasets of these names, in order.

        Raises `UserError` for a damaged file.
        """
        found: list[str] = []

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Group) and all(
                isinstance(item.get(key), h5py.Dataset) for key in names
            ):
                found.append(name)

        with _damage_in(self.path):
            self._file.visititems(visit)
        return sorted(found)

    def array(self, name: str) -> Array | None:
        """Return a dataset, None if it is not there. Raises `UserError` for a damaged one."""
        with _damage_in(self.path):
            data = self._file.get(name)
            return np.asarray(data[...]) if isinstance(data, h5py.Dataset) else None


MAX_FOREIGN = 20_000_000  # groups and datasets of a file of others: some for each image


@contextmanager
def reading_foreign(path: Path) -> Iterator[Foreign]:
    """Open a file that others made. Raises `UserError` for damaged and hostile ones."""
    with _opened(path) as file:
        with _damage_in(path):
            trust.check_hdf5(file, str(path), objects=MAX_FOREIGN)
        yield Foreign(path, file)


@contextmanager
def _damage_in(path: Path) -> Iterator[None]:
    """Raise `UserError` for what the library raises where a file is damaged."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path}: damaged HDF5: {_reason(error)}") from error


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    if path == inputs.STDIN:
        raise UsageError("HDF5 does not come through a pipe; name a file")
    try:
        if not is_hdf5(path):
            raise UserError(f"{path}: is not an HDF5 file")
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {_reason(error)}") from error
    with file:
        yield file


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Open any file of ours. Raises `UserError` for anything else, damaged or hostile files."""
    with _opened(path) as file:
        with _damage_in(path):
            trust.check_hdf5(file, str(path))
            reader = Reader(path, file)
        yield reader


@contextmanager
def reading_kind(path: Path, kind: str, version: int) -> Iterator[Reader]:
    """Open a file of ours of one kind and version."""
    with reading(path) as reader:
        header = {"kind": reader.kind, "version": reader.version}
        json.expect(header, str(path), kind, version)
        yield reader


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return "it is truncated" if "truncated file" in text else text
