"""Hierarchical cross-entropy: the steps down to a class count less the deeper they are.

HXE of Bertinetto et al. 2020, "Making Better Mistakes" (arXiv:1912.09393), section 3.1. C_0, C_1,
... are the nodes from the root down to the class, and p of a node is the sum over the classes at or
below it: L = - sum over l > 0 of lambda_l log p(C_l | C_l-1). lambda_l = exp(-alpha (l - 1)): the
first step down counts 1, whatever alpha. (The paper's code has a constant factor more.)

In a DAG a node's parent is the one of least depth, so that all ways make a tree, and a class that
is above others has itself as a leaf below it.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hiertools.losses import given
from hiertools.losses.outputs import Outputs
from hiertools.losses.relations import kernel


def loss(outputs: Outputs, *, alpha: float = 0.2) -> Float[Tensor, ""]:
    """Return the mean of hierarchical cross-entropy over the items; 0 of no items.

    alpha: how fast a step's weight falls with its depth; at 0 this is cross-entropy.
    """
    given.at_least_0(alpha=alpha)
    labels = outputs.labels
    joins = outputs.relations.joins[labels]
    log_p = log_probabilities(outputs.logits, joins)
    own = outputs.relations.joins.diagonal()[labels]
    above = torch.arange(log_p.shape[1] - 1, device=labels.device)  # steps above each step
    weights = torch.where(above < own[:, None], kernel(above.to(log_p), alpha), 0)
    return (weights * (log_p[:, :-1] - log_p[:, 1:])).sum() / max(1, len(labels))


def log_probabilities(
    logits: Float[Tensor, "b C"], joins: Int[Tensor, "b C"]
) -> Float[Tensor, "b levels"]:
    """Return log p of the node in each depth on the way to an item's class, from the root down.

    Beyond the class it is some low number. A class k is below the node of depth l if the ways part
    at l or deeper: so the classes are sorted into one bucket for each depth, and the buckets from
    l on added, all by logarithms of sums, in which no small probability is lost.
    """
    b, depth = len(logits), int(joins.max()) + 1 if joins.numel() else 1
    lowest = torch.finfo(logits.dtype).min
    greatest = logits.new_full((b, depth), lowest)
    greatest = greatest.scatter_reduce(1, joins, logits.detach(), "amax")
    sums = torch.zeros_like(greatest).scatter_add(
        1, joins, (logits - greatest.gather(1, joins)).exp()
    )
    is_empty = sums == 0
    log_sums = torch.where(is_empty, lowest, torch.where(is_empty, 1, sums).log() + greatest)
    at_or_below = torch.ones(depth, depth, dtype=torch.bool, device=logits.device).triu()
    reached = torch.where(at_or_below, log_sums[:, None], lowest).logsumexp(2)
    return reached - reached[:, :1]
