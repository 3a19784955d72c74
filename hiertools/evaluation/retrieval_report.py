"""The numbers of an evaluation of retrieval: rows of metrics, and tables beside them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.evaluation import retrieval_relevance
from hiertools.evaluation.retrieval_case import Case
from hiertools.evaluation.retrieval_columns import Column
from hiertools.evaluation.tables import LEVEL
from hiertools.files.json import Document
from hiertools.metrics import ratios
from hiertools.metrics.classes import adjusted
from hiertools.metrics.ratios import Ratios
from hiertools.taxonomy import Taxonomy

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Resamples:
    """How intervals and permutations are drawn."""

    resamples: int
    seed: int


def metric_rows(
    found: Sequence[Column], other: dict[str, Floats] | None, how: Resamples
) -> Iterator[Document]:
    """Yield the metrics: means over queries, beside chance and another run of the same queries.

    other: by label the values of the other run, NaN for a query that it lacks.
    """
    kept = [column for column in found if np.isfinite(column.values).any()]
    if not kept:
        return
    ends = ratios.interval(_ratios([c.values for c in kept]), **vars(how), level=LEVEL)
    beside = _differences(kept, other, how) if other else {}
    for i, column in enumerate(kept):
        there = np.isfinite(column.values)
        row = {**column.name, "value": float(column.values[there].mean())}
        if ends is not None:
            row |= {"low": float(ends[0, i]), "high": float(ends[1, i])}
        row |= _above_chance(row["value"], column.chance[there], column.best[there])
        yield {**row, **beside.get(column.label, {}), "queries": int(there.sum())}


def _ratios(values: Sequence[Floats]) -> Ratios:
    """Return means over the queries that have a value."""
    table = np.stack(values, axis=1)
    there = np.isfinite(table)
    return Ratios(np.where(there, table, 0.0), there.astype(np.float64))


def _above_chance(value: float, chance: Floats, best: Floats) -> Document:
    """Return chance, and how far the value is from there to the best that can be."""
    mean = float(chance.mean())
    if not np.isfinite(mean):
        return {}
    far = adjusted(value, mean, float(best.mean()))
    return {"chance": mean} | ({} if far is None else {"adjusted": far})


def _differences(
    found: Sequence[Column], other: dict[str, Floats], how: Resamples
) -> dict[str, Document]:
    """Return by label how far metrics are above another run's, over the queries of both."""
    pairs = {}
    for column in found:
        beside = other.get(column.label)
        if beside is not None and (both := np.isfinite(column.values + beside)).any():
            pairs[column.label] = [np.where(both, x, np.nan) for x in (column.values, beside)]
    if not pairs:
        return {}
    mine, its = (_ratios(values) for values in zip(*pairs.values(), strict=True))
    ends = ratios.difference_interval(mine, its, **vars(how), level=LEVEL)
    p = ratios.swap_test(mine, its, **vars(how))
    rows: dict[str, Document] = {}
    for i, name in enumerate(pairs):
        value, against = float(mine.values()[i]), float(its.values()[i])
        rows[name] = {"against": against, "difference": value - against}
        if ends is not None:
            rows[name] |= {
                "difference_low": float(ends[0, i]), "difference_high": float(ends[1, i]),
            }  # fmt: skip
        rows[name]["p"] = float(p[i])
    return rows


def class_table(case: Case, found: Sequence[Column], tree: Taxonomy | None) -> list[Document]:
    """Return the metrics of the queries of each class."""
    depths = None if tree is None else retrieval_relevance.depths_of(tree)
    rows = []
    for code, name in enumerate(case.classes):
        chosen = np.flatnonzero(case.labels == code)
        if len(chosen):
            about: Document = {"class": name}
            if tree is not None and depths is not None:
                about |= {"name": tree.names[name], "depth": int(depths[code])}
            rows.append({**about, **_means(found, chosen)})
    return rows


def depth_table(case: Case, found: Sequence[Column], tree: Taxonomy | None) -> list[Document]:
    """Return the metrics of the queries whose class has a depth, the fewest edges from a root."""
    if tree is None:
        return []
    of_class = retrieval_relevance.depths_of(tree)
    of_query = of_class[case.labels]
    used = np.unique(case.labels)
    return [
        {
            "depth": int(depth),
            "classes": int((of_class[used] == depth).sum()),
            **_means(found, np.flatnonzero(of_query == depth)),
        }
        for depth in np.unique(of_query)
    ]


def _means(found: Sequence[Column], queries: Rows) -> Document:
    """Return the means of some queries, with chance; without the metrics that they do not have."""
    row: Document = {"queries": len(queries)}
    for column in found:
        values, chance = column.values[queries], column.chance[queries]
        there = np.isfinite(values)
        if there.any():
            row[column.label] = float(values[there].mean())
            if np.isfinite(chance[there]).all():
                row[f"chance {column.label}"] = float(chance[there].mean())
    return row


def left_out(found: Sequence[Column]) -> list[Document]:
    """Return how many queries have not got a metric: those to which nothing is relevant."""
    missing = ((column, int((~np.isfinite(column.values)).sum())) for column in found)
    return [{**column.name, "queries": count} for column, count in missing if count]
