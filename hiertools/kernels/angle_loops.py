"""The sum of `angle_contrast` on a CPU: torch's products of directions, a compiled loop over rows.

All in float64, as in the definition, of which torch's own passes over pairs take three times as
long as this takes in all (`tests/benchmarks/kernels.py --only losses`).
"""

import numpy as np
import torch

from hiertools.kernels.angle_contrast import NOISE, SMALLEST, Given, Polar, Pulled, outward
from hiertools.kernels.angle_rows import Numbers, Sides, pull

PAIRS_AT_ONCE = 2**17  # a megabyte of products
PARTS = 16  # of a block of rows, whatever the number of threads: sums are in the same order


def pulled(given: Given) -> Pulled:
    """Return the sum and its gradients."""
    x, y = given.x, given.y
    b, n = len(x.a), len(y.a)
    of_x = Polar(*map(torch.empty_like, x))
    of_u = torch.zeros_like(y.u)
    of_b, of_t, sums = np.zeros((PARTS, n)), np.zeros((PARTS, n)), np.zeros((PARTS, 2))
    numbers = Numbers(given.tau.item(), given.inward, given.positives == "in", NOISE, SMALLEST)
    out, of = outward(x, y, given.geometry)
    columns = [each.numpy() for each in (y.a, y.t, of)]
    shares = given.shares.double()
    step = max(1, PAIRS_AT_ONCE // max(1, n))
    products = x.a.new_empty(min(step, b), n)
    for start in range(0, b, step):
        rows = slice(start, start + step)
        u = x.u[rows]
        product = torch.mm(u, y.u.T, out=products[: len(u)])
        arrays = x.a[rows], x.t[rows], out[:, rows]
        masks = given.positive[rows], given.negative[rows], shares[rows]
        pull(
            product.numpy(), *(each.contiguous().numpy() for each in masks),
            Sides(*(each.contiguous().numpy() for each in arrays), *columns), numbers,
            of_x.a[rows].numpy(), of_x.t[rows].numpy(), of_b, of_t, sums,
        )  # fmt: skip
        torch.mm(product, y.u, out=of_x.u[rows]).neg_()
        of_u.addmm_(product.T, u, alpha=-1)
    of_y = Polar(torch.from_numpy(of_b.sum(0)), of_u, torch.from_numpy(of_t.sum(0)))
    value, along = torch.from_numpy(sums.sum(0))
    return Pulled(value, of_x, of_y, -along / given.tau)
