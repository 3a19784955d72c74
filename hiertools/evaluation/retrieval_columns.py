"""The metrics of retrieval before they are numbers: a value and its chance for each query."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hiertools.evaluation.retrieval_case import SAME, Case
from hiertools.evaluation.retrieval_judging import Depths, Judged
from hiertools.files.json import Document
from hiertools.metrics import retrieval
from hiertools.metrics.retrieval import expected_gains, expected_precision_at

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """A metric of q queries: values, what random rankings come to, and what the best one has.

    NaN where it has none. Of less than all that is relevant the best is below 1, as for recall@1.
    """

    name: Document
    values: Floats
    chance: Floats
    best: Floats

    @property
    def label(self) -> str:
        """Return what the column of a table is called, such as ndcg@10."""
        return label(self.name)


def label(name: Document) -> str:
    """Return the metric of a row as one word."""
    more = [str(name[key]) for key in ("k", "of") if key in name]
    return "@".join([str(name["metric"]), *more])


class Wanted(NamedTuple):
    """What is wanted: how deep hits and gains are judged, and the depth of average precision.

    hits: ks of precision, recall and hierarchical precision; gains: ks of nDCG; average: the
    greatest k of average hierarchical precision.
    """

    hits: tuple[int, ...]
    gains: tuple[int, ...]
    average: int


def depths(case: Case, wanted: Wanted, cut: int | None) -> Depths:
    """Return how deep to judge: not deeper than any query has candidates, or hits.

    cut: hits that rankings have, None where they are whole, and nDCG is of all ranks too.
    """
    n = len(case.gallery.ids)
    most = n - int(np.diff(case.barred.first).max(initial=0))
    if cut is not None:
        most = min(most, cut)
    hits, gains = ([k for k in ks if k <= most] for ks in (wanted.hits, wanted.gains))
    near: list[int] = []
    if case.relevance.similarities.gains.shape[1]:
        near = sorted({*hits, *range(1, min(wanted.average, most) + 1)})
    whole = [n] if cut is None else []
    return Depths(*(np.array(ks, np.int64) for ks in (hits, [*gains, *whole], near)))


def columns(
    case: Case, judged: Judged, depths: Depths, wanted: Wanted, cut: int | None
) -> Iterator[Column]:
    """Yield the metrics. Chance is exact: the mean over all orders of a query's candidates."""
    found = [
        *_average_precision(case, judged, cut),
        *_hits(judged, depths),
        *_gains(judged, depths, len(case.gallery.ids), cut),
        *_near(judged, depths, wanted),
    ]
    for column in found:
        unknown = np.full(len(case), np.nan)
        yield column if case.whole else replace(column, chance=unknown)


def _average_precision(case: Case, judged: Judged, cut: int | None) -> Iterator[Column]:
    ranks = judged.candidates if cut is None else np.minimum(judged.candidates, cut)
    for level, name in enumerate(case.relevance.levels):
        relevant = judged.relevant[:, level]
        chance = expected_precision_at(relevant, judged.candidates, ranks)
        best = np.minimum(relevant, ranks) / np.maximum(relevant, 1)
        named = {"metric": "map"} if name == SAME else {"metric": "map", "of": name}
        yield _of_relevant(named, judged.precision[:, level], chance, best, relevant)
        if name == SAME:
            chance = expected_precision_at(relevant, judged.candidates, np.minimum(ranks, relevant))
            yield _of_relevant({"metric": "map@r"}, judged.at_r[:, level], chance, best, relevant)


def _hits(judged: Judged, depths: Depths) -> Iterator[Column]:
    relevant, candidates = judged.relevant[:, 0], judged.candidates
    for i, k in enumerate(depths.hits):
        name = {"metric": "precision", "k": int(k)}
        chance, best = relevant / np.maximum(candidates, 1), np.minimum(relevant, k) / k
        yield _of_relevant(name, judged.hits[:, i] / k, chance, best, relevant)
    for i, k in enumerate(depths.hits):
        name = {"metric": "recall", "k": int(k)}
        some = np.maximum(relevant, 1)
        recall, best = judged.hits[:, i] / some, np.minimum(relevant, k) / some
        yield _of_relevant(name, recall, k / np.maximum(candidates, 1), best, relevant)


def _of_relevant(
    name: Document, values: Floats, chance: Floats, best: Floats, relevant: NDArray[np.int64]
) -> Column:
    """Return a metric that queries without anything relevant do not have."""
    has = relevant > 0
    return Column(name, *(np.where(has, each, np.nan) for each in (values, chance, best)))


def _of_best(name: Document, values: Floats, chance: Floats) -> Column:
    """Return a metric that is a share of the best."""
    return Column(name, values, chance, np.where(np.isnan(values), np.nan, 1.0))


def _gains(judged: Judged, depths: Depths, n: int, cut: int | None) -> Iterator[Column]:
    chance = expected_gains(
        judged.mean, retrieval.log_discounts(n), depths.gains, judged.candidates
    )
    values, chance = _shares(judged.gains, judged.best), _shares(chance, judged.best)
    for i, k in enumerate(depths.gains):
        whole = cut is None and i == len(depths.gains) - 1
        name: Document = {"metric": "ndcg"} if whole else {"metric": "ndcg", "k": int(k)}
        yield _of_best(name, values[:, i], chance[:, i])


def _near(judged: Judged, depths: Depths, wanted: Wanted) -> Iterator[Column]:
    if not len(depths.near):
        return
    ones = retrieval.no_discounts(int(depths.near[-1]))
    found = expected_gains(judged.nearness, ones, depths.near, judged.candidates)
    values, chance = _shares(judged.near, judged.nearest), _shares(found, judged.nearest)
    for k in depths.hits:
        i = int(np.searchsorted(depths.near, k))
        yield _of_best({"metric": "hp", "k": int(k)}, values[:, i], chance[:, i])
    last = int((depths.near <= wanted.average).sum())  # these are 1, 2, …
    name = {"metric": "ahp", "k": int(depths.near[last - 1])}
    yield _of_best(name, values[:, :last].mean(axis=1), chance[:, :last].mean(axis=1))


def _shares(found: Floats, best: Floats) -> Floats:
    """Return what of the best was found, NaN where there was nothing to find."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(best > 0, found / best, np.nan)
