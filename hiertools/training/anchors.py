"""Anchors that stay on their manifold: the one module that knows geoopt.

geoopt's `Lorentz(k)` has the curvature -1/k, keeps all d + 1 coordinates and rounds k to float32.
Its sphere has the radius 1: `Scaled` measures steps on the sphere of radius 1/sqrt(c). In each
geometry a step of Riemannian Adam moves an anchor by about the rate, where AdamW moves each of its
d coordinates by that.
"""

import math
import warnings
from typing import Any

from torch import nn
from torch.optim import Optimizer

from hiertools.models.geo import GeoModel
from hiertools.training.state import BETAS

STEPS_BETWEEN_PROJECTIONS = 10


def optimizer(model: GeoModel, *, rate: float) -> Optimizer:
    """Make the model's anchors points of their manifold, and return Riemannian Adam for them."""
    geoopt = _geoopt()
    assert model.entity is not None
    anchors: nn.Parameter = geoopt.ManifoldParameter(
        model.entity.anchors.detach(), manifold=_manifold(geoopt, model).to(model.log_tau.device)
    )
    model.entity.anchors = anchors
    found: Optimizer = geoopt.optim.RiemannianAdam(
        [anchors], lr=rate, betas=BETAS, stabilize=STEPS_BETWEEN_PROJECTIONS
    )
    return found


def _manifold(geoopt: Any, model: GeoModel) -> Any:
    if model.shape.geometry == "lorentz":
        return geoopt.Lorentz(k=1 / model.c)
    if model.shape.geometry == "sphere":
        return geoopt.Scaled(geoopt.Sphere(), 1 / math.sqrt(model.c))
    flat = geoopt.Euclidean(ndim=1)
    # geoopt takes each coordinate for a manifold of its own, whose steps add up to sqrt(d) rates
    flat.component_inner = lambda x, u, v=None: flat.inner(x, u, v, keepdim=True)
    return flat


def _geoopt() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it uses torch.jit.script
        import geoopt
    return geoopt
