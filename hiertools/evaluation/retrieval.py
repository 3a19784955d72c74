"""Evaluation of retrieval: from a case and its rankings to all the numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.evaluation import retrieval_judging, retrieval_report
from hiertools.evaluation.retrieval_case import Case
from hiertools.evaluation.retrieval_columns import Column, Wanted, columns, depths
from hiertools.evaluation.retrieval_judging import Judge, Judged
from hiertools.evaluation.retrieval_report import Resamples
from hiertools.files.json import Document
from hiertools.files.metrics import Metrics
from hiertools.profiling import stage, work
from hiertools.taxonomy import Taxonomy
from hiertools.terminal import progress

Floats = NDArray[np.float64]
Places = NDArray[np.int32]


@dataclass(frozen=True)
class Outcome:
    """The metrics of all queries; cut: how many hits rankings have, None if they are whole."""

    columns: list[Column]
    cut: int | None


@dataclass(frozen=True)
class Rankings:
    """The places of each query's hits among candidates, best first; how many hits there are.

    cut: of each ranking, None if they are whole.
    """

    places: Sequence[Places]
    cut: int | None


def places_of(
    case: Case, hits: Mapping[str, NDArray[np.int64]], rows: NDArray[np.int64], total: int
) -> list[NDArray[np.int64]]:
    """Return the places of hits for each query of a case, -1 for one that is no candidate.

    hits: rows of a table of so many items, of which `rows` are candidates; none for a query that
    is not there.
    """
    place = np.full(total, -1)
    place[rows[case.gallery.rows]] = np.arange(len(rows))
    nothing = np.zeros(0, np.int64)
    return [place[hits.get(name, nothing)] for name in case.names]


def rankings(case: Case, hits: Sequence[NDArray[np.int64]], most: int) -> Rankings:
    """Return rankings of a case. most: how many hits were asked for, 0 if nobody knows.

    A query takes room among its own hits: so many less are compared, of all queries.
    """
    places = [found[found >= 0].astype(np.int32) for found in hits]
    first, barred = case.barred
    asked = max(most, max((len(found) for found in places), default=0))
    kept = [
        found[~np.isin(found, barred[first[i] : first[i + 1]])] for i, found in enumerate(places)
    ]
    full = len(case.gallery.ids) - np.diff(first)
    if (np.array([len(found) for found in kept]) == full).all():
        return Rankings(kept, None)
    taken = max(len(found) - len(rest) for found, rest in zip(places, kept, strict=True))
    return Rankings([found[: asked - taken] for found in kept], asked - taken)


def of_scores(
    case: Case, scores: Callable[[range], Floats], wanted: Wanted, batch_size: int
) -> Outcome:
    """Return the metrics of scores, of which those of a block of queries are there at a time."""
    judge = Judge(case, depths(case, wanted, None))

    def scored(rows: range) -> Judged:
        with stage("searching"):
            found = scores(rows)
        with stage("judging"):
            return judge.scores(found, rows)

    judged = _judged(len(case), batch_size, scored)
    return Outcome(list(columns(case, judged, judge.depths, wanted, None)), None)


def of_rankings(case: Case, found: Rankings, wanted: Wanted, batch_size: int) -> Outcome:
    """Return the metrics of rankings."""
    judge = Judge(case, depths(case, wanted, found.cut))
    places = found.places

    def placed(rows: range) -> Judged:
        with stage("judging"):
            return judge.places(places[rows.start : rows.stop], rows)

    judged = _judged(len(case), batch_size, placed)
    made = columns(case, judged, judge.depths, wanted, found.cut)
    return Outcome(list(made), found.cut)


def _judged(queries: int, batch_size: int, judge: Callable[[range], Judged]) -> Judged:
    with progress("judging", queries) as tick, work("queries") as done:
        parts = []
        for start in range(0, queries, batch_size):
            rows = range(start, min(start + batch_size, queries))
            parts.append(judge(rows))
            tick(len(rows))
            done(len(rows))
    return retrieval_judging.joined(parts)


def metrics(
    case: Case,
    found: Sequence[Column],
    other: dict[str, Floats] | None,
    tree: Taxonomy | None,
    how: Resamples,
    about: Document,
    counts: Document,
) -> Metrics:
    """Return all numbers. about: parameters; counts: beside queries and candidates."""
    rows = list(retrieval_report.metric_rows(found, other, how))
    tables = {
        "classes": retrieval_report.class_table(case, found, tree),
        "depths": retrieval_report.depth_table(case, found, tree),
        "left_out": retrieval_report.left_out(found),
    }
    numbers = {"queries": len(case), "candidates": len(case.gallery.ids), **counts}
    return Metrics("retrieval", {**about, **vars(how)}, numbers, rows, tables)
