"""The pairwise loss: by hand, by loops, and where it must be nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from hiertools.errors import UsageError
from hiertools.kernels.pair_errors import distances, eps
from hiertools.losses import class_pairs, relations
from hiertools.losses.classes import pairwise
from hiertools.losses.outputs import Outputs
from tests.losses.class_outputs import averages, cross_entropy, loss, ordered_pairs, outputs

EPS = eps(torch.float64)


def weight(d, i, j, *, related, decay, repelling, with_self):
    """Return w of an ordered pair of classes."""
    near = [math.exp(-decay * each) for each in d[i]]
    if repelling == "literal":
        return near[j] / (sum(near) - (0 if with_self else near[i]))
    if related:
        return near[j]
    return 1 - near[j] if repelling == "complement" else 1.0


def by_loops(given, *, balance, margin, decay, form, repelling, with_self, average):
    d, related = given.relations.distances.tolist(), given.relations.related.tolist()
    total = weights = 0.0
    for i, j, distance in ordered_pairs(given, form, average):
        w = weight(d, i, j, related=related[i][j], decay=decay, repelling=repelling,
                   with_self=with_self)  # fmt: skip
        total += w * (distance if related[i][j] else max(0.0, margin - distance))
        weights += w
    return cross_entropy(given) + balance * total / weights


@pytest.mark.parametrize("average", [0.0, 0.9])
@pytest.mark.parametrize(
    ("repelling", "with_self"),
    [("complement", True), ("literal", True), ("literal", False), ("uniform", True)],
)
@pytest.mark.parametrize("form", ["prototype", "sample", "head"])
def test_is_what_loops_give(form, repelling, with_self, average):
    for seed in range(3):
        given = outputs(seed, at_most=3)
        given = replace(given, averages=averages(given))
        options = {
            "balance": 0.7, "margin": 1.2, "decay": 0.4, "form": form, "repelling": repelling,
            "with_self": with_self, "average": average,
        }  # fmt: skip
        expected = by_loops(given, **options)
        np.testing.assert_allclose(pairwise.loss(given, **options), expected, rtol=1e-12)


def three_classes(at_most=2.0):
    """Return two near classes and a far one: unit embeddings on the axes, one class twice."""
    d = np.array([[0, 2, 4], [2, 0, 4], [4, 4, 0]], float)
    related = relations.related_within(d, at_most=at_most)
    joins = relations.joins([["r", "a", "x"], ["r", "a", "y"], ["r", "z"]])
    tables = relations.of(d, 1 / (1 + d), related, joins, like=torch.zeros(1).double())
    z = torch.tensor([[3, 0, 0], [0, 2, 0], [0, 5, 0], [0.6, 0, 0.8]], dtype=torch.float64)
    rows = torch.eye(3, dtype=torch.float64)
    return Outputs(z, torch.zeros(4, 3).double(), torch.tensor([0, 1, 1, 2]), rows, tables, None)


def test_three_classes_by_hand():
    """Prototypes (1,0,0), (0,1,0), (.6,0,.8) are sqrt 2, sqrt .8 and sqrt 2 apart; m = 1."""
    near, far = math.exp(-0.3 * 2), math.exp(-0.3 * 4)
    attracted, repelled = near * math.sqrt(2), (1 - far) * (1 - math.sqrt(0.8))
    expected = (attracted + repelled) / (near + 2 * (1 - far))
    found = loss("pairwise:balance=0.5,margin=1", three_classes())
    np.testing.assert_allclose(found, math.log(3) + 0.5 * expected, rtol=1e-12)
    first, last = 1 + near + far, 1 + 2 * far
    attracted = 2 * near / first * math.sqrt(2)
    repelled = (far / first + far / last) * (1 - math.sqrt(0.8))
    expected = (attracted + repelled) / (2 * near / first + 2 * far / first + 2 * far / last)
    found = loss("pairwise:balance=0.5,margin=1,repelling=literal", three_classes())
    np.testing.assert_allclose(found, math.log(3) + 0.5 * expected, rtol=1e-12)


@pytest.mark.parametrize("repelling", ["complement", "literal", "uniform"])
def test_a_decay_of_0_weighs_all_pairs_of_a_kind_alike(repelling):
    """The complement of 1 is 0: then only related pairs count."""
    found = loss(f"pairwise:balance=1,margin=1,decay=0,repelling={repelling}", three_classes())
    mean = math.sqrt(2) if repelling == "complement" else (math.sqrt(2) + 1 - math.sqrt(0.8)) / 3
    np.testing.assert_allclose(found, math.log(3) + mean, rtol=1e-12)


@pytest.mark.parametrize("decay", ["inf", "1e4"])
def test_an_endless_decay_leaves_related_pairs_no_weight(decay):
    """Omega is the identity there: the literal weights leave nothing at all."""
    for repelling, mean in (
        ("complement", (1 - math.sqrt(0.8)) / 2),
        ("uniform", (1 - math.sqrt(0.8)) / 2),
        ("literal", 0.0),
    ):
        spec = f"pairwise:balance=1,margin=1,decay={decay},repelling={repelling}"
        np.testing.assert_allclose(loss(spec, three_classes()), math.log(3) + mean, rtol=1e-12)


@pytest.mark.parametrize("form", ["prototype", "sample", "head"])
def test_random_unit_vectors_do_not_repel_at_a_margin_of_a_fifth(form):
    """They are some sqrt 2 apart, never as near as the paper's m = .2: the term is exactly 0."""
    rng = np.random.default_rng(0)
    d = 13 * (1 - np.eye(200))
    tables = relations.of(
        d, 1 / (1 + d), relations.related_within(d, at_most=4),
        relations.joins([["r", str(c)] for c in range(200)]), like=torch.zeros(1),
    )  # fmt: skip
    z, rows = (torch.tensor(rng.normal(size=(200, 512)), dtype=torch.float32) for _ in "zr")
    given = Outputs(z, torch.zeros(200, 200), torch.arange(200), rows, tables, None)
    found = class_pairs.pairs(given, form=form, average=0.0)
    away = distances(found.x, found.y)[found.counts > 0]
    assert float(away.mean()) == pytest.approx(math.sqrt(2), abs=0.01)
    assert float(away.min()) > 1
    for repelling in pairwise.REPELLING:
        term = loss(f"pairwise:balance=1,form={form},repelling={repelling}", given)
        np.testing.assert_array_equal(term, loss("cross_entropy", given))
        assert loss(f"pairwise:margin=1.6,form={form},repelling={repelling}", given) > term


