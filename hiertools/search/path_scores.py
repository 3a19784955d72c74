"""How well a path from the top of a hierarchy answers a query: HIGHER is better.

Each entity with a name has a value for a query, and a path has the mean over its levels that have
a name, so that a missing level is no advantage. `last` takes the deepest such level alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hiertools.geometry.names import GEOMETRIES
from hiertools.search.best import MULTIPLE, in_chunks
from hiertools.search.tree import Points, Rows

NUMBERS = 24_576  # of a part: fewer than those for which torch wakes several threads
SCORES = ("energy", "distance", "ip", "log-probability", "last")

Values = NDArray[np.float64]


@dataclass(frozen=True)
class PathScore:
    """A way to rate paths, in a geometry of curvature -c (c on the sphere).

    by: `energy` and `last`, minus the energy of the loss, beta d^2 / tau (d if not `squared`);
    `distance`, -d; `ip`, the inner product (that of Lorentz for lorentz), as in HierLoc's A.8;
    `log-probability`, minus the energy and minus the log of the sum of exp(-energy) over the level.
    beta: a weight a level.
    """

    by: str
    geometry: str
    c: float
    beta: tuple[float, ...]
    tau: float
    squared: bool

    @property
    def weights(self) -> NDArray[np.float64]:
        """Return what a distance, or its square, is multiplied by at each level."""
        if self.by in ("distance", "ip"):
            return np.ones(len(self.beta))
        return np.array(self.beta) / self.tau

    @property
    def is_squared(self) -> bool:
        """Return whether values are of squares."""
        return self.squared and self.by not in ("distance", "ip")

    @property
    def of_last(self) -> bool:
        """Return whether the deepest level alone counts."""
        return self.by == "last"

    def values(self, queries: Points, points: Points, levels: Rows) -> Values:
        """Return the value of pairs of a query and an entity of a level, in float64."""
        if self.by == "ip":
            return _in_parts(self._inner, queries, points)
        distance = _in_parts(self._distance, queries, points)
        return -self.weights[levels] * (distance**2 if self.is_squared else distance)

    def _distance(self, x: Tensor, y: Tensor) -> Tensor:
        found: Tensor = GEOMETRIES[self.geometry].distance(x.double(), y.double(), self.c)
        return found

    def _inner(self, x: Tensor, y: Tensor) -> Tensor:
        x, y = x.double(), y.double()
        space = (x * y).sum(-1)
        if self.geometry != "lorentz":
            return space
        times = [(1 / self.c + z.square().sum(-1)).sqrt() for z in (x, y)]
        return space - times[0] * times[1]

    def means(self, values: Values, named: NDArray[np.bool_]) -> Values:
        """Return the scores of paths: values and which of them count, ... x levels."""
        if self.of_last:
            deepest = values.shape[-1] - 1 - np.argmax(named[..., ::-1], -1)
            found = np.take_along_axis(values, deepest[..., None], -1)[..., 0]
        else:
            found = np.where(named, values, 0).sum(-1) / np.maximum(named.sum(-1), 1)
        return np.where(named.any(-1), found, -np.inf)


def _in_parts(function: Callable[..., Tensor], queries: Points, points: Points) -> Values:
    """Return a function's number for each pair, the same whatever the other pairs are."""
    rows = max(1, NUMBERS // (points.shape[1] * MULTIPLE)) * MULTIPLE
    starts = range(0, len(points), rows)
    parts = [in_chunks(function, queries[i : i + rows], points[i : i + rows]) for i in starts]
    return np.concatenate(parts) if parts else np.zeros(0)
