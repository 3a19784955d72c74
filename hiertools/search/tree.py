"""Entities as a search sees them: points, and who is whose child."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Tree:
    """n entities in levels from the top; those of level l are the rows offsets[l] : offsets[l + 1].

    points: n x d, as `geometry` stores them; children: rows [first, end) in the level below (n x
    2); parent: -1 at the top; implicit: nodes of a missing label, which have no point of their
    own and only carry paths (n).
    """

    points: Points
    offsets: Rows
    parent: Rows
    children: Rows
    implicit: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.parent)

    @property
    def depth(self) -> int:
        """Return the number of levels."""
        return len(self.offsets) - 1

    def rows(self, level: int) -> slice:
        """Return the rows of a level."""
        return slice(int(self.offsets[level]), int(self.offsets[level + 1]))

    def levels(self, rows: Rows) -> Rows:
        """Return the level of each row."""
        return np.searchsorted(self.offsets, rows, side="right") - 1

    def paths(self, leaves: Rows) -> Rows:
        """Return the rows of the path to each leaf (k x levels); -1 stays -1 all the way."""
        found = np.full((*leaves.shape, self.depth), -1, np.int64)
        here = leaves
        for level in range(self.depth - 1, -1, -1):
            found[..., level] = here
            here = np.where(here >= 0, self.parent[here], -1)
        return found

    def named(self, rows: Rows) -> NDArray[np.bool_]:
        """Return which rows, -1 for none, are entities with a name."""
        return (rows >= 0) & ~self.implicit[rows]
