"""All numbers of an evaluation, as a metrics file has them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.evaluation import levels, sets, tables
from hiertools.evaluation.outcome import Outcome
from hiertools.evaluation.parts import Plan, Sides, class_order
from hiertools.evaluation.sets import Set
from hiertools.files import items
from hiertools.files.json import Document
from hiertools.files.metrics import Metrics
from hiertools.files.pairs import Pairs
from hiertools.terminal import say


@dataclass(frozen=True)
class Radii:
    """How far from the origin queries and candidates lie, and pairs that are to be compared."""

    queries: NDArray[np.float64]
    candidates: NDArray[np.float64]
    pairs: Pairs | None


def metrics(
    found: Sides, plan: Plan, outcomes: Sequence[Outcome], radii: Radii | None, about: Document
) -> Metrics:
    """Return the metrics and the tables. about: what the plan does not know of the parameters."""
    rows = [
        row
        for outcome in outcomes
        for row in tables.metric_rows(outcome, resamples=plan.resamples, seed=plan.seed)
    ]
    named = {
        "precision_at_recall": tables.precision_at_recall,
        "curve": tables.curve,
        "orders": tables.order_bands,
        "left_out": tables.left_out,
    }
    made = {name: [row for o in outcomes for row in make(o)] for name, make in named.items()}
    made["classes"] = tables.class_table(found.queries, found.candidates, found.classes)
    made["order"] = [{"class": name} for name in class_order(found, plan)]
    if radii is not None:
        rows += _levels(found, plan, radii)
        made["radius"] = [
            *levels.radius_table(found.queries, radii.queries, "queries"),
            *levels.radius_table(found.candidates, radii.candidates, "candidates"),
        ]
    return Metrics(
        "parts", {**about, **_parameters(plan, outcomes)},
        sets.counts(found.queries, found.candidates), rows, made,
    )  # fmt: skip


def _parameters(plan: Plan, outcomes: Sequence[Outcome]) -> Document:
    filters = plan.filters
    found: Document = {
        "find": [outcome.direction.find for outcome in outcomes],
        "exclude": list(plan.exclude),
        "seed": plan.seed,
        "resamples": plan.resamples,
        "order": plan.order,
        "orders": plan.orders,
        "path_cost": plan.path_cost,
        "min_area": float(filters.min_area),
        "max_area": float(filters.max_area),
        "without": list(filters.flags),
    }
    return found if plan.sample is None else {**found, "sample": plan.sample}


def _levels(found: Sides, plan: Plan, radii: Radii) -> Iterator[Document]:
    for side, each, radius in (
        ("queries", found.queries, radii.queries),
        ("candidates", found.candidates, radii.candidates),
    ):
        yield from levels.order_rows(each, radius, found.classes, side)
        yield from _pairs(*levels.pairs_in_images(each), radius, side, plan)
    if radii.pairs is not None:
        yield from _listed_pairs(radii.pairs, found.candidates, radii.candidates, plan)


def _pairs(
    parent: sets.Rows, child: sets.Rows, radius: levels.Radii, name: str, plan: Plan
) -> Iterator[Document]:
    row = levels.pair_row(parent, child, radius, name, resamples=plan.resamples, seed=plan.seed)
    if row is not None:
        yield row


def _listed_pairs(
    pairs: Pairs, candidates: Set, radius: levels.Radii, plan: Plan
) -> Iterator[Document]:
    """Yield rows for the pairs of a file whose items are candidates, and for those of two boxes."""
    place = items_places(candidates, pairs.items)
    parent, child = place[pairs.parent], place[pairs.child]
    there = (parent >= 0) & (child >= 0)
    if not there.all():
        say(f"{(~there).sum():,} of {len(there):,} pairs have an item that is no candidate")
    parent, child = parent[there], child[there]
    yield from _pairs(parent, child, radius, "pairs", plan)
    boxes = candidates.kind[parent] == sets.BOX
    yield from _pairs(parent[boxes], child[boxes], radius, "pairs of boxes", plan)


def items_places(candidates: Set, table: items.Items) -> sets.Rows:
    """Return the place of each item among candidates, -1 for one that is none."""
    ids = candidates.items.id
    place = np.minimum(np.searchsorted(ids, table.id), len(ids) - 1)
    return np.where(ids[place] == table.id, place, -1)
