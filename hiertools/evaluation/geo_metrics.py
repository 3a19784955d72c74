"""The metrics of places as rows: with intervals, chance, and another run beside them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from hiertools.evaluation.geo_case import Case, Floats, Rows
from hiertools.evaluation.tables import LEVEL
from hiertools.files.json import Document
from hiertools.metrics import geo
from hiertools.metrics.bootstrap import interval, median_interval

REPORTED = "reported"  # of the level that an answer is sure enough of
BINS = 15  # of confidences: Guo et al. 2017


@dataclass(frozen=True)
class Column:
    """A metric before it is a number: its name, and a value for each of the items it is about."""

    name: Document
    rows: Rows
    values: Floats
    more: Document = field(default_factory=dict)
    median: bool = False

    @property
    def key(self) -> tuple[object, ...]:
        """Return what tells the metric from others, in any run."""
        return _key(self.name)

    def value(self) -> float:
        """Return the metric."""
        return float(np.median(self.values) if self.median else self.values.mean())


def _key(row: Document) -> tuple[object, ...]:
    return tuple(row.get(key) for key in ("metric", "of", "km"))


def metric_rows(case: Case, other: Case | None, *, resamples: int, seed: int) -> Iterator[Document]:
    """Yield the metrics of a case, and how much they are above those of another one.

    The other case is of the same items. A metric without items has no row.
    """
    beside = {column.key: column for column in columns(other, seed)} if other else {}
    for together in _of_the_same_items(columns(case, seed)):
        yield from _rows(together, beside, resamples, seed)
    yield from _calibration(case)


def columns(case: Case, seed: int) -> list[Column]:
    """Return the metrics that are means or medians over items."""
    found = [*_accuracy(case), *_distances(case, seed), *_reported(case)]
    return [column for column in found if len(column.rows)]


def _accuracy(case: Case) -> Iterator[Column]:
    for level, name in enumerate(case.levels):
        rows = case.labelled(level)
        truth = case.truth[rows, level]
        if not len(rows):
            continue
        more = {"chance": geo.shuffled_accuracy(truth, case.answer[:, level])}
        if case.most is not None:
            more["frequent"] = float((truth == case.most[level]).mean())
        if case.known is not None:
            more["coverage"] = float(case.known[rows, level].mean())
        yield Column({"metric": "accuracy", "of": name}, rows, case.right[rows, level], more)


def _distances(case: Case, seed: int) -> Iterator[Column]:
    if case.km is None or not len(case.placed):
        return
    rows, km = case.placed, case.km[case.placed]
    shuffled = case.shuffled_km(seed)

    def column(name: Document, of: Callable[[Floats], Floats], *, median: bool = False) -> Column:
        middle = np.median if median else np.mean
        chance = float(np.mean([middle(of(each)) for each in shuffled]))
        return Column(name, rows, of(km), {"chance": chance}, median)

    yield column({"metric": "mean_km"}, lambda each: each)
    yield column({"metric": "median_km"}, lambda each: each, median=True)
    yield column({"metric": "geoscore"}, geo.geoscores)
    for radius in geo.RADII_KM:
        name = {"metric": "recall", "km": radius}
        yield column(name, lambda each, radius=radius: geo.within(each, radius))  # type: ignore[misc]


def _reported(case: Case) -> Iterator[Column]:
    """Yield how often answers are right at the level that they are sure enough of."""
    if case.sureness is None:
        return
    level = case.sureness.level
    every = np.arange(len(case))
    rows = np.flatnonzero(case.truth[every, level] >= 0)
    name = {"metric": "accuracy", "of": REPORTED}
    yield Column(name, rows, case.right[rows, level[rows]])


def _of_the_same_items(found: Sequence[Column]) -> Iterator[list[Column]]:
    """Yield columns in their order, with the next ones that are about the same items."""
    together: list[Column] = []
    for column in found:
        if together and not np.array_equal(together[0].rows, column.rows):
            yield together
            together = []
        together.append(column)
    if together:
        yield together


def _rows(
    together: list[Column], beside: dict[tuple[object, ...], Column], resamples: int, seed: int
) -> Iterator[Document]:
    """Yield the rows of columns of the same items, which share their resamples."""
    values = np.stack([column.values for column in together], axis=1)
    means = interval(values, resamples=resamples, seed=seed, level=LEVEL)
    for i, column in enumerate(together):
        ends = means[:, i].tolist() if means is not None else None
        if column.median:
            ends = median_interval(column.values, None, resamples=resamples, seed=seed, level=LEVEL)
        row = {**column.name, "value": column.value()}
        if ends is not None:
            row |= {"low": float(ends[0]), "high": float(ends[1])}
        if column.key in beside:
            row |= _difference(column, beside[column.key], resamples, seed)
        yield {**row, **column.more, "queries": len(column.rows)}


def _difference(column: Column, other: Column, resamples: int, seed: int) -> Document:
    """Return the other's value, and the difference over the items that both are about."""
    _, left, right = np.intersect1d(
        column.rows, other.rows, assume_unique=True, return_indices=True
    )
    row: Document = {"against": other.value()}
    if not len(left):
        return row
    mine, its = column.values[left], other.values[right]
    how = {"resamples": resamples, "seed": seed, "level": LEVEL}
    if column.median:
        row["difference"] = float(np.median(mine) - np.median(its))
        ends = median_interval(mine, its, **how)  # type: ignore[arg-type]
    else:
        row["difference"] = float((mine - its).mean())
        ends = interval(mine - its, **how)  # type: ignore[arg-type,assignment]
    if ends is not None:
        row |= {"difference_low": float(ends[0]), "difference_high": float(ends[1])}
    return row


def beside(rows: list[Document], other: list[Document]) -> list[Document]:
    """Return rows with the values that another run's rows of the same metrics have."""
    values = {_key(row): row["value"] for row in other}
    found = []
    for row in rows:
        against = {"against": values[_key(row)]} if _key(row) in values else {}
        found.append({**row, **against, "queries": row["queries"]})
    return found


def _calibration(case: Case) -> Iterator[Document]:
    for name, rows, confidence, right in sure_answers(case):
        found = geo.reliability(confidence, right, bins=BINS)
        error = geo.calibration_error(found)
        yield {"metric": "ece", "of": name, "value": error, "queries": len(rows)}


def sure_answers(case: Case) -> Iterator[tuple[str, Rows, Floats, Floats]]:
    """Yield each level's name, items, confidences and whether they are right; then as reported."""
    if case.sureness is None:
        return
    for level, name in enumerate(case.levels):
        probability = case.sureness.probability[:, level]
        rows = np.flatnonzero((case.truth[:, level] >= 0) & np.isfinite(probability))
        if len(rows):
            yield name, rows, probability[rows], case.right[rows, level]
    for column in _reported(case):
        if len(column.rows):
            yield REPORTED, column.rows, case.sureness.confidence[column.rows], column.values
