"""The processes of a training, under torchrun or alone: who has which rows, and sums over all.

A batch is the same for any number of ranks: each takes a slice of its rows and contrasts them with
all of them. So a rank's loss is a share of the batch's, and gradients are added up.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from hiertools.errors import UserError


@dataclass(frozen=True)
class Ranks:
    """This process's rank among `size`; the first one writes the files and speaks."""

    rank: int
    size: int

    @property
    def is_first(self) -> bool:
        """Return whether this is the rank that writes and speaks."""
        return self.rank == 0

    def rows(self, n: int) -> slice:
        """Return this rank's slice of n rows."""
        return slice(*(i * n // self.size for i in (self.rank, self.rank + 1)))

    def gather(self, own: Tensor, n: int) -> Tensor:
        """Return all n rows, of which each rank has its slice; differentiable."""
        if self.size == 1:
            return own
        rows: Tensor = _Gather.apply(own, n, self)
        return rows

    def add(self, tensors: list[Tensor]) -> None:
        """Replace tensors by their sums over all ranks."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def union(self, found: dict[str, str]) -> dict[str, str]:
        """Return what any rank has found."""
        parts: list[dict[str, str]] = [found] * self.size
        if self.size > 1:
            dist.all_gather_object(parts, found)
        return {key: value for part in parts for key, value in part.items()}

    def once(self, error: UserError) -> BaseException:
        """Return what to raise where all ranks come to the same error: one of them says it."""
        return error if self.is_first else SystemExit(error.exit_code)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, own: Tensor, n: int, ranks: Ranks) -> Tensor:
        ctx.rows = ranks.rows(n)
        slices = [Ranks(rank, ranks.size).rows(n) for rank in range(ranks.size)]
        counts = [rows.stop - rows.start for rows in slices]
        padded = own.new_zeros(max(counts), *own.shape[1:])  # slices differ by a row
        padded[: len(own)] = own
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total[ctx.rows], None, None


def place() -> tuple[int, int]:
    """Return this process's rank and the number of ranks, as torchrun says."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


def own_device(device: torch.device) -> torch.device:
    """Return the GPU of this rank, where the device is a GPU and torchrun runs several."""
    if device.type == "cuda" and place()[1] > 1:
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return device


@contextmanager
def together(device: torch.device) -> Iterator[Ranks]:
    """Yield the ranks; they can talk to each other within the block."""
    rank, size = place()
    if size == 1:
        yield Ranks(rank, size)
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Ranks(rank, size)
    finally:
        dist.destroy_process_group()
