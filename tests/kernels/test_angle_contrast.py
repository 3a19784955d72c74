"""The sum of losses and its gradients against the plain definition, of one matrix of angles.

The Triton kernel against the same, interpreted on the CPU, and on a GPU.
"""

from importlib.util import find_spec
from itertools import product

import pytest
import torch
from torch.testing import assert_close

from hiertools.geometry.names import GEOMETRIES
from hiertools.kernels import angle_contrast as module
from hiertools.kernels import angle_loops
from hiertools.kernels.angle_contrast import angle_contrast
from hiertools.losses.contrast import Masks, info_nce
from tests.kernels.interpreted import interpreted

CASES = list(product(GEOMETRIES, (False, True), ("out", "in")))


class Batch:
    """b rows and n columns of a geometry, with masks: row 1 has no positive, row 2 no negative."""

    def __init__(self, geometry, b, n, *, d=5, seed=0, dtype=torch.float64):
        made = torch.Generator().manual_seed(seed)

        def points(count):
            v = torch.randn(count, d, generator=made, dtype=torch.float64)
            if geometry == "sphere":
                return torch.nn.functional.normalize(v, dim=1).div(1.2**0.5).to(dtype)
            return GEOMETRIES[geometry].exp(v, 1.2).to(dtype)

        self.x, self.y = points(b), points(n)
        draw = torch.rand(b, n, generator=made)
        self.positive, self.negative = draw < 0.3, draw > 0.5
        self.positive[1:2], self.negative[2:3] = False, False
        self.shares = torch.rand(b, generator=made).to(dtype)
        self.c, self.tau = torch.tensor(1.2, dtype=dtype), torch.tensor(0.4, dtype=dtype)

    def to(self, place):
        """Move to a device, or turn numbers into a type."""
        for name, value in vars(self).items():
            if isinstance(place, str) or value.is_floating_point():
                setattr(self, name, value.to(place))
        return self

    def inputs(self):
        return [getattr(self, name).clone().requires_grad_() for name in ("x", "y", "c", "tau")]


def found(batch, case, kernel=None):
    """Return the sum, and its gradients."""
    geometry, inward, positives = case
    x, y, c, tau = inputs = batch.inputs()
    value = angle_contrast(
        x, y, batch.positive, batch.negative, batch.shares,
        c=c, tau=tau, geometry=geometry, inward=inward, positives=positives, kernel=kernel,
    )  # fmt: skip
    return value, *torch.autograd.grad(value, inputs)


def expected(batch, case):
    """Return the same from all angles at once, by autograd."""
    geometry, inward, positives = case
    x, y, c, tau = inputs = batch.inputs()
    angle = GEOMETRIES[geometry].pairwise_angle(x, y, c)
    logits = (angle if inward else torch.pi - angle) / tau
    losses = info_nce(logits, Masks(batch.positive, batch.negative), positives=positives)
    value = (batch.shares * losses).sum()
    return value, *torch.autograd.grad(value, inputs, materialize_grads=True)


def compare(one, other, rtol, atol):
    for name, a, b in zip(("value", "x", "y", "c", "tau"), one, other, strict=True):
        assert_close(a, b, rtol=rtol, atol=atol, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("b", "n", "at_once"), [(7, 13, 30), (5, 3, 1), (1, 1, 10), (0, 4, 10)])
@pytest.mark.parametrize("kernel", [module.definition, angle_loops.pulled])
def test_is_what_all_pairs_give(kernel, case, b, n, at_once, monkeypatch):
    monkeypatch.setitem(module.PAIRS_AT_ONCE, "cpu", at_once)
    monkeypatch.setattr(angle_loops, "PAIRS_AT_ONCE", at_once)
    batch = Batch(case[0], b, n, seed=b)
    compare(found(batch, case, kernel), expected(batch, case), 1e-9, 1e-10)


