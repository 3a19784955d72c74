"""Which class the items of a table are of, by their labels."""

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.items import Items
from hiertools.taxonomy import Taxonomy

NONE = -1

Codes = NDArray[np.int64]


def classes_of(table: Items, taxonomy: Taxonomy, name: str) -> Codes:
    """Return the place of the class that each item's label is, `NONE` where no label is one.

    Raises `UserError` where several labels of an item are classes.
    """
    found = np.full(len(table), NONE, np.int64)
    labels = table.labels
    if labels is None:
        return found
    texts = (items.decode(text) for text in labels.names)
    place = np.array([taxonomy.places.get(text, NONE) for text in texts], np.int64)
    known = place[labels.codes] if len(place) else found[:0]
    row = np.repeat(np.arange(len(table)), np.diff(labels.offsets))[known != NONE]
    counts = np.bincount(row, minlength=len(table))
    if (counts > 1).any():
        first = int(np.argmax(counts > 1))
        raise UserError(
            f"{name}: {int((counts > 1).sum()):,} items have several labels that are classes, such"
            f" as {items.decode(table.id[first])!r} ({', '.join(labels.of(first))})"
        )
    found[row] = known[known != NONE]
    return found
