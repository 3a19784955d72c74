"""Entailment cones with a contrast of distances: MERU's loss, the parent in the place of the text.

Desai et al. 2023 (arXiv:2304.09172), sections 3.2 and 3.3 and their code: a child outside of the
cone of its parent is drawn into it, and InfoNCE of the negative distances, the mean of both
directions, keeps the pairs apart.
"""

from jaxtyping import Float
from torch import Tensor

from hiertools.geometry.names import GEOMETRIES
from hiertools.losses.contrast import Contrast, info_nce


def loss(
    contrast: Contrast,
    *,
    weight: float = 0.2,
    distance: float = 1.0,
    k: float = 0.1,
    positives: str = "out",
) -> Float[Tensor, ""]:
    """Return weight * entailment + distance * contrast of distances.

    weight: of the entailment, max(0, ext(parent, child) - half-aperture(parent)); distance: of
    the InfoNCE of -distance / tau; k: the half-aperture is asin(2k / (sqrt(c) |parent|));
    positives: the mean over the positives of a row is outside the logarithm (out) or inside (in).
    """
    geometry = GEOMETRIES[contrast.geometry]
    parents, children, c = contrast.parents, contrast.children, contrast.c
    outside = geometry.angle(parents, children, c) - geometry.half_aperture(parents, c, k=k)
    near_children = -geometry.pairwise_distance(parents, contrast.all_children, c) / contrast.tau
    near_parents = -geometry.pairwise_distance(children, contrast.all_parents, c) / contrast.tau
    down = info_nce(near_children, contrast.down, positives=positives)
    up = info_nce(near_parents, contrast.up, positives=positives)
    return contrast.mean(weight * outside.clamp(min=0) + distance * (down + up) / 2)
