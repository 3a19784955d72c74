"""An image against all other entities of a level: a contrast of distances, weighted by geography.

With the energies e, the distances or their squares, the loss of an image is
L = log(1 + sum over k of w_k exp((e_+ - e_k) / tau)), where w_k = 1 + weight * kernel(g_k), over
all entities k but the positive +. Pairs are looked at in blocks of entities, and once more in the
backward pass: what is kept between them is a number for each image, not one for each pair.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hiertools.kernels.energies import Pairs
from hiertools.kernels.pairwise_angle import GEOMETRIES

PAIRS_AT_ONCE = {"cpu": 2**18, "cuda": 2**25}  # on a CPU, 1 MB for a buffer: near the core

KERNELS: dict[str, Callable[[Tensor, float], Tensor]] = {  # of g / sigma
    "laplace": lambda ratio, power: torch.exp(-ratio),
    "gauss": lambda ratio, power: torch.exp(-ratio * ratio),
    "inverse": lambda ratio, power: (1 + ratio) ** -power,
}
SLOPES: dict[str, Callable[[Tensor, float], Tensor]] = {  # sigma d/dsigma of the logarithm
    "laplace": lambda ratio, power: ratio,
    "gauss": lambda ratio, power: 2 * ratio * ratio,
    "inverse": lambda ratio, power: power * ratio / (1 + ratio),
}


@dataclass(frozen=True)
class Rule:
    """What stays the same all through a training.

    geometry, c: of the points, as `geometry/` has them; squared: e is the squared distance;
    kernel: a name of `KERNELS`; power: of the inverse one; pairs_at_once: None for what suits the
    device.
    """

    geometry: str
    c: float
    squared: bool
    kernel: str
    power: float
    pairs_at_once: int | None = None


@dataclass(frozen=True)
class Places:
    """Where images (n) and entities (m) are: unit vectors from the centre of the Earth."""

    images: Float[Tensor, "n 3"]
    entities: Float[Tensor, "m 3"]


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
) -> Float[Tensor, " n"]:
    """Return the loss of each image x; 0 where it has no positive among the entities y.

    positive: each image's row of y, -1 for none; places: None for weights of 1; sigma: the
    kernel's scale in radians. Differentiable in x, y, tau, weight and sigma. The distance to the
    positive, which counts most, is by differences of coordinates, all others by matrix products.
    """
    losses: Tensor = _Contrast.apply(x, y, tau, weight, sigma, positive, places, rule)
    return losses


class _Contrast(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, tau: Tensor, weight: Tensor, sigma: Tensor,
        positive: Tensor, places: Places | None, rule: Rule,
    ) -> Tensor:  # fmt: skip
        pairs = Pairs(x, y, geometry=rule.geometry, c=rule.c, squared=rule.squared)
        near = _Near(places, sigma, rule)
        own = _own_energy(x, y[positive.clamp(min=0)], rule)
        best = x.new_full((len(x),), torch.finfo(x.dtype).min)
        total = torch.zeros_like(best)
        for block in _blocks(len(x), len(y), x.device.type, rule):
            scores = pairs.energies(block)[0].div_(-tau)
            scores[_positives(positive, block)] = -torch.inf
            higher = torch.maximum(best, scores.amax(1))
            terms = scores.sub_(higher[:, None]).exp_()
            total = total * torch.exp(best - higher) + near.weighted(terms, weight, block).sum(1)
            best = higher
        there = (positive >= 0) & (total > 0)
        repelled = torch.where(there, best + total.log(), torch.inf)
        rise = torch.where(there, repelled + own / tau, -torch.inf)
        ctx.save_for_backward(x, y, tau, weight, sigma, positive, repelled, rise.sigmoid())
        ctx.places, ctx.rule = places, rule
        return torch.logaddexp(rise, torch.zeros_like(rise))

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients: dL/de_k is -p_k / tau, and the sum of p_k / tau that of e_+.

        p_k = w_k exp(-e_k / tau) / sum, where the sum holds the positive too.
        """
        x, y, tau, weight, sigma, positive, repelled, share = ctx.saved_tensors
        rule: Rule = ctx.rule
        pairs = Pairs(x, y, geometry=rule.geometry, c=rule.c, squared=rule.squared)
        near = _Near(ctx.places, sigma, rule)
        share = gradient * share
        of_tau, of_weight, of_sigma = (torch.zeros_like(each) for each in (tau, weight, sigma))
        for block in _blocks(len(x), len(y), x.device.type, rule):
            e, q = pairs.energies(block)
            p = torch.div(e, -tau).sub_(repelled[:, None]).exp_().mul_(share[:, None])
            p[_positives(positive, block)] = 0
            if any(ctx.needs_input_grad[3:5]):
                more = near.gradients(p, weight, block)
                of_weight, of_sigma = of_weight + more[0], of_sigma + more[1]
            p = near.weighted(p, weight, block)
            if ctx.needs_input_grad[2]:
                of_tau += torch.dot(p.flatten(), e.flatten())
            pairs.pull(p.div_(-tau), e, q, block)
        of_x, of_y = pairs.gradients()
        own = _pull_positives(x, y, positive, share / tau, rule, of_x, of_y)
        of_tau = (of_tau - (share * own).sum()) / tau**2
        return of_x, of_y, of_tau, of_weight, of_sigma, None, None, None


