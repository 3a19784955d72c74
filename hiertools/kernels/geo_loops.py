"""The passes of `geo_contrast` over float32 pairs on a CPU: torch's products, compiled loops.

Of a step over 64 images and 210,000 entities torch's own operations take nine times as long as its
three matrix products; these loops, whose functions are polynomials so that whole registers go
through them, bring that to two or three (`tests/benchmarks/kernels.py --only losses`). Blocks are
entities x images, which torch multiplies faster than images x entities.
"""

import numpy as np
import torch
from torch import Tensor

from hiertools.kernels.energies import NAMES, sides
from hiertools.kernels.geo_contrast import Given, Kernel, Pulled
from hiertools.kernels.geo_pairs import F, Numbers, Sides
from hiertools.kernels.geo_pieces import LOWEST, PARTS, add_up, pull
from hiertools.kernels.geo_weights import NUMBERS

PAIRS_AT_ONCE = 2**18


def _log_sums(given: Given) -> Tensor:
    n, m = len(given.x), len(given.y)
    best, total = np.full((PARTS, n), LOWEST), np.zeros((PARTS, n))
    if n:
        side, numbers, scaled = _prepared(given)
        pairs = given.y.new_empty(_step(n), n)
        for start, end in _blocks(n, m):
            product = torch.mm(given.y[start:end], scaled, out=pairs[: end - start])
            add_up(product.numpy(), start, side, numbers, best, total)
    summed = torch.from_numpy(best) + torch.from_numpy(total).log()
    log_sums: Tensor = summed.logsumexp(0).float()
    return log_sums


def _pulls(given: Given, repelled: Tensor, share: Tensor, needed: tuple[bool, bool]) -> Pulled:
    (n, d), m = given.x.shape, len(given.y)
    sums, of_times = np.zeros((PARTS, 3)), np.zeros((PARTS, n))
    pulled, of_y = given.x.new_zeros(n, d), given.y.new_empty(m, d)
    if not n:
        return Pulled(pulled, of_y.zero_(), *given.tau.new_zeros(3))
    side, numbers, scaled = _prepared(given)
    c, y_time = float(numbers.c), torch.from_numpy(side.time)
    x_time = torch.ones(n) if numbers.geometry else torch.from_numpy(4 * side.a**2 + 1).sqrt()
    r, s = repelled.numpy(), share.numpy()
    pairs, turned = given.y.new_empty(_step(n), n), given.x * (-c / 2)
    for start, end in _blocks(n, m):
        y = given.y[start:end]
        of_q = torch.mm(y, scaled, out=pairs[: end - start])
        pull(of_q.numpy(), start, r, s, side, numbers, *needed, sums, of_times)
        pulled.addmm_(of_q.T, y)
        along = torch.mv(of_q, x_time).div_(y_time[start:end]).mul_(c / 2)
        torch.mm(of_q, turned, out=of_y[start:end]).addcmul_(y, along[:, None])
    of_time = torch.from_numpy(of_times.sum(0)).to(given.x)
    of_x = (given.x * (of_time / x_time)[:, None] - pulled).mul_(c / 2)
    of_tau, of_weight, of_sigma = torch.from_numpy(sums.sum(0)).to(given.tau)
    return Pulled(of_x, of_y, of_tau, of_weight, of_sigma * given.weight / given.sigma)


KERNEL = Kernel(_log_sums, _pulls)


def _blocks(n: int, m: int) -> list[tuple[int, int]]:
    return [(start, min(m, start + _step(n))) for start in range(0, m, _step(n))]


def _step(n: int) -> int:
    return max(1, PAIRS_AT_ONCE // n)


def _prepared(given: Given) -> tuple[Sides, Numbers, Tensor]:
    """Return the sides, the numbers, and x times -c/2, turned, of which y takes products."""
    rule = given.rule
    c = rule.curvature
    u = w = given.x.new_zeros(3, 0)
    if given.places is not None:
        places = given.places.images, given.places.entities
        u, w = (each.T.contiguous() for each in places)
    tau, weight, sigma = (F(each.item()) for each in (given.tau, given.weight, given.sigma))
    near = 0 if given.places is None else NUMBERS[rule.kernel]
    geometry, power = NAMES.index(rule.geometry), F(rule.power)
    numbers = Numbers(geometry, rule.squared, near, F(c), tau, weight, sigma, power)
    (a, f), (b, g) = (sides(points, rule.geometry, c) for points in (given.x, given.y))
    owned, owners = given.positive.sort()
    time = torch.ones_like(b) if geometry else torch.sqrt(1 + b * b)
    arrays = (a / 2, f, 1 / f, b, g, time, owned, owners, u, w)
    return Sides(*(each.numpy() for each in arrays)), numbers, (given.x * (-c / 2)).T.contiguous()
