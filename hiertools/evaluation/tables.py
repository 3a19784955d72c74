"""The numbers of an evaluation as rows: metrics with their intervals and chance, and tables."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hiertools.evaluation.classes import Classes
from hiertools.evaluation.outcome import Outcome
from hiertools.evaluation.sets import BOX, IMAGE, KINDS, Mask, Set
from hiertools.files.json import Document
from hiertools.metrics.bootstrap import interval
from hiertools.metrics.ranking import expected_average_precision

LEVEL = 0.95

Floats = NDArray[np.float64]


def metric_rows(outcome: Outcome, *, resamples: int, seed: int) -> Iterator[Document]:
    """Yield the metrics of a direction, for each kind of query and of exclusion."""
    for about, kind, mode in _groups(outcome):
        chosen = _same_class(outcome, kind, mode)
        if kind == outcome.direction.same_class_kind and chosen.any():
            rows = _precision(outcome, chosen, mode)
            yield from _with_intervals(rows, about, resamples, seed)
        chosen = _judged(outcome, kind, mode)
        if chosen.any():
            rows = [*_recall(outcome, chosen, mode), *_distances(outcome, chosen, mode)]
            yield from _with_intervals(rows, about, resamples, seed)
            yield from _with_intervals(_paths(outcome, chosen, mode), about, resamples, seed)


def _groups(outcome: Outcome) -> Iterator[tuple[Document, int, int]]:
    direction = outcome.direction
    for kind in direction.kinds:
        for mode, exclude in enumerate(outcome.judge.exclude):
            yield {"find": direction.find, "of": KINDS[kind], "exclude": exclude}, kind, mode


def _same_class(outcome: Outcome, kind: int, mode: int) -> Mask:
    queries = outcome.direction.queries
    found: Mask = (queries.kind == kind) & queries.labelled() & (outcome.judged.pool[:, mode] > 0)
    return found


def _judged(outcome: Outcome, kind: int, mode: int) -> Mask:
    of_kind = outcome.direction.queries.kind == kind
    found: Mask = of_kind & outcome.direction.known() & (outcome.judged.relevant[:, mode] > 0)
    return found


Column = tuple[Document, Floats, float]  # the row's name, a value for each query, and chance


def _precision(outcome: Outcome, chosen: Mask, mode: int) -> list[Column]:
    judged = outcome.judged
    pool, right = judged.pool[chosen, mode], judged.right[chosen, mode]
    chance = float((right / pool).mean())
    return [
        (
            {"metric": "same_class_precision", "k": int(k)},
            judged.right_hits[chosen, mode, i] / np.minimum(k, pool),
            chance,
        )
        for i, k in enumerate(outcome.judge.depths.small)
    ]


def _recall(outcome: Outcome, chosen: Mask, mode: int) -> list[Column]:
    judged, depths = outcome.judged, outcome.judge.depths
    relevant, candidates = judged.relevant[chosen, mode], judged.candidates[chosen, mode]
    found: list[Column] = [
        (
            {"metric": "hierarchical_recall", "k": int(k)},
            judged.hits[chosen, mode, np.searchsorted(depths.every, k)] / relevant,
            float(np.minimum(1, k / candidates).mean()),
        )
        for k in depths.deep
    ]
    chance = expected_average_precision(relevant, candidates).mean()
    name = {"metric": "hierarchical_map"}
    return [*found, (name, judged.precision[chosen, mode], float(chance))]


def _distances(outcome: Outcome, chosen: Mask, mode: int) -> list[Column]:
    return [
        column for name in ("index", "tree") for column in _distance(outcome, name, chosen, mode)
    ]


def _paths(outcome: Outcome, chosen: Mask, mode: int) -> list[Column]:
    path = outcome.measured("path")
    if path is None:
        return []
    chosen = chosen & np.isfinite(path[:, mode, -1])
    return _distance(outcome, "path", chosen, mode) if chosen.any() else []


def _distance(outcome: Outcome, name: str, chosen: Mask, mode: int) -> list[Column]:
    values = outcome.measured(name)
    if values is None:
        return []
    chance = float(values[chosen, mode, -1].mean())
    return [
        ({"metric": f"ot_{name}", "k": int(k)}, values[chosen, mode, i], chance)
        for i, k in enumerate(outcome.judge.depths.deep)
    ]


def _with_intervals(
    columns: list[Column], about: Document, resamples: int, seed: int
) -> Iterator[Document]:
    """Yield rows of columns of the same queries."""
    if not columns:
        return
    values = np.stack([values for _, values, _ in columns], axis=1)
    ends = interval(values, resamples=resamples, seed=seed, level=LEVEL)
    for i, (name, each, chance) in enumerate(columns):
        row = {"metric": name["metric"], **about, **name, "value": float(each.mean())}
        if ends is not None:
            row |= {"low": float(ends[0, i]), "high": float(ends[1, i])}
        yield {**row, "chance": chance, "queries": len(each)}


def left_out(outcome: Outcome) -> Iterator[Document]:
    """Yield how many queries are not in the hierarchical metrics, and why."""
    direction = outcome.direction
    labelled, known = direction.queries.labelled(), direction.known()
    for about, kind, mode in _groups(outcome):
        of_kind = direction.queries.kind == kind
        empty = outcome.judged.relevant[:, mode] == 0
        reasons = {
            "no label": ~labelled,
            "no class of the hierarchy": labelled & ~known,
            "nothing relevant": known & empty,
        }
        for reason, missing in reasons.items():
            count = int((of_kind & missing).sum())
            if count:
                yield {**about, "reason": reason, "queries": count}


def curve(outcome: Outcome) -> Iterator[Document]:
    """Yield mean precision and recall at each of many k, beside chance."""
    judged, ks = outcome.judged, outcome.judge.depths.every
    for about, kind, mode in _groups(outcome):
        chosen = _judged(outcome, kind, mode)
        if not chosen.any():
            continue
        relevant, candidates = (x[chosen, mode] for x in (judged.relevant, judged.candidates))
        hits = judged.hits[chosen, mode]
        for i, k in enumerate(ks):
            yield {
                **about,
                "k": int(k),
                "precision": float((hits[:, i] / np.minimum(k, candidates)).mean()),
                "recall": float((hits[:, i] / relevant).mean()),
                "chance_precision": float((relevant / candidates).mean()),
                "chance_recall": float(np.minimum(1, k / candidates).mean()),
                "queries": int(chosen.sum()),
            }


def precision_at_recall(outcome: Outcome) -> Iterator[Document]:
    """Yield mean interpolated precision at each of many recalls."""
    for about, kind, mode in _groups(outcome):
        chosen = _judged(outcome, kind, mode)
        if chosen.any():
            means = outcome.judged.curve[chosen, mode].mean(axis=0)
            for recall, precision in zip(outcome.judge.depths.recalls, means, strict=True):
                row = {"recall": float(recall), "precision": float(precision)}
                yield {**about, **row, "queries": int(chosen.sum())}


def order_bands(outcome: Outcome) -> Iterator[Document]:
    """Yield least, median and greatest mean index distance over random orders of the classes."""
    if outcome.distances is None:
        return
    for about, kind, mode in _groups(outcome):
        queries = int(_judged(outcome, kind, mode).sum())
        for i, k in enumerate(outcome.judge.depths.deep if queries else ()):
            means = outcome.distances.shuffled[kind][mode, i] / queries
            band = {"min": means.min(), "median": np.median(means), "max": means.max()}
            named = {name: float(value) for name, value in band.items()}
            yield {**about, "k": int(k), "orders": len(means), **named}


def class_table(queries: Set, candidates: Set, classes: Classes) -> list[Document]:
    """Return how many boxes and images of each class there are on either side, frequent first."""
    sides = {"candidate": candidates, "query": queries}
    plural = {IMAGE: "images", BOX: "boxes"}
    found = {
        f"{side}_{plural[kind]}": _counts(each, kind, classes)
        for side, each in sides.items()
        for kind in (BOX, IMAGE)
    }
    rows: list[Document] = [
        {"class": name, **{column: int(counts[code]) for column, counts in found.items()}}
        for code, name in enumerate(classes.names)
    ]
    rows.sort(key=lambda row: (-row["candidate_boxes"], -row["query_boxes"], row["class"]))
    return [row for row in rows if any(row[column] for column in found)]


def _counts(found: Set, kind: int, classes: Classes) -> NDArray[np.int64]:
    of_kind = np.repeat(found.kind == kind, np.diff(found.labels.offsets))
    return np.bincount(found.labels.codes[of_kind], minlength=len(classes.names))
