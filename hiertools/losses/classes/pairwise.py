"""Cross-entropy, and a pull of related classes and a push of the others up to a margin.

Muñoz Guerrero et al. 2025, "Leveraging ImageNet's Hierarchical Structure for Enhanced Image
Classification and Retrieval", eqs. 2 to 6: L = mean cross-entropy + lambda * P. The paper's P is a
sum over all pairs of classes; here it is a mean, sum of w l / sum of w over the ordered pairs of
distinct classes that are there, so that lambda does not depend on their number.

The paper's weights omega_ij = exp(-a d_ij) / Z_i are least where classes repel each other. So only
`repelling=literal` has them, for both kinds of pairs. Else a related pair weighs exp(-a d_ij), its
omega without Z_i: this is of one scale with its complement 1 - exp(-a d_ij) and with 1. Of the
1,000 classes of ILSVRC, of which 1.5 % of the pairs are at most 4 apart, these then have .56 % of
all weight at a = .3, and with omega in its place they would have .01 %; they have 11 % by the
literal weights, as the others have next to none.

With unit vectors and a margin of .2 no pair of random prototypes is so near that it repels.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from hiertools.errors import UsageError
from hiertools.losses import given
from hiertools.losses.class_pairs import Pairs, pairs
from hiertools.losses.classes import cross_entropy
from hiertools.losses.outputs import Outputs, Relations
from hiertools.losses.relations import kernel, omega, shares

REPELLING = ("complement", "literal", "uniform")


def loss(
    outputs: Outputs,
    *,
    balance: float = 0.5,
    margin: float = 0.2,
    decay: float = 0.3,
    form: str = "prototype",
    repelling: str = "complement",
    with_self: bool = True,
    average: float = 0.0,
) -> Float[Tensor, ""]:
    """Return cross-entropy + balance * P; with a balance of 0 exactly cross-entropy.

    A pair loses its distance if it is related, else max(0, margin - distance). balance: lambda;
    margin: m, of vectors whose length is 1 at most; decay: a of the weights; form: a class is the
    mean of its embeddings in the batch (prototype), each of them (sample) or its row of the
    classifier (head); repelling: what an unrelated pair weighs, 1 - exp(-a d) (complement), omega
    (literal) or 1 (uniform); with_self: whether omega's sum holds the class itself; average: the
    momentum of moving averages by which classes that are not in the batch have a prototype, 0 for
    none.
    """
    given.at_least_0(balance=balance, margin=margin, decay=decay)
    given.one_of(REPELLING, repelling=repelling)
    if not with_self and repelling != "literal":
        raise UsageError("with_self=false is of omega: take repelling=literal")
    flat = cross_entropy.loss(outputs)
    if not balance:
        return flat
    found = pairs(outputs, form=form, average=average)
    related = found.of(outputs.relations.related)
    near = kernel(found.of(outputs.relations.distances), decay)
    if repelling == "literal":
        weights = _literal(found, outputs.relations, decay, with_self=with_self)
    else:
        weights = torch.where(related, near, 1 - near if repelling == "complement" else 1)
    targets = torch.where(related, 0, torch.full_like(near, margin))
    return flat + balance * found.mean_error(targets, weights, related)


def _literal(
    found: Pairs, relations: Relations, decay: float, *, with_self: bool
) -> Float[Tensor, "r n"]:
    """Return the mean of omega_ij and omega_ji: the pair i, j loses as much as the pair j, i."""
    distances, classes = relations.distances, found.columns
    if classes is None:
        table = omega(distances, decay, with_self=with_self)
    else:
        table = shares(distances[classes], classes, decay, with_self=with_self)[:, classes]
    table = (table + table.T) / 2
    return table if found.rows is classes else table[found.rows]
