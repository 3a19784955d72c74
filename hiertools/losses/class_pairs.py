"""Pairs of classes in a batch: how far apart they lie, and the mean of what each pair loses.

A class has a vector in one of three forms: `prototype`, the mean of its embeddings in the batch;
`sample`, one embedding, so that a pair of classes is as many pairs as it has samples; `head`, its
row of the classifier, so that all classes are there in every batch. Samples and rows are made of
length 1 as the embeddings of a prototype are, so that a margin means the same for all forms.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hiertools.losses import given, prototypes
from hiertools.losses.outputs import Outputs

FORMS = ("prototype", "sample", "head")
ROUNDINGS = 4  # of the squared distance of unit vectors, in units of the float's eps


@dataclass(frozen=True)
class Pairs:
    """Pairs of a row and a column. distances: of their vectors; rows, columns: their classes.

    counts: how many ordered pairs of distinct classes an entry stands for, 0 within a class.
    """

    distances: Float[Tensor, "r n"]
    rows: Int[Tensor, " r"]
    columns: Int[Tensor, " n"]
    counts: Float[Tensor, "r n"]

    def of(self, table: Tensor) -> Tensor:
        """Return what a table of classes x classes says of each pair: r x n."""
        return table[self.rows][:, self.columns]

    def mean(
        self, losses: Float[Tensor, "r n"], weights: Float[Tensor, "r n"]
    ) -> Float[Tensor, ""]:
        """Return the weighted mean over ordered pairs of distinct classes; 0 without a weight."""
        weights = weights * self.counts
        total = weights.sum()
        return (weights * losses).sum() / torch.where(total > 0, total, 1)


def pairs(outputs: Outputs, *, form: str, average: float) -> Pairs:
    """Return the pairs of a form.

    average: if it is not 0, a class that is not in the batch takes part in the form `prototype` by
    its moving average, which does not learn: in pairs with a class that is in the batch.
    """
    given.one_of(FORMS, form=form)
    given.momentum(average=average)
    if form == "sample":
        return _among(prototypes.unit(outputs.embeddings), outputs.labels)
    if form == "head":
        places = torch.arange(len(outputs.rows), device=outputs.rows.device)
        return _among(prototypes.unit(outputs.rows), places)
    classes, means = prototypes.means(outputs.embeddings, outputs.labels)
    if average and outputs.averages is not None:
        return _with_absent(classes, means, outputs.averages)
    return _among(means, classes)


def distances(x: Float[Tensor, "r d"], y: Float[Tensor, "n d"]) -> Float[Tensor, "r n"]:
    """Return sqrt(|x - y|^2 + eps) of every x and y, of length 1 at most.

    The eps in the root is what rounding leaves of |x - y|^2 by one product of matrices, so that a
    gradient is not longer than 1 by much, and finite where vectors coincide. The mean of y goes
    first: what rounding leaves is a share of the spread, not of the length.
    """
    centre = y.detach().mean(0)
    x, y = x - centre, y - centre
    squared = x.square().sum(1)[:, None] + y.square().sum(1) - 2 * x @ y.T
    return (squared.clamp(min=0) + eps(squared.dtype)).sqrt()


def eps(dtype: torch.dtype) -> float:
    """Return the eps in the root of a distance."""
    return ROUNDINGS * torch.finfo(dtype).eps


def _among(vectors: Float[Tensor, "n d"], classes: Int[Tensor, " n"]) -> Pairs:
    is_pair = classes[:, None] != classes
    return Pairs(distances(vectors, vectors), classes, classes, is_pair.to(vectors))


def _with_absent(
    classes: Int[Tensor, " k"], means: Float[Tensor, "k d"], averages: Float[Tensor, "C d"]
) -> Pairs:
    """Return the pairs of present classes, and of a present and an absent one, which count twice.

    Both orders of such a pair have the same distance, and stand in one entry.
    """
    places = torch.arange(len(averages), device=averages.device)
    everywhere = averages.detach().index_copy(0, classes, means)
    counts = 2 * averages.detach().any(1).to(means)
    counts = counts.index_fill(0, classes, 1) * (classes[:, None] != places)
    return Pairs(distances(means, everywhere), classes, places, counts)
