"""Prototypes: a class's mean in a batch of the embeddings, each of them made of length 1 before.

The mean itself is shorter than 1, and the more so the further apart the embeddings of a class are.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

SHORTEST = 1e-6  # a shorter vector stays shorter than 1, so that 0 has a finite gradient


def unit(vectors: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
    """Return the vectors with length 1."""
    return normalize(vectors, eps=SHORTEST)


def means(
    embeddings: Float[Tensor, "b d"], labels: Int[Tensor, " b"]
) -> tuple[Int[Tensor, " k"], Float[Tensor, "k d"]]:
    """Return the k classes that are in a batch, in their order, and their prototypes.

    Sums are a product of matrices, which gives the same bytes every time on a GPU too.
    """
    classes, row = torch.unique(labels, return_inverse=True)
    is_of = (row == torch.arange(len(classes), device=row.device)[:, None]).to(embeddings)
    return classes, (is_of / is_of.sum(1, keepdim=True)) @ unit(embeddings)


@torch.no_grad()
def moved(
    averages: Float[Tensor, "C d"],
    embeddings: Float[Tensor, "b d"],
    labels: Int[Tensor, " b"],
    *,
    momentum: float,
) -> Float[Tensor, "C d"]:
    """Return the moving averages after a batch: momentum * before + (1 - momentum) * prototype.

    A class that is in a batch for the first time, whose row is 0, takes its prototype.
    """
    classes, found = means(embeddings, labels)
    before = averages[classes]
    is_new = ~before.any(1, keepdim=True)
    return averages.index_copy(
        0, classes, torch.where(is_new, found, before.lerp(found, 1 - momentum))
    )
