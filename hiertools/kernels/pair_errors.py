"""The weighted mean of how far the distances of pairs are off, with its gradient in one pass.

A pair is off by |d - t|, d the distance of its vectors and t its target; one that does not pull
loses nothing beyond its target. As the sum of many such terms is one number, its gradient is known
as soon as it is: some ten passes over the pairs, where autograd has some fifty. Pairs go by blocks
of rows that stay near the processor.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

ROUNDINGS = 4  # of the squared distance of unit vectors, in units of the float's eps
PAIRS_AT_ONCE = {"cpu": 2**17, "cuda": 2**25}


def mean_error(
    x: Float[Tensor, "r d"],
    y: Float[Tensor, "n d"],
    targets: Float[Tensor, "r n"],
    weights: Float[Tensor, "r n"],
    counts: Float[Tensor, "r n"],
    pulls: Bool[Tensor, "r n"],
) -> Float[Tensor, ""]:
    """Return sum of w l / sum of w over ordered pairs of x and y; 0 without a weight.

    l = |d - t| where a pair pulls, else max(0, t - d). Both orders of a pair have the same target
    and weight. counts: how many ordered pairs an entry stands for: 0 for none, 1 where the other
    order is an entry of its own, as y is an x too, and 2 where it is not, as y does not learn.
    Differentiable in x, and so with respect to both ends of the pairs of x.
    """
    found: Tensor = _MeanError.apply(x, y.detach(), targets, weights, counts, pulls)
    return found


def distances(x: Float[Tensor, "r d"], y: Float[Tensor, "n d"]) -> Float[Tensor, "r n"]:
    """Return sqrt(|x - y|^2 + eps) of every x and y, vectors whose length is 1 at most.

    The eps in the root is what rounding leaves of |x - y|^2 by one product of matrices, so that a
    gradient is not longer than 1 by much, and finite where vectors coincide. The mean of y goes
    first: what rounding leaves is a share of the spread, not of the length.
    """
    x, y = _centred(x, y)
    return _distances(x, y, y.square().sum(1))


def eps(dtype: torch.dtype) -> float:
    """Return the eps in the root of a distance."""
    return ROUNDINGS * torch.finfo(dtype).eps


def _centred(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    centre = y.sum(0) / max(1, len(y))
    return x - centre, y - centre


def _distances(x: Tensor, y: Tensor, y_squared: Tensor) -> Tensor:
    found = torch.addmm(y_squared, x, y.T, alpha=-2).add_(x.square().sum(1, keepdim=True))
    return found.clamp_(min=0).add_(eps(x.dtype)).sqrt_()


class _MeanError(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        y: Tensor,
        targets: Tensor,
        weights: Tensor,
        counts: Tensor,
        pulls: Tensor,
    ) -> Tensor:
        x, y = _centred(x, y)
        y_squared = y.square().sum(1)
        value, gradient = x.new_zeros(()), torch.empty_like(x)
        counted = weights * counts
        rows = max(1, PAIRS_AT_ONCE[x.device.type] // max(1, len(y)))
        for i in range(0, len(x), rows):
            part = slice(i, i + rows)
            d = _distances(x[part], y, y_squared)
            off = d - targets[part]
            slopes = off.sign().mul_(pulls[part] | (off < 0))
            value += torch.linalg.vecdot((slopes * counted[part]).flatten(), off.flatten())
            slopes.mul_(weights[part]).mul_(counts[part] > 0).div_(d)
            torch.addmm(
                slopes.sum(1, keepdim=True) * x[part], slopes, y, alpha=-1, out=gradient[part]
            )
        total = counted.sum()
        total = torch.where(total > 0, total, 1)
        ctx.save_for_backward(gradient.mul_(2 / total))
        return value / total

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (found,) = ctx.saved_tensors
        return gradient * found, None, None, None, None, None
