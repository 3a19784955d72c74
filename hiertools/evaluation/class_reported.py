"""A table that somebody reports: accuracies of classes, of which some cannot be.

An accuracy of n items is a multiple of 1/n, and a class has to be there.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from hiertools.evaluation.class_checks import Check
from hiertools.files import csv
from hiertools.files.inputs import Source
from hiertools.metrics.classes import nearest_accuracy
from hiertools.taxonomy import Taxonomy, listed

NEEDED = {"class": pl.String, "accuracy": pl.String}
OPTIONAL = {"items": pl.Int64}
NUMBER = re.compile(r"(?=\.?\d)\d*(?:\.(\d*))?\s*(%?)")  # .85 is one too


@dataclass(frozen=True)
class Row:
    """A line: what the class is called, its accuracy as it stands there, and how many items."""

    line: int
    name: str
    accuracy: str
    items: int | None


@dataclass(frozen=True)
class Reported:
    """name: of the file; percent: whether its accuracies are percentages."""

    name: str
    rows: list[Row]
    percent: bool


def read(source: Source) -> Reported:
    """Read a CSV with the columns class, accuracy and perhaps items.

    Accuracies are percentages if one is above 1 or has a % sign. Raises `UserError` for an
    accuracy that is no number.
    """
    rows = []
    for batch in csv.read(source, NEEDED, OPTIONAL):
        has_items = "items" in batch.frame.columns
        for place, (name, accuracy, *items) in enumerate(
            batch.frame.select([*NEEDED, *(OPTIONAL if has_items else ())]).iter_rows()
        ):
            if not NUMBER.fullmatch(accuracy.strip()):
                raise batch.complaint(place, f"accuracy is {accuracy!r}, no number")
            if has_items and (items[0] is None or items[0] < 1):
                wrong = batch.field(place, "items")
                raise batch.complaint(place, f"items is {wrong}, no number above 0")
            line = batch.first_line + place
            rows.append(Row(line, name.strip(), accuracy.strip(), items[0] if has_items else None))
    texts = [row.accuracy for row in rows]
    percent = any(text.endswith("%") or float(text) > 1 for text in texts)
    return Reported(source.name, rows, percent)


def checks(
    found: Reported, tree: Taxonomy, classes: Sequence[str], items: dict[str, int]
) -> Iterator[Check]:
    """Yield what is to be said of a table. items: of a class, where the table says nothing."""
    known = _names(tree, classes)
    keys = {row.name: known.get(_folded(row.name), []) for row in found.rows}
    missing = [_with_hint(name, known) for name, there in keys.items() if not there]
    what = f"{found.name}: of {len(keys):,} classes"
    if missing:
        yield Check("names", False, f"{what} these are none of the hierarchy: {listed(missing)}")
    else:
        yield Check("names", True, f"{what} all are in the hierarchy")
    several = [name for name, there in keys.items() if len(there) > 1]
    if several:
        yield Check("names", None, f"{found.name}: more than one class is called {listed(several)}")
    yield from _accuracies(found, keys, items)


def _accuracies(
    found: Reported, keys: dict[str, list[str]], items: dict[str, int]
) -> Iterator[Check]:
    impossible, unknown, looked = [], [], 0
    for row in found.rows:
        share, half = _share(row.accuracy, found.percent)
        if share > 1:
            impossible.append(f"line {row.line}: {row.name}: {row.accuracy} is above all items")
            continue
        sizes = {items[key] for key in keys[row.name] if items.get(key)}
        size = row.items or (sizes.pop() if len(sizes) == 1 else None)
        if size is None:
            unknown.append(row.name)
            continue
        looked += 1
        right, error = nearest_accuracy(share, size)
        if error > half * (1 + 1e-9):
            near = right / size * (100 if found.percent else 1)
            impossible.append(
                f"line {row.line}: {row.name}: {row.accuracy} of {size:,} items cannot be; the"
                f" nearest is {near:.6g}, {right:,} right"
            )
    for line in impossible:
        yield Check("accuracy", False, f"{found.name}: {line}")
    if looked and not impossible:
        yield Check("accuracy", True, f"{found.name}: all {looked:,} accuracies can be")
    if unknown:
        names = listed(list(dict.fromkeys(unknown)))
        text = f"{found.name}: nobody says how many items these have: {names}"
        yield Check("accuracy", None, text)


def _share(text: str, percent: bool) -> tuple[float, float]:
    """Return an accuracy in [0, 1], and half a unit of its last digit."""
    match = NUMBER.fullmatch(text)
    assert match is not None
    scale = 100 if percent else 1
    value = float(text.rstrip("% "))
    return value / scale, 0.5 * 10.0 ** -len(match[1] or "") / scale


def _names(tree: Taxonomy, classes: Sequence[str]) -> dict[str, list[str]]:
    """Return the classes by id, by name, and by each of the names with commas between them."""
    found: dict[str, list[str]] = {}
    for key in classes:
        name = tree.names[key]
        words = {_folded(word) for word in (key, name, *name.split(","))}
        for word in words - {""}:
            found.setdefault(word, []).append(key)
    return found


def _with_hint(name: str, known: Iterable[str]) -> str:
    """Return a name, and a known one that has all its words or that has all of these."""
    words = set(_folded(name).split())
    near = sorted(other for other in known if words <= (its := set(other.split())) or its <= words)
    return f"{name} - {near[0]}?" if near else name


def _folded(name: str) -> str:
    """Return a name without what writers differ in: capitals, _ and -, and breaks of lines."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
