"""What was known in training of the entities in which items truly are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.evaluation.geo_case import Codes
from hiertools.evaluation.geo_truth import Truth
from hiertools.files.entities import Entities
from hiertools.files.items import decode


@dataclass(frozen=True)
class Training:
    """What was there in training of the entities that a truth has codes of.

    count: items of each code; most: the code of the most frequent entity of each level, -1 for one
    that no item truly is.
    """

    count: NDArray[np.int64]
    most: Codes

    def known(self, code: Codes) -> NDArray[np.bool_]:
        """Return whether entities were there."""
        return (code >= 0) & (self.count[code] > 0)

    def counts(self, code: Codes) -> Codes:
        """Return how many items there were of the deepest entity of each item (n x l to n)."""
        deepest = np.full(len(code), -1, np.int64)
        for level in range(code.shape[1]):
            deepest = np.where(code[:, level] >= 0, code[:, level], deepest)
        return np.where(deepest >= 0, self.count[deepest], -1)


def training_of(entities: Entities, truth: Truth) -> Training:
    """Return what was there of the entities of a truth."""
    count = np.zeros(max(truth.keys.values(), default=0) + 2, np.int64)  # at last that of -1
    most = np.full(len(entities.levels), -1, np.int64)
    keys = [decode(key) for key in entities.key.tolist()]
    for row in np.flatnonzero(~entities.implicit).tolist():
        code = truth.keys.get(keys[row])
        if code is not None:
            count[code] = entities.count[row]
    for level in range(len(entities.levels)):
        rows = entities.rows_of(level)
        there = np.where(entities.implicit[rows], -1, entities.count[rows])
        if len(there) and there.max() > 0:
            most[level] = truth.keys.get(keys[rows.start + int(there.argmax())], -1)
    return Training(count, most)
