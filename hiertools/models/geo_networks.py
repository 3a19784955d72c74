"""The two networks of a geo model: updates of entities, and images that look at entities.

HierLoc, sections 3.3 to 3.5.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from hiertools.kernels.attention import attention, plain
from hiertools.models.dropout import Dropout


class EntityNetwork(nn.Module):
    """Anchors of entities, and their updates: inputs (n x width) to n x d.

    MLP of three layers with GELU and dropout after the first two; then a linear layer. The last
    two are one linear map, whose weights are multiplied first: entities are many.
    """

    def __init__(self, anchors: Tensor, width: int, hidden: int, dimension: int) -> None:
        super().__init__()
        self.anchors = nn.Parameter(anchors)
        self.first = nn.Linear(width, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.third = nn.Linear(hidden, hidden)
        self.delta = nn.Linear(hidden, dimension)
        self.log_alpha = nn.Parameter(torch.tensor(0.0))

    @property
    def alpha(self) -> Tensor:
        """Return the scale of the updates."""
        return self.log_alpha.exp()

    def forward(self, inputs: Tensor, drop: Dropout | None) -> Tensor:
        """Return the updates of some entities."""
        u = functional.gelu(self.first(inputs))
        u = functional.gelu(self.second(drop(u, 0) if drop else u))
        weight, bias = self.delta.weight @ self.third.weight, self.delta(self.third.bias)
        return functional.linear(drop(u, 1) if drop else u, weight, bias)


@dataclass(frozen=True)
class Shared:
    """What all images attend to: keys and values by level, each heads x n x (d / heads)."""

    keys: list[Tensor]
    values: list[Tensor]


class ImageNetwork(nn.Module):
    """Unit embeddings (n x features) to tangent vectors (n x d), by a look at the entities.

    MLP of two layers with GELU and dropout after the first; then a linear layer, attention at
    each level, and an MLP of two layers over what they found. levels: 0 for no attention.
    """

    def __init__(
        self, features: int, hidden: int, dimension: int, *, levels: int, heads: int
    ) -> None:
        super().__init__()
        self.first = nn.Linear(features, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.delta = nn.Linear(hidden, dimension)
        self.log_alpha = nn.Parameter(torch.tensor(0.0))
        self.attention = nn.ModuleList(Attention(dimension, heads) for _ in range(levels))
        if levels:
            self.fuse_first = nn.Linear(levels * dimension, hidden)
            self.fuse_second = nn.Linear(hidden, dimension)

    @property
    def alpha(self) -> Tensor:
        """Return the scale of the tangent vectors."""
        return self.log_alpha.exp()

    @property
    def blocks(self) -> list["Attention"]:
        """Return the attention of each level."""
        return [block for block in self.attention if isinstance(block, Attention)]

    def shared(self, tangents: list[Tensor]) -> Shared:
        """Return keys and values of the entities of each level."""
        pairs = [
            (block.split(block.key(rows)), block.split(block.value(rows)))
            for block, rows in zip(self.blocks, tangents, strict=False)
        ]
        return Shared([keys for keys, _ in pairs], [values for _, values in pairs])

    def forward(self, images: Tensor, shared: Shared | None, drop: Dropout | None) -> Tensor:
        """Return the tangent vectors of images."""
        u = functional.gelu(self.first(images))
        z: Tensor = self.alpha * self.delta(self.second(drop(u, 2) if drop else u))
        if not self.blocks:
            return z
        assert shared is not None
        found = [
            block(z, keys, values)
            for block, keys, values in zip(self.blocks, shared.keys, shared.values, strict=True)
        ]
        fused: Tensor = self.fuse_second(functional.gelu(self.fuse_first(torch.cat(found, 1))))
        return z + fused


class Attention(nn.Module):
    """Attention of images to the entities of a level.

    All images share keys and values, so that memory grows with images plus entities, not with
    their product. Where a gradient is asked for, torch's own attention makes it.
    """

    def __init__(self, dimension: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dimension, dimension)
        self.key = nn.Linear(dimension, dimension)
        self.value = nn.Linear(dimension, dimension)
        self.out = nn.Linear(dimension, dimension)

    def split(self, rows: Tensor) -> Tensor:
        """Return n x d as heads x n x (d / heads)."""
        return rows.view(len(rows), self.heads, -1).transpose(0, 1)

    def forward(self, z: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Return what the images z (n x d) find, n x d."""
        query = self.split(self.query(z))
        trained = query.requires_grad or keys.requires_grad or values.requires_grad
        found = (plain if trained else attention)(query, keys, values)
        context: Tensor = self.out(found.transpose(0, 1).reshape(len(z), -1))
        return context
