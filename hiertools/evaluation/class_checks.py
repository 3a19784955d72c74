"""What can be wrong with an evaluation of classes before any number of it is looked at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hiertools.evaluation.class_sizes import UNKNOWN, Bin, Sizes
from hiertools.files.json import Document
from hiertools.taxonomy import listed


@dataclass(frozen=True)
class Check:
    """of: what was looked at; passed: None if it is only to be known; text: what was found."""

    of: str
    passed: bool | None
    text: str

    @property
    def result(self) -> str:
        """Return the result in a word."""
        return {True: "ok", False: "failed", None: "note"}[self.passed]

    def row(self) -> Document:
        """Return the row of a table."""
        return {"check": self.of, "result": self.result, "text": self.text}


def of_items(empty: Sequence[str], classes: int, depths: Sequence[Document]) -> Iterator[Check]:
    """Yield whether all classes and all depths have items. empty: classes without."""
    text = f"of {classes:,} classes these have no items: {listed(empty)}"
    yield Check("classes", not empty, text if empty else f"all {classes:,} classes have items")
    bare = [str(row["depth"]) for row in depths if not row["items"]]
    text = f"no items at the depths {', '.join(bare)}" if bare else "all depths have items"
    yield Check("depths", not bare, text)


def of_predictions(predicted: int, classes: int) -> Iterator[Check]:
    """Yield how many of the classes are ever predicted."""
    if predicted < classes:
        text = f"{predicted:,} of {classes:,} classes are ever predicted as the first"
        yield Check("predictions", None, text)


def of_sizes(found: Sizes, bins: Sequence[Bin], classes: Sequence[str]) -> Iterator[Check]:
    """Yield whether all classes have counts, all counts a class, and all bins classes."""
    if found.foreign:
        text = f"{found.name}: these are no classes of the hierarchy: {listed(found.foreign)}"
        yield Check("sizes", False, text)
    lacking = [classes[code] for code in np.flatnonzero(found.count == UNKNOWN).tolist()]
    if lacking:
        yield Check("sizes", False, f"{found.name}: has no count of {listed(lacking)}")
    for each in bins:
        if not len(each.classes):
            ends = f"{each.low:,} or more" if each.high is None else f"{each.low:,}-{each.high:,}"
            yield Check("sizes", False, f"{found.name}: no class has {ends} items in training")
    if not found.foreign and not lacking and all(len(each.classes) for each in bins):
        low, high = int(found.count.min()), int(found.count.max())
        text = f"{found.name}: all bins have classes, of {low:,} to {high:,} items"
        yield Check("sizes", True, text)
