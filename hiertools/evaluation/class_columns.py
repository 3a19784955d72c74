"""The metrics of predicted classes: of each item a numerator and a denominator, beside chance.

Every metric but the calibration error is Σ numerator / Σ denominator over the items. Chance is
the same ratio of what is expected of each item.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hiertools.evaluation.class_case import Case
from hiertools.evaluation.class_chance import Chance, best_mistake, dealt
from hiertools.evaluation.class_ground import Floats
from hiertools.files.json import Document
from hiertools.metrics import classes as metrics
from hiertools.metrics.classes import Shared

NODE = "node"  # what metrics of the node are of, where it need not be a class
Ratio = tuple[Floats, Floats]


@dataclass(frozen=True)
class Column:
    """A metric of n items.

    name: `metric`, and `k` or `of`; expected: numerators and denominators by chance, None for a
    metric without it; best: what cannot be beaten, None where nothing is.
    """

    name: Document
    numerators: Floats
    denominators: Floats
    expected: Ratio | None = None
    best: float | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Return what tells the metric from others, in any run."""
        return key_of(self.name)

    @property
    def value(self) -> float:
        """Return the metric."""
        return float(self.numerators.sum() / self.denominators.sum())

    @property
    def chance(self) -> float | None:
        """Return what chance comes to."""
        if self.expected is None:
            return None
        above, below = self.expected
        return float(above.sum() / below.sum())

    @property
    def items(self) -> int:
        """Return how many items count."""
        return int((self.denominators > 0).sum())

    @property
    def is_share(self) -> bool:
        """Return whether the metric is a share of items."""
        return bool(
            np.isin(self.denominators, (0, 1)).all()
            and np.isin(self.numerators, (0, 1)).all()
            and (self.numerators <= self.denominators).all()
        )


def key_of(row: Document) -> tuple[object, ...]:
    """Return what tells the row of a metric from others."""
    return tuple(row.get(key) for key in ("metric", "k", "of"))


def columns(
    case: Case, chance: Chance, *, tops: Sequence[int], depths: Sequence[int], nodes: bool
) -> list[Column]:
    """Return the metrics that a case has.

    tops: k of accuracies; depths: k of distances; those beyond what every item lists are left out.
    nodes: whether the node is judged beside the first class.
    """
    found = [*_accuracies(case, chance, tops), *_distances(case, chance, depths)]
    found += [*_sets(case, chance), *_levels(case, chance)]
    found += [*_sureness(case, nodes), *_log_loss(case, chance)]
    found += _nodes(case) if nodes else []
    return [column for column in found if column.denominators.any()]


def _accuracies(case: Case, chance: Chance, tops: Sequence[int]) -> Iterator[Column]:
    one = np.ones(len(case))
    for k in tops:
        if k <= case.listed:
            values = metrics.hits(case.right[:, :k])
            expected = chance.hit(k)[case.truth], one
            yield Column({"metric": f"top-{k}"}, values, one, expected, 1.0)
    # the mean over classes: each item counts as its share of the items of its class
    of_class = case.truth < case.ground.classes
    weight = np.where(of_class, 1 / case.support()[case.truth], 0.0)
    expected = weight * chance.hit(1)[case.truth], weight
    yield Column({"metric": "class-accuracy"}, weight * case.first_right, weight, expected, 1.0)


def _distances(case: Case, chance: Chance, depths: Sequence[int]) -> Iterator[Column]:
    one, wrong = np.ones(len(case)), 1 - case.first_right
    for k in depths:
        if k > min(case.listed, case.ground.classes):
            continue
        means = case.distance[:, :k].mean(axis=1)
        best = float(case.ground.best[:k].mean(axis=0)[case.truth].mean())
        expected = chance.distance()[case.truth], one
        yield Column({"metric": "hierarchical-distance", "k": k}, means, one, expected, best)
        mistaken, distance = (each[case.truth] for each in chance.mistake(k))
        if not mistaken.any():
            continue
        least = best_mistake(case.ground, k)[case.truth]
        best = float(np.average(least, weights=mistaken))
        expected = mistaken * distance, mistaken
        name = {"metric": "mistake-severity", "k": k}
        yield Column(name, means * wrong, wrong, expected, best)


def _sets(case: Case, chance: Chance) -> Iterator[Column]:
    """Yield precision, recall and F1 of the node and of what is above it."""
    found = case.ground.shared(case.node, case.truth)
    expected = Shared(*(each[case.truth] for each in chance.shared()))
    for name, of in (("precision", metrics.precision), ("recall", metrics.recall)):
        yield Column({"metric": f"hierarchical-{name}"}, *of(found), of(expected), 1.0)
    yield Column({"metric": "hierarchical-f1"}, *metrics.f1(found), metrics.f1(expected), 1.0)


def _levels(case: Case, chance: Chance) -> Iterator[Column]:
    """Yield how often the node is below the right node of a level, where the truth is below one."""
    for level, name in enumerate(case.ground.levels):
        there, alike = case.ground.of_level(level)
        labelled = there[case.truth].astype(np.float64)
        values = alike[case.node, case.truth] * labelled
        expected = chance.mean(alike)[case.truth] * labelled, labelled
        yield Column({"metric": "accuracy", "of": name}, values, labelled, expected, 1.0)


def _sureness(case: Case, nodes: bool) -> Iterator[Column]:
    """Yield the mean square of how far a probability is from 1 for right and 0 for wrong."""
    for of, sure, right in sure_answers(case, nodes):
        if np.isfinite(sure).all():
            yield Column({"metric": "brier", **of}, (sure - right) ** 2, np.ones(len(case)))


def _log_loss(case: Case, chance: Chance) -> Iterator[Column]:
    """Yield the mean of -log of the probability of the truth, where all classes are listed."""
    known = np.where(case.right, case.probability, 0.0).sum(axis=1)
    expected = chance.hit(1)[case.truth]
    if case.listed < case.ground.classes or not (known > 0).all():
        return
    by_chance = None if (expected <= 0).any() else (-np.log(expected), np.ones(len(case)))
    values = -np.log(np.minimum(known, 1))
    yield Column({"metric": "log-loss"}, values, np.ones(len(case)), by_chance, 0.0)


def sure_answers(case: Case, nodes: bool) -> Iterator[tuple[Document, Floats, Floats]]:
    """Yield what a probability is of, the probabilities, and whether the answers are right."""
    yield {}, case.probability[:, 0], case.first_right
    if nodes:
        covers = case.ground.covers[case.node, case.truth].astype(np.float64)
        yield {"of": NODE}, case.sureness, covers


def _nodes(case: Case) -> Iterator[Column]:
    """Yield how good nodes are that need not be classes."""
    ground, one, size = case.ground, np.ones(len(case)), len(case.ground)

    def of_pairs(name: str, table: Floats, best: float | None) -> Column:
        expected = dealt(table, case.node, size)[case.truth], one
        values = table[case.node, case.truth]
        return Column({"metric": name, "of": NODE}, values, one, expected, best)

    covers = ground.covers.astype(np.float64)
    says = metrics.information(ground.below, ground.classes)
    yield of_pairs("coverage", covers, 1.0)
    yield of_pairs("information", covers * says[:, None], 1.0)
    yield of_pairs("distance", ground.distance, 0.0)
    yield Column({"metric": "depth", "of": NODE}, ground.depth[case.node].astype(float), one)
    is_class = (case.node < ground.classes).astype(np.float64)
    yield Column({"metric": "classes", "of": NODE}, is_class, one)
