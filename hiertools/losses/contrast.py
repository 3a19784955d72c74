"""What the losses of pairs share: the points of a batch, what attracts what, and InfoNCE."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from hiertools.errors import UsageError
from hiertools.geometry.polar import Scalar


@dataclass(frozen=True)
class Masks:
    """The columns that attract each row, and those that repel it; the others play no part."""

    positive: Bool[Tensor, "b n"]
    negative: Bool[Tensor, "b n"]


@dataclass(frozen=True)
class Contrast:
    """A batch of n pairs parent -> child, of which b are the rows of this process.

    parents, children: points of the rows; all_parents, all_children: those of the whole batch,
    the columns. down: rows are parents and columns children; up: rows are children and columns
    parents. pairs: how many pairs of the batch count. geometry: a name of
    `geometry.names.GEOMETRIES`, of curvature -c; tau: the temperature.
    """

    parents: Float[Tensor, "b d"]
    children: Float[Tensor, "b d"]
    all_parents: Float[Tensor, "n d"]
    all_children: Float[Tensor, "n d"]
    down: Masks
    up: Masks
    pairs: int
    geometry: str
    c: Scalar
    tau: Float[Tensor, ""]

    @property
    def shares(self) -> Float[Tensor, " b"]:
        """Return the share of each row in a mean over all pairs, 0 for one that does not count."""
        counts = self.down.positive.any(1)
        return counts.to(self.parents.dtype) / max(1, self.pairs)

    def mean(self, losses: Float[Tensor, " b"]) -> Float[Tensor, ""]:
        """Return this process's share of a mean over all pairs: the shares' sum is the mean."""
        return torch.where(self.down.positive.any(1), losses, 0).sum() / max(1, self.pairs)


def info_nce(logits: Float[Tensor, "b n"], masks: Masks, *, positives: str) -> Float[Tensor, " b"]:
    """Return the multi-positive InfoNCE loss of each row; 0 for a row without positives.

    With the logits l of a row and its negatives N, the positive j has the probability
    p_j = exp(l_j) / (exp(l_j) + sum over k in N of exp(l_k)): a denominator holds its own positive
    and all negatives, but no other positive. `out` is the mean of -log p_j, `in` is -log of the
    mean of p_j; the words are of Khosla et al. 2020 (arXiv:2004.11362, eqs. 2 and 3), whose
    denominators hold the other positives too.
    """
    check_positives(positives)
    lowest = torch.finfo(logits.dtype).min  # instead of -inf, whose gradients are NaN
    repelled = logits.masked_fill(~masks.negative, lowest).logsumexp(1, keepdim=True)
    log_p = logsigmoid(logits - repelled)
    count = masks.positive.sum(1)
    if positives == "out":
        return -torch.where(masks.positive, log_p, 0).sum(1) / count.clamp(min=1)
    log_sum = torch.where(masks.positive, log_p, lowest).logsumexp(1)
    log_count = count.clamp(min=1).to(log_sum).log()
    return torch.where(count > 0, log_count - log_sum, 0)


def check_positives(positives: str) -> None:
    """Raise `UsageError` for what is neither out nor in."""
    if positives not in ("out", "in"):
        raise UsageError(f"positives={positives}: there are out and in")
