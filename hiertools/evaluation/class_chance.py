"""What classes that are drawn at random come to, for every label that an item can truly have.

Either k different classes, all alike, or k independent draws by the classes' shares in training,
where a class can come again. Formulas, no simulation.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.evaluation.class_ground import Codes, Floats, Ground
from hiertools.metrics import classes as metrics
from hiertools.metrics.classes import Shared

UNIFORM, PRIOR = "uniform", "prior"


@dataclass(frozen=True)
class Chance:
    """Draws of classes. shares: None for different classes that are all alike (c)."""

    ground: Ground
    shares: Floats | None

    def mean(self, table: NDArray[Any]) -> Floats:
        """Return what one draw comes to for each truth, of a table for labels and truths."""
        found: Floats = np.average(table[: self.ground.classes], axis=0, weights=self.shares)
        return found

    def hit(self, k: int) -> Floats:
        """Return how probable it is that one of k draws is right."""
        if self.shares is not None:
            return 1 - (1 - self.mean(self.ground.right)) ** k
        ground = self.ground
        right = ground.right[: ground.classes].sum(axis=0)
        return metrics.chance_of_a_hit(right, ground.classes, k=k)

    def distance(self) -> Floats:
        """Return the mean distance of draws."""
        return self.mean(self.ground.distance)

    def mistake(self, k: int) -> tuple[Floats, Floats]:
        """Return how probable a wrong first draw is, and with it the mean distance of k draws.

        The first is at sum / wrong classes; the others share what is left of the sum, or are as
        far as any draw.
        """
        wrong, mean = 1 - self.mean(self.ground.right), self.distance()
        first = np.divide(mean, wrong, out=np.zeros_like(mean), where=wrong > 0)
        classes = self.ground.classes
        others = mean
        if self.shares is None and classes > 1:
            others = (mean * classes - first) / (classes - 1)
        return wrong, (first + (k - 1) * others) / k

    def shared(self) -> Shared:
        """Return how many nodes a draw has, and shares with each truth."""
        every = np.arange(len(self.ground))
        found = self.ground.shared(every[: self.ground.classes, None], every[None])
        return Shared(*(np.average(table, axis=0, weights=self.shares) for table in found))


def chance(ground: Ground, counts: NDArray[np.int64] | None) -> Chance:
    """Return draws by counts of the classes in training; None for draws that are all alike."""
    return Chance(ground, None if counts is None else counts / counts.sum())


def best_mistake(ground: Ground, k: int) -> Floats:
    """Return the least mean distance of k different classes of which the first is wrong (u)."""
    nearest = ground.best
    right = (nearest == 0).sum(axis=0)
    wrong = np.minimum(np.maximum(k - 1, right), len(nearest) - 1)
    last = np.take_along_axis(nearest, wrong[None], axis=0)[0]
    found: Floats = (nearest[: k - 1].sum(axis=0) + last) / k
    return found


def dealt(table: NDArray[Any], answers: Codes, size: int) -> Floats:
    """Return what answers come to for each truth if they are dealt to the items at random (u)."""
    shares = np.bincount(answers, minlength=size) / len(answers)
    found: Floats = shares @ table.astype(np.float64)
    return found
