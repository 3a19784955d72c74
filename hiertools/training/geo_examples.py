"""The images that `train geo` sees, batch by batch, and the entities that each one is at.

Where prototypes are cross-fitted, a batch is of one fold: its images are in none of the mean images
that they are compared with, neither their own entity's nor another one's nor a key of attention.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class GeoBatch:
    """Rows of the items; fold: the one that they all are of, None if folds do not matter."""

    rows: Rows
    fold: int | None

    def __len__(self) -> int:
        return len(self.rows)


class GeoExamples:
    """The batches of every epoch: the same for the same items and seed.

    positive: the place of each item's entity among the named ones of a level, -1 where the item
    has none (rows x levels); fold: of each item, None for batches of any folds.
    """

    def __init__(
        self,
        positive: NDArray[np.int32],
        fold: NDArray[np.uint8] | None,
        *,
        batch_size: int,
        seed: int,
    ) -> None:
        self.positive, self.fold = positive, fold
        self.batch_size, self.seed = batch_size, seed
        folds = np.zeros(len(positive), np.uint8) if fold is None else fold
        self._of_fold = [np.flatnonzero(folds == each) for each in np.unique(folds)]
        self._number = np.unique(folds).tolist()

    def __len__(self) -> int:
        return len(self.positive)

    @property
    def steps(self) -> int:
        """Return how many batches an epoch has; the last one of a fold may be smaller."""
        return sum(-(-len(rows) // self.batch_size) for rows in self._of_fold)

    def seen(self, step: int) -> int:
        """Return how many items the steps before this one have seen."""
        epoch, within = divmod(step, self.steps)
        batches = self._shuffled(epoch)[:within] if within else []
        return epoch * len(self) + sum(map(len, batches))

    def batches(self, epoch: int, *, first_step: int) -> Iterator[GeoBatch]:
        """Yield the batches of an epoch from a step on."""
        yield from self._shuffled(epoch)[first_step:]

    def _shuffled(self, epoch: int) -> list[GeoBatch]:
        rng = np.random.default_rng([self.seed, epoch])
        batches = []
        for number, rows in zip(self._number, self._of_fold, strict=True):
            order = rng.permutation(rows)
            fold = None if self.fold is None else number
            batches += [
                GeoBatch(order[start : start + self.batch_size], fold)
                for start in range(0, len(order), self.batch_size)
            ]
        return [batches[place] for place in rng.permutation(len(batches))]


def positives(
    entity: NDArray[np.int32], offsets: NDArray[np.int64], implicit: NDArray[np.bool_]
) -> NDArray[np.int32]:
    """Return the place of each item's entities among the named ones of their levels, else -1.

    entity: rows of the nodes, items x levels, of which those of level l start at offsets[l].
    """
    place = np.cumsum(~implicit) - 1  # among the named nodes of all levels
    first = np.concatenate([[0], np.cumsum(~implicit)])[offsets[:-1]]
    found = np.where(implicit[entity], -1, place[entity] - first)
    return found.astype(np.int32)
