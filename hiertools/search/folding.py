"""What a structure of FAISS holds of points with probabilities, so that it finds by both at once.

z of length 1 and probabilities p of classes become one vector (z, K^1/2 p), and a query becomes
(z, mu K^1/2 p): their inner product is z.z' + mu p^T K p', soft weighting (see `class_costs`), at
the price of a plain search in so many dimensions. mu is the query's choice; who is near whom among
the points themselves, which lists and links are made by, is by mu = 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.files.index import Index
from hiertools.files.json import Document
from hiertools.files.tensors import Arrays
from hiertools.search import class_kernel
from hiertools.search.approximate import Structure
from hiertools.search.beside import Beside
from hiertools.search.class_head import Head
from hiertools.search.class_kernel import Kernel
from hiertools.taxonomy import of_document

SOFT = "soft"
SLACK = 1e-5  # of an inner product of unit vectors in float32, of thousands of dimensions

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class FoldedSpace:
    """What is searched by a method: rows as of `ClassMeasure`, with or without the class."""

    method: str
    dimension: int
    classes: int
    mu: float

    by = SOFT
    is_inner_product = True

    @property
    def slack(self) -> float:
        """Return what a score is wrong by at the most, twice over: see `Holding`."""
        return SLACK * (1 + self.mu)

    def width(self, dimension: int) -> int:
        """Return how many numbers a structure holds of a point."""
        return dimension + self.classes

    def stored(self, rows: Vectors) -> Vectors:
        """Return what a structure holds of points."""
        return self._vectors(rows, 1.0)

    def asked(self, rows: Vectors) -> Vectors:
        """Return what a structure is asked for queries."""
        return self._vectors(rows, self.mu)

    def flattened(self, rows: Vectors) -> Vectors:
        """Return rows as vectors whose means make sense."""
        return self.stored(rows)

    def unflattened(self, vectors: Vectors) -> Vectors:
        """Return means as rows; their embeddings, not of length 1 any more, get it again."""
        return vectors

    def _vectors(self, rows: Vectors, mu: float) -> Vectors:
        z = rows[:, : self.dimension].astype(np.float64)
        lengths = np.sqrt((z * z).sum(1, keepdims=True))
        folded = mu * rows[:, self.dimension : self.dimension + self.classes].astype(np.float64)
        z /= np.where(lengths == 0, 1, lengths)
        return np.ascontiguousarray(np.concatenate([z, folded], axis=1), np.float32)


def folded(
    points: Vectors, head: Arrays, meta: Document, *, name: str, method: str
) -> tuple[Beside, FoldedSpace, Kernel]:
    """Return points with K^1/2 p beside them, what a structure holds of these, and K.

    head, meta: of the index, whose file is `name` in messages.
    """
    taxonomy = of_document(meta["taxonomy"], name)
    kernel = class_kernel.kernel(taxonomy.similarities)
    space = FoldedSpace(method, meta["dimension"], len(taxonomy.classes), mu=1.0)
    return Beside(points, Head(head, meta).folded(points, kernel)), space, kernel


def structure_of(index: Index, name: str, *, mu: float) -> Structure:
    """Return the structure of an index that was made for soft weighting."""
    classes = len(index.meta["taxonomy"]["classes"])
    space = FoldedSpace(index.meta["method"], index.meta["dimension"], classes, mu)
    return Structure(index, name, space)


class Folded:
    """K^1/2 p of the points that a structure holds.

    structure: its rows are those of `FoldedSpace`.
    """

    def __init__(self, structure: Structure, dimension: int) -> None:
        self._structure, self._dimension = structure, dimension

    def __len__(self) -> int:
        return len(self._structure)

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> Vectors:
        """Return those of some points."""
        return self._structure[rows][:, self._dimension :]
