"""Angles alone: a child lies straight outward of its parent, seen from both of them.

The loss of "Learning Visual Hierarchies in Hyperbolic Space for Image Retrieval"
(arXiv:2411.17490). With ext(x, y) the exterior angle at x of the triangle origin, x, y, a pair
raises beta1 = pi - ext(parent, child) and alpha2 = ext(child, parent), each by InfoNCE within the
batch. There is no term of aperture or distance.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from hiertools.kernels.pairwise_angle import pairwise_angle
from hiertools.losses.contrast import Contrast, info_nce


def loss(contrast: Contrast, *, positives: str = "out") -> Float[Tensor, ""]:
    """Return InfoNCE of beta1 / tau among the children plus that of alpha2 / tau among parents.

    positives: the mean over the positives of a row is outside the logarithm (out) or inside (in).
    """
    c, tau = contrast.c, contrast.tau
    outward = pairwise_angle(contrast.parents, contrast.all_children, c, geometry=contrast.geometry)
    alpha2 = pairwise_angle(contrast.children, contrast.all_parents, c, geometry=contrast.geometry)
    down = info_nce((torch.pi - outward) / tau, contrast.down, positives=positives)
    up = info_nce(alpha2 / tau, contrast.up, positives=positives)
    return contrast.mean(down + up)
