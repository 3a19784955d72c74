"""Cross-entropy, and distances of classes that are to be those of the hierarchy.

|d - d*| in the place of eq. 4 of Muñoz Guerrero et al. 2025, "Leveraging ImageNet's Hierarchical
Structure for Enhanced Image Classification and Retrieval", so that no two classes are only
related or not. With the targets of `similarity`, d* = sqrt(2 - 2 s), vectors of length 1 at these
distances have the inner products s: the loss of the pairs is 0 at the class embeddings of Barz &
Denzler 2019 (arXiv:1809.09924) if the similarities are positive semi-definite.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from hiertools.losses import given
from hiertools.losses.class_pairs import pairs
from hiertools.losses.classes import cross_entropy
from hiertools.losses.outputs import Outputs, Relations

TARGETS = ("similarity", "distance")
DIAMETER = 2.0  # of the unit sphere


def loss(
    outputs: Outputs,
    *,
    balance: float = 0.5,
    target: str = "similarity",
    form: str = "prototype",
    average: float = 0.0,
) -> Float[Tensor, ""]:
    """Return cross-entropy + balance * the mean of |d - d*| over pairs of distinct classes.

    balance: of the second term, at 0 this is exactly cross-entropy; target: d* is the distance of
    unit vectors with the inner product s (similarity), or the distance in the hierarchy, scaled so
    that its greatest is 2, the diameter of the sphere (distance); of many classes not all can be
    so far apart. form: a class is the mean of its embeddings in the batch (prototype), each of
    them (sample) or its row of the classifier (head); average: the momentum of moving averages by
    which classes that are not in the batch have a prototype, 0 for none.
    """
    given.at_least_0(balance=balance)
    given.one_of(TARGETS, target=target)
    flat = cross_entropy.loss(outputs)
    if not balance:
        return flat
    found = pairs(outputs, form=form, average=average)
    wanted = found.of(targets(outputs.relations, target))
    ones = torch.ones_like(wanted)
    return flat + balance * found.mean_error(wanted, ones, ones > 0)


def targets(relations: Relations, target: str) -> Float[Tensor, "C C"]:
    """Return d* of every two classes."""
    if target == "similarity":
        return (2 - 2 * relations.similarities).sqrt()
    distances = relations.distances
    return DIAMETER * distances / distances.max().clamp(min=1e-6)  # of one class: 0
