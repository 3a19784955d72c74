"""What a structure of FAISS holds of points, so that its inner products or L2 mean something.

Of a point by cosine it holds the direction, for inner products. By distance it holds a point of
flat space as it is, for L2; of a hyperbolic point x, for the inner product with (x, time) of a
query, (x, -time): larger the nearer they are. The graph of hnsw needs a measure between the points
that it holds: of hyperbolic ones it holds their places in the Poincare ball, for L2, which is the
distance times a factor that depends on the place alone.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.geometry import lorentz

Vectors = NDArray[np.float32]


class Holding(Protocol):
    """What a structure by a `method` holds of rows of points, so that `by` is what it searches."""

    @property
    def method(self) -> str:
        """Return the kind of structure."""

    @property
    def by(self) -> str:
        """Return the measure."""

    @property
    def is_inner_product(self) -> bool:
        """Whether larger means nearer."""

    @property
    def slack(self) -> float | None:
        """Return by how much an inner product here, in float32, differs from a score at the most:
        candidates farther from the last hit need not be scored. None if it is no such number."""

    def width(self, dimension: int) -> int:
        """Return how many numbers it holds of a point of so many dimensions."""

    def stored(self, points: Vectors, /) -> Vectors:
        """Return what a structure holds of points."""

    def asked(self, points: Vectors, /) -> Vectors:
        """Return what a structure is asked for query points."""

    def flattened(self, points: Vectors, /) -> Vectors:
        """Return points as vectors whose means make sense."""

    def unflattened(self, vectors: Vectors, /) -> Vectors:
        """Return the points that `flattened` would make vectors of."""


@dataclass(frozen=True)
class Space:
    """What is searched: points of a geometry of curvature -c by a method and a measure."""

    method: str
    by: str
    geometry: str
    c: float

    slack = None

    @property
    def is_inner_product(self) -> bool:
        """Whether larger means nearer."""
        return self.by == "cosine" or self._has_times

    @property
    def _has_times(self) -> bool:
        return self.by == "distance" and self.geometry == "lorentz" and self.method != "hnsw"

    def width(self, dimension: int) -> int:
        """Return how many numbers a structure holds of a point."""
        return dimension + self._has_times

    def stored(self, points: Vectors) -> Vectors:
        """Return what a structure holds of points."""
        return self._vectors(points, -1)

    def asked(self, points: Vectors) -> Vectors:
        """Return what a structure is asked for query points."""
        return self._vectors(points, 1)

    def flattened(self, points: Vectors) -> Vectors:
        """Return points as vectors whose means make sense."""
        if self._has_times:
            tangents = lorentz.log(torch.from_numpy(points.astype(np.float64)), self.c)
            return np.ascontiguousarray(tangents.numpy(), np.float32)
        return self.stored(points)

    def unflattened(self, vectors: Vectors) -> Vectors:
        """Return the points that `flattened` would make vectors of."""
        if self._has_times:
            return lorentz.exp(torch.from_numpy(vectors), self.c).numpy()
        return vectors

    def _vectors(self, points: Vectors, sign: int) -> Vectors:
        x = np.asarray(points, np.float64)
        squared = (x * x).sum(1, keepdims=True)
        if self.by == "cosine":
            x = x / np.where(squared == 0, 1, np.sqrt(squared))
        elif self._has_times:
            x = np.concatenate([x, sign * np.sqrt(1 / self.c + squared)], axis=1)
        elif self.geometry == "lorentz":
            x = x / (self.c**-0.5 + np.sqrt(1 / self.c + squared))
        return np.ascontiguousarray(x, np.float32)
