"""A hierarchy and a score of its paths, as the compiled searches of `kernels` take them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hiertools.kernels.beam import Nodes
from hiertools.kernels.path_values import CODES, FAR, LORENTZ, Rule
from hiertools.search.path_scores import PathScore
from hiertools.search.tree import Points, Tree


def rule(score: PathScore, sides: NDArray[np.float64]) -> Rule:
    """Return what compiled functions take; sides: of the points."""
    geometry, is_inner = CODES[score.geometry], score.by == "ip"
    is_far = geometry == LORENTZ and bool(sides.max(initial=0) * score.c**0.5 > FAR)
    return Rule(geometry, float(score.c), score.is_squared, is_inner, score.of_last, is_far)


def sides(points: Points, score: PathScore) -> NDArray[np.float64]:
    """Return the number that a point needs beside its coordinates (n, float64).

    Its time in hyperbolic space; in flat space half of |x|^2, of which the inner product is made.
    """
    squared: NDArray[np.float64] = np.einsum("nd,nd->n", points, points, dtype=np.float64)
    return np.sqrt(1 / score.c + squared) if score.geometry == "lorentz" else squared / 2


@dataclass(frozen=True)
class Rated:
    """A hierarchy and how its paths are rated; sides: of its points, see `sides`."""

    tree: Tree
    score: PathScore
    sides: NDArray[np.float64]

    @cached_property
    def nodes(self) -> Nodes:
        """Return the hierarchy for kernels."""
        tree = self.tree
        return Nodes(tree.points, self.sides, tree.children, tree.implicit, tree.offsets)

    @cached_property
    def rule(self) -> Rule:
        """Return the score for kernels."""
        return rule(self.score, self.sides)


def rated(tree: Tree, score: PathScore) -> Rated:
    """Return a hierarchy, ready for searches by a score."""
    return Rated(tree, score, sides(tree.points, score))
