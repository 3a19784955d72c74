"""Pairs of classes in a batch: how far apart they lie, and the mean of what each pair loses.

A class has a vector in one of three forms: `prototype`, the mean of its embeddings in the batch;
`sample`, one embedding, so that a pair of classes is as many pairs as it has samples; `head`, its
row of the classifier, so that all classes are there in every batch. Samples and rows are made of
length 1 as the embeddings of a prototype are, so that a margin means the same for all forms.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hiertools.kernels.pair_errors import mean_error
from hiertools.losses import given, prototypes
from hiertools.losses.outputs import Outputs

FORMS = ("prototype", "sample", "head")


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows and columns: vectors x and y, and their classes, None for all in their order.

    counts: how many ordered pairs of distinct classes an entry stands for: 0 within a class, 2 if
    the column's class is not in the batch, so that the other order is no entry.
    """

    x: Float[Tensor, "r d"]
    y: Float[Tensor, "n d"]
    rows: Int[Tensor, " r"] | None
    columns: Int[Tensor, " n"] | None
    counts: Float[Tensor, "r n"]

    def of(self, table: Tensor) -> Tensor:
        """Return what a table of classes x classes says of each pair: r x n."""
        if self.rows is None:
            return table
        return table[self.rows] if self.columns is None else table[self.rows[:, None], self.columns]

    def mean_error(
        self,
        targets: Float[Tensor, "r n"],
        weights: Float[Tensor, "r n"],
        pulls: Bool[Tensor, "r n"],
    ) -> Float[Tensor, ""]:
        """Return the weighted mean over ordered pairs of distinct classes; see `mean_error`."""
        return mean_error(self.x, self.y, targets, weights, self.counts, pulls)


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
        rows = prototypes.unit(outputs.rows)
        return Pairs(rows, rows, None, None, 1 - torch.eye(len(rows)).to(rows))
    classes, means = prototypes.means(outputs.embeddings, outputs.labels)
    if average and outputs.averages is not None:
        return _with_absent(classes, means, outputs.averages)
    return _among(means, classes)


def _among(vectors: Float[Tensor, "n d"], classes: Int[Tensor, " n"]) -> Pairs:
    is_pair = classes[:, None] != classes
    return Pairs(vectors, vectors, classes, classes, is_pair.to(vectors))


def _with_absent(
    classes: Int[Tensor, " k"], means: Float[Tensor, "k d"], averages: Float[Tensor, "C d"]
) -> Pairs:
    """Return the pairs of present classes, and of a present and an absent one, which count twice.

    Both orders of such a pair have the same distance, and stand in one entry.
    """
    places = torch.arange(len(averages), device=averages.device)
    everywhere = averages.detach().index_copy(0, classes, means.detach())
    counts = 2 * averages.detach().any(1).to(means)
    counts = counts.index_fill(0, classes, 1) * (classes[:, None] != places)
    return Pairs(means, everywhere, classes, None, counts)
