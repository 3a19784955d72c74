"""What is relevant to a query, and what it is not to find: a direction of search.

Children of an image or a box are boxes of classes below its own; a full image shows its classes,
and these are below it too. Parents of a box are boxes of classes above its own, and full images
that show its class or one above. Of the same class are, for an image, boxes of a class that it
shows and, for a box, the full images that show its class.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiertools.evaluation.classes import Classes, Codes
from hiertools.evaluation.sets import BOX, IMAGE, Mask, Rows, Set

# What a candidate is to a query, in bits.
RELEVANT, RIGHT, SELF, SAME_IMAGE, NOT_IMAGE = (np.uint8(1 << bit) for bit in range(5))
STATES = 1 << 5

EXCLUDED = {"self": SELF, "image": SELF | SAME_IMAGE}


class Asked(NamedTuple):
    """b queries for the compiled part.

    bits: what a candidate of a kind and a class is to each, b x 2 x classes; own: its own place
    among the candidates, -1 if it is none; first, last: where `members` has the places of the
    items of its image.
    """

    bits: NDArray[np.uint8]
    own: Rows
    first: Rows
    last: Rows
    members: Rows


@dataclass(frozen=True)
class Direction:
    """What queries are to `find`, children or parents, among candidates in the order of ids."""

    find: str
    queries: Set
    candidates: Set
    classes: Classes

    @property
    def kinds(self) -> tuple[int, ...]:
        """Return the kinds that the queries are of."""
        return (IMAGE, BOX) if self.find == "children" else (BOX,)

    @property
    def same_class_kind(self) -> int:
        """Return the kind of the queries that look for their own class."""
        return self.kinds[0]

    @property
    def not_same_class(self) -> np.uint8:
        """Return the bits of candidates that do not count where a class is looked for."""
        return np.uint8(0) if self.find == "children" else NOT_IMAGE

    def known(self) -> Mask:
        """Return which queries have a class of the hierarchy."""
        labels = self.queries.labels
        nodes = np.concatenate([[0], np.cumsum(labels.codes < self.classes.nodes)])
        found: Mask = np.diff(nodes[labels.offsets]) > 0
        return found

    def support(self, query: int) -> Codes:
        """Return the nodes among a query's classes and all below them."""
        return self.classes.at_or_below(self._own(query))

    def asked(self, rows: range | Rows) -> Asked:
        """Return some of the queries for the compiled part."""
        bits = np.zeros((len(rows), 2, len(self.classes.names)), np.uint8)
        for row, query in enumerate(rows):
            self._mark(bits[row], self._own(query), self.queries.kind[query])
        *columns, members = self._excluded
        own, first, last = (column[np.asarray(rows, np.int64)] for column in columns)
        return Asked(bits, own, first, last, members)

    def _own(self, query: int) -> Codes:
        labels = self.queries.labels
        return labels.codes[labels.offsets[query] : labels.offsets[query + 1]]

    def _mark(self, bits: NDArray[np.uint8], own: Codes, kind: int) -> None:
        nodes = own[own < self.classes.nodes]
        if self.find == "children":
            for code in nodes:
                bits[BOX, self.classes.below[code]] |= RELEVANT
            if kind == IMAGE:
                bits[BOX, nodes] |= RELEVANT
            bits[BOX, own] |= RIGHT
        else:
            for code in nodes:
                bits[:, self.classes.above[code]] |= RELEVANT
            bits[IMAGE, nodes] |= RELEVANT
            bits[IMAGE, own] |= RIGHT

    @cached_property
    def _excluded(self) -> tuple[Rows, Rows, Rows, Rows]:
        """Return `own`, `first` and `last` of all queries, and `members`."""
        _, own = _places(self.candidates.items.id, self.queries.items.id)
        images, of_image = np.unique(self.candidates.image, return_inverse=True)
        members = np.argsort(of_image, kind="stable")
        starts = np.searchsorted(of_image[members], np.arange(len(images) + 1))
        place, found = _places(images, self.queries.image)
        first = np.where(found >= 0, starts[place], 0)
        last = np.where(found >= 0, starts[place + 1], 0)
        return own, first, last, members


def _places(ordered: NDArray[np.bytes_], wanted: NDArray[np.bytes_]) -> tuple[Rows, Rows]:
    """Return a place in rising texts that there is, and -1 instead where the text is not there."""
    place = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return place, np.where(ordered[place] == wanted, place, -1)
