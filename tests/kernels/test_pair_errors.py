"""The mean error of distances, against loops and autograd."""

import math

import numpy as np
import pytest
import torch

from hiertools.kernels import pair_errors
from hiertools.kernels.pair_errors import distances, eps, mean_error


def by_autograd(x, y, targets, weights, pulls):
    """Return the mean over all ordered pairs of distinct x, and both orders of x and y."""
    points = torch.cat([x, y])
    square = (points[:, None] - points).square().sum(2)
    off = (square + eps(x.dtype)).sqrt() - targets
    losses = torch.where(pulls, off.abs(), (-off).clamp(min=0))
    counted = 1 - torch.eye(len(points), dtype=x.dtype)
    counted[len(x) :, len(x) :] = 0
    return (counted * weights * losses).sum() / (counted * weights).sum()


def material(seed, r=7, absent=4, d=5, dtype=torch.float64):
    rng = np.random.default_rng(seed)
    n = r + absent
    x, y = (torch.tensor(rng.normal(size=(k, d)) / 3, dtype=dtype) for k in (r, absent))
    targets, weights = (torch.tensor(rng.random((n, n)), dtype=dtype) for _ in "tw")
    pulls = torch.tensor(rng.random((n, n)) < 0.5)
    return x, y, targets + targets.T, weights + weights.T, pulls | pulls.T


def of(x, y, targets, weights, pulls):
    """Call the kernel with all points as columns."""
    r = len(x)
    counts = torch.ones(r, len(targets), dtype=x.dtype)
    counts[:, r:] = 2
    counts.fill_diagonal_(0)
    return mean_error(x, torch.cat([x, y]), targets[:r], weights[:r], counts, pulls[:r])


@pytest.mark.parametrize("pairs_at_once", [1, 25, 2**17])
@pytest.mark.parametrize("absent", [0, 4])
def test_is_what_autograd_gives(absent, pairs_at_once, monkeypatch):
    monkeypatch.setitem(pair_errors.PAIRS_AT_ONCE, "cpu", pairs_at_once)
    for seed in range(4):
        given = material(seed, absent=absent)
        x = given[0].requires_grad_()
        found, expected = of(x, *given[1:]), by_autograd(x, *given[1:])
        np.testing.assert_allclose(found.detach(), expected.detach(), rtol=1e-12)
        gradients = [torch.autograd.grad(2 * each, x)[0] for each in (found, expected)]
        np.testing.assert_allclose(*gradients, rtol=1e-9, atol=1e-12)


def test_gradients_are_those_of_differences():
    x, *given = material(9)
    assert torch.autograd.gradcheck(lambda moved: of(moved, *given), x.requires_grad_())


def test_by_hand():
    """Three points on a line; 0 and 1 pull, the far one pushes below its target."""
    x = torch.tensor([[0.0], [0.3], [0.9]], dtype=torch.float64)
    targets = torch.tensor([[0, 0.5, 0.8], [0.5, 0, 0.8], [0.8, 0.8, 0]], dtype=torch.float64)
    weights = torch.tensor([[1, 2, 1], [2, 1, 4], [1, 4, 1]], dtype=torch.float64)
    pulls = torch.tensor([[True, True, False], [True, True, False], [False, False, True]])
    expected = (2 * 0.2 + 1 * 0 + 4 * 0.2) / 7
    np.testing.assert_allclose(of(x, x[:0], targets, weights, pulls), expected, rtol=1e-12)


def test_near_vectors_far_from_the_origin_keep_their_distances():
    noise = torch.randn(20, 256, generator=torch.Generator().manual_seed(0))
    x = torch.nn.functional.normalize(1 + 1e-3 * noise)
    fine = (x.double()[:, None] - x.double()).square().sum(2).add(eps(x.dtype)).sqrt()
    np.testing.assert_allclose(distances(x, x), fine, rtol=1e-5)


@pytest.mark.parametrize("what", ["no weights", "one point", "no point"])
def test_nothing_counts_without_a_weight(what):
    x, y, targets, weights, pulls = material(1)
    r, absent = {"no weights": (7, 4), "one point": (1, 0), "no point": (0, 4)}[what]
    tables = [each[: r + absent, : r + absent] for each in (targets, weights, pulls)]
    if what == "no weights":
        tables[1] = 0 * tables[1]
    x = x[:r].requires_grad_()
    found = of(x, y[:absent], *tables)
    assert found == 0
    np.testing.assert_array_equal(torch.autograd.grad(found, x)[0], 0)


def test_nothing_to_compare_with_is_no_error():
    x, none = torch.ones(7, 3).requires_grad_(), torch.zeros(7, 0)
    found = mean_error(x, x[:0], none, none, none, none > 0)
    assert found == 0
    np.testing.assert_array_equal(torch.autograd.grad(found, x)[0], 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gap", [0.0, 1e-9, 1e-6, 1e-4, 1e-2])
def test_a_gradient_is_hardly_longer_than_1(gap, dtype):
    """The distance of two unit vectors, one near to the other or the same, among others."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(30, 256))
    x[1] = x[0] + gap * rng.normal(size=256)
    x = torch.tensor(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=dtype).requires_grad_()
    weights = torch.zeros(30, 30, dtype=dtype)
    weights[0, 1] = weights[1, 0] = 1
    ones = torch.ones_like(weights)
    (gradient,) = torch.autograd.grad(mean_error(x, x, 0 * ones, weights, ones, ones > 0), x)
    assert (gradient.norm(dim=1) < 1.01).all()
    if gap >= 1e-2:
        assert (gradient[:2].norm(dim=1) > 0.9).all()
    np.testing.assert_allclose(gradient[0], -gradient[1], atol=1e-3)


def test_a_vector_is_the_root_of_eps_away_from_itself():
    x = torch.tensor(np.random.default_rng(0).normal(size=(5, 3)))
    x[1] = x[0]
    np.testing.assert_allclose(distances(x, x)[0, 1], math.sqrt(eps(x.dtype)), rtol=1e-6)
