"""What every loss of classes has in common, whichever it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hiertools import plugins
from hiertools.errors import UsageError
from tests.losses.class_outputs import averages, loss, outputs, with_tensors

NAMES = list(plugins.members(plugins.CLASS_LOSSES))
MORE = [
    *(f"pairwise:form={form},margin=1" for form in ("sample", "head")),
    *(f"pairwise:repelling={word},margin=2" for word in ("literal", "uniform")),
    "pairwise:average=0.9,margin=1.5",
    "pairwise:repelling=literal,with_self=false,average=0.9,margin=1.5",
    *(f"graded:form={form}" for form in ("sample", "head")),
    "graded:target=distance,average=0.9",
    "unit_sphere:balance=0",
]
SPECS = [*NAMES, *MORE]


def batch(seed, **options):
    given = outputs(seed, **options)
    return replace(given, averages=averages(given))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_is_a_number_that_is_not_negative(spec, dtype):
    for seed in range(5):
        found = loss(spec, batch(seed, dtype=dtype))
        assert found.shape == ()
        assert found.dtype == dtype
        assert found > 0


@pytest.mark.parametrize("spec", SPECS)
def test_single_precision_agrees_with_double(spec):
    for seed in range(5):
        single, double = (loss(spec, batch(seed, dtype=t)) for t in (torch.float32, torch.float64))
        np.testing.assert_allclose(single, double, rtol=2e-6)


@pytest.mark.parametrize("spec", SPECS)
def test_gradients_are_those_of_differences(spec):
    given = batch(3, b=6, d=3)
    inputs = [
        each.clone().requires_grad_() for each in (given.embeddings, given.logits, given.rows)
    ]
    assert torch.autograd.gradcheck(lambda *some: loss(spec, with_tensors(given, *some)), inputs)


@pytest.mark.parametrize("where", ["all the same", "one class", "the origin", "far out", "tiny"])
@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_where_points_coincide(spec, where, dtype):
    given = batch(0, dtype=dtype)
    inputs = [each.clone() for each in (given.embeddings, given.logits, given.rows)]
    labels = given.labels.clone()
    for each in inputs:
        if where == "all the same":
            each[:] = each[0].clone()
        elif where == "one class":
            labels[:] = 4
        elif where == "the origin":
            each[:] = 0
        else:
            each *= 1e4 if where == "far out" else 1e-15
    inputs = [each.requires_grad_() for each in inputs]
    found = loss(spec, replace(with_tensors(given, *inputs), labels=labels))
    gradients = torch.autograd.grad(found, inputs, allow_unused=True)
    assert torch.isfinite(found)
    for gradient in gradients:
        assert gradient is None or torch.isfinite(gradient).all()


@pytest.mark.parametrize("spec", SPECS)
def test_the_order_of_the_batch_does_not_matter(spec):
    given = batch(1)
    order = torch.tensor(np.random.default_rng(1).permutation(len(given.labels)))
    other = replace(
        given, embeddings=given.embeddings[order], logits=given.logits[order],
        labels=given.labels[order],
    )  # fmt: skip
    torch.testing.assert_close(loss(spec, given), loss(spec, other))


@pytest.mark.parametrize("spec", SPECS)
def test_the_order_of_the_classes_does_not_matter(spec):
    """Class i becomes class new[i]; order[k] is which class is k now."""
    given = batch(2)
    order = torch.tensor(np.random.default_rng(2).permutation(given.logits.shape[1]))
    new = order.argsort()
    tables = given.relations
    swapped = {
        name: getattr(tables, name)[order][:, order]
        for name in ("distances", "similarities", "related", "joins")
    }
    other = replace(
        given, logits=given.logits[:, order], labels=new[given.labels], rows=given.rows[order],
        averages=given.averages[order], relations=replace(tables, **swapped),
    )  # fmt: skip
    torch.testing.assert_close(loss(spec, given), loss(spec, other))


@pytest.mark.parametrize("spec", SPECS)
def test_an_empty_batch_has_no_cross_entropy(spec):
    given = batch(0, b=0)
    given = replace(given, embeddings=given.embeddings.requires_grad_())
    found = loss(spec, given)
    assert torch.isfinite(found)
    if "head" not in spec:  # whose classes are always there
        np.testing.assert_array_equal(found.detach(), 0.0)


@pytest.mark.parametrize("spec", SPECS)
def test_every_loss_teaches_the_model(spec):
    """Something has a gradient: the embeddings, the logits or the rows."""
    given = batch(4)
    inputs = [
        each.clone().requires_grad_() for each in (given.embeddings, given.logits, given.rows)
    ]
    found = loss(spec, with_tensors(given, *inputs))
    gradients = torch.autograd.grad(found, inputs, allow_unused=True)
    assert any(gradient is not None and gradient.any() for gradient in gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("form", ["prototype", "sample", "head"])
@pytest.mark.parametrize("name", ["pairwise", "graded"])
def test_a_balance_of_0_is_cross_entropy_bit_for_bit(name, form, dtype):
    for seed in range(5):
        given = batch(seed, dtype=dtype)
        found, gradients = [], []
        for spec in (f"{name}:balance=0,form={form},average=0.5", "cross_entropy"):
            logits = given.logits.clone().requires_grad_()
            found.append(loss(spec, replace(given, logits=logits)))
            gradients += torch.autograd.grad(found[-1], logits)
        assert found[0].item() == found[1].item()
        np.testing.assert_array_equal(*gradients)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_cross_entropy_is_that_of_torch(dtype):
    for seed in range(5):
        given = outputs(seed, dtype=dtype)
        expected = torch.nn.functional.cross_entropy(given.logits, given.labels)
        assert loss("cross_entropy", given).item() == expected.item()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pairwise:form=pair", "form=pair: there are prototype, sample, head"),
        ("graded:form=pair", "form=pair: there are prototype, sample, head"),
        ("pairwise:repelling=omega", "repelling=omega: there are complement, literal, uniform"),
        ("graded:target=path", "target=path: there are similarity, distance"),
        ("pairwise:balance=-1", "balance=-1.0 is not a number from 0 on"),
        ("pairwise:margin=nan", "margin=nan is not a number from 0 on"),
        ("pairwise:decay=-0.1", "decay=-0.1 is not a number from 0 on"),
        ("pairwise:average=1", "average=1.0 is not a number from 0 on and below 1"),
        ("graded:average=1.5", "average=1.5 is not a number from 0 on and below 1"),
        ("hxe:alpha=-1", "alpha=-1.0 is not a number from 0 on"),
        ("soft_labels:beta=nan", "beta=nan is not a number from 0 on"),
        ("unit_sphere:balance=-2", "balance=-2.0 is not a number from 0 on"),
    ],
)
def test_what_an_option_cannot_be_is_refused(spec, message):
    with pytest.raises(UsageError) as caught:
        loss(spec, outputs())
    assert str(caught.value) == message
