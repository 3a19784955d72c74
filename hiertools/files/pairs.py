"""pairs.h5: which item is part of which, for `hiertools train parts`."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import hdf5, items
from hiertools.files.embeddings import describe_items
from hiertools.files.items import Items
from hiertools.files.json import Document

KIND = "pairs"
VERSION = 1


@dataclass(frozen=True)
class Pairs:
    """p pairs within images: rows of `items` that hold (`parent`) and are held (`child`).

    parent, child: p, int64. Items are the images and boxes that take part, images in input
    order, each before its boxes. `meta` has the filters' parameters and what they left out.
    """

    parent: NDArray[np.int64]
    child: NDArray[np.int64]
    items: Items
    meta: Document
    chain: list[Document] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.parent) != len(self.child):
            raise UserError(f"{len(self.parent)} parents for {len(self.child)} children")
        for rows in (self.parent, self.child):
            if len(rows) and (rows.min() < 0 or rows.max() >= len(self.items)):
                raise UserError("a pair names a row that is not there")
        if (self.parent == self.child).any():
            raise UserError("an item is its own parent")


def write_pairs(path: Path, pairs: Pairs, *, chain: list[Document], overwrite: bool) -> None:
    """Write a pairs file."""
    with hdf5.create(
        path, KIND, VERSION, meta=pairs.meta, chain=chain, overwrite=overwrite
    ) as writer:
        writer.column("parent", pairs.parent)
        writer.column("child", pairs.child)
        items.write(writer, pairs.items)


def read_pairs(path: Path) -> Pairs:
    """Read a pairs file."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        parent, child = reader.column("parent", "i", 1), reader.column("child", "i", 1)
        try:
            return Pairs(parent, child, items.read(reader), reader.meta, reader.chain)
        except UserError as error:
            text = str(error)
            raise UserError(text if text.startswith(f"{path}:") else f"{path}: {text}") from None


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound. Reading it checks everything."""
    read_pairs(path)


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    found = read_pairs(path)
    return {"pairs": len(found.parent), **describe_items(found.items), **found.meta}
