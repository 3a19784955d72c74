"""The head that places embeddings in hyperbolic or flat space, by what is part of what.

v = alpha (W f + b) is a tangent vector at the origin and x = exp(v) the point, as in MERU (Desai
et al. 2023, arXiv:2304.09172). The curvature is -c. c, alpha and the temperature tau of the loss
are learned as logarithms. Flat space is the same with exp(v) = v and without a c.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from hiertools.files.tensors import Arrays
from hiertools.geometry.names import GEOMETRIES

C_RANGE = (0.1, 10.0)
TAU_START, TAU_RANGE = 0.07, (0.01, 100.0)


class PartsModel(nn.Module):
    """Embeddings (n x features) to points (n x dimension) of `geometry`, lorentz or euclidean.

    The names of its parameters are those of the weights in model.h5.
    """

    def __init__(self, features: int, dimension: int, *, geometry: str) -> None:
        super().__init__()
        self.geometry = geometry
        self.head = nn.Linear(features, dimension)
        self.log_alpha = nn.Parameter(torch.tensor(-0.5 * math.log(dimension)))
        self.log_tau = nn.Parameter(torch.tensor(math.log(TAU_START)))
        self.log_c = nn.Parameter(torch.tensor(0.0)) if geometry == "lorentz" else None

    @property
    def alpha(self) -> Tensor:
        """Return the scale of the tangent vectors."""
        return self.log_alpha.exp()

    @property
    def tau(self) -> Tensor:
        """Return the temperature of the loss."""
        return self.log_tau.exp()

    @property
    def c(self) -> Tensor:
        """Return minus the curvature; 1, which means nothing, in flat space."""
        return self.log_tau.new_ones(()) if self.log_c is None else self.log_c.exp()

    def tangents(self, features: Tensor) -> Tensor:
        """Return the tangent vectors at the origin of embeddings."""
        scaled: Tensor = self.alpha * self.head(features.to(self.head.weight.dtype))
        return scaled

    def points(self, tangents: Tensor) -> Tensor:
        """Return the points that tangent vectors at the origin lead to."""
        found: Tensor = GEOMETRIES[self.geometry].exp(tangents, self.c)
        return found

    def capped(self, tangents: Tensor) -> Tensor:
        """Return where the length of a tangent vector is beyond what `points` can tell apart."""
        found: Tensor = GEOMETRIES[self.geometry].capped(tangents, self.c)
        return found

    def forward(self, features: Tensor) -> Tensor:
        """Return the points of embeddings."""
        return self.points(self.tangents(features))

    @torch.no_grad()
    def clamp_(self) -> None:
        """Bring alpha, c and tau back into their ranges; to be called after each step."""
        self.log_alpha.clamp_(max=0.0)
        self.log_tau.clamp_(*map(math.log, TAU_RANGE))
        if self.log_c is not None:
            self.log_c.clamp_(*map(math.log, C_RANGE))

    def weights(self) -> Arrays:
        """Return the weights as files keep them."""
        return {name: value.cpu().numpy().copy() for name, value in self.state_dict().items()}


def of_weights(weights: Arrays, *, geometry: str) -> PartsModel:
    """Return the model that has these weights, as files keep them."""
    dimension, features = weights["head.weight"].shape
    model = PartsModel(features, dimension, geometry=geometry)
    model.load_state_dict({name: torch.from_numpy(np.array(w)) for name, w in weights.items()})
    return model.requires_grad_(False)
