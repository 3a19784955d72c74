"""The chunked loss against all pairs at once, in float64 and by the geometries' own distances.

The Triton kernel against the chunked loss, interpreted on the CPU, and on a GPU.
"""

from functools import partial
from importlib.util import find_spec
from itertools import product

import pytest
import torch

from hiertools.geometry import euclidean, lorentz, sphere
from hiertools.kernels.energies import Pairs
from hiertools.kernels.geo_contrast import DEFINITION, Rule, geo_contrast
from hiertools.kernels.geo_weights import KERNELS, Places
from tests.kernels.interpreted import interpreted

GEOMETRIES = {"lorentz": lorentz, "euclidean": euclidean, "sphere": sphere}
NAMES = ("x", "y", "tau", "weight", "sigma")


def unit(*shape, generator):
    return torch.nn.functional.normalize(
        torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1
    )


class World:
    """Tangent vectors of n images and m entities, their places, and who belongs to whom."""

    def __init__(self, n, m, *, d=5, seed=0, scale=1.0, dtype=torch.float64):
        made = torch.Generator().manual_seed(seed)
        self.x = (scale * torch.randn(n, d, generator=made, dtype=torch.float64)).to(dtype)
        self.y = (scale * torch.randn(m, d, generator=made, dtype=torch.float64)).to(dtype)
        self.u = unit(n, 3, generator=made).to(dtype)
        self.w = unit(m, 3, generator=made).to(dtype)
        self.positive = torch.randint(-1, m, (n,), generator=made)
        self.tau, self.weight, self.sigma = (torch.tensor(v, dtype=dtype) for v in (0.7, 1.3, 0.4))

    def inputs(self):
        return [getattr(self, name).clone().requires_grad_() for name in NAMES]


def energy(d, squared):
    return d * d if squared else d


def chunked(world, rule, places, inputs, kernel=None):
    x, y, tau, weight, sigma = inputs
    geometry = GEOMETRIES[rule.geometry]
    x, y = geometry.exp(x, rule.c), geometry.exp(y, rule.c)
    at = Places(world.u, world.w) if places else None
    return geo_contrast(
        x, y, world.positive, at, tau=tau, weight=weight, sigma=sigma, rule=rule, kernel=kernel
    )


def plain(world, rule, places, inputs):
    """Return the losses row by row from all pairs."""
    x, y, tau, weight, sigma = inputs
    geometry = GEOMETRIES[rule.geometry]
    x, y = geometry.exp(x, rule.c), geometry.exp(y, rule.c)
    d = geometry.distance(x[:, None], y[None], rule.c)
    e = energy(d, rule.squared)
    half_chord = (world.u[:, None] - world.w[None]).norm(dim=2) / 2
    ratio = 2 * torch.asin(half_chord.clamp(max=1)) / sigma
    w = 1 + weight * KERNELS[rule.kernel](ratio, rule.power) if places else torch.ones_like(e)
    losses = []
    for row, positive in enumerate(world.positive.tolist()):
        others = [k for k in range(len(y)) if k != positive]
        terms = w[row, others] * torch.exp((e[row, positive] - e[row, others]) / tau)
        losses.append(torch.log1p(terms.sum()) if positive >= 0 else 0 * tau)
    return torch.stack(losses)


def gradients(function, world, rule, places):
    inputs = world.inputs()
    losses = function(world, rule, places, inputs)
    rows = torch.arange(1, len(losses) + 1, dtype=losses.dtype)
    found = torch.autograd.grad((losses * rows).sum(), inputs, allow_unused=True)
    return losses, [torch.zeros(()) if g is None else g for g in found]


CASES = list(product(GEOMETRIES, (True, False), ("laplace", "gauss", "inverse")))


@pytest.mark.parametrize(("geometry", "squared", "kernel"), CASES)
@pytest.mark.parametrize(("n", "m", "at_once"), [(7, 13, 23), (5, 4, 1), (3, 1, 9), (1, 9, 100)])
def test_is_what_all_pairs_give(geometry, squared, kernel, n, m, at_once):
    world = World(n, m, seed=n, scale=0.5)
    rule = Rule(geometry, 1.25, squared, kernel, 1.5, at_once)
    for places in (True, False):
        losses, found = gradients(chunked, world, rule, places)
        expected, wanted = gradients(plain, world, rule, places)
        torch.testing.assert_close(losses, expected)
        for name, one, other in zip(NAMES, found, wanted, strict=True):
            torch.testing.assert_close(one, other.to(one.dtype), msg=lambda m, n=name: f"{n}: {m}")


def test_rows_without_a_positive_count_nothing():
    world = World(6, 8)
    world.positive[2:4] = -1
    rule = Rule("lorentz", 1.0, True, "laplace", 1.0, 11)
    losses, (of_x, *_) = gradients(chunked, world, rule, True)
    assert losses[2:4].tolist() == [0, 0]
    assert not of_x[2:4].any()
    assert (losses[world.positive >= 0] > 0).all()


