"""Tables of an evaluation of places: slices of the items, and how right the sure answers are."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hiertools.evaluation.geo_case import Case, Codes, Rows
from hiertools.evaluation.geo_metrics import BINS, sure_answers
from hiertools.files.json import Document
from hiertools.metrics import geo

COUNT_BANDS = ((0, 0), (1, 1), (2, 5), (6, 20), (21, 100), (101, None))  # of items in training


@dataclass(frozen=True)
class Slices:
    """Parts that items fall into: by what, the parts' names, and the part of each item.

    part: index of a name (n), -1 for an item that is in none. at_least: items of a part that has a
    row.
    """

    by: str
    names: list[str]
    part: Codes
    at_least: int


def of_texts(by: str, texts: list[str | None], *, at_least: int) -> Slices:
    """Return slices by a text of each item; None for an item that has none."""
    names = sorted({text for text in texts if text is not None})
    code: dict[str | None, int] = {name: i for i, name in enumerate(names)}
    part = np.array([code.get(text, -1) for text in texts], np.int64)
    return Slices(by, names, part, at_least)


def of_counts(by: str, counts: Codes) -> Slices:
    """Return slices by how many items of its entity there were in training; -1 for no entity."""
    lowest = np.array([low for low, _ in COUNT_BANDS])
    part = np.searchsorted(lowest, counts, side="right") - 1
    return Slices(by, [_band(*band) for band in COUNT_BANDS], part, 1)


def _band(low: int, high: int | None) -> str:
    if high is None:
        return f">{low - 1}"
    return str(low) if low == high else f"{low}-{high}"


def slice_rows(case: Case, slices: Slices) -> Iterator[Document]:
    """Yield what the metrics are in each part that has enough items."""
    for part, name in enumerate(slices.names):
        rows = np.flatnonzero(slices.part == part)
        if len(rows) >= slices.at_least:
            about = {"by": slices.by, "part": name, "items": len(rows)}
            yield {**about, **_accuracies(case, rows), **_distances(case, rows)}


def left_out(slices: Slices) -> tuple[int, int]:
    """Return how many parts have too few items for a row, and how many items are in none."""
    sizes = np.bincount(slices.part[slices.part >= 0], minlength=len(slices.names))
    few = (sizes > 0) & (sizes < slices.at_least)
    return int(few.sum()), int((slices.part < 0).sum())


def _accuracies(case: Case, rows: Rows) -> Document:
    found: Document = {}
    for level, name in enumerate(case.levels):
        labelled = rows[case.truth[rows, level] >= 0]
        if len(labelled):
            found[f"accuracy_{name}"] = float(case.right[labelled, level].mean())
    return found


def _distances(case: Case, rows: Rows) -> Document:
    km = case.km[rows] if case.km is not None else np.zeros(0)
    km = km[np.isfinite(km)]
    if not len(km):
        return {}
    score = float(geo.geoscores(km).mean())
    return {"mean_km": float(km.mean()), "median_km": float(np.median(km)), "geoscore": score}


def reliability_rows(case: Case) -> Iterator[Document]:
    """Yield, for each level and bin of confidence that has answers, how often they are right."""
    for name, _, confidence, right in sure_answers(case):
        found = geo.reliability(confidence, right, bins=BINS)
        for i in np.flatnonzero(found.items):
            yield {
                "of": name,
                "above": float(i / BINS),
                "up_to": float((i + 1) / BINS),
                "items": int(found.items[i]),
                "confidence": float(found.confidence[i]),
                "accuracy": float(found.accuracy[i]),
            }


def reported_rows(case: Case) -> Iterator[Document]:
    """Yield how often each level was the one that answers are sure enough of, and were right."""
    if case.sureness is None:
        return
    level = case.sureness.level
    for place, name in enumerate(case.levels):
        rows = np.flatnonzero(level == place)
        labelled = rows[case.truth[rows, place] >= 0]
        row = {"level": name, "items": len(rows), "share": len(rows) / max(len(case), 1)}
        if len(labelled):
            row["accuracy"] = float(case.right[labelled, place].mean())
        yield {**row, "labelled": len(labelled)}
