"""An image against all other entities of a level: a contrast of distances, weighted by geography.

With the energies e, the distances or their squares, the loss of an image is
L = log(1 + sum over k of w_k exp((e_+ - e_k) / tau)), where w_k = 1 + weight * kernel(g_k), over
all entities k but the positive +. What is kept for the backward pass is a number for each image,
not one for each pair: pairs are looked at in blocks of entities, and once more in the backward
pass. Float32 points go through the compiled loops of `geo_loops` on a CPU, several times as fast as
this, and through the Triton kernels of `gpu.geo_contrast` on CUDA.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hiertools.geometry.names import GEOMETRIES
from hiertools.kernels.energies import Pairs
from hiertools.kernels.geo_weights import Near, Places

PAIRS_AT_ONCE = {"cpu": 2**18, "cuda": 2**25}  # on a CPU, 1 MB for a buffer: near the core


@dataclass(frozen=True)
class Rule:
    """What stays the same all through a training.

    geometry, c: of the points, as `geometry/` has them; squared: e is the squared distance;
    kernel: a name of `geo_weights.KERNELS`; power: of the inverse one; pairs_at_once: None for
    what suits the device.
    """

    geometry: str
    c: float
    squared: bool
    kernel: str
    power: float
    pairs_at_once: int | None = None

    @property
    def curvature(self) -> float:
        """Return c, and 1 in flat space, which has none."""
        return 1.0 if self.geometry == "euclidean" else self.c


@dataclass(frozen=True)
class Given:
    """n images x, m entities y, and what else a contrast is made of; see `geo_contrast`."""

    x: Float[Tensor, "n d"]
    y: Float[Tensor, "m d"]
    positive: Int[Tensor, " n"]
    places: Places | None
    tau: Float[Tensor, ""]
    weight: Float[Tensor, ""]
    sigma: Float[Tensor, ""]
    rule: Rule


class Pulled(NamedTuple):
    """The sums over pairs of p times the gradients of -e / tau + log w; of_tau: of p e alone."""

    of_x: Float[Tensor, "n d"]
    of_y: Float[Tensor, "m d"]
    of_tau: Float[Tensor, ""]
    of_weight: Float[Tensor, ""]
    of_sigma: Float[Tensor, ""]


class Kernel(NamedTuple):
    """The two passes over all pairs.

    log_sums: of `Given`, log(sum of w_k exp(-e_k / tau)) of each image, -inf where there is no
    other entity; pulls: of `Given`, of such numbers r (n) and of a share s of each image (n), what
    the pairs pull with p_k = s w_k exp(-e_k / tau - r), and which of the last three are needed.
    """

    log_sums: Callable[[Given], Tensor]
    pulls: Callable[[Given, Tensor, Tensor, tuple[bool, bool]], Pulled]


def geo_contrast(
    x: Float[Tensor, "n d"],
    y: Float[Tensor, "m d"],
    positive: Int[Tensor, " n"],
    places: Places | None,
    *,
    tau: Float[Tensor, ""],
    weight: Float[Tensor, ""],
    sigma: Float[Tensor, ""],
    rule: Rule,
    kernel: Kernel | None = None,
) -> Float[Tensor, " n"]:
    """Return the loss of each image x; 0 where it has no positive among the entities y.

    positive: each image's row of y, -1 for none; places: None for weights of 1; sigma: the
    kernel's scale in radians; kernel: None for what suits the device. Differentiable in x, y, tau,
    weight and sigma. The distance to the positive, which counts most, is by differences of
    coordinates, all others by matrix products.
    """
    kernel = kernel or _kernel(x)
    losses: Tensor = _Contrast.apply(x, y, tau, weight, sigma, positive, places, rule, kernel)
    return losses


def _kernel(x: Tensor) -> Kernel:
    if x.is_cuda and x.dtype == torch.float32 and find_spec("triton"):
        from hiertools.kernels.gpu.geo_contrast import KERNEL

        return KERNEL
    if x.device.type == "cpu" and x.dtype == torch.float32:
        from hiertools.kernels.geo_loops import KERNEL as LOOPS

        return LOOPS
    return DEFINITION


class _Contrast(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, tau: Tensor, weight: Tensor, sigma: Tensor,
        positive: Tensor, places: Places | None, rule: Rule, kernel: Kernel,
    ) -> Tensor:  # fmt: skip
        log_sum = kernel.log_sums(Given(x, y, positive, places, tau, weight, sigma, rule))
        own = _own_energy(x, y[positive.clamp(min=0)], rule)
        there = (positive >= 0) & (log_sum != -torch.inf)  # NaN stays: a training shall see it
        repelled = torch.where(there, log_sum, torch.inf)
        rise = torch.where(there, repelled + own / tau, -torch.inf)
        ctx.save_for_backward(x, y, tau, weight, sigma, positive, repelled, rise.sigmoid())
        ctx.places, ctx.rule, ctx.kernel = places, rule, kernel
        return torch.logaddexp(rise, torch.zeros_like(rise))

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients: dL/de_k is -p_k / tau, and the sum of p_k / tau that of e_+.

        p_k = w_k exp(-e_k / tau) / sum, where the sum holds the positive too.
        """
        x, y, tau, weight, sigma, positive, repelled, share = ctx.saved_tensors
        given = Given(x, y, positive, ctx.places, tau, weight, sigma, ctx.rule)
        share = gradient * share
        needed = ctx.needs_input_grad[2], any(ctx.needs_input_grad[3:5])
        of_x, of_y, of_tau, *others = ctx.kernel.pulls(given, repelled, share, needed)
        own = _pull_positives(given, share / tau, of_x, of_y)
        of_tau = (of_tau - (share * own).sum()) / tau**2
        return of_x, of_y, of_tau, *others, None, None, None, None


