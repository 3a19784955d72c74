"""Metrics of predicted classes as rows: with intervals, chance, and another run beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hiertools.evaluation.class_case import Case, Floats
from hiertools.evaluation.class_columns import Column, key_of, sure_answers
from hiertools.evaluation.tables import LEVEL
from hiertools.files.json import Document
from hiertools.metrics import classes as metrics
from hiertools.metrics import geo, ratios
from hiertools.metrics.ratios import Ratios

BINS = 15  # of probabilities: Guo et al. 2017


@dataclass(frozen=True)
class Resamples:
    """How an interval is drawn."""

    resamples: int
    seed: int


def metric_rows(
    found: Sequence[Column],
    other: Sequence[Column] | None,
    frequent: Sequence[Column],
    how: Resamples,
) -> Iterator[Document]:
    """Yield the rows of metrics.

    other: those of another run on the same items; frequent: those of the classes that are most
    frequent in training, given to all items.
    """
    ends = ratios.interval(_ratios(found), **vars(how), level=LEVEL)
    beside = _differences(found, other, how) if other is not None else {}
    always = {column.key: column.value for column in frequent}
    for i, column in enumerate(found):
        row = {**column.name, "value": column.value}
        if ends is not None:
            row |= {"low": float(ends[0, i]), "high": float(ends[1, i])}
        row |= _chance(column)
        if column.key in always:
            row["frequent"] = always[column.key]
        yield {**row, **beside.get(column.key, {}), "queries": column.items}


def _ratios(found: Sequence[Column]) -> Ratios:
    return Ratios(
        np.stack([column.numerators for column in found], axis=1),
        np.stack([column.denominators for column in found], axis=1),
    )


def _chance(column: Column) -> Document:
    chance = column.chance
    if chance is None:
        return {}
    if column.best is None:
        return {"chance": chance}
    adjusted = metrics.adjusted(column.value, chance, column.best)
    return {"chance": chance} | ({} if adjusted is None else {"adjusted": adjusted})


def _differences(
    found: Sequence[Column], other: Sequence[Column], how: Resamples
) -> dict[tuple[object, ...], Document]:
    """Return how much each metric is above the other run's, by key, and how sure that is."""
    of_other = {column.key: column for column in other}
    pairs = [(column, of_other[column.key]) for column in found if column.key in of_other]
    mine, its = (_ratios(side) for side in zip(*pairs, strict=True))
    ends = ratios.difference_interval(mine, its, **vars(how), level=LEVEL)
    swapped = ratios.swap_test(mine, its, **vars(how))
    made = {}
    for i, (column, against) in enumerate(pairs):
        row = {"against": against.value, "difference": column.value - against.value}
        if ends is not None:
            row |= {"difference_low": float(ends[0, i]), "difference_high": float(ends[1, i])}
        exact = _exact(column, against)
        row["p"] = float(swapped[i]) if exact is None else exact
        made[column.key] = row
    return made


def _exact(column: Column, other: Column) -> float | None:
    """Return the p of McNemar's test for shares of the same items, None for others."""
    alike = np.array_equal(column.denominators, other.denominators)
    if not (column.is_share and other.is_share and alike):
        return None
    return ratios.mcnemar(column.numerators, other.numerators)


def calibration_rows(case: Case, other: Case | None, *, nodes: bool) -> Iterator[Document]:
    """Yield how far the probabilities can be trusted; without an interval.

    Resamples are less calibrated than what they are drawn from, so that one would be too high.
    """
    beside = {}
    if other is not None:
        beside = {key_of(of): _error(*sure) for of, *sure in sure_answers(other, nodes)}
    for of, sure, right in sure_answers(case, nodes):
        value, against = _error(sure, right), beside.get(key_of(of))
        if value is None:
            continue
        row = {"metric": "calibration-error", **of, "value": value}
        if against is not None:
            row |= {"against": against, "difference": value - against}
        yield {**row, "queries": len(case)}


def _error(sure: Floats, right: Floats) -> float | None:
    """Return the expected calibration error, None where a probability is not known."""
    if not np.isfinite(sure).all():
        return None
    return geo.calibration_error(geo.reliability(sure, right, bins=BINS))


def reliability_rows(case: Case, *, nodes: bool) -> Iterator[Document]:
    """Yield, for each bin of probabilities that has answers, how often they are right."""
    for of, sure, right in sure_answers(case, nodes):
        if not np.isfinite(sure).all():
            continue
        found = geo.reliability(sure, right, bins=BINS)
        for i in np.flatnonzero(found.items):
            bin_of = {"above": float(i / BINS), "up_to": float((i + 1) / BINS)}
            means = {
                "confidence": float(found.confidence[i]), "accuracy": float(found.accuracy[i])
            }  # fmt: skip
            yield {**of, **bin_of, "items": int(found.items[i]), **means}
