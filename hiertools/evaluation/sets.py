"""The two sets of an evaluation, queries and candidates: which items are in them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from hiertools.boxes import MILLION, areas, from_fractions
from hiertools.errors import UserError
from hiertools.evaluation.classes import Classes
from hiertools.files import items
from hiertools.files.items import Items, Labels

IMAGE, BOX = 0, 1
KINDS = ("image", "box")  # of the items that are evaluated, by their number

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Filters:
    """Which boxes are in a set: those of `min_area` to `max_area` of their image, with no flag."""

    min_area: Decimal
    max_area: Decimal
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Set:
    """n items with image, kind and labels, whose codes are classes; and their rows of a file."""

    items: Items
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def image(self) -> NDArray[np.bytes_]:
        """Return the image of each item."""
        assert self.items.image is not None
        return self.items.image

    @property
    def kind(self) -> NDArray[np.uint8]:
        """Return the number of each item's kind."""
        assert self.items.kind is not None
        return self.items.kind

    @property
    def labels(self) -> Labels:
        """Return the classes of each item."""
        assert self.items.labels is not None
        return self.items.labels

    def take(self, rows: Mask | Rows) -> "Set":
        """Return some of the items, in the order given."""
        return Set(self.items.take(rows), self.rows[rows])

    def by_id(self) -> "Set":
        """Return the items in the order of their ids."""
        return self.take(np.argsort(self.items.id, kind="stable"))

    def labelled(self) -> Mask:
        """Return which items have a label."""
        return np.diff(self.labels.offsets) > 0


def labels_of(table: Items, name: str) -> Labels:
    """Return the labels of items. Raises `UserError` where a column is missing that is needed."""
    for column in ("kind", "image", "labels"):
        if getattr(table, column) is None:
            raise UserError(f"{name}: the items have no column '{column}'; embed with --boxes")
    assert table.labels is not None
    return table.labels


def select(table: Items, classes: Classes, filters: Filters, name: str) -> Set:
    """Return the images of a table and the boxes that filters leave, with their classes."""
    labels = labels_of(table, name)
    found = replace(labels, codes=classes.codes_of(labels), names=items.encode(classes.names))
    rows = np.flatnonzero(_kept(table, filters, name))
    return Set(replace(table, labels=found).take(rows), rows)


def _kept(table: Items, filters: Filters, name: str) -> Mask:
    assert table.kind is not None
    kept: Mask = np.ones(len(table), np.bool_)
    if filters.min_area > 0 or filters.max_area < 1:
        if table.box is None:
            raise UserError(f"{name}: the items have no boxes to filter by area")
        area = areas(from_fractions(table.box))
        least, most = (int(share * MILLION**2) for share in (filters.min_area, filters.max_area))
        kept = (area >= least) & (area <= most)
    for flag in filters.flags:
        column = getattr(table, flag)
        if column is None:
            raise UserError(f"{name}: the items have no column '{flag}' to filter by")
        kept = kept & ~column
    found: Mask = (table.kind == IMAGE) | ((table.kind == BOX) & kept)
    return found


def sample(queries: Set, size: int, *, seed: int) -> Set:
    """Return `size` random queries of each kind, all where there are fewer, in their order."""
    rng = np.random.default_rng(seed)
    found = []
    for kind in (IMAGE, BOX):
        rows = np.flatnonzero(queries.kind == kind)
        found.append(rng.choice(rows, min(size, len(rows)), replace=False))
    return queries.take(np.sort(np.concatenate(found)))


def counts(queries: Set, candidates: Set) -> dict[str, int]:
    """Return how many items of each kind there are on either side."""
    sides: Iterable[tuple[str, Set]] = (("query", queries), ("candidate", candidates))
    plural = {"image": "images", "box": "boxes"}
    return {
        f"{side}_{plural[name]}": int((found.kind == kind).sum())
        for side, found in sides
        for kind, name in enumerate(KINDS)
    }
