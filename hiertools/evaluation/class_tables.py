"""Tables of predicted classes: by depth, by size of training, and class by class."""

from collections.abc import Iterator, Sequence

import numpy as np

from hiertools.evaluation.class_case import Case, Codes, Mask
from hiertools.evaluation.class_chance import Chance
from hiertools.evaluation.class_sizes import UNKNOWN, Bin, Counts
from hiertools.evaluation.tables import LEVEL
from hiertools.files.json import Document
from hiertools.metrics.classes import wilson
from hiertools.metrics.ratios import mcnemar


class Parts:
    """What every row of a table says of some items: how often their first class is right."""

    def __init__(self, case: Case, other: Case | None, chance: Chance) -> None:
        self.case, self.other = case, other
        self.chance = chance.hit(1)[case.truth]

    def row(self, rows: Codes) -> Document:
        """Return the accuracy of some items, and how far their first class is; {} for none."""
        if not len(rows):
            return {}
        right = self.case.first_right[rows]
        low, high = wilson(np.array([right.sum()]), np.array([float(len(rows))]), level=LEVEL)
        found: Document = {
            "accuracy": float(right.mean()), "low": float(low[0]), "high": float(high[0]),
            "chance": float(self.chance[rows].mean()),
            "distance": float(self.case.distance[rows, 0].mean()),
        }  # fmt: skip
        if self.other is not None:
            against = float(self.other.first_right[rows].mean())
            found |= {"against": against, "difference": found["accuracy"] - against}
            found["p"] = mcnemar(right, self.other.first_right[rows])
        return found


def depth_rows(parts: Parts) -> Iterator[Document]:
    """Yield the items by the fewest edges from a root to their label; all depths of classes."""
    case = parts.case
    depth = case.ground.depth[case.truth]
    possible = np.append(case.ground.depth[: case.ground.classes], depth)
    for value in np.unique(possible):
        rows = np.flatnonzero(depth == value)
        labels = len(np.unique(case.truth[rows]))
        yield {"depth": int(value), "classes": labels, "items": len(rows), **parts.row(rows)}


def size_rows(parts: Parts, bins: Sequence[Bin]) -> Iterator[Document]:
    """Yield the items by how many of their class there were in training."""
    for each in bins:
        rows = np.flatnonzero(np.isin(parts.case.truth, each.classes))
        ends = {"from": each.low} | ({} if each.high is None else {"to": each.high})
        yield {**ends, "classes": len(each.classes), "items": len(rows), **parts.row(rows)}


def class_rows(parts: Parts, counts: Counts | None) -> Iterator[Document]:
    """Yield every class, and every other label that an item has: with what it is taken for."""
    case, tree = parts.case, parts.case.ground.tree
    support = case.support()
    order = np.argsort(case.truth, kind="stable")
    rows_of = np.split(order, np.cumsum(support)[:-1])
    for label, rows in enumerate(rows_of):
        if label >= case.ground.classes and not len(rows):
            continue
        key = tree.classes[label]
        row = {"class": key, "name": tree.names[key], "items": len(rows)}
        if counts is not None and label < len(counts) and counts[label] != UNKNOWN:
            row["training"] = int(counts[label])
        yield {**row, **parts.row(rows), **_confused(case, label, rows)}


def _confused(case: Case, label: int, rows: Codes) -> Document:
    """Return the class that items of a label are most often taken for, first by code if several."""
    wrong = rows[case.first_right[rows] == 0]
    if not len(wrong):
        return {}
    taken = np.bincount(case.top[wrong, 0])
    most = int(taken.argmax())
    key = case.ground.tree.classes[most]
    return {
        "confused": key,
        "confused_name": case.ground.tree.names[key],
        "confused_items": int(taken[most]),
        "confused_distance": float(case.ground.distance[most, label]),
    }


def empty_classes(case: Case) -> list[str]:
    """Return the classes that no item has."""
    none: Mask = case.support()[: case.ground.classes] == 0
    return [case.ground.tree.classes[code] for code in np.flatnonzero(none)]
