"""What was answered, in the order of the truth: codes of entities, coordinates, and how sure."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.evaluation.geo_case import Codes, Floats, Rows, Sureness
from hiertools.files.predictions import Prediction
from hiertools.terminal import warn


@dataclass(frozen=True)
class Answers:
    """Answers to n items at l levels.

    there: whether an item has one (n); code: of the entity at each level, -1 for none and for one
    that no item truly is (n x l); latitude, longitude: degrees, NaN where there are none (n);
    sureness: None for predictions of another program; unknown: ids of no item.
    """

    there: NDArray[np.bool_]
    code: Codes
    latitude: Floats
    longitude: Floats
    sureness: Sureness | None
    unknown: list[str]

    def take(self, rows: Rows) -> "Answers":
        """Return the answers to some of the items."""
        sure = self.sureness
        if sure is not None:
            sure = Sureness(sure.level[rows], sure.confidence[rows], sure.probability[rows])
        place = self.latitude[rows], self.longitude[rows]
        return Answers(self.there[rows], self.code[rows], *place, sure, [])


def align(
    predictions: Iterable[Prediction],
    items: dict[str, int],
    levels: tuple[str, ...],
    code: dict[str, int],
) -> Answers:
    """Return predictions in the order of items.

    items: the place of each id; levels: () for predictions of another program, which are
    coordinates alone; code: of the keys of true entities.
    """
    n, level_of = len(items), {name: i for i, name in enumerate(levels)}
    there, unknown = np.zeros(n, np.bool_), []
    codes = np.full((n, len(levels)), -1, np.int64)
    latitude, longitude, confidence = (np.full(n, np.nan) for _ in range(3))
    probability, level = np.full((n, len(levels)), np.nan), np.zeros(n, np.intp)
    for found in predictions:
        row = items.get(found.id)
        if row is None:
            unknown.append(found.id)
            continue
        there[row] = True
        if found.latitude is not None:
            latitude[row], longitude[row] = found.latitude, found.longitude
        if found.level is not None:
            level[row], confidence[row] = level_of[found.level], found.confidence
        for step in found.path:
            place = level_of[step.level]
            codes[row, place] = code.get(step.key, -1)
            probability[row, place] = step.probability
    sureness = Sureness(level, confidence, probability) if levels else None
    return Answers(there, codes, latitude, longitude, sureness, unknown)


def complete(found: Answers, ids: list[str], names: tuple[str, str], max_bad: int) -> Rows:
    """Return the items that have an answer; say which have none, and which answers have no item.

    ids: of the items; names: of the file of predictions and that of the truth. Raises `UserError`
    if there are more than `max_bad` of them, or if nothing is left.
    """
    missing = np.flatnonzero(~found.there)
    said = []
    if len(missing):
        first = ids[missing[0]]
        said.append(
            f"{names[0]} lacks {len(missing):,} items of {names[1]}, the first is {first!r}"
        )
    if found.unknown:
        many, first = len(found.unknown), found.unknown[0]
        said.append(f"{names[1]} lacks {many:,} items of {names[0]}, the first is {first!r}")
    if not found.there.any():
        raise UserError(f"{'; '.join(said)}; nothing is left to evaluate")
    bad = len(missing) + len(found.unknown)
    if bad > max_bad:
        raise UserError(f"{'; '.join(said)}; leave them out with --max-bad {bad}")
    for line in said:
        warn(f"{line}; left out")
    return np.flatnonzero(found.there)