def _log_sums(given: Given) -> Tensor:
    x, y, tau, rule = given.x, given.y, given.tau, given.rule
    pairs = Pairs(x, y, geometry=rule.geometry, c=rule.c, squared=rule.squared)
    near = Near(given.places, given.sigma, rule.kernel, rule.power)
    best = x.new_full((len(x),), torch.finfo(x.dtype).min)
    total = torch.zeros_like(best)
    for block in _blocks(x, y, rule):
        scores = pairs.energies(block)[0].div_(-tau)
        scores[_positives(given.positive, block)] = -torch.inf
        higher = torch.maximum(best, scores.amax(1))
        terms = scores.sub_(higher[:, None]).exp_()
        terms = near.weighted(terms, given.weight, block)
        total = total * torch.exp(best - higher) + terms.sum(1)
        best = higher
    return best + total.log()


def _pulls(given: Given, repelled: Tensor, share: Tensor, needed: tuple[bool, bool]) -> Pulled:
    x, y, tau, weight, rule = given.x, given.y, given.tau, given.weight, given.rule
    pairs = Pairs(x, y, geometry=rule.geometry, c=rule.c, squared=rule.squared)
    near = Near(given.places, given.sigma, rule.kernel, rule.power)
    of_tau, of_weight, of_sigma = (torch.zeros_like(tau) for _ in range(3))
    for block in _blocks(x, y, rule):
        e, q = pairs.energies(block)
        p = torch.div(e, -tau).sub_(repelled[:, None]).exp_().mul_(share[:, None])
        p[_positives(given.positive, block)] = 0
        if needed[1]:
            more = near.gradients(p, weight, block)
            of_weight, of_sigma = of_weight + more[0], of_sigma + more[1]
        p = near.weighted(p, weight, block)
        if needed[0]:
            of_tau += torch.dot(p.flatten(), e.flatten())
        pairs.pull(p.div_(-tau), e, q, block)
    return Pulled(*pairs.gradients(), of_tau, of_weight, of_sigma)


DEFINITION = Kernel(_log_sums, _pulls)


def _own_energy(x: Tensor, y: Tensor, rule: Rule) -> Tensor:
    """Return the energy of each x with the y of the same row."""
    d: Tensor = GEOMETRIES[rule.geometry].distance(x, y, rule.c)
    return d * d if rule.squared else d


def _pull_positives(given: Given, of_e: Tensor, of_x: Tensor, of_y: Tensor) -> Tensor:
    """Add the positives' part to the gradients of x and y; return their energies."""
    row = given.positive.clamp(min=0)
    x, y = given.x.detach().requires_grad_(), given.y[row].detach().requires_grad_()
    with torch.enable_grad():
        own = _own_energy(x, y, given.rule)
    more_x, more_y = torch.autograd.grad(own, (x, y), of_e)
    of_x += more_x
    if of_y.is_cuda:  # where index_add_ adds in the order of arrival
        of_y.index_put_((row,), more_y, accumulate=True)
    else:
        of_y.index_add_(0, row, more_y)
    return own.detach()


def _blocks(x: Tensor, y: Tensor, rule: Rule) -> Iterator[slice]:
    """Yield slices of the columns, which are rows of y."""
    at_once = rule.pairs_at_once or PAIRS_AT_ONCE.get(x.device.type, PAIRS_AT_ONCE["cuda"])
    step = max(1, at_once // max(1, len(x)))
    for start in range(0, len(y), step):
        yield slice(start, min(len(y), start + step))


def _positives(positive: Tensor, block: slice) -> tuple[Tensor, Tensor]:
    """Return rows and, within the block, columns of the positives that are in it."""
    (rows,) = torch.where((positive >= block.start) & (positive < block.stop))
    return rows, positive[rows] - block.start
