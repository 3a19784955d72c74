"""Scores of items for queries whose classes count: what `Measure` is for search by points alone.

A row of a query or an item is its embedding (d numbers, of any length), for soft weighting the
folded probabilities K^1/2 p (as many as there are classes), and the place of its class.
"""

from dataclasses import dataclass
from functools import cached_property

from jaxtyping import Bool, Float
from torch import Tensor

from hiertools.geometry import polar
from hiertools.search.scores import ROUNDING, SLACK, unit

Rows = Float[Tensor, "b e"]


@dataclass(frozen=True)
class ClassMeasure:
    """How well an item answers a query, by embeddings of so many dimensions and by classes.

    added, factor: see `Costs`; mu: how much the folded probabilities count, None without such.
    """

    dimension: int
    added: Float[Tensor, "k k"]
    factor: Float[Tensor, "k k"] | None
    mu: float | None
    geometry: str = "euclidean"
    c: float = 1.0

    def pairwise(self, queries: Rows, points: Rows) -> Float[Tensor, "b m"]:
        """Return the score of each item for each query, by matrix products in float64."""
        x, y = queries.double(), points.double()
        z, w = unit(self._embeddings(x)), unit(self._embeddings(y))
        cosine = z @ w.T
        folded = None if self.mu is None else self._folded(x) @ self._folded(y).T
        factor = None if self.factor is None else self._of_pairs(self.factor, x, y)
        apart = _distances(z, w, cosine) if factor is not None else None
        return self._score(cosine, apart, folded, factor, self._of_pairs(self.added, x, y))

    def elementwise(
        self, queries: Float[Tensor, "n e"], points: Float[Tensor, "n e"]
    ) -> Float[Tensor, " n"]:
        """Return the scores of pairs, each by its own numbers in float64."""
        x, y = queries.double(), points.double()
        z, w = unit(self._embeddings(x)), unit(self._embeddings(y))
        folded = None if self.mu is None else (self._folded(x) * self._folded(y)).sum(-1)
        pair = self._classes(x), self._classes(y)
        factor = None if self.factor is None else self.factor[pair]
        apart = polar.norm(z - w) if factor is not None else None
        cosine = (z * w).sum(-1).clamp(-1, 1)
        return self._score(cosine, apart, folded, factor, self.added[pair])

    def bounds(
        self, queries: Rows, points: Rows
    ) -> tuple[Float[Tensor, "b m"], Float[Tensor, "b m"]]:
        """Return numbers that `elementwise` is between."""
        scores = self.pairwise(queries, points)
        slack = self._slack(queries, points)
        return scores - slack, scores + slack

    def may_reach(
        self, queries: Rows, points: Rows, floor: Float[Tensor, " b"]
    ) -> Bool[Tensor, "b m"]:
        """Return where `elementwise` may reach the floor of a query."""
        return self.pairwise(queries, points) + self._slack(queries, points) >= floor[:, None]

    def _score(
        self,
        cosine: Tensor,
        apart: Tensor | None,
        folded: Tensor | None,
        factor: Tensor | None,
        added: Tensor,
    ) -> Tensor:
        """Return scores of what is there: of additive, power or soft weighting."""
        if apart is not None and factor is not None:
            return 0.0 - (apart * factor + added)
        if folded is not None and self.mu is not None:
            return cosine + self.mu * folded - added
        return 0.0 - ((1 - cosine) + added)

    def _slack(self, queries: Tensor, points: Tensor) -> Tensor | float:
        """Return what a product is wrong by at the most."""
        if self.factor is None:
            return ROUNDING * (1 + (self.mu or 0.0) + self._most)
        return SLACK * self._of_pairs(self.factor, queries, points)

    @cached_property
    def _most(self) -> float:
        """Return the most that a pair of classes costs."""
        return float(self.added.max())

    def _of_pairs(self, table: Tensor, queries: Tensor, points: Tensor) -> Tensor:
        """Return the numbers of pairs of classes (b x m); the tables are on the CPU."""
        rows = table[self._classes(queries).cpu()].to(queries.device)
        return rows[:, self._classes(points)]

    def _embeddings(self, x: Tensor) -> Tensor:
        return x[..., : self.dimension]

    def _folded(self, x: Tensor) -> Tensor:
        return x[..., self.dimension : -1]

    def _classes(self, x: Tensor) -> Tensor:
        return x[..., -1].long()


def _distances(z: Tensor, w: Tensor, cosine: Tensor) -> Tensor:
    """Return |z - w| of unit vectors with these products; a vector may be 0, too."""
    squared = z.square().sum(-1)[:, None] + w.square().sum(-1) - 2 * cosine
    return squared.clamp(min=0).sqrt()
