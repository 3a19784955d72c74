"""Flat search: the nearest entities of each level by themselves, whatever their parents are."""

import numpy as np

from hiertools.search import approximate
from hiertools.search.path_values import Rated
from hiertools.search.space import Space
from hiertools.search.tree import Points, Rows


class Levels:
    """The named entities of each level, ready for FAISS' flat search by inner products or L2.

    Points of hyperbolic space are searched by the inner product of Lorentz: with their time, which
    is negated, and never normalised. On the sphere it is that of unit vectors.
    """

    def __init__(self, space: Rated) -> None:
        tree, score = space.tree, space.score
        by = "cosine" if score.geometry == "sphere" else "distance"
        self._space = Space("flat", by, score.geometry, score.c)
        self._rows, self._stored = [], []
        for level in range(tree.depth):
            rows = np.arange(*tree.offsets[level : level + 2])
            self._rows.append(rows[~tree.implicit[rows]])
            self._stored.append(self._space.stored(tree.points[self._rows[-1]]))

    def search(self, queries: Points, *, k: int) -> list[Rows]:
        """Return the rows of the k nearest entities of each level, b x k or fewer a level."""
        asked = self._space.asked(queries)
        return [
            rows[
                approximate.nearest(
                    stored, asked, min(k, len(rows)), is_inner=self._space.is_inner_product
                )
            ]
            for rows, stored in zip(self._rows, self._stored, strict=True)
        ]
