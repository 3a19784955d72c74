"""What an evaluation of places is about: items, where they are, and where they were placed.

Entities are codes, -1 for none. An item whose true code at a level is -1 does not count there; an
answer of -1 is never right.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from hiertools.places import haversine_km

Codes = NDArray[np.int64]
Rows = NDArray[np.intp]
Floats = NDArray[np.float64]

SHUFFLES = 20  # deals of all answers to all items, of which a chance level is the mean


@dataclass(frozen=True)
class Sureness:
    """How sure n answers are of themselves.

    level: the deepest one that an answer is sure enough of (n); confidence: in it (n);
    probability: of the answer at each level, NaN where there is none (n x l).
    """

    level: NDArray[np.intp]
    confidence: Floats
    probability: Floats


@dataclass(frozen=True)
class Case:
    """n items at l levels, from the top.

    truth, answer: codes (n x l); place, found: the true place and that of the answer as unit
    vectors, NaN where one is not known (n x 3), None where no answer has one; most: the true code
    that is most frequent in training at each level, None where that is not known; known: whether
    the true entity was there in training (n x l), None likewise.
    """

    levels: tuple[str, ...]
    truth: Codes
    answer: Codes
    place: Floats | None
    found: Floats | None
    sureness: Sureness | None
    most: Codes | None
    known: NDArray[np.bool_] | None

    def __len__(self) -> int:
        return len(self.truth)

    def labelled(self, level: int) -> Rows:
        """Return the items that count at a level."""
        return np.flatnonzero(self.truth[:, level] >= 0)

    @cached_property
    def right(self) -> Floats:
        """Return 1 where an answer is right, at each level (n x l)."""
        found: Floats = ((self.truth == self.answer) & (self.truth >= 0)).astype(np.float64)
        return found

    @cached_property
    def km(self) -> Floats | None:
        """Return how far each answer is from the truth, NaN where one of them has no place (n)."""
        if self.place is None or self.found is None:
            return None
        return haversine_km(self.place, self.found)

    @cached_property
    def placed(self) -> Rows:
        """Return the items that have a distance."""
        return np.flatnonzero(np.isfinite(self.km)) if self.km is not None else np.arange(0)

    def shuffled_km(self, seed: int) -> list[Floats]:
        """Return distances of the placed items to answers of any of them, dealt at random."""
        assert self.place is not None
        assert self.found is not None
        rng = np.random.default_rng(seed)
        place, found = self.place[self.placed], self.found[self.placed]
        return [haversine_km(place, rng.permutation(found)) for _ in range(SHUFFLES)]
