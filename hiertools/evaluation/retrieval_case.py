"""What an evaluation of retrieval is of: queries, candidates, and what each is worth to each.

A candidate has a code, which says all that matters of it to a query: its class or, where somebody
has judged it for that query alone, its grade. Tables say what a code is worth to a query's row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiertools.files import items
from hiertools.files.items import Items

SAME = ""  # the name of the first level: the class itself, or any grade above 0

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Codes = NDArray[np.int32]
Ids = NDArray[np.bytes_]


class Worth(NamedTuple):
    """A gain for each code (rows of queries x codes), and the codes by falling gain."""

    gains: Floats
    order: Codes


def worth(gains: Floats) -> Worth:
    """Return gains with the order of the codes; equal ones in their order."""
    return Worth(gains, np.argsort(-gains, axis=1, kind="stable").astype(np.int32))


@dataclass(frozen=True)
class Relevance:
    """What codes are worth to the rows of queries.

    levels: names of what is relevant, `SAME` first; relevant: rows x levels x codes; gains: for
    nDCG; similarities: for hierarchical precision, without codes if there are none.
    """

    levels: tuple[str, ...]
    relevant: NDArray[np.bool_]
    gains: Worth
    similarities: Worth


@dataclass(frozen=True)
class Gallery:
    """The candidates, by id: their ids, and where a row of the file that has them stands here."""

    ids: Ids
    rows: Rows

    @cached_property
    def place(self) -> dict[str, int]:
        """Return the place of each candidate."""
        return {items.decode(key): place for place, key in enumerate(self.ids)}

    def places(self, ids: Ids) -> Rows:
        """Return the place of each of some ids, -1 for one that is no candidate."""
        if not len(self.ids):
            return np.full(len(ids), -1)
        found = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[found] == ids, found, -1)


def gallery(ids: Ids) -> Gallery:
    """Return a gallery of ids, which are rows of a file."""
    rows = np.argsort(ids, kind="stable")
    return Gallery(ids[rows], rows)


class Barred(NamedTuple):
    """The places of candidates that a query may not find: `places[first[q] : first[q + 1]]`."""

    first: Rows
    places: Rows


def barred(table: Items, searched: Items, found: Gallery, exclude: str) -> Barred:
    """Return what is no candidate: `none`, the query itself (`self`), or all of its image.

    An item without an image is its own.
    """
    if exclude == "none":
        return Barred(np.zeros(len(table) + 1, np.int64), np.zeros(0, np.int64))
    own = found.places(table.id)
    if exclude == "self" or searched.image is None or table.image is None:
        first = np.append(0, np.cumsum(own >= 0))
        return Barred(first, own[own >= 0])
    return _of_images(table.image, own, searched.image[found.rows])


def _of_images(wanted: Ids, own: Rows, images: Ids) -> Barred:
    order = np.argsort(images, kind="stable")
    starts = np.searchsorted(images[order], wanted, "left")
    stops = np.searchsorted(images[order], wanted, "right")
    parts = []
    for start, stop, place in zip(starts, stops, own, strict=True):
        alone = [place] if place >= 0 else []
        parts.append(np.union1d(order[start:stop], alone).astype(np.int64))
    first = np.append(0, np.cumsum([len(part) for part in parts]))
    return Barred(first, np.concatenate(parts) if parts else np.zeros(0, np.int64))


@dataclass(frozen=True)
class Case:
    """q queries by their ids, and n candidates.

    rows: of each query in the tables; codes: returns those of the candidates for some queries, b x
    n, or 1 x n where all have the same; classes, labels: names, and which of them each query has,
    none where somebody has judged single candidates; whole: whether all candidates are known.
    """

    ids: Ids
    rows: Rows
    gallery: Gallery
    codes: Callable[[range], Codes]
    barred: Barred
    relevance: Relevance
    classes: tuple[str, ...]
    labels: Rows
    whole: bool

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def names(self) -> list[str]:
        """Return the ids of the queries."""
        return [items.decode(key) for key in self.ids]
