"""Entities and images as points of one space, level by level: the model of HierLoc.

"Hyperbolic Entity Embeddings for Hierarchical Visual Geolocation", sections 3.3 to 3.5. The
curvature is -c (+c on the sphere); the paper's K is 1/c. Tangent vectors are at the origin and have
d numbers; a smooth cap keeps them shorter than `CAPS` radii, 1/sqrt(c), where float32 still tells
points apart. The temperature and the weights of the loss are here because they may be learned.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hiertools.files.json import Document
from hiertools.files.tensors import Arrays
from hiertools.geometry import lorentz, polar, sphere
from hiertools.geometry.names import GEOMETRIES
from hiertools.models.dropout import Dropout
from hiertools.models.geo_inputs import EntityInputs
from hiertools.models.geo_networks import EntityNetwork, ImageNetwork, Shared

CAPS = {"lorentz": 4.0, "euclidean": math.inf, "sphere": math.pi}  # radii; flat space has none
TAU_RANGE = (0.01, 1.0)
ALPHA_RANGE = (1e-4, 1e2)
SIGMA_KM_RANGE = (1.0, 20_000.0)
WEIGHT_MAX = 100.0
ROWS_AT_ONCE = 4096  # of entities


@dataclass(frozen=True)
class Shape:
    """What decides the names and the shapes of a model's weights.

    nodes, width: number of entities and of the inputs of each, 0 for the side of images alone;
    anchor: `manifold` keeps points as geoopt has them, `tangent` tangent vectors.
    """

    geometry: str
    c: float
    features: int
    dimension: int
    hidden: int
    levels: int
    heads: int
    attention: bool
    anchor: str
    nodes: int
    width: int


class GeoModel(nn.Module):
    """Entities and embeddings of images (n x features) to points of one space.

    The names of its parameters are those of the weights in model.h5.
    """

    def __init__(self, shape: Shape, *, anchor_scale: float, alpha: float) -> None:
        """Draw the weights; of anchors with this standard deviation. alpha: both start there."""
        super().__init__()
        self.shape = shape
        self.entity: EntityNetwork | None = None
        if shape.nodes:
            anchors = _anchors(shape, anchor_scale * torch.randn(shape.nodes, shape.dimension))
            self.entity = EntityNetwork(anchors, shape.width, shape.hidden, shape.dimension)
        self.image = ImageNetwork(
            shape.features, shape.hidden, shape.dimension,
            levels=shape.levels if shape.attention else 0, heads=shape.heads,
        )  # fmt: skip
        for network in (self.entity, self.image):
            if network is not None:
                torch.nn.init.constant_(network.log_alpha, math.log(alpha))
        self.log_tau = nn.Parameter(torch.tensor(math.log(0.1)))
        self.weight = nn.Parameter(torch.tensor(1.0))
        self.log_sigma = nn.Parameter(torch.tensor(math.log(300.0)))

    @property
    def c(self) -> float:
        """Return minus the curvature; on the sphere the curvature."""
        return self.shape.c

    @property
    def tau(self) -> Tensor:
        """Return the temperature of the loss."""
        return self.log_tau.exp()

    @property
    def sigma(self) -> Tensor:
        """Return the scale of the loss's kernel, in km."""
        return self.log_sigma.exp()

    @property
    def cap(self) -> float:
        """Return the length that tangent vectors stay below."""
        return CAPS[self.shape.geometry] / math.sqrt(self.c)

    def entity_tangents(self, inputs: EntityInputs, *, without: int | None = None) -> list[Tensor]:
        """Return the tangent vectors of all entities, one n x d by level.

        without: a fold whose images the entities must not know.
        """
        found = [
            self.deltas(inputs, start, without=without, drop=None)
            for start in range(0, len(inputs), ROWS_AT_ONCE)
        ]
        tangents = self.capped(self.free_tangents(torch.cat(found)))
        return list(torch.split(tangents, np.diff(inputs.offsets).tolist()))

    def deltas(
        self, inputs: EntityInputs, start: int, *, without: int | None, drop: Dropout | None
    ) -> Tensor:
        """Return the updates of `ROWS_AT_ONCE` entities from a row on."""
        assert self.entity is not None
        stop = min(start + ROWS_AT_ONCE, len(inputs))
        rows = inputs.rows(start, stop, without=without)
        found: Tensor = self.entity(rows.to(self.entity.first.weight), drop)
        return found

    def free_tangents(self, deltas: Tensor) -> Tensor:
        """Return the tangent vectors, without a cap, that updates make of the anchors."""
        assert self.entity is not None
        return self.anchor_tangents() + self.entity.alpha * deltas

    def anchor_tangents(self) -> Tensor:
        """Return the tangent vectors of the anchors, nodes x d."""
        assert self.entity is not None
        anchors = self.entity.anchors.as_subclass(Tensor)
        if self.shape.anchor == "tangent" or self.shape.geometry == "euclidean":
            return anchors
        if self.shape.geometry == "lorentz":
            return lorentz.log(anchors[:, 1:], self.c)
        return sphere.log(anchors, 1.0) / math.sqrt(self.c)

    def capped(self, v: Tensor) -> Tensor:
        """Return v m tanh(|v| / m) / |v|: shorter than the cap m, and the same where short."""
        if math.isinf(self.cap):
            return v
        length = polar.norm(v) / self.cap
        factor = torch.where(length == 0, 1, torch.tanh(length) / polar.nonzero(length))
        return factor[..., None] * v

    def points(self, tangents: Tensor) -> Tensor:
        """Return the points that tangent vectors lead to, as `geometry` stores them."""
        found: Tensor = GEOMETRIES[self.shape.geometry].exp(tangents, self.c)
        return found

    def shared(self, tangents: list[Tensor], used: list[Tensor]) -> Shared:
        """Return what images attend to at each level: entities, without those not used.

        used: which entities of a level have a name, by level.
        """
        return self.image.shared(
            [rows if mask.all() else rows[mask] for rows, mask in zip(tangents, used, strict=True)]
        )

    def image_tangents(
        self, features: Tensor, shared: Shared | None, *, drop: Dropout | None = None
    ) -> Tensor:
        """Return the tangent vectors, without a cap, of raw embeddings; shared: see `shared`."""
        scale = math.sqrt(features.shape[1])
        features = features.to(self.log_tau)
        size = torch.frexp(features.abs().amax(1, keepdim=True)).exponent.clamp(-126, 126)
        features = torch.ldexp(features, -size)  # so that no square is too large or too small
        unit = scale * torch.nn.functional.normalize(features, dim=1)
        found: Tensor = self.image(unit, shared, drop)
        return found

    def images(self, features: Tensor, shared: Shared | None) -> Tensor:
        """Return the points of raw image embeddings, n x features."""
        return self.points(self.capped(self.image_tangents(features, shared)))

    @torch.no_grad()
    def clamp_(self) -> None:
        """Bring tau, alpha, lambda and sigma back into their ranges; called after each step."""
        self.image.log_alpha.clamp_(*map(math.log, ALPHA_RANGE))
        if self.entity is not None:
            self.entity.log_alpha.clamp_(*map(math.log, ALPHA_RANGE))
        self.log_tau.clamp_(*map(math.log, TAU_RANGE))
        self.log_sigma.clamp_(*map(math.log, SIGMA_KM_RANGE))
        self.weight.clamp_(0.0, WEIGHT_MAX)

    def weights(self, *, images_only: bool = False) -> Arrays:
        """Return the weights as files keep them; images_only: those that a query needs."""
        return {
            name: value.as_subclass(Tensor).cpu().numpy().copy()
            for name, value in self.state_dict().items()
            if not (images_only and name.startswith("entity."))
        }


