"""Which items are searched, which are no hits of a query of theirs, and how ties are ordered."""

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.items import Items

NO_GROUP = -1

Rows = NDArray[np.int64]


def of_kind(table: Items, kind: str, name: str) -> NDArray[np.bool_]:
    """Return which items are of a kind (image, box). Raises `UserError` if none are."""
    if table.kind is None:
        raise UserError(f"{name}: its items have no kind; leave out the choice of {kind}")
    found = items.KINDS[table.kind] == kind.encode()
    if not found.any():
        raise UserError(f"{name}: has no items of kind {kind}")
    return np.asarray(found)


def of_images(table: Items, images: list[str], name: str) -> NDArray[np.bool_]:
    """Return which items are of some images. Raises `UserError` for an image without items."""
    if table.image is None:
        raise UserError(f"{name}: its items have no image; leave out the list of images")
    listed = items.encode(images)
    missing = listed[~np.isin(listed, table.image)]
    if len(missing):
        first = items.decode(missing[0])
        raise UserError(
            f"{name}: has no items of {len(missing):,} listed images, such as {first!r}"
        )
    return np.isin(table.image, listed)


def ranks(table: Items) -> Rows:
    """Return the place of each item's id among all ids, in order."""
    found = np.empty(len(table), np.int64)
    found[np.argsort(table.id, kind="stable")] = np.arange(len(table))
    return found


class Groups:
    """What a query must not find: itself (`self`), all items of its image (`image`) or `none`."""

    def __init__(self, table: Items, exclude: str, name: str) -> None:
        self._exclude = exclude
        column = self._column(table, name)
        self._names, self._first, codes = np.unique(column, return_index=True, return_inverse=True)
        self.of_points = self._known(codes.astype(np.int64), column)

    def of(self, queries: Items, name: str) -> Rows:
        """Return the group of each query, -1 if nothing of it is there."""
        column = self._column(queries, name)
        place = np.searchsorted(self._names, column).clip(max=max(0, len(self._names) - 1))
        found = self._names[place] == column if len(self._names) else np.zeros(len(column), bool)
        return self._known(np.where(found, place, NO_GROUP), column)

    def itself(self, groups: Rows) -> Rows:
        """Return the item that has the id of each query, -1 if there is none or it may be found."""
        if self._exclude != "self" or not len(self._names):
            return np.full(len(groups), NO_GROUP)
        return np.where(groups == NO_GROUP, NO_GROUP, self._first[groups])

    def _column(self, table: Items, name: str) -> NDArray[np.bytes_]:
        if self._exclude == "none":
            return np.zeros(len(table), "S1")
        if self._exclude == "self":
            return table.id
        if table.image is None:
            raise UserError(f"{name}: its items have no image; give --exclude self")
        return table.image

    def _known(self, codes: Rows, column: NDArray[np.bytes_]) -> Rows:
        return np.where(column == b"", NO_GROUP, codes)


def first_labels(table: Items, rows: Rows) -> list[str | None]:
    """Return the first label of some items, None for an item without labels."""
    labels = table.labels
    if labels is None:
        return [None] * len(rows)
    starts, ends = labels.offsets[rows], labels.offsets[rows + 1]
    codes = [labels.codes[i] if i < j else None for i, j in zip(starts, ends, strict=True)]
    return [None if code is None else items.decode(labels.names[code]) for code in codes]
