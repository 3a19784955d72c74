"""The image embeddings that entities are built from: several files as one, never loaded whole."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import embeddings, hdf5
from hiertools.files.hdf5 import Reader
from hiertools.files.items import decode
from hiertools.files.json import Document

KEYS = ("encoder", "digest", "preprocess", "output")
ROWS = 1 << 16

Array = NDArray[Any]


@dataclass(frozen=True)
class Pictures:
    """Embeddings of `rows` items, in files that are open; `meta` says which encoder's."""

    readers: list[Reader]
    rows: int
    features: int
    meta: Document

    def ids(self) -> Iterator[Array]:
        """Yield the ids in blocks."""
        for reader in self.readers:
            yield from reader.blocks("items/id", "S", 1, ROWS)

    def vectors(self, batch: int) -> Iterator[tuple[int, Array]]:
        """Yield the number of a first row and the vectors from it on, in batches."""
        start = 0
        for reader in self.readers:
            for block in reader.blocks("vectors", "f", 2, batch):
                yield start, block
                start += len(block)

    def id_at(self, row: int) -> str:
        """Return the id of a row."""
        for block in self.ids():
            if row < len(block):
                return decode(block[row])
            row -= len(block)
        raise IndexError(row)

    def labels(self) -> Iterator[tuple[Array, Array]]:
        """Yield the label names of a file and codes into them, in blocks.

        Raises `UserError` where an item does not have one label.
        """
        for reader in self.readers:
            if not reader.has("items/labels/codes"):
                raise UserError(
                    f"{reader.path}: the items have no labels; embed with --label-from folder"
                )
            names = reader.column("items/labels/names", "S", 1)
            row = 0
            for offsets in reader.blocks("items/labels/offsets", "i", 1, ROWS):
                if (offsets != np.arange(row, row + len(offsets))).any():
                    raise UserError(f"{reader.path}: an item does not have exactly one label")
                row += len(offsets)
            for codes in reader.blocks("items/labels/codes", "i", 1, ROWS):
                yield names, codes


@contextmanager
def opened(paths: Sequence[Path]) -> Iterator[Pictures]:
    """Open embeddings. Raises `UserError` if they are not of one encoder."""
    with ExitStack() as stack:
        readers = [
            stack.enter_context(hdf5.reading_kind(path, embeddings.KIND, embeddings.VERSION))
            for path in paths
        ]
        shapes = [reader.shape("vectors") for reader in readers]
        first = readers[0]
        for reader, shape in zip(readers, shapes, strict=True):
            if len(shape) != 2 or shape[:1] != reader.shape("items/id"):
                raise UserError(f"{reader.path}: vectors of shape {shape} are not the items'")
            same = [reader.meta.get(key) == first.meta.get(key) for key in KEYS]
            if shape[1] != shapes[0][1] or not all(same):
                raise UserError(f"{reader.path}: is of another encoder than {first.path}")
        meta = {key: first.meta[key] for key in KEYS if key in first.meta}
        yield Pictures(readers, sum(shape[0] for shape in shapes), shapes[0][1], meta)
