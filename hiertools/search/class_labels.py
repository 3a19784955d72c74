"""Which class the items of a table are of, by their labels."""

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.items import Items, Labels
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
    row, place = that_are_classes(labels, taxonomy)
    counts = np.bincount(row, minlength=len(table))
    if (counts > 1).any():
        first = int(np.argmax(counts > 1))
        raise UserError(
            f"{name}: {int((counts > 1).sum()):,} items have several labels that are classes, such"
            f" as {items.decode(table.id[first])!r} ({', '.join(labels.of(first))})"
        )
    found[row] = place
    return found


def that_are_classes(labels: Labels, taxonomy: Taxonomy) -> tuple[Codes, Codes]:
    """Return of each label that is a class the row of its item, and the place of the class."""
    texts = (items.decode(text) for text in labels.names)
    place = np.array([taxonomy.places.get(text, NONE) for text in texts], np.int64)
    found = place[labels.codes] if len(place) else place
    row = np.repeat(np.arange(len(labels.offsets) - 1), np.diff(labels.offsets))
    return row[found != NONE], found[found != NONE]