def _anchors(shape: Shape, tangents: Tensor) -> Tensor:
    """Return anchors as they are kept: points as geoopt has them, or tangent vectors."""
    if shape.anchor == "tangent" or shape.geometry == "euclidean":
        return tangents
    if shape.geometry == "lorentz":
        space = lorentz.exp(tangents, shape.c)
        time = torch.sqrt(1 / shape.c + (space * space).sum(1, keepdim=True))
        return torch.cat([time, space], 1)
    return sphere.exp(tangents * math.sqrt(shape.c), 1.0)


def of_weights(weights: Arrays, meta: Document) -> GeoModel:
    """Return the model that has these weights, as files keep them; without entities if they lack.

    meta: that of the model.
    """
    with_entities = "entity.anchors" in weights
    nodes = len(weights["entity.anchors"]) if with_entities else 0
    width = weights["entity.first.weight"].shape[1] if with_entities else 0
    shape = Shape(
        meta["geometry"], meta["c"], meta["features"], meta["dimension"], meta["hidden"],
        len(meta["levels"]), meta["heads"], meta["attention"], meta["anchor"], nodes, width,
    )  # fmt: skip
    model = GeoModel(shape, anchor_scale=0.0, alpha=1.0)  # until the weights are loaded
    model.load_state_dict({name: torch.from_numpy(np.array(w)) for name, w in weights.items()})
    return model.requires_grad_(False)
