"""GWH-InfoNCE: an image against all entities of a level, those that are near on the globe first.

Geo-Weighted Hyperbolic InfoNCE of HierLoc, section 3.6, eqs. 3 and 4, and the kernels of its
appendix A.7. Distances carry the factor R = 1/sqrt(c) that eq. 2 lacks.
"""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from hiertools.kernels.geo_contrast import Rule, geo_contrast
from hiertools.kernels.geo_weights import Places
from hiertools.places import EARTH_RADIUS_KM


@dataclass(frozen=True)
class Level:
    """The m named entities of a level; places: unit vectors from the Earth's centre, if known."""

    points: Float[Tensor, "m d"]
    places: Float[Tensor, "m 3"] | None


@dataclass(frozen=True)
class Scalars:
    """Numbers that may be learned: the temperature, lambda, and the kernel's scale in km."""

    tau: Float[Tensor, ""]
    weight: Float[Tensor, ""]
    sigma_km: Float[Tensor, ""]


def losses(
    images: Float[Tensor, "n d"],
    places: Float[Tensor, "n 3"] | None,
    positive: Int[Tensor, " n"],
    level: Level,
    scalars: Scalars,
    *,
    rule: Rule,
    geo_from: str,
) -> Float[Tensor, " n"]:
    """Return the loss of each image at a level; 0 for one that has no entity there.

    positive: the row of the image's entity, -1 for none; places: of the images; geo_from: whether
    an entity is near to the `image` or to its `positive`. Without places all weights are 1.
    """
    near = None
    if level.places is not None and geo_from == "positive":
        near = Places(level.places[positive.clamp(min=0)], level.places)
    elif level.places is not None and places is not None:
        near = Places(places, level.places)
    return geo_contrast(
        images, level.points, positive, near, tau=scalars.tau, weight=scalars.weight,
        sigma=scalars.sigma_km / EARTH_RADIUS_KM, rule=rule,
    )  # fmt: skip
