"""The twin of `kernels.angle_contrast`: three passes over tiles of pairs that are never kept.

The first gives the log-sums and the loss of each row, the others the gradients of rows and of
columns; each program owns its rows or columns, so that sums have a fixed order. Float32
throughout: directions by differences, radii as a sum of two numbers, so that nothing cancels.

To be judged on an H100 (3.35 TB/s; 67 TFLOP/s in float32): 1,024 pairs of 128 dimensions, both
directions of search. A tile's differences cost 6 operations a coordinate and are made twice in
the first pass and once in each other, whose gradients take 4 a coordinate more: 32 d operations a
pair, 4.3 GFLOP a direction, 0.13 ms for both at the peak. 16 to 64 programs leave half of the
card's 132 processors idle, or more: 1 ms would be well done here, and what is lost is gone from a
batch of 8,192 on (8 ms at the peak). All that is read more than once fits the cache; the masks of
both directions, read twice in all in the first pass and once in each other, are 4 MB.
"""

import torch
import triton
from torch import Tensor

from hiertools.kernels.angle_contrast import Given, Polar, Pulled
from hiertools.kernels.energies import NAMES
from hiertools.kernels.gpu import angle_passes


def pulled(given: Given) -> Pulled:
    """Return the sum and its gradients."""
    x, y = given.x, given.y
    b, n, d = len(x.a), len(y.a), x.u.shape[1]
    tau = given.tau.detach().float().reshape(1)
    points = _columns(x.u), _columns(y.u), _sides(x), _sides(y)
    masks = (each.contiguous().view(torch.uint8) for each in (given.positive, given.negative))
    arguments = (*points, *masks, tau, b, n, d)
    choices: dict[str, object] = {
        "GEOMETRY": NAMES.index(given.geometry),
        "INWARD": given.inward,
        "INSIDE": given.positives == "in",
    }
    rows = points[0].new_zeros(4, b)
    if b:
        angle_passes.add_up[lambda meta: (triton.cdiv(b, meta["BN"]),)](*arguments, rows, **choices)
    shares = given.shares.detach().float().contiguous()
    losses, rows[0] = rows[0].clone(), shares
    of_x, of_tau = _pulls(x, arguments, rows, choices, own=0)
    of_y, _ = _pulls(y, arguments, rows, choices, own=1)
    value = torch.dot(shares.double(), losses.double())
    return Pulled(value, of_x, of_y, of_tau.double().sum())


def _pulls(
    side: Polar, arguments: tuple[object, ...], rows: Tensor, choices: dict[str, object], own: int
) -> tuple[Polar, Tensor]:
    """Return the gradients of rows (own is 0) or of columns (1), and a row's part of tau's."""
    n, d = side.u.shape
    of_u, of_sides = rows.new_zeros(d, n), rows.new_zeros(3, n)
    block = ("BN", "BM")[own]
    if n:
        angle_passes.pull[lambda meta: (triton.cdiv(n, meta[block]),)](
            *arguments, rows, of_u, of_sides, OWN=own, **choices
        )
    of_a, of_t, of_tau = of_sides
    return Polar(of_a.double(), of_u.T.double(), of_t.double()), of_tau


def _columns(u: Tensor) -> Tensor:
    """Return directions as d x n, so that neighbours in memory are loaded together."""
    return u.float().T.contiguous()


def _sides(side: Polar) -> Tensor:
    """Return sn and cs of the radii, each as a float32 number and what it lacks (4 x n)."""
    rows = []
    for exact in (side.a, side.t):
        rounded = exact.float()
        rows += [rounded, (exact - rounded.double()).float()]
    return torch.stack(rows)
