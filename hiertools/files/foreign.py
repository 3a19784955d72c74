"""Vectors made elsewhere: .npy, .safetensors and .parquet."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from hiertools.errors import UserError
from hiertools.files import inputs
from hiertools.files.items import Array
from hiertools.files.json import Document

ROWS_PER_BLOCK = 1 << 14
FLOATS = ("F16", "F32", "F64")
READABLE = ".npy, .safetensors or .parquet"


def read_vectors(path: Path, *, name: str | None) -> Array:
    """Return a matrix of floats (n x d), of any precision.

    name: which tensor or column, where the file has several. Raises `UserError` for anything
    else, and never runs what a file holds.
    """
    inputs.open_input(path).close()
    readers = {".npy": _npy, ".safetensors": _safetensors, ".parquet": _parquet}
    if path.suffix not in readers:
        raise UserError(f"{path}: is not {READABLE}")
    found = readers[path.suffix](path, name)
    if found.ndim != 2 or found.dtype.kind != "f" or not found.size:
        raise UserError(f"{path}: is {found.dtype} of shape {found.shape}, not a matrix of floats")
    return found


def describe(path: Path, digest: str, dimension: int, *, made_by: str | None) -> Document:
    """Return what an embeddings file says of vectors that came from elsewhere.

    digest: of the file; made_by: what made it. Files of one such name and dimension count as of
    one encoder, and go together; without a name a file is of no encoder but its own.
    """
    if made_by is not None:
        digest = hashlib.sha256(f"{made_by} {dimension}".encode()).hexdigest()
    return {
        "encoder": f"from:{path.name if made_by is None else made_by}",
        "digest": digest,
        "dimension": dimension,
        "output": "embedding",
        "preprocess": {},
    }


def blocks(vectors: Array) -> Iterator[NDArray[np.float32]]:
    """Yield blocks of rows as float32."""
    for row in range(0, len(vectors), ROWS_PER_BLOCK):
        with np.errstate(over="ignore"):  # an infinity is refused where it is written
            block = np.asarray(vectors[row : row + ROWS_PER_BLOCK], np.float32)
        yield block


def _npy(path: Path, name: str | None) -> Array:
    try:
        found: Array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, EOFError, OSError, SyntaxError, TokenError) as error:
        raise UserError(f"{path}: cannot be read as .npy: {error}") from None
    return found


def _safetensors(path: Path, name: str | None) -> Array:
    try:
        with safe_open(path, framework="numpy") as tensors:
            key = _choose(path, name, sorted(tensors.keys()), "tensor")
            kind = tensors.get_slice(key).get_dtype()
            if kind not in FLOATS:
                raise UserError(f"{path}: '{key}' is {kind}, not one of {', '.join(FLOATS)}")
            return np.asarray(tensors.get_tensor(key))
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: cannot be read as .safetensors: {error}") from None


def _parquet(path: Path, name: str | None) -> Array:
    try:
        frame = pl.scan_parquet(path, glob=False)  # a name may have brackets
        lists = [key for key, kind in frame.collect_schema().items() if _is_vector(kind)]
        column = frame.select(_choose(path, name, lists, "column of lists of floats")).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path}: cannot be read as .parquet: {error}") from None
    return _matrix(path, column.to_series())


def _is_vector(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.List | pl.Array) and kind.inner.is_float()


def _matrix(path: Path, column: pl.Series) -> NDArray[Any]:
    lengths = column.list.len() if isinstance(column.dtype, pl.List) else column.arr.len()
    if column.null_count() or lengths.n_unique() != 1:
        raise UserError(f"{path}: the vectors of '{column.name}' are not all of one length")
    flat = column.explode()
    if flat.null_count():
        raise UserError(f"{path}: a number of '{column.name}' is missing")
    return flat.to_numpy().reshape(len(column), -1)


def _choose(path: Path, name: str | None, names: list[str], what: str) -> str:
    if name is not None:
        if name not in names:
            raise UserError(f"{path}: has no {what} '{name}'; it has {', '.join(names) or 'none'}")
        return name
    if len(names) != 1:
        known = ", ".join(names) or "none"
        raise UserError(f"{path}: has not one {what} but {known}; name it with --key")
    return names[0]
