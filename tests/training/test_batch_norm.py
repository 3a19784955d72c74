"""Batch normalisation over ranks: what torch does with the whole batch, in any number of parts."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from hiertools.training import batch_norm
from hiertools.training.ranks import Ranks

ALONE = Ranks(0, 1)


def layer(**options):
    found = nn.BatchNorm2d(3, **options).double()
    with torch.no_grad():
        for each in found.parameters():
            each.copy_(torch.linspace(0.5, 1.5, 3))
    return found


def used(found, x, good=None):
    """Return what a layer makes of rows, its gradient, and its statistics afterwards."""
    x = x.clone().requires_grad_()
    good = torch.ones(len(x), dtype=torch.bool) if good is None else good
    with batch_norm.over(good, ALONE):
        y = found(x)
    (y[good] ** 3).sum().backward()
    return y.detach(), x.grad, [buffer.clone() for buffer in found.buffers()]


X = torch.from_numpy(np.random.default_rng(0).normal(size=(5, 3, 2, 4)))


def test_bad_rows_change_nothing_of_the_others():
    y, gradient, statistics = used(layer(), X)
    more = torch.cat([X, torch.zeros(2, *X.shape[1:]).double()])
    good = torch.tensor([True] * 5 + [False] * 2)
    other, other_gradient, other_statistics = used(layer(), more, good)
    torch.testing.assert_close(other[:5], y)
    torch.testing.assert_close(other_gradient[:5], gradient)
    assert not other_gradient[5:].any()
    for one, two in zip(statistics, other_statistics, strict=True):
        torch.testing.assert_close(two, one)


def test_parts_of_a_batch_are_as_good_as_the_whole(monkeypatch):
    """Two ranks whose sums are added: both are run, with the sums of the two known before."""
    y, _, statistics = used(layer(), X)
    parts = [X[:2], X[2:]]
    for own, rows in zip(parts, (slice(0, 2), slice(2, 5)), strict=True):
        mean = X.mean((0, 2, 3))
        sums = iter([
            torch.tensor([5.0]).double(),
            X.sum((0, 2, 3)),
            ((X - mean.view(1, 3, 1, 1)) ** 2).sum((0, 2, 3)),
        ])  # fmt: skip
        monkeypatch.setattr(batch_norm._Sum, "apply", lambda own, sums=sums: next(sums))
        found = layer()
        with batch_norm.over(torch.ones(len(own), dtype=torch.bool), Ranks(0, 2)):
            torch.testing.assert_close(found(own), y[rows])
        for one, two in zip(statistics, found.buffers(), strict=True):
            torch.testing.assert_close(two, one)


def test_the_gradient_is_right():
    good = torch.tensor([True, True, False, True, True])

    def apply(x, weight, bias):
        with batch_norm.over(good, ALONE):
            return functional.batch_norm(x, None, None, weight, bias, training=True)[good]

    weight, bias = (torch.linspace(0.5, 1.5, 3).double().requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(apply, (X.clone().requires_grad_(), weight, bias))


def test_a_single_number_of_a_channel_and_no_good_row_are_no_fault():
    found = nn.BatchNorm1d(3)
    before = [buffer.clone() for buffer in found.buffers()]
    with batch_norm.over(torch.tensor([False]), ALONE):
        assert found(torch.ones(1, 3)).isfinite().all()
    torch.testing.assert_close(list(found.buffers())[:2], before[:2])  # no picture, no statistics
    with batch_norm.over(torch.tensor([True]), ALONE):
        np.testing.assert_array_equal(found(torch.ones(1, 3)).detach(), np.zeros((1, 3)))


def test_only_layers_that_learn_statistics_are_changed():
    network = nn.Sequential(nn.Conv2d(3, 3, 1), layer(), nn.Dropout(0.5)).eval()
    x = X.float()
    network[1].float()
    expected = network(x)
    with batch_norm.over(torch.tensor([True, False, True, True, True]), ALONE):
        torch.testing.assert_close(network(x), expected)
    batch_norm.learn_statistics(network)
    assert [module.training for module in network] == [False, True, False]
    assert sorted(batch_norm.statistics(network)) == [
        "1.num_batches_tracked", "1.running_mean", "1.running_var",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["tf_efficientnet_lite0", "test_resnet"])
def test_the_layers_of_timm_are_met(kind):
    from hiertools.encoder import load

    encoder = load(f"timm:{kind},random=true,size=32", seed=0)
    batch_norm.learn_statistics(encoder.network.double())
    x = torch.rand(4, 3, 32, 32, dtype=torch.float64)
    good = torch.tensor([True, True, True, False])
    with torch.no_grad():
        expected = encoder.embed(x[:3])
        with batch_norm.over(good, ALONE):
            torch.testing.assert_close(encoder.embed(x)[:3], expected)
