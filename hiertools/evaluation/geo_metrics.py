"""The metrics of places as rows: with intervals, chance, and another run beside them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from hiertools.evaluation.geo_case import Case, Floats, Rows
from hiertools.evaluation.tables import LEVEL
from hiertools.files.json import Document
from hiertools.metrics import geo
from hiertools.metrics.bootstrap import interval, median_interval

REPORTED = "reported"  # of the level that an answer is sure enough of
BINS = 15  # of confidences: Guo et al. 2017


@dataclass(frozen=True)
class Resamples:
    """How an interval is drawn."""

    resamples: int
    seed: int


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

    def take(self, places: Rows) -> "Column":
        """Return the metric of some of its items."""
        return replace(self, rows=self.rows[places], values=self.values[places])


def _key(row: Document) -> tuple[object, ...]:
    return tuple(row.get(key) for key in ("metric", "of", "km"))


def metric_rows(case: Case, other: Case | None, *, resamples: int, seed: int) -> Iterator[Document]:
    """Yield the metrics of a case, and how much they are above those of another one.

    The other case is of the same items. A metric without items has no row.
    """
    beside = {column.key: column for column in columns(other, seed)} if other else {}
    pairs = [(column, beside.get(column.key)) for column in columns(case, seed)]
    for together in _of_the_same_items(pairs):
        yield from _rows(together, Resamples(resamples, seed))
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


Pair = tuple[Column, Column | None]  # a metric, and the same one of the other run


def _of_the_same_items(found: Sequence[Pair]) -> Iterator[list[Pair]]:
    """Yield metrics in their order, with the next ones that are about the same items."""
    together: list[Pair] = []
    for pair in found:
        if together and not all(map(_same_items, together[0], pair)):
            yield together
            together = []
        together.append(pair)
    if together:
        yield together


def _same_items(one: Column | None, other: Column | None) -> bool:
    if one is None or other is None:
        return one is other
    return np.array_equal(one.rows, other.rows)


def _rows(together: list[Pair], how: Resamples) -> Iterator[Document]:
    """Yield the rows of metrics of the same items, which share their resamples."""
    columns = [column for column, _ in together]
    ends = _intervals(columns, None, how)
    differences = _differences(together, how)
    for i, (column, other) in enumerate(together):
        row = {**column.name, "value": column.value(), **_ends(ends[i], "")}
        if other is not None:
            row |= {"against": other.value(), **differences[i]}
        yield {**row, **column.more, "queries": len(column.rows)}


def _differences(together: list[Pair], how: Resamples) -> list[Document]:
    """Return how much each metric is above the other run's, over the items that both are about."""
    others = [other for _, other in together if other is not None]
    if not others:
        return []
    columns = [column for column, _ in together]
    _, left, right = np.intersect1d(
        columns[0].rows, others[0].rows, assume_unique=True, return_indices=True
    )
    if not len(left):
        return [{} for _ in columns]
    mine, its = [x.take(left) for x in columns], [x.take(right) for x in others]
    ends = _intervals(mine, its, how)
    return [
        {"difference": _above(a, b), **_ends(each, "difference_")}
        for a, b, each in zip(mine, its, ends, strict=True)
    ]


def _above(column: Column, other: Column) -> float:
    if column.median:
        return column.value() - other.value()
    return float((column.values - other.values).mean())


def _intervals(
    columns: list[Column], others: list[Column] | None, how: Resamples
) -> list[tuple[float, float] | None]:
    """Return the interval of each metric, or of its difference from the other run's."""
    values = np.stack([column.values for column in columns], axis=1)
    taken = np.stack([x.values for x in others], axis=1) if others else None
    means = interval(values if taken is None else values - taken, **vars(how), level=LEVEL)
    found: list[tuple[float, float] | None] = []
    for i, column in enumerate(columns):
        if column.median:
            other = None if taken is None else taken[:, i]
            found.append(median_interval(column.values, other, **vars(how), level=LEVEL))
        else:
            found.append(None if means is None else (float(means[0, i]), float(means[1, i])))
    return found


def _ends(ends: tuple[float, float] | None, start: str) -> Document:
    return {} if ends is None else {f"{start}low": ends[0], f"{start}high": ends[1]}


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
