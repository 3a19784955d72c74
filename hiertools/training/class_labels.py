"""Which class each item is of: the one label of it that is a class of the hierarchy."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiertools import taxonomy
from hiertools.errors import UserError
from hiertools.files import items
from hiertools.files.items import Items
from hiertools.search.class_labels import that_are_classes
from hiertools.taxonomy import Taxonomy

Rows = NDArray[np.int64]


def codes(table: Items, tree: Taxonomy, name: str, hierarchy: Path, *, allow_absent: bool) -> Rows:
    """Return the place of each item's class in the order of the classes.

    name, hierarchy: where the items and the classes are from, for messages. An item may have more
    labels, such as nodes above its class. Raises `UserError` for items of no class or of several,
    and for classes that only one side has; allow_absent: a class may have no item.
    """
    labels = table.labels
    if labels is None:
        raise UserError(
            f"{name}: has no labels; embed with --label-from folder, or give --table CSV with the"
            " columns id and label"
        )
    row, place = that_are_classes(labels, tree)
    per_item = np.bincount(row, minlength=len(table))
    texts = [items.decode(label) for label in labels.names]
    _check_classes(table, texts, tree, per_item, name, hierarchy, allow_absent=allow_absent)
    for bad, what in ((per_item == 0, "no class"), (per_item > 1, "several classes")):
        if bad.any():
            first = int(np.argmax(bad))
            said = ", ".join(map(repr, labels.of(first))) or "none"
            raise UserError(
                f"{name}: {int(bad.sum()):,} of {len(table):,} items have {what} of {hierarchy},"
                f" such as {items.decode(table.id[first])!r}, whose labels are {said}"
            )
    return place


def _check_classes(
    table: Items,
    texts: list[str],
    tree: Taxonomy,
    per_item: NDArray[np.int64],
    name: str,
    hierarchy: Path,
    *,
    allow_absent: bool,
) -> None:
    """Raise `UserError` if the items have classes that the hierarchy lacks, or the reverse."""
    assert table.labels is not None
    used = {texts[code] for code in np.unique(table.labels.codes)}
    without = table.labels.take(np.flatnonzero(per_item == 0))
    strange = {texts[code] for code in np.unique(without.codes)} - set(tree.nodes)
    there = used & set(tree.classes)
    wanted = there if allow_absent else set(tree.classes)
    problem = taxonomy.difference(
        sorted(there | strange), sorted(wanted), name=name, other=str(hierarchy)
    )
    if problem:
        hint = "" if strange else "; --allow-absent lets classes have no items"
        raise UserError(f"{problem}{hint}")
