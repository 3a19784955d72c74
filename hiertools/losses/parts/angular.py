"""Angles alone: a child lies straight outward of its parent, seen from both of them.

The loss of "Learning Visual Hierarchies in Hyperbolic Space for Image Retrieval"
(arXiv:2411.17490). With ext(x, y) the exterior angle at x of the triangle origin, x, y, a pair
raises beta1 = pi - ext(parent, child) and alpha2 = ext(child, parent), each by InfoNCE within the
batch. There is no term of aperture or distance.
"""

from jaxtyping import Float
from torch import Tensor

from hiertools.kernels.angle_contrast import angle_contrast
from hiertools.losses.contrast import Contrast, Masks, check_positives


def loss(contrast: Contrast, *, positives: str = "out") -> Float[Tensor, ""]:
    """Return InfoNCE of beta1 / tau among the children plus that of alpha2 / tau among parents.

    positives: the mean over the positives of a row is outside the logarithm (out) or inside (in).
    """
    check_positives(positives)
    shares = contrast.shares

    def of(rows: Tensor, columns: Tensor, masks: Masks, *, inward: bool) -> Tensor:
        return angle_contrast(
            rows, columns, masks.positive, masks.negative, shares, c=contrast.c, tau=contrast.tau,
            geometry=contrast.geometry, inward=inward, positives=positives,
        )  # fmt: skip

    beta1 = of(contrast.parents, contrast.all_children, contrast.down, inward=False)
    return beta1 + of(contrast.children, contrast.all_parents, contrast.up, inward=True)
