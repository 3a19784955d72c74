"""Batch normalisation over the pictures of all ranks, so that their number does not matter.

Ioffe & Szegedy 2015 (arXiv:1502.03167). The mean and the variance are those of all good pictures
of the batch: of this rank and of the others, but not of the zeros that stand for what cannot be
used. torch's own is faster, and does the same where one process has all of a batch.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from hiertools.training.ranks import Ranks

LAYER = nn.modules.batchnorm._BatchNorm


def learn_statistics(network: nn.Module) -> None:
    """Let batch normalisation take its statistics from batches; all else stays as it is."""
    for module in network.modules():
        if isinstance(module, LAYER):
            module.train()


def statistics(network: nn.Module) -> dict[str, Tensor]:
    """Return the running statistics of batch normalisation, by name."""
    return {
        f"{name}.{key}": buffer
        for name, module in network.named_modules()
        if isinstance(module, LAYER)
        for key, buffer in module.named_buffers(recurse=False)
    }


@contextmanager
def over(good: Tensor, ranks: Ranks) -> Iterator[None]:
    """Take statistics over the good pictures of all ranks, within the block.

    good: which pictures of this rank's are, in the order of its rows.
    """
    if ranks.size == 1 and len(good) > 1 and bool(good.all()):
        yield
        return
    with _OverRanks(good, ranks):
        yield


class _OverRanks(TorchFunctionMode):
    def __init__(self, good: Tensor, ranks: Ranks) -> None:
        super().__init__()
        self.good, self.ranks = good, ranks

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Replace batch normalisation that takes statistics; call anything else as it is."""
        if func is functional.batch_norm:
            return self._batch_norm(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))

    def _batch_norm(
        self,
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not training:
            return functional.batch_norm(
                x, running_mean, running_var, weight, bias, training, momentum, eps
            )
        shape = (1, -1) + (1,) * (x.ndim - 2)
        others = [axis for axis in range(x.ndim) if axis != 1]
        of_row = self.good.to(x).view(-1, *(1,) * (x.ndim - 1))
        total = self._sum(of_row.sum().view(1)) * x[0, 0].numel()
        count = total.clamp(min=1)
        mean = self._sum((x * of_row).sum(others)) / count
        centred = x - mean.view(shape)
        variance = self._sum((centred**2 * of_row).sum(others)) / count
        if running_mean is not None and running_var is not None:
            with torch.no_grad():
                unbiased = variance * count / (count - 1).clamp(min=1)
                share = momentum * (total > 0).to(mean)  # a batch of no good picture says nothing
                running_mean.lerp_(mean, share)
                running_var.lerp_(unbiased, share)
        found = centred * (variance + eps).rsqrt().view(shape)
        if weight is not None:
            found = found * weight.view(shape)
        return found if bias is None else found + bias.view(shape)

    def _sum(self, own: Tensor) -> Tensor:
        if self.ranks.size == 1:
            return own
        total: Tensor = _Sum.apply(own)
        return total


class _Sum(torch.autograd.Function):
    """The sum over all ranks; a rank's loss is a share, so gradients add up too."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total