def test_no_weight_is_plain_info_nce():
    world = World(9, 20)
    world.weight = torch.tensor(0.0, dtype=torch.float64)
    rule = Rule("lorentz", 1.25, True, "laplace", 1.0, 50)
    losses = chunked(world, rule, True, world.inputs())
    x, y = lorentz.exp(world.x, 1.25), lorentz.exp(world.y, 1.25)
    logits = -(lorentz.pairwise_distance(x, y, 1.25) ** 2) / world.tau
    there = world.positive >= 0
    expected = torch.nn.functional.cross_entropy(
        logits[there], world.positive[there], reduction="none"
    )
    torch.testing.assert_close(losses[there].detach(), expected)


@pytest.mark.parametrize(("geometry", "squared"), list(product(GEOMETRIES, (True, False))))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_on_their_entities_have_finite_gradients(geometry, squared, dtype):
    world = World(6, 6, dtype=dtype)
    world.y = world.x.clone()
    world.y[3] = world.x[3] = 0
    world.positive = torch.tensor([0, 1, 2, 3, 3, -1])  # a negative lies on row 4
    rule = Rule(geometry, 1.25, squared, "laplace", 1.0, 8)
    losses, found = gradients(chunked, world, rule, True)
    assert losses.isfinite().all()
    assert all(each.isfinite().all() for each in found)


