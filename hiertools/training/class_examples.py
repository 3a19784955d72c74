"""The items that `train classes` sees, batch by batch, and the class of each one."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class ClassBatch:
    """Rows of the items, and the place of the first one in its epoch."""

    epoch: int
    first: int
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class ClassInputs:
    """What this rank's rows of a batch put in, and which of them are good."""

    batch: ClassBatch
    values: Tensor
    good: Tensor


@dataclass(frozen=True)
class ClassExamples:
    """The batches of every epoch: the same for the same items and seed. labels: places, n."""

    labels: Rows
    batch_size: int
    seed: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def steps(self) -> int:
        """Return how many batches an epoch has; the last one may be smaller."""
        return -(-len(self) // self.batch_size)

    def seen(self, step: int) -> int:
        """Return how many items the steps before this one have seen."""
        epoch, within = divmod(step, self.steps)
        return epoch * len(self) + within * self.batch_size

    def batches(self, epoch: int, *, first_step: int) -> Iterator[ClassBatch]:
        """Yield the batches of an epoch from a step on."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self))
        for step in range(first_step, self.steps):
            place = step * self.batch_size
            yield ClassBatch(epoch, place, order[place : place + self.batch_size])