def _own_energy(x: Tensor, y: Tensor, rule: Rule) -> Tensor:
    """Return the energy of each x with the y of the same row."""
    d: Tensor = GEOMETRIES[rule.geometry].distance(x, y, rule.c)
    return d * d if rule.squared else d


def _pull_positives(
    x: Tensor, y: Tensor, positive: Tensor, of_e: Tensor, rule: Rule, of_x: Tensor, of_y: Tensor
) -> Tensor:
    """Add the positives' part to the gradients of x and y; return their energies."""
    row = positive.clamp(min=0)
    x, y = x.detach().requires_grad_(), y[row].detach().requires_grad_()
    with torch.enable_grad():
        own = _own_energy(x, y, rule)
    more_x, more_y = torch.autograd.grad(own, (x, y), of_e)
    of_x += more_x
    of_y.index_add_(0, row, more_y)
    return own.detach()


class _Near:
    """The kernel of the distances on the globe between images and entities."""

    def __init__(self, places: Places | None, sigma: Tensor, rule: Rule) -> None:
        self.places, self.sigma, self.rule = places, sigma, rule

    def weighted(self, terms: Tensor, weight: Tensor, block: slice) -> Tensor:
        """Return terms times 1 + weight * kernel; overwrites them."""
        if self.places is None or not weight:
            return terms
        kernel = KERNELS[self.rule.kernel](self._ratio(self.places, block), self.rule.power)
        return terms.mul_(kernel.mul_(weight).add_(1))

    def gradients(self, p: Tensor, weight: Tensor, block: slice) -> tuple[Tensor, Tensor]:
        """Return the block's parts of the gradients of weight and sigma; p: before its weights."""
        if self.places is None:
            return torch.zeros_like(weight), torch.zeros_like(weight)
        ratio = self._ratio(self.places, block)
        pulled = KERNELS[self.rule.kernel](ratio, self.rule.power).mul_(p)
        slope = SLOPES[self.rule.kernel](ratio, self.rule.power)
        return pulled.sum(), weight / self.sigma * pulled.mul_(slope).sum()

    def _ratio(self, places: Places, block: slice) -> Tensor:
        """Return g / sigma, with g = 2 asin(|u - w| / 2) by differences of the unit vectors."""
        u, w = places.images, places.entities[block].T.contiguous()
        squared = torch.zeros(len(u), w.shape[1], dtype=u.dtype, device=u.device)
        for axis in range(3):
            difference = u[:, axis, None] - w[axis]
            squared.addcmul_(difference, difference, value=0.25)
        return squared.clamp_(max=1).sqrt_().asin_().mul_(2 / self.sigma)


def _blocks(n: int, m: int, device: str, rule: Rule) -> Iterator[slice]:
    """Yield slices of the m columns."""
    at_once = rule.pairs_at_once or PAIRS_AT_ONCE.get(device, PAIRS_AT_ONCE["cuda"])
    step = max(1, at_once // max(1, n))
    for start in range(0, m, step):
        yield slice(start, min(m, start + step))


def _positives(positive: Tensor, block: slice) -> tuple[Tensor, Tensor]:
    """Return rows and, within the block, columns of the positives that are in it."""
    (rows,) = torch.where((positive >= block.start) & (positive < block.stop))
    return rows, positive[rows] - block.start
