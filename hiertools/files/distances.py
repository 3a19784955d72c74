"""distances.h5: how far apart the classes of a hierarchy are, as a matrix in their order."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import hdf5, items
from hiertools.files.json import Document, Fields

KIND = "distances"
VERSION = 1


@dataclass(frozen=True)
class Distances:
    """Distances of classes.

    matrix: float32 [C, C], in the order of the classes; distance: its name; taxonomy: the digest
    of the classes, of what is above them and of the distance.
    """

    classes: list[str]
    matrix: NDArray[np.float32]
    distance: str
    taxonomy: str
    chain: list[Document]

    @property
    def meta(self) -> Document:
        """Return what the file says beside its arrays."""
        return {"distance": self.distance, "taxonomy": self.taxonomy}


def write_distances(
    path: Path,
    classes: list[str],
    matrix: NDArray[np.float64],
    *,
    distance: str,
    taxonomy: str,
    chain: list[Document],
    overwrite: bool,
) -> None:
    """Write a matrix of distances."""
    meta = {"distance": distance, "taxonomy": taxonomy}
    size = len(classes), len(classes)
    with hdf5.create(path, KIND, VERSION, meta=meta, chain=chain, overwrite=overwrite) as writer:
        writer.column("classes", items.encode(classes))
        writer.matrix("matrix", size, [matrix.astype(np.float32)])


def read_distances(path: Path) -> Distances:
    """Read a matrix of distances, which stays on the disk as a memory map."""
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        meta = Fields(reader.meta, str(path), "meta")
        classes = list(map(items.decode, reader.column("classes", "S", 1)))
        matrix = reader.matrix("matrix")
        if len(set(classes)) != len(classes):
            raise UserError(f"{path}: a class is there twice")
        if matrix.shape != (len(classes), len(classes)):
            raise UserError(f"{path}: {len(classes):,} classes do not have a matrix {matrix.shape}")
        return Distances(
            classes, matrix, meta.text("distance"), meta.text("taxonomy"), reader.chain
        )


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound; `full` reads the matrix too."""
    found = read_distances(path)
    if not full:
        return
    with hdf5.reading_kind(path, KIND, VERSION) as reader:
        reader.verify_matrix("matrix")
    matrix = found.matrix
    if not (np.isfinite(matrix).all() and (matrix >= 0).all()):
        raise UserError(f"{path}: a distance is not a finite number of at least 0")
    if matrix.diagonal().any() or not np.array_equal(matrix, matrix.T):
        raise UserError(f"{path}: the distances are not symmetric, or a class is not 0 from itself")


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    found = read_distances(path)
    return {
        "classes": len(found.classes),
        "distance": found.distance,
        "taxonomy": found.taxonomy,
        **spread(found.matrix),
    }


def spread(matrix: NDArray[np.floating]) -> Document:
    """Return the least, the median and the greatest distance of two classes, if there are two."""
    apart = matrix[np.triu_indices(len(matrix), 1)]
    if not len(apart):
        return {}
    names = ("least", "median", "greatest")
    return dict(zip(names, map(float, (apart.min(), np.median(apart), apart.max())), strict=True))
