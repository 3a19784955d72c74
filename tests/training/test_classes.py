"""The task of classes: what comes of a batch, by plain numpy; what is bad does not count."""

import numpy as np
import pytest
import torch

from hiertools import plugins, taxonomy
from hiertools.models.classes import ClassesModel
from hiertools.training.class_examples import ClassBatch, ClassExamples, ClassInputs
from hiertools.training.class_lesson import Lesson
from hiertools.training.classes import AVERAGES, ClassesTask, HeldOut
from hiertools.training.embedded import Embedded
from hiertools.training.ranks import Ranks
from tests.models.classes_made import hierarchy

TREE = taxonomy.of_hierarchy(hierarchy(), classes=None, distance=None)
LABELS = np.array([0, 1, 2, 1, 0, 2])
X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


class Given:
    """Vectors that are there already."""

    bad: dict[str, str] = {}  # noqa: RUF012

    def encode(self, values, good, ranks):
        return values


def task(spec="cross_entropy", *, momentum=0.0, held_out=None):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ClassesModel(4, 5, 3, activation="relu", scale=None)
    lesson = Lesson(plugins.parse(plugins.CLASS_LOSSES, spec), TREE, 2.0, None)
    kept = {AVERAGES: torch.zeros(3, 5)} if momentum else {}
    return ClassesTask(
        model, ClassExamples(LABELS, 6, 0), Given(), lesson.loss, lesson.told(torch.zeros(1)),
        lesson.share, momentum, kept, held_out, torch.device("cpu"), Ranks(0, 1),
    )  # fmt: skip


def came(found, rows, good=None, values=None):
    """Return what comes of rows of the items: the loss, the log's line and the gradients."""
    good = torch.ones(len(rows), dtype=torch.bool) if good is None else torch.tensor(good)
    values = torch.from_numpy(X[rows]) if values is None else values
    outcome = found.outcome(ClassInputs(ClassBatch(0, 0, np.array(rows)), values, good), 0)
    found.model.zero_grad()
    outcome.loss.backward()
    gradients = {name: p.grad.clone() for name, p in found.model.named_parameters()}
    return outcome.loss.item(), outcome.line([float(each) for each in outcome.sums]), gradients


def test_the_log_has_what_numpy_computes():
    found = task()
    loss, line, _ = came(found, [0, 1, 2, 3, 4, 5])
    named = found.model.weights()
    z = np.maximum(X @ named["hidden.weight"].T + named["hidden.bias"], 0)
    logits = z @ named["classifier.weight"].T + named["classifier.bias"]
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    expected = -log_p[np.arange(6), LABELS].mean()
    assert loss == pytest.approx(expected, rel=1e-5)
    assert line["cross_entropy"] == pytest.approx(expected, rel=1e-5)
    assert line["hierarchy"] == pytest.approx(0, abs=1e-6)
    assert line["accuracy"] == pytest.approx((logits.argmax(1) == LABELS).mean())
    assert line["related"] == pytest.approx(1 / 3)
    assert "held_out" not in line


@pytest.mark.parametrize("spec", plugins.members(plugins.CLASS_LOSSES))
def test_what_is_bad_does_not_count(spec):
    loss, line, gradients = came(task(spec), [0, 1, 3])
    values = torch.from_numpy(X[[0, 1, 2, 3, 5]]).clone()
    values[[2, 4]] = 7.0
    other = came(task(spec), [0, 1, 2, 3, 5], [True, True, False, True, False], values)
    assert other[0] == pytest.approx(loss, rel=1e-6)
    assert other[1] == pytest.approx(line, rel=1e-6)
    for name, gradient in gradients.items():
        torch.testing.assert_close(other[2][name], gradient)


@pytest.mark.parametrize("spec", plugins.members(plugins.CLASS_LOSSES))
def test_a_batch_of_nothing_good_changes_nothing(spec):
    loss, line, gradients = came(task(spec), [0, 1], [False, False])
    assert (loss, line["accuracy"], line["cross_entropy"]) == (0, None, 0)
    assert not any(gradient.any() for gradient in gradients.values())


def test_averages_move_with_the_batches():
    found = task("pairwise:average=0.5", momentum=0.5)
    came(found, [0, 4])
    first = found.kept[AVERAGES].clone()
    assert first[0].any()
    assert not first[1:].any()
    came(found, [1, 3])
    assert (found.kept[AVERAGES][0] == first[0]).all()
    assert found.kept[AVERAGES][1].any()


def test_held_out_items_are_counted_at_the_end_of_an_epoch():
    rows = np.arange(6)
    found = task(held_out=HeldOut(Embedded([X], np.zeros(6, np.int64), rows), LABELS))
    with torch.no_grad():
        right = found.model.logits(found.model(torch.from_numpy(X))).argmax(1).numpy() == LABELS
    assert came(found, rows)[1]["held_out"] == pytest.approx(right.mean())
