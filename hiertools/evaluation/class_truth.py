"""What items truly are: one label each, a class or any other node of the hierarchy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hiertools.errors import UserError
from hiertools.evaluation.class_answers import Answers, lacking
from hiertools.files.hierarchy import Hierarchy
from hiertools.files.items import Items, decode
from hiertools.hierarchy import parents_of, reachable
from hiertools.taxonomy import listed
from hiertools.terminal import warn


@dataclass(frozen=True)
class Truth:
    """name: of the file; labels: of each item."""

    name: str
    id: list[str]
    labels: list[list[str]]


@dataclass(frozen=True)
class Judged:
    """Predictions of items, the label of each, and how many were left out for what."""

    answers: Answers
    label: list[str]
    left_out: dict[str, int]


def of_items(name: str, table: Items) -> Truth:
    """Return the truth of an item table. Raises `UserError` if it has no labels."""
    if table.labels is None or not len(table.labels.codes):
        raise UserError(f"{name}: has no labels; a column of classes is needed")
    ids = [decode(key) for key in table.id.tolist()]
    return Truth(name, ids, [table.labels.of(row) for row in range(len(ids))])


def of_answers(name: str, answers: Answers) -> Truth:
    """Return the truth that the predictions carry. Raises `UserError` if they have none."""
    if not any(answers.labels):
        raise UserError(
            f"{name}: the predictions have no labels of the items; name them: --truth CSV|H5"
        )
    return Truth(name, answers.id, [labels or [] for labels in answers.labels])


def judged(
    answers: Answers, truth: Truth, hierarchy: Hierarchy, *, name: str, max_bad: int
) -> Judged:
    """Return the items that have a prediction and one label, in the order of the truth.

    A label that is above another one of the item says nothing more and does not count. Raises
    `UserError` for labels that the hierarchy lacks, and if more than `max_bad` items are left out.
    """
    _check_labels(truth, hierarchy)
    deepest = _deepest(hierarchy)
    labels = {key: deepest(found) for key, found in zip(truth.id, truth.labels, strict=True)}
    none = [key for key, found in labels.items() if not found]
    several = [key for key, found in labels.items() if len(found) > 1]
    found, missing, more = answers.in_order_of(truth.id)
    said = lacking(truth.name, f"items of {name}", more)
    said += lacking(name, f"items of {truth.name}", missing)
    said += [f"{truth.name} has no label for {listed(none)}"] if none else []
    said += [f"{truth.name} has several labels for {listed(several)}"] if several else []
    kept = [row for row, key in enumerate(found.id) if len(labels[key]) == 1]
    if not kept:
        raise UserError(f"{'; '.join(said)}; nothing is left to evaluate")
    if (bad := len(more) + len(labels) - len(kept)) > max_bad:
        raise UserError(f"{'; '.join(said)}; leave them out with --max-bad {bad}")
    for line in said:
        warn(f"{line}; left out")
    taken = found.take(np.array(kept, np.intp))
    left_out = {
        "without_truth": len(more), "without_prediction": len(missing),
        "without_label": len(none), "with_several_labels": len(several),
    }  # fmt: skip
    return Judged(taken, [labels[key][0] for key in taken.id], left_out)


def _check_labels(truth: Truth, hierarchy: Hierarchy) -> None:
    known = {node.id for node in hierarchy.nodes}
    foreign = sorted({label for labels in truth.labels for label in labels} - known)
    if foreign:
        raise UserError(f"{truth.name}: the hierarchy lacks its labels: {listed(foreign)}")


def _deepest(hierarchy: Hierarchy) -> Callable[[Sequence[str]], list[str]]:
    """Return what leaves out of labels those that are above another one."""
    parents = parents_of(hierarchy)

    def deepest(labels: Sequence[str]) -> list[str]:
        if len(labels) < 2:
            return list(labels)
        above = set().union(*(reachable(parents, label) for label in labels))
        return [label for label in labels if label not in above]

    return deepest
