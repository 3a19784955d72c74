"""Tentative matches: features of two images that look most like each other.

Mutual nearest neighbours whose second nearest is clearly farther (Lowe, IJCV 2004, section 7.1).
"""

import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.files.local_features import LocalFeatures


def matches(left: LocalFeatures, right: LocalFeatures, *, ratio: float) -> NDArray[np.int32]:
    """Return rows of features that match (t x 2, int32), one to one, in the left ones' order.

    ratio: the distance of a left feature to its nearest right one is below so much of that to its
    second nearest; where the right image has one feature alone there is no second one.
    """
    if not len(left) or not len(right):
        return np.zeros((0, 2), np.int32)
    x, y = torch.from_numpy(left.descriptors), torch.from_numpy(right.descriptors)
    similar = x @ y.T
    nearest, back = similar.argmax(dim=1), similar.argmax(dim=0)
    rows = torch.nonzero(back[nearest] == torch.arange(len(x))).flatten()
    partner = nearest[rows]
    others = similar[rows].scatter_(1, partner[:, None], -torch.inf)
    second = others.argmax(dim=1)
    near, far = (_distances(x[rows], y[places]) for places in (partner, second))
    if len(y) == 1:
        far = torch.full_like(near, torch.inf)
    kept = near < ratio * far  # nothing, where two are the same
    return torch.stack([rows[kept], partner[kept]], dim=1).numpy().astype(np.int32)


def _distances(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return distances of rows (n x d) in double precision, each by itself."""
    difference = x.double() - y.double()
    return (difference * difference).sum(dim=1).sqrt()
