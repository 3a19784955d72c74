"""Evaluation of predicted classes: from the truth and the predictions to all the numbers."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hiertools.evaluation import class_checks, class_reported, class_sizes, class_tables
from hiertools.evaluation.class_answers import Answers
from hiertools.evaluation.class_case import Case, case
from hiertools.evaluation.class_chance import PRIOR, Chance, chance
from hiertools.evaluation.class_checks import Check
from hiertools.evaluation.class_columns import Column, columns
from hiertools.evaluation.class_ground import Ground
from hiertools.evaluation.class_reported import Reported
from hiertools.evaluation.class_rows import (
    BINS,
    Resamples,
    calibration_rows,
    metric_rows,
    reliability_rows,
)
from hiertools.evaluation.class_sizes import Bin, Sizes
from hiertools.evaluation.class_tables import Parts
from hiertools.evaluation.class_truth import Judged
from hiertools.files.json import Document
from hiertools.files.metrics import Metrics
from hiertools.taxonomy import listed
from hiertools.terminal import say, warn


@dataclass(frozen=True)
class Plan:
    """What is evaluated, and how.

    tops, depths: ks of accuracies and of distances; chance: uniform or prior; bins: of sizes of
    training, where there are no edges between them; nodes: whether nodes that are no classes are
    judged; sanity: whether checks are made.
    """

    tops: tuple[int, ...]
    depths: tuple[int, ...]
    chance: str
    bins: int
    edges: tuple[int, ...]
    nodes: bool
    sanity: bool
    resamples: int
    seed: int


def evaluate(
    ground: Ground,
    judged: Judged,
    other: Answers | None,
    sizes: Sizes | None,
    reported: Reported | None,
    plan: Plan,
) -> Metrics:
    """Return the metrics and the tables. other: predictions of another run for the same items."""
    found = case(ground, judged.answers, judged.label)
    against = None if other is None else case(ground, other, judged.label)
    nodes = plan.nodes or found.has_nodes
    by = chance(ground, _prior(sizes) if plan.chance == PRIOR else None)

    def of(each: Case) -> list[Column]:
        return columns(each, by, tops=plan.tops, depths=plan.depths, nodes=nodes)

    _say_what_is_short(found, plan)
    mine = of(found)
    theirs = of(against) if against is not None else None
    always = _always(found, sizes)
    frequent = of(always) if always is not None else []
    rows = list(metric_rows(mine, theirs, frequent, Resamples(plan.resamples, plan.seed)))
    rows += calibration_rows(found, against, nodes=nodes)
    tables = _tables(found, against, by, sizes, reported, plan, nodes)
    about = {"items": len(found), "classes": ground.classes, "labels": len(np.unique(found.truth))}
    empty = class_tables.empty_classes(found)
    if empty:
        warn(f"{listed(empty)} of {ground.classes:,} classes have no items: they are in no mean")
    counts = {**about, "classes_without_items": len(empty), **judged.left_out}
    return Metrics("classes", _parameters(ground, plan), counts, rows, tables)


def _prior(sizes: Sizes | None) -> class_sizes.Counts:
    assert sizes is not None
    return np.maximum(sizes.count, 0)


def _always(found: Case, sizes: Sizes | None) -> Case | None:
    """Return the case of the most frequent classes, None where no class is more frequent."""
    if sizes is None or sizes.count.min() == sizes.count.max():
        return None
    return found.always(np.argsort(-sizes.count, kind="stable"))


def _say_what_is_short(found: Case, plan: Plan) -> None:
    most = min(found.listed, found.ground.classes)
    short = sorted({k for k in (*plan.tops, *plan.depths) if k > most})
    if short:
        words = ", ".join(map(str, short))
        say(f"items list {most:,} classes or more: there are no metrics of k = {words}")


def _tables(
    found: Case,
    against: Case | None,
    by: Chance,
    sizes: Sizes | None,
    reported: Reported | None,
    plan: Plan,
    nodes: bool,
) -> dict[str, list[Document]]:
    parts = Parts(found, against, by)
    bins = _bins(sizes, plan)
    made = {
        "depths": list(class_tables.depth_rows(parts)),
        "sizes": list(class_tables.size_rows(parts, bins)),
        "classes": list(class_tables.class_rows(parts, None if sizes is None else sizes.count)),
        "reliability": list(reliability_rows(found, nodes=nodes)),
    }
    if plan.sanity:
        checks = _checks(found, made["depths"], sizes, bins, reported)
        made["sanity"] = [check.row() for check in checks]
    return {name: rows for name, rows in made.items() if rows}


def _bins(sizes: Sizes | None, plan: Plan) -> list[Bin]:
    if sizes is None:
        return []
    if plan.edges:
        return class_sizes.between(sizes, plan.edges)
    found = class_sizes.quantiles(sizes, plan.bins)
    if len(found) < plan.bins:
        say(f"{sizes.name}: too many classes have equal counts for more than {len(found)} bins")
    return found


def _checks(
    found: Case,
    depths: list[Document],
    sizes: Sizes | None,
    bins: list[Bin],
    reported: Reported | None,
) -> Iterator[Check]:
    ground = found.ground
    classes = ground.tree.classes[: ground.classes]
    yield from class_checks.of_items(class_tables.empty_classes(found), len(classes), depths)
    predicted = np.unique(found.top[:, 0])
    yield from class_checks.of_predictions(int((predicted < len(classes)).sum()), len(classes))
    if sizes is not None:
        yield from class_checks.of_sizes(sizes, bins, classes)
    if reported is not None:
        items = dict(zip(ground.tree.classes, found.support().tolist(), strict=True))
        yield from class_reported.checks(reported, ground.tree, classes, items)


def check_alone(
    ground: Ground, sizes: Sizes | None, reported: Reported | None, plan: Plan
) -> list[Check]:
    """Return the checks of tables that need no predictions."""
    classes, found = ground.tree.classes, list[Check]()
    if sizes is not None:
        found += class_checks.of_sizes(sizes, _bins(sizes, plan), classes)
    if reported is not None:
        found += class_reported.checks(reported, ground.tree, classes, {})
    return found


def _parameters(ground: Ground, plan: Plan) -> Document:
    return {
        "distance": ground.tree.distance, "levels": ground.levels, "top": list(plan.tops),
        "depths": list(plan.depths), "chance": plan.chance, "averages": "micro",
        "calibration_bins": BINS, "resamples": plan.resamples, "seed": plan.seed,
    } | ({"edges": list(plan.edges)} if plan.edges else {"bins": plan.bins})  # fmt: skip
