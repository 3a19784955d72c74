"""What every loss has in common, whichever it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hiertools import plugins
from hiertools.errors import UsageError
from hiertools.losses.contrast import Masks
from tests.losses.contrasts import contrast, of_points

SPECS = [
    spec for name in plugins.members(plugins.PART_LOSSES) for spec in (name, f"{name}:positives=in")
]
GEOMETRIES = ("lorentz", "euclidean")


def loss(spec, batch):
    return plugins.parse(plugins.PART_LOSSES, spec).call(batch)


def of_tensors(batch, parents, children, c, tau):
    return replace(
        batch, parents=parents, children=children, all_parents=parents, all_children=children,
        c=c, tau=tau,
    )  # fmt: skip


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_is_a_number_that_is_not_negative(spec, geometry, dtype):
    for seed in range(5):
        found = loss(spec, contrast(seed, geometry=geometry, dtype=dtype))
        assert found.shape == ()
        assert found.dtype == dtype
        assert found > 0


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("spec", SPECS)
def test_gradients_are_those_of_differences(spec, geometry):
    batch = contrast(3, n=4, d=3, geometry=geometry)
    inputs = [batch.parents, batch.children, batch.c, batch.tau]
    inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    assert torch.autograd.gradcheck(lambda *given: loss(spec, of_tensors(batch, *given)), inputs)


@pytest.mark.parametrize("where", ["all the same", "the same pairs", "the origin", "far out"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("spec", SPECS)
def test_gradients_are_finite_where_points_coincide(spec, geometry, where):
    batch = contrast(0, geometry=geometry, dtype=torch.float32)
    parents, children = batch.parents.clone(), batch.children.clone()
    if where == "all the same":
        parents[:] = children[:] = parents[0].clone()
    elif where == "the same pairs":
        children[:] = parents
    elif where == "the origin":
        parents[:] = children[:] = 0
    else:
        parents *= 1e4
        children *= 1e4
    inputs = [tensor.clone().requires_grad_() for tensor in (parents, children, batch.c, batch.tau)]
    found = loss(spec, of_tensors(batch, *inputs))
    gradients = torch.autograd.grad(found, inputs, allow_unused=True)
    assert torch.isfinite(found)
    for gradient in gradients:
        assert gradient is None or torch.isfinite(gradient).all()


@pytest.mark.parametrize("spec", SPECS)
def test_the_order_of_the_batch_does_not_matter(spec):
    rng = np.random.default_rng(1)
    parents, children = (torch.tensor(rng.normal(size=(7, 4))) for _ in "pc")
    of_parent, of_child = rng.integers(0, 3, 7), rng.integers(0, 5, 7)
    apart = rng.random((7, 7)) < 0.6
    order = rng.permutation(7)
    one = of_points(parents, children, of_parent, of_child, apart, geometry="lorentz")
    other = of_points(
        parents[order], children[order], of_parent[order], of_child[order],
        apart[order][:, order], geometry="lorentz",
    )  # fmt: skip
    torch.testing.assert_close(loss(spec, one), loss(spec, other))


@pytest.mark.parametrize("spec", SPECS)
def test_shares_of_rows_add_up(spec):
    whole = loss(spec, contrast(2))
    shares = [loss(spec, contrast(2, rows=rows)) for rows in (slice(0, 4), slice(4, 6))]
    nothing = loss(spec, contrast(2, rows=slice(0, 0)))
    torch.testing.assert_close(sum(shares), whole)
    torch.testing.assert_close(nothing, torch.zeros_like(whole))


@pytest.mark.parametrize("spec", SPECS)
def test_rows_without_positives_do_not_count(spec):
    batch = contrast(4)
    kept = torch.tensor([True, True, False, True, True, True])
    both = kept[:, None] & kept
    down, up = (Masks(m.positive & both, m.negative & both) for m in (batch.down, batch.up))
    masked = replace(batch, down=down, up=up, pairs=5)
    smaller = replace(
        of_tensors(batch, batch.parents[kept], batch.children[kept], batch.c, batch.tau),
        down=Masks(batch.down.positive[kept][:, kept], batch.down.negative[kept][:, kept]),
        up=Masks(batch.up.positive[kept][:, kept], batch.up.negative[kept][:, kept]),
        pairs=5,
    )
    torch.testing.assert_close(loss(spec, masked), loss(spec, smaller))


@pytest.mark.parametrize("name", plugins.members(plugins.PART_LOSSES))
def test_positives_are_out_or_in(name):
    with pytest.raises(UsageError, match="positives=both: there are out and in"):
        loss(f"{name}:positives=both", contrast())
