"""What searches find for a batch of query points: entities with probabilities, level by level."""

from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.kernels.pair_values import pair_values
from hiertools.search import beam, exact_paths, level_sums, sureness
from hiertools.search.beam import Searcher
from hiertools.search.by_level import Levels
from hiertools.search.path_scores import PathScore, Values
from hiertools.search.path_values import Rated, rated
from hiertools.search.tree import Points, Rows, Tree

METHODS = ("beam", "flat", "exact")
NONE = -1


@dataclass(frozen=True)
class Answers:
    """Entities for b queries.

    top: entities that end a path, best first (b x m, -1 for none), and their probabilities; path:
    the entity at each level (b x levels, -1 where there is none with a name), and theirs.
    """

    top: Rows
    top_probability: Values
    path: Rows
    path_probability: Values


@dataclass(frozen=True)
class Paths:
    """The paths that were found for b queries, best first.

    rows: b x m x levels, -1 for none; scores: b x m, -inf for none.
    """

    rows: Rows
    scores: Values


class Search(Protocol):
    """A way to search."""

    def answers(self, queries: Points, temperature: float) -> Answers:
        """Return what is found for query points."""


class PathSearch:
    """Search for the best paths of all (width None), or by a beam of a width.

    least: how many paths to look for, at least; device: of beams, the others are for the CPU.
    """

    def __init__(
        self, tree: Tree, score: PathScore, *, width: int | None, least: int, device: torch.device
    ) -> None:
        self._space = space = rated(tree, score)
        if width is None:
            bounds = exact_paths.bounded(space)
            self._search: Searcher = partial(exact_paths.search, space, bounds, k=least)
        else:
            self._search = beam.searcher(space, width=width, k=least, device=device)

    def paths(self, queries: Points) -> Paths:
        """Return the best paths; what is reported of them is computed in float64."""
        shifts = level_sums.shifts(self._space, queries)
        leaves = self._search(queries, shifts)
        rows, score = self._space.tree.paths(leaves), self._space.score
        values = pair_values(
            self._space.nodes, queries, rows, weights=score.weights, rule=self._space.rule
        )
        scores = score.means(values + shifts[:, None], self.named(rows))
        order = np.lexsort((leaves, -scores))
        return Paths(
            np.take_along_axis(rows, order[..., None], 1), np.take_along_axis(scores, order, 1)
        )

    def named(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which rows are entities with a name."""
        return self._space.tree.named(rows)

    def answers(self, queries: Points, temperature: float) -> Answers:
        """Return what is found for query points."""
        found = self.paths(queries)
        named = self._space.tree.named(found.rows)
        probability = sureness.probabilities(found.scores, temperature)
        deepest = named.shape[-1] - 1 - np.argmax(named[..., ::-1], -1)
        top = np.take_along_axis(found.rows, deepest[..., None], -1)[..., 0]
        return Answers(
            np.where(named.any(-1), top, NONE),
            probability,
            np.where(named[:, 0], found.rows[:, 0], NONE),
            sureness.by_level(found.rows, probability),
        )


class LevelSearch:
    """Search for the nearest entities of each level by themselves; they need make no path."""

    def __init__(self, tree: Tree, score: PathScore, *, least: int) -> None:
        self._space, self._least = rated(tree, score), least
        self._levels = Levels(self._space)

    def answers(self, queries: Points, temperature: float) -> Answers:
        """Return what is found for query points. Probabilities are those of a level's entities."""
        path, path_probability = [], []
        for found in self._levels.search(queries, k=self._least):
            which = np.repeat(np.arange(len(queries)), found.shape[1])
            scores = values_of(self._space, queries[which], found.ravel()).reshape(found.shape)
            order = np.lexsort((found, -scores))
            top = np.take_along_axis(found, order, 1)
            scores = np.take_along_axis(scores, order, 1)
            probability = sureness.probabilities(scores, temperature)
            path.append(top[:, 0])
            path_probability.append(probability[:, 0])
        return Answers(top, probability, np.stack(path, 1), np.stack(path_probability, 1))


def values_of(space: Rated, queries: Points, rows: Rows) -> Values:
    """Return the value of pairs of a query point and an entity."""
    tree = space.tree
    return space.score.values(queries, np.asarray(tree.points[rows]), tree.levels(rows))
