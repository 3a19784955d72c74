"""The passes of `geo_contrast` over float32 pairs on a CPU: torch's products, compiled loops.

Of a step over 64 images and 210,000 entities torch's own operations take nine times as long as its
three matrix products; these loops, whose functions are polynomials so that whole registers go
through them, bring that to three or four (`tests/benchmarks/kernels.py --only losses`). A row of a
block of products is worked on in pieces that stay in the first cache.
"""

import numpy as np
import torch
from torch import Tensor

from hiertools.kernels.energies import NAMES, sides
from hiertools.kernels.geo_contrast import Given, Kernel, Pulled
from hiertools.kernels.geo_pieces import LOWEST, Numbers, Sides, add_up, pull
from hiertools.kernels.geo_weights import NUMBERS

PAIRS_AT_ONCE = 2**18
F = np.float32


def _log_sums(given: Given) -> Tensor:
    n, m = len(given.x), len(given.y)
    side, numbers, scaled = _prepared(given)
    best, total = np.full(n, LOWEST), np.zeros(n, F)
    own = given.positive.numpy()
    for start, end in _blocks(n, m):
        product = torch.mm(scaled, given.y[start:end].T).numpy()
        add_up(product, start, own, side, numbers, best, total)
    return torch.from_numpy(best + np.log(total, where=total > 0, out=np.full(n, -np.inf, F)))


def _pulls(given: Given, repelled: Tensor, share: Tensor, needed: tuple[bool, bool]) -> Pulled:
    (n, d), m = given.x.shape, len(given.y)
    side, numbers, scaled = _prepared(given)
    own, sums = given.positive.numpy(), np.zeros((n, 3))
    c = float(numbers.c)
    x_time, y_time = (_time(numbers, each) for each in (side.a, side.b))
    pulled, of_time = given.x.new_zeros(n, d), given.x.new_zeros(n)
    of_y = given.y.new_empty(m, d)
    r, s = repelled.numpy(), share.numpy()
    for start, end in _blocks(n, m):
        y = given.y[start:end]
        of_q = torch.mm(scaled, y.T)
        pull(of_q.numpy(), start, own, r, s, side, numbers, needed[0], needed[1], sums)
        pulled.addmm_(of_q, y)
        of_time.addmv_(of_q, y_time[start:end])
        along = torch.mv(of_q.T, x_time).div_(y_time[start:end]).mul_(c / 2)
        torch.addmm(y * along[:, None], of_q.T, given.x, alpha=-c / 2, out=of_y[start:end])
    of_x = (given.x * (of_time / x_time)[:, None] - pulled).mul_(c / 2)
    of_tau, of_weight, of_sigma = torch.from_numpy(sums.sum(0)).to(given.tau)
    return Pulled(of_x, of_y, of_tau, of_weight, of_sigma * given.weight / given.sigma)


KERNEL = Kernel(_log_sums, _pulls)


def _blocks(n: int, m: int) -> list[tuple[int, int]]:
    step = max(1, PAIRS_AT_ONCE // max(1, n))
    return [(start, min(m, start + step)) for start in range(0, m, step)]


def _prepared(given: Given) -> tuple[Sides, Numbers, Tensor]:
    """Return the sides, the numbers, and x times -c/2, whose products with y are taken."""
    rule = given.rule
    c = rule.curvature
    where = (np.zeros((3, 0), F),) * 2
    if given.places is not None:
        places = given.places.images, given.places.entities
        where = tuple(each.T.contiguous().numpy() for each in places)  # type: ignore[assignment]
    tau, weight, sigma = (F(each.item()) for each in (given.tau, given.weight, given.sigma))
    near = 0 if given.places is None else NUMBERS[rule.kernel]
    geometry, power = NAMES.index(rule.geometry), F(rule.power)
    numbers = Numbers(geometry, rule.squared, near, F(c), tau, weight, sigma, power)
    pairs = (sides(points, rule.geometry, c) for points in (given.x, given.y))
    (a, f), (b, g) = ([each.numpy() for each in pair] for pair in pairs)
    return Sides(a, f, b, g, *where), numbers, given.x * (-c / 2)


def _time(numbers: Numbers, a: np.ndarray) -> Tensor:
    found = torch.from_numpy(a)
    return torch.ones_like(found) if numbers.geometry else torch.sqrt(1 + found * found)
