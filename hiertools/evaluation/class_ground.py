"""How every label that was predicted relates to every label that is true: one table for each.

A label is a class or any other node of the hierarchy. Where the truth is no class, as an animal of
which nobody says which, a label below it counts as the truth itself: nobody can say that it is
wrong. Nodes above all classes are in no set of nodes, as they say nothing; a single root is one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hiertools import taxonomy
from hiertools.files.hierarchy import Hierarchy
from hiertools.metrics.classes import Shared
from hiertools.taxonomy import Taxonomy

Codes = NDArray[np.intp]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Ground:
    """u labels by code: first the c classes in their order, then other nodes by id.

    classes: how many are one; levels: names of the hierarchy's levels, by depth; level: nodes of
    the taxonomy that are of each level.
    """

    tree: Taxonomy
    classes: int
    levels: list[str]
    level: list[Codes]

    def __len__(self) -> int:
        return len(self.tree.classes)

    @property
    def code(self) -> dict[str, int]:
        """Return the code of each label."""
        return self.tree.places

    @cached_property
    def node(self) -> Codes:
        """Return the row of each label among the nodes of the taxonomy (u)."""
        return np.array([self.tree.rows[key] for key in self.tree.classes], np.intp)

    @cached_property
    def depth(self) -> NDArray[np.int64]:
        """Return the fewest edges from a root to each label (u)."""
        return self.tree.depths[self.node]

    @cached_property
    def above(self) -> Mask:
        """Return which labels are at or above which (u labels x u nodes above them)."""
        return self.tree.above[:, self.node]

    @cached_property
    def right(self) -> Mask:
        """Return which labels are right for which truth (u x u)."""
        found = self.above.copy()
        found[:, : self.classes] = False
        np.fill_diagonal(found, True)
        return found

    @cached_property
    def covers(self) -> Mask:
        """Return which labels are at or above which truth, or right (u x u)."""
        return self.above.T | self.right

    @cached_property
    def distance(self) -> Floats:
        """Return how far labels are from a truth (u x u), 0 where they are right."""
        return np.where(self.right, 0.0, self.tree.distances)

    @cached_property
    def best(self) -> Floats:
        """Return the distances of classes from a truth, nearest first (c x u)."""
        return np.sort(self.distance[: self.classes], axis=0)

    @cached_property
    def below(self) -> NDArray[np.int64]:
        """Return how many classes are at or below each label (u)."""
        found: NDArray[np.int64] = self.above[: self.classes].sum(axis=0)
        return found

    @cached_property
    def _kept(self) -> Mask:
        """Return which nodes above labels say anything (u x nodes)."""
        says = ~self.tree.above[: self.classes].all(axis=0)
        return self.tree.above & says

    def shared(self, answer: Codes, truth: Codes) -> Shared:
        """Return how many nodes answers and truths have, for codes that broadcast."""
        both, size = self._common
        counted = self.right[answer, truth]
        own = np.where(counted, size[truth], size[answer])
        all_of_truth = np.broadcast_to(size[truth], counted.shape)
        return Shared(np.where(counted, size[truth], both[answer, truth]), own, all_of_truth)

    @cached_property
    def _common(self) -> tuple[NDArray[np.float32], Floats]:
        """Return how many nodes two labels share (u x u), and how many each has (u)."""
        kept = self._kept.astype(np.float32)  # counts are exact below 2^24
        return kept @ kept.T, kept.sum(axis=1).astype(np.float64)

    def of_level(self, level: int) -> tuple[Mask, Mask]:
        """Return which labels have a node of a level (u), and which share one (u x u)."""
        there: Mask = self.tree.above[:, self.level[level]]
        counts = there.astype(np.float32)
        some: Mask = np.any(there, axis=1)
        return some, (counts @ counts.T) > 0


def of_labels(
    hierarchy: Hierarchy, classes: list[str], labels: Iterable[str], *, distance: str | None
) -> Ground:
    """Return the ground of classes and of other labels. Raises `UserError` for foreign ones."""
    known = set(classes)
    others = sorted(set(labels) - known)
    tree = taxonomy.of_hierarchy(hierarchy, classes=[*classes, *others], distance=distance)
    levels: dict[str, list[int]] = {}
    level_of = {node.id: node.level for node in hierarchy.nodes}
    for row, key in enumerate(tree.nodes):
        if (name := level_of[key]) is not None:
            levels.setdefault(name, []).append(row)
    order = sorted(levels, key=lambda name: (int(tree.depths[levels[name]].min()), name))
    rows = [np.array(levels[name], np.intp) for name in order]
    return Ground(tree, len(classes), order, rows)