@pytest.mark.parametrize("tau", [0.01, 1.0])
def test_far_apart_and_cold_is_finite_and_right(tau):
    world = World(5, 30, scale=4.0, dtype=torch.float32)
    world.tau = torch.tensor(tau)
    rule = Rule("lorentz", 1.25, True, "laplace", 1.0, 40)
    losses, found = gradients(chunked, world, rule, True)
    for name in ("x", "y", "u", "w", *NAMES[2:]):
        setattr(world, name, getattr(world, name).double())
    expected, wanted = gradients(chunked, world, rule, True)
    torch.testing.assert_close(losses, expected.float(), rtol=1e-4, atol=1e-4)
    for one, other in zip(found, wanted, strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(
            one, other.float(), rtol=1e-3, atol=1e-3 * float(other.abs().max())
        )


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_undefined_point_makes_undefined_losses(geometry, dtype):
    world = World(3, 700, dtype=dtype)
    world.positive = torch.tensor([4, 600, -1])
    world.y[5, 1] = torch.nan
    rule = Rule(geometry, 1.25, True, "laplace", 1.0)
    losses = chunked(world, rule, True, world.inputs())
    assert losses[:2].isnan().all()


def test_weights_come_from_kilometres():
    """At sigma the Laplace kernel is 1/e, on the other side of the globe it is next to nothing."""
    world = World(1, 3)
    world.x[:], world.y[:] = 0, 0  # all energies are equal: L = log(1 + w_1 + w_2)
    world.positive[:] = 0
    angle = torch.tensor(0.4, dtype=torch.float64)
    world.u = torch.tensor([[1.0, 0, 0]]).double()
    at = [[0.0, 0, 1], [float(angle.cos()), float(angle.sin()), 0], [-1, 0, 0]]
    world.w = torch.tensor(at).double()
    for kernel, near, far in (
        ("laplace", torch.exp(-torch.ones(())), torch.exp(torch.tensor(-torch.pi / 0.4))),
        ("gauss", torch.exp(-torch.ones(())), torch.zeros(())),
        ("inverse", torch.tensor(0.25), (1 + torch.tensor(torch.pi / 0.4)) ** -2),
    ):
        rule = Rule("lorentz", 1.0, True, kernel, 2.0)
        loss = chunked(world, rule, True, world.inputs())
        expected = torch.log(3 + 1.3 * near + 1.3 * far).double()
        torch.testing.assert_close(loss[0].detach(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_float32_keeps_short_distances_of_far_points(geometry):
    """At 3 radii, of distances about 0.2 the squares are right to 1e-4, most to 4e-5."""
    made = torch.Generator().manual_seed(0)
    v = 3 / 1.25**0.5 * unit(400, 128, generator=made)
    v = v if geometry != "sphere" else v / 3
    near = v + 0.06 / 128**0.5 * torch.randn(v.shape, generator=made, dtype=torch.float64)
    module = GEOMETRIES[geometry]
    x, y = module.exp(v, 1.25), module.exp(near, 1.25)
    expected = module.distance(x, y, 1.25).square()
    pairs = Pairs(x.float(), y.float(), geometry=geometry, c=1.25, squared=True)
    error = (pairs.energies(slice(0, 400))[0].diagonal() - expected).abs()
    assert 0.05 < expected.sqrt().median() < 0.3
    assert error.median() < 4e-5
    assert error.max() < 2e-4


def strided(rows):
    """Return the same numbers, no two of a row beside each other in memory."""
    return rows.mT.contiguous().mT if rows.ndim == 2 else rows


def cold(m, geometry):
    """Return a world of points about 4 radii out (1, on the sphere) and of tau 0.02."""
    scale = 1.6 if geometry != "sphere" else 0.4  # sqrt(5) sqrt(1.25) of it
    world = World(5, m, scale=scale, dtype=torch.float32)
    world.tau = torch.tensor(0.02)
    return world


def compare_with_triton(world, case, *, places, device="cpu"):
    """Compare the Triton kernel with the definition."""
    from hiertools.kernels.gpu.geo_contrast import KERNEL

    compare_with_definition(KERNEL, world, case, places=places, device=device)


def compare_with_definition(kernel, world, case, *, places, device="cpu"):
    """Compare losses and gradients of a kernel with those of the definition."""
    for name in (*NAMES, "u", "w", "positive"):
        setattr(world, name, strided(getattr(world, name)).to(device))
    rule = Rule(case[0], 1.25, case[1], case[2], 1.5)
    found, expected = (
        gradients(partial(chunked, kernel=kernel), world, rule, places)
        for kernel in (kernel, DEFINITION)
    )
    where = f"{case}, {len(world.x)} x {len(world.y)}, places {places}"
    names = ("losses", *NAMES)
    pairs = zip(names, (found[0], *found[1]), (expected[0], *expected[1]), strict=True)
    for name, one, other in pairs:
        largest = float(other.detach().abs().max()) if other.numel() else 0.0
        torch.testing.assert_close(
            one,
            other,
            atol=1e-4 * max(1e-3, largest),
            rtol=1e-4,
            msg=lambda m, n=name: f"{where}: {n}: {m}",
        )


@pytest.mark.parametrize("case", CASES)
def test_compiled_loops_are_the_definition(case):
    from hiertools.kernels.geo_loops import KERNEL

    for n, m, d in ((7, 1300, 5), (0, 4, 5), (3, 1, 2), (300, 2000, 33)):
        world = World(n, m, d=d, scale=0.5, dtype=torch.float32)
        for places in (True, False):
            compare_with_definition(KERNEL, world, case, places=places)
    compare_with_definition(KERNEL, cold(600, case[0]), case, places=True)


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not importable")
def test_interpreted_kernel_is_the_definition():
    interpreted("test_geo_contrast", "compare_interpreted")


def compare_interpreted():
    from hiertools.kernels.gpu.geo_contrast import KERNEL

    def world(n, m, **options):
        return World(n, m, dtype=torch.float32, **options)

    for case in CASES[::2]:  # each kernel in each geometry
        compare_with_triton(world(7, 13, scale=0.5), case, places=True)
    for case in CASES[::3]:
        compare_with_triton(world(3, 1, d=3), case, places=False)
        compare_with_triton(world(0, 4), case, places=True)
    for case in CASES[::6]:  # of squared distances: others hold the root of what rounding leaves
        near = world(6, 6)
        near.y = near.x.clone()
        near.positive = torch.tensor([0, 1, 2, 3, 3, -1])  # a negative lies on row 4
        compare_with_triton(near, case, places=True)
    for case in CASES[::7]:  # no size is a multiple of a block
        compare_with_triton(world(33, 131, d=130, scale=0.1), case, places=True)
    undefined = world(3, 7)
    undefined.positive, undefined.y[5, 1] = torch.tensor([4, 6, -1]), torch.nan
    for geometry in GEOMETRIES:
        rule = Rule(geometry, 1.25, True, "laplace", 1.0)
        losses = chunked(undefined, rule, True, undefined.inputs(), KERNEL)
        assert losses[:2].isnan().all()
    the_same_tiles_in_all_passes()
    compare_with_triton(cold(30, "lorentz"), CASES[0], places=True)


def the_same_tiles_in_all_passes():
    """numpy adds up tiles of other shapes in another order, which a GPU should not: a p of the
    second pass would not be quite that of the first, 6e-4 of it where tau is 0.02."""
    from triton import Config

    from hiertools.kernels.gpu import geo_passes

    for kernel in (geo_passes.pull_images, geo_passes.pull_entities):
        kernel.configs = [Config(geo_passes.TABLE[0].blocks)]
        kernel.cache.clear()


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not importable")
@pytest.mark.parametrize("name", ["add_up", "pull_images", "pull_entities"])
def test_kernel_compiles_for_a_gpu(name):
    from hiertools.kernels.gpu import geo_passes
    from tests.kernels.compiled import compiled

    arrays = "x y x_sides y_sides u w scalars best total repelled share pulled sums of_y"
    types = {name: "*fp32" for name in arrays.split()} | {"c": "fp32", "power": "fp32"}
    types |= {"n": "i32", "m": "i32", "d": "i32", "parts": "i32", "positive": "*i64"}
    constants = {"GEOMETRY": 0, "SQUARED": True, "NEAR": 1, "WIDE": 128}
    made = compiled(getattr(geo_passes, name), types, constants)
    assert made.asm["cubin"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("case", CASES)
def test_kernel_is_the_definition(case):
    for d in (128, 200):
        world = World(200, 3001, d=d, scale=0.1, dtype=torch.float32)
        compare_with_triton(world, case, places=True, device="cuda")
