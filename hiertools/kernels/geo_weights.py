"""How much entities near on the globe weigh: kernels of great-circle distances, block by block."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

KERNELS: dict[str, Callable[[Tensor, float], Tensor]] = {  # of g / sigma
    "laplace": lambda ratio, power: torch.exp(-ratio),
    "gauss": lambda ratio, power: torch.exp(-ratio * ratio),
    "inverse": lambda ratio, power: (1 + ratio) ** -power,
}
SLOPES: dict[str, Callable[[Tensor, float], Tensor]] = {  # sigma d/dsigma of the logarithm
    "laplace": lambda ratio, power: ratio,
    "gauss": lambda ratio, power: 2 * ratio * ratio,
    "inverse": lambda ratio, power: power * ratio / (1 + ratio),
}
NUMBERS = {name: number for number, name in enumerate(KERNELS, 1)}  # for compiled kernels; 0: none


@dataclass(frozen=True)
class Places:
    """Where images (n) and entities (m) are: unit vectors from the centre of the Earth."""

    images: Float[Tensor, "n 3"]
    entities: Float[Tensor, "m 3"]


class Near:
    """The kernel of the distances on the globe between images and entities."""

    def __init__(self, places: Places | None, sigma: Tensor, kernel: str, power: float) -> None:
        self.places, self.sigma, self.kernel, self.power = places, sigma, kernel, power

    def weighted(self, terms: Tensor, weight: Tensor, block: slice) -> Tensor:
        """Return terms times 1 + weight * kernel; overwrites them."""
        if self.places is None or not weight:
            return terms
        kernel = KERNELS[self.kernel](self._ratio(self.places, block), self.power)
        return terms.mul_(kernel.mul_(weight).add_(1))

    def gradients(self, p: Tensor, weight: Tensor, block: slice) -> tuple[Tensor, Tensor]:
        """Return the block's parts of the gradients of weight and sigma; p: before its weights."""
        if self.places is None:
            return torch.zeros_like(weight), torch.zeros_like(weight)
        ratio = self._ratio(self.places, block)
        pulled = KERNELS[self.kernel](ratio, self.power).mul_(p)
        slope = SLOPES[self.kernel](ratio, self.power)
        return pulled.sum(), weight / self.sigma * pulled.mul_(slope).sum()

    def _ratio(self, places: Places, block: slice) -> Tensor:
        """Return g / sigma, with g = 2 asin(|u - w| / 2) by differences of the unit vectors."""
        u, w = places.images, places.entities[block].T.contiguous()
        squared = torch.zeros(len(u), w.shape[1], dtype=u.dtype, device=u.device)
        for axis in range(3):
            difference = u[:, axis, None] - w[axis]
            squared.addcmul_(difference, difference, value=0.25)
        return squared.clamp_(max=1).sqrt_().asin_().mul_(2 / self.sigma)
