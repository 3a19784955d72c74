"""The twin of `kernels.geo_contrast`: two passes over tiles of pairs that are never kept.

Entities are cut into as many parts as fill the GPU; a program adds up the tiles of one part for a
block of images, and the parts are added in a fixed order: the same bytes each time. The backward
pass makes each tile twice, once for the gradients of the images and once for those of the
entities, rather than adding to shared numbers in the order of arrival.

To be judged on an H100 (3.35 TB/s; 67 TFLOP/s in float32 outside of tensor cores, which IEEE
products need), for 64 images, 210,000 entities, 128 dimensions: entities are 107 MB. `add_up` reads
them once, `pull_images` once, `pull_entities` reads and writes them once: 430 MB, 0.13 ms. The
products are 1 + 2 + 2 times 3.4 GFLOP: 0.26 ms at the peak; a pair costs some 60 operations more
for its energy and weight, three times: 2.4 GFLOP. So 0.3 ms at the least, and 0.6 ms would be well
done; 512 images: 2.1 ms at the least, all of it products. Beyond inputs and gradients memory is
3 numbers for a part of an image, and 2 side numbers for a point: 2 MB.
"""

import torch
import triton
from torch import Tensor

from hiertools.kernels.energies import NAMES, sides
from hiertools.kernels.geo_contrast import Given, Kernel, Pulled
from hiertools.kernels.geo_weights import NUMBERS
from hiertools.kernels.gpu import geo_passes

PROGRAMS = 528  # four for each processor of an H100
WIDEST = 128  # columns of a gradient that a program keeps in registers


def _log_sums(given: Given) -> Tensor:
    n = len(given.x)
    if not n or not len(given.y):
        return given.x.new_full((n,), -torch.inf)
    parts = _parts(given)
    best, total = given.x.new_empty(2, parts, n)
    geo_passes.add_up[lambda meta: (triton.cdiv(n, meta["BN"]), parts)](
        *_arguments(given), best, total, parts, **_choices(given)
    )
    log_sums: Tensor = (best + total.log()).logsumexp(0)
    return log_sums


def _pulls(given: Given, repelled: Tensor, share: Tensor, needed: tuple[bool, bool]) -> Pulled:
    (n, d), m = given.x.shape, len(given.y)
    none = torch.zeros_like(given.tau)
    of_y = given.y.new_zeros(m, d)  # contiguous, whatever y is
    if not n or not m:
        return Pulled(torch.zeros_like(given.x), of_y, none, none, none)
    parts, wide = _parts(given), min(WIDEST, max(16, triton.next_power_of_2(d)))
    arguments, choices = (*_arguments(given), repelled, share), _choices(given)
    pulled, sums = given.x.new_empty(parts, n, d + 1), given.x.new_empty(3, parts, n)
    geo_passes.pull_images[lambda meta: (triton.cdiv(n, meta["BN"]), parts, triton.cdiv(d, wide))](
        *arguments, pulled, sums, parts, WIDE=wide, **choices
    )
    geo_passes.pull_entities[lambda meta: (triton.cdiv(m, meta["BM"]), 1, triton.cdiv(d, wide))](
        *arguments, of_y, WIDE=wide, **choices
    )
    of_x = _gradient(given, pulled.sum(0))
    of_tau, of_weight, of_sigma = sums.sum((1, 2))
    return Pulled(of_x, of_y, of_tau, of_weight, of_sigma * given.weight / given.sigma)


KERNEL = Kernel(_log_sums, _pulls)


def _gradient(given: Given, pulled: Tensor) -> Tensor:
    """Return c/2 (x pulled_time / time - pulled), see `energies.Pairs.pull`."""
    x, c = given.x, given.rule.curvature
    time = torch.ones_like(x[:, :1])
    if given.rule.geometry == "lorentz":
        time = torch.sqrt(1 + c * torch.linalg.vecdot(x, x))[:, None]
    return (x * (pulled[:, -1:] / time)).sub_(pulled[:, :-1]).mul_(c / 2)


def _parts(given: Given) -> int:
    """Return how many parts entities are cut into, so that there is a program for each."""
    rows = -(-len(given.x) // 32)
    return max(1, min(-(-len(given.y) // 64), PROGRAMS // rows))


def _arguments(given: Given) -> tuple[object, ...]:
    """Return what the kernels share; places are 3 x n and 3 x m, so that loads are together."""
    x, y, rule, c = given.x.contiguous(), given.y.contiguous(), given.rule, given.rule.curvature
    where = (x, y)
    if given.places is not None:
        where = given.places.images.T.contiguous(), given.places.entities.T.contiguous()
    scalars = torch.stack([given.tau, given.weight, given.sigma]).float()
    side = (torch.stack(sides(points, rule.geometry, c)) for points in (x, y))
    positive = given.positive.contiguous()
    return (
        x,
        y,
        *side,
        *where,
        positive,
        scalars,
        len(x),
        len(y),
        x.shape[1],
        float(c),
        float(rule.power),
    )


def _choices(given: Given) -> dict[str, object]:
    near = 0 if given.places is None else NUMBERS[given.rule.kernel]
    geometry = NAMES.index(given.rule.geometry)
    return {"GEOMETRY": geometry, "SQUARED": given.rule.squared, "NEAR": near}
