"""Embeddings drawn to fixed unit vectors of the classes, whose inner products are similarities.

Barz & Denzler 2019 (arXiv:1809.09924), section 3: class embeddings from a hierarchy (eq. 3), the
loss 1 - z.e_c of the embedding z, made of length 1 (eq. 4), and with it a cross-entropy (eq. 5).
The logits are the cosines to the same vectors, times a scale, where the paper has one more layer.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from torch import Tensor

from hiertools.losses import given, prototypes
from hiertools.losses.classes import cross_entropy
from hiertools.losses.outputs import Outputs

NOTHING = 1e-10  # of the greatest eigenvalue: a direction that rounding made


def loss(outputs: Outputs, *, balance: float = 0.1) -> Float[Tensor, ""]:
    """Return the mean of 1 - z.e_c over the items, + balance * cross-entropy; 0 of no items.

    balance: of the cross-entropy; the paper's lambda, which it sets to 0.1, or 0 for none.
    """
    given.at_least_0(balance=balance)
    wanted = outputs.rows[outputs.labels]
    away = 1 - (prototypes.unit(outputs.embeddings) * wanted).sum(1)
    mean = away.sum() / max(1, len(away))
    return mean + balance * cross_entropy.loss(outputs) if balance else mean


def class_embeddings(similarities: Float[Array, "C C"]) -> Float[Array, "C d"]:
    """Return unit vectors whose inner products are the similarities, in the fewest dimensions.

    The paper places one class after the other; the eigenvectors, each times the root of its
    eigenvalue, are the same up to a rotation. Similarities that are not positive semi-definite, of
    some DAGs, have no such vectors: negative eigenvalues count as 0, and `deviation` says what
    that costs. The sign of each column is such that its greatest entry is positive.
    """
    values, vectors = np.linalg.eigh(similarities)
    kept = values > NOTHING * max(values[-1], 0)
    vectors = vectors[:, kept][:, ::-1]
    greatest = np.take_along_axis(vectors, np.abs(vectors).argmax(0)[None], 0)
    found = vectors * np.sign(greatest) * np.sqrt(values[kept][::-1])
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def deviation(vectors: Float[Array, "C d"], similarities: Float[Array, "C C"]) -> float:
    """Return the greatest error of an inner product of class embeddings."""
    return float(np.abs(vectors @ vectors.T - similarities).max())