@pytest.mark.parametrize("form", ["prototype", "sample"])
def test_one_class_alone_has_no_pairs(form):
    given = three_classes()
    z = given.embeddings.clone().requires_grad_()
    alone = replace(given, embeddings=z, labels=torch.ones(4, dtype=torch.int64))
    found = loss(f"pairwise:balance=3,form={form}", alone)
    assert found.item() == loss("cross_entropy", alone).item()
    np.testing.assert_array_equal(torch.autograd.grad(found, z)[0], 0)


def test_related_classes_that_coincide_lose_next_to_nothing():
    given = three_classes(at_most=4.0)
    same = replace(given, embeddings=torch.ones_like(given.embeddings))
    found = loss("pairwise:balance=1", same) - math.log(3)
    np.testing.assert_allclose(found, math.sqrt(EPS), rtol=1e-6)
    apart = loss("pairwise:balance=1", given) - math.log(3)
    assert apart > 1


def test_a_step_along_the_gradient_draws_related_classes_together():
    given = three_classes()
    z = given.embeddings.clone().requires_grad_()
    found = loss("pairwise:balance=1,margin=1", replace(given, embeddings=z))
    (gradient,) = torch.autograd.grad(found, z)
    after = replace(given, embeddings=given.embeddings - 0.1 * gradient)
    found = (class_pairs.pairs(each, form="prototype", average=0.0) for each in (given, after))
    before, moved = (distances(each.x, each.y) for each in found)
    assert moved[0, 1] < before[0, 1]
    assert moved[0, 2] > before[0, 2]


def test_moving_averages_bring_in_classes_that_are_not_in_the_batch():
    given = three_classes()
    two = replace(given, embeddings=given.embeddings[:3], labels=given.labels[:3],
                  logits=given.logits[:3])  # fmt: skip
    _, kept = class_pairs.prototypes.means(given.embeddings, given.labels)
    with_averages = replace(two, averages=kept)
    whole = loss("pairwise:margin=1", given)
    torch.testing.assert_close(loss("pairwise:margin=1,average=0.9", with_averages), whole)
    assert loss("pairwise:margin=1", with_averages) > whole


@pytest.mark.parametrize("repelling", ["complement", "uniform"])
def test_what_omega_holds_is_for_those_that_have_omega(repelling):
    with pytest.raises(UsageError, match="with_self=false is of omega"):
        pairwise.loss(outputs(), repelling=repelling, with_self=False)
