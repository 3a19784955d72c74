"""Classes by how many items of each there were in training, in bins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.evaluation.class_ground import Codes
from hiertools.files import csv
from hiertools.files.inputs import Source

Counts = NDArray[np.int64]
UNKNOWN = -1  # the count of a class of which nobody says how many there were
COLUMNS = {"class": pl.String, "count": pl.Int64}


@dataclass(frozen=True)
class Sizes:
    """name: of the file; count: of each of c classes, `UNKNOWN` for some; foreign: no classes."""

    name: str
    count: Counts
    foreign: list[str]


def read(source: Source) -> dict[str, int]:
    """Return the counts of a CSV with the columns class and count."""
    found: dict[str, int] = {}
    for batch in csv.read(source, COLUMNS, {}):
        for row, (key, count) in enumerate(batch.frame.select(list(COLUMNS)).iter_rows()):
            if count is None or count < 0:
                raise batch.complaint(row, f"count is {batch.field(row, 'count')}, no whole number")
            if key in found:
                raise batch.complaint(row, f"the class {key!r} is there twice")
            found[key] = count
    return found


def sizes(name: str, counts: Mapping[str, int], classes: Sequence[str]) -> Sizes:
    """Return counts in the order of the classes. Raises `UserError` if none is of a class."""
    found = np.array([counts.get(key, UNKNOWN) for key in classes], np.int64)
    if (found == UNKNOWN).all():
        raise UserError(f"{name}: none of its {len(counts):,} classes is one of the hierarchy's")
    if not found.max(initial=0) > 0:
        raise UserError(f"{name}: no class has any items")
    return Sizes(name, found, sorted(counts.keys() - set(classes)))


@dataclass(frozen=True)
class Bin:
    """Classes with counts from `low` to `high`, both included; None: no upper end."""

    low: int
    high: int | None
    classes: Codes


def quantiles(found: Sizes, bins: int) -> list[Bin]:
    """Return bins of about as many classes; equal counts share one, so there may be fewer."""
    known = found.count[found.count != UNKNOWN]
    cuts = np.quantile(known, np.arange(1, bins) / bins, method="inverted_cdf")
    starts = np.unique([int(known.min()), *(int(cut) + 1 for cut in cuts)])
    starts = starts[starts <= known.max()]
    highs = [*(int(start) - 1 for start in starts[1:]), int(known.max())]
    made = [_bin(found, int(low), high) for low, high in zip(starts, highs, strict=True)]
    return [each for each in made if len(each.classes)]


def between(found: Sizes, edges: Sequence[int]) -> list[Bin]:
    """Return bins below the first edge, from each edge to below the next, and from the last on."""
    highs = [*(edge - 1 for edge in edges), None]
    return [_bin(found, low, high) for low, high in zip([0, *edges], highs, strict=True)]


def _bin(found: Sizes, low: int, high: int | None) -> Bin:
    there = (found.count >= low) & (found.count != UNKNOWN)
    there &= found.count <= high if high is not None else True
    return Bin(low, high, np.flatnonzero(there))
