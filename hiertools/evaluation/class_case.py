"""Items, what they truly are, and what they were given: codes of the labels of a ground."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hiertools.evaluation.class_answers import NOTHING, Answers
from hiertools.evaluation.class_ground import Ground

Codes = NDArray[np.intp]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """n items.

    truth: the label of each; top: classes that it was given, best first, `NOTHING` where a list
    has ended (n x k); probability: of these, NaN where it is not known; node: what it was given,
    any label; sureness: its probability, NaN where it is not known.
    """

    ground: Ground
    truth: Codes
    top: Codes
    probability: Floats
    node: Codes
    sureness: Floats

    def __len__(self) -> int:
        return len(self.truth)

    @cached_property
    def listed(self) -> int:
        """Return how many classes every item has."""
        return int((self.top != NOTHING).sum(axis=1).min(initial=self.top.shape[1]))

    @cached_property
    def right(self) -> Mask:
        """Return which classes are right (n x k)."""
        found: Mask = self.ground.right[self.top, self.truth[:, None]] & (self.top != NOTHING)
        return found

    @cached_property
    def distance(self) -> Floats:
        """Return how far the classes are from the truth, 0 where a list has ended (n x k)."""
        found = self.ground.distance[self.top, self.truth[:, None]]
        return np.where(self.top == NOTHING, 0.0, found)

    @cached_property
    def first_right(self) -> Floats:
        """Return 1 for items whose first class is right, 0 for others."""
        return self.right[:, 0].astype(np.float64)

    @cached_property
    def has_nodes(self) -> bool:
        """Return whether an item was given another node than its first class, or no class."""
        other = (self.node != self.top[:, 0]) | (self.node >= self.ground.classes)
        return bool(other.any())

    def support(self) -> NDArray[np.int64]:
        """Return how many items each label has."""
        return np.bincount(self.truth, minlength=len(self.ground))

    def always(self, order: Codes) -> "Case":
        """Return the case in which every item is given the same classes."""
        size = len(self), min(self.top.shape[1], len(order))
        unknown = np.full(size, np.nan)
        return replace(
            self, top=np.broadcast_to(order[: size[1]], size), probability=unknown,
            node=np.broadcast_to(order[0], len(self)), sureness=unknown[:, 0],
        )  # fmt: skip


def case(ground: Ground, answers: Answers, labels: list[str]) -> Case:
    """Return the case of predictions of items that have these labels."""
    code = ground.code
    place = np.array([*(code[name] for name in answers.names), NOTHING], np.intp)
    truth = np.array([code[label] for label in labels], np.intp)
    top = place[answers.top]  # NOTHING is the last place
    return Case(ground, truth, top, answers.probability, place[answers.node], answers.sureness)