@pytest.mark.parametrize("case", CASES)
def test_the_loop_is_the_definition(case):
    batch = Batch(case[0], 300, 501, d=20)
    of_loop, of_definition = (found(batch, case, k) for k in (None, module.definition))
    compare(of_loop, of_definition, 1e-9, 1e-11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("positives", ["out", "in"])
@pytest.mark.parametrize("kernel", [module.definition, angle_loops.pulled])
def test_an_undefined_point_makes_an_undefined_sum(kernel, positives, dtype):
    batch = Batch("lorentz", 4, 5, dtype=dtype)
    batch.y[3, 1] = torch.nan
    assert found(batch, ("lorentz", False, positives), kernel)[0].isnan()


@pytest.mark.parametrize("case", CASES)
def test_float32_points_are_as_good_as_float64(case):
    batch = Batch(case[0], 9, 20, dtype=torch.float32)
    compare(found(batch, case), expected(batch, case), 2e-5, 2e-6)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kernel", [module.definition, angle_loops.pulled])
def test_degenerate_pairs_are_the_definition_too(kernel, case):
    """Equal points, points on a ray or opposite, and the origin."""
    batch = Batch(case[0], 8, 9)
    batch.y[:8] = batch.x
    if case[0] == "sphere":
        batch.y[1] = -batch.x[1]
        batch.x[4] = 0 * batch.x[4]
        batch.x[4, 0] = 1.2**-0.5
    else:
        batch.y[1], batch.y[2], batch.y[3], batch.x[4] = (
            -batch.x[1], 2 * batch.x[2], 0 * batch.x[3], 0 * batch.x[4],
        )  # fmt: skip
    compare(found(batch, case, kernel), expected(batch, case), 1e-6, 1e-7)


@pytest.mark.parametrize("case", CASES)
def test_strided_inputs_are_read_right(case):
    batch = Batch(case[0], 6, 7)
    wanted = found(batch, case)
    for name in ("x", "y", "positive", "negative"):
        setattr(batch, name, getattr(batch, name).T.contiguous().T)
    compare(found(batch, case), wanted, 1e-12, 1e-12)


def test_a_number_is_a_curvature_too():
    batch = Batch("lorentz", 4, 5)
    choices = {"geometry": "lorentz", "inward": True, "positives": "out", "tau": batch.tau}
    given = batch.x, batch.y, batch.positive, batch.negative, batch.shares
    assert angle_contrast(*given, c=1.2, **choices) == angle_contrast(*given, c=batch.c, **choices)


def test_points_far_apart_and_cold_are_finite():
    batch = Batch("lorentz", 6, 8, dtype=torch.float32)
    batch.x, batch.y, batch.tau = 1e4 * batch.x, 1e4 * batch.y, torch.tensor(0.01)
    for positives in ("out", "in"):
        case = "lorentz", False, positives
        assert all(each.isfinite().all() for each in found(batch, case))
        batch.to(torch.float64)  # autograd takes the logarithms in the points' type
        wanted = [each.float() for each in expected(batch, case)]
        batch.to(torch.float32)
        compare(found(batch, case), wanted, 1e-4, 1e-4)


def compare_with_triton(batch, case, device="cpu"):
    """Compare with the definition, whose float64 is exact beside float32's differences."""
    from hiertools.kernels.gpu.angle_contrast import pulled

    batch.to(device)
    one, other = found(batch, case, pulled), found(batch, case, module.definition)
    largest = max(float(each.detach().abs().max()) for each in other if each.numel())
    compare(one, other, 1e-4, 2e-5 * largest)


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not importable")
def test_interpreted_kernel_is_the_definition():
    interpreted("test_angle_contrast", "compare_interpreted")


def compare_interpreted():
    from hiertools.kernels.gpu.angle_contrast import pulled

    for place, case in enumerate(CASES):
        compare_with_triton(Batch(case[0], 7, 13, dtype=torch.float32), case)
        if place % 5 == 0:
            compare_with_triton(Batch(case[0], 0, 4, dtype=torch.float32), case)
            compare_with_triton(Batch(case[0], 37, 70, d=9, dtype=torch.float32), case)
    near = Batch("lorentz", 6, 7, dtype=torch.float32)
    near.y[:6] = near.x * (1 + 1e-3 * torch.randn(6, 5, generator=torch.Generator().manual_seed(1)))
    near.y[0], near.y[1], near.x[4] = near.x[0], -near.x[1], 0 * near.x[4]
    compare_with_triton(near, CASES[0])
    strided = Batch("lorentz", 6, 7, dtype=torch.float32)
    for name in ("x", "y", "positive", "negative"):
        setattr(strided, name, getattr(strided, name).T.contiguous().T)
    compare_with_triton(strided, CASES[1])
    undefined = Batch("lorentz", 4, 5, dtype=torch.float32)
    undefined.y[3, 1] = torch.nan
    for positives in ("out", "in"):
        assert found(undefined, ("lorentz", False, positives), pulled)[0].isnan()
    tries_of_a_table_leave_nothing()


def tries_of_a_table_leave_nothing():
    """What a first call, which tries the table's entries, adds up is what one call does."""
    from triton import Config

    from hiertools.kernels.gpu import angle_passes

    pull = angle_passes.pull
    pull.configs = [Config(entry.blocks) for entry in angle_passes.PULLS[:2]]
    pull._do_bench = lambda call, quantiles: [call() or 1.0] * 3
    pull.cache.clear()
    compare_with_triton(Batch("lorentz", 7, 13, dtype=torch.float32), CASES[0])


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not importable")
@pytest.mark.parametrize("name", ["add_up", "pull"])
def test_kernel_compiles_for_a_gpu(name):
    from hiertools.kernels.gpu import angle_passes
    from tests.kernels.compiled import compiled

    arrays = "u w x_sides y_sides taus found of_u of_sides"
    types = {name: "*fp32" for name in arrays.split()} | dict.fromkeys(("b", "n", "d"), "i32")
    types |= {"positive": "*u8", "negative": "*u8"}
    constants = {"GEOMETRY": 0, "INWARD": False, "INSIDE": True, "OWN": 1}
    assert compiled(getattr(angle_passes, name), types, constants).asm["cubin"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("case", CASES)
def test_kernel_is_the_definition(case):
    for b, n, d in ((100, 200, 128), (300, 300, 30)):
        compare_with_triton(Batch(case[0], b, n, d=d, dtype=torch.float32), case, device="cuda")
