"""What it costs an item that its class is another than the query's: class-aware ranking.

z are embeddings of length 1, d(a, b) the distance of two classes in the hierarchy, sim = 1 / (1 +
d), or 1 - d of heights, c_q and c_i the classes of the query and the item. HIGHER scores are
better. The paper (Sec. III-C) ranks by "weighted distances" and gives no formula; these are ours:

  additive  -( (1 - z_q.z_i) + mu (1 - sim(c_q, c_i)) )
  power     -( |z_q - z_i| w^-kappa ), w = exp(-0.3 d(c_q, c_i)): the weight of Eq. 6 before it is
            normalised, with the paper's decay. kappa = 1 is the literal reading; over the 1000
            classes of ILSVRC w^-1 spans 1 to 2,440, so that it is retrieval by label.
  soft      z_q.z_i + mu p_q^T K p_i, with the probabilities p of all classes and K = sim

Hierarchical ranking takes the classes nearest to c_q, c_q itself first, ranks the items of these by
the weighted score, and puts all other items behind them, in the same order.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.taxonomy import Taxonomy

DECAY = 0.3  # a of the paper's Omega (Sec. IV-B)
WEIGHTINGS = ("additive", "power", "soft")

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Weighing:
    """How classes count. weighting: one of `WEIGHTINGS`; mu: of additive and soft, at least 0;
    kappa: of power, at least 0; categories: how many classes come first, None for weighted
    ranking, without such.
    """

    weighting: str
    mu: float
    kappa: float
    categories: int | None


@dataclass(frozen=True)
class Costs:
    """What pairs of a query's class and an item's cost (classes x classes each).

    added: is taken from the score; factor: of the distance, None if the weighting has none.
    """

    added: Matrix
    factor: Matrix | None


def costs(taxonomy: Taxonomy, weighing: Weighing, rows: NDArray[np.float32]) -> Costs:
    """Return the costs of all pairs of classes.

    rows: of the classifier (classes x d), which order classes of one distance: nearer directions
    first, then by id. They are the same whatever the gallery holds. Raises `UserError` for a
    kappa with which weights are beyond what numbers can hold.
    """
    distances = taxonomy.distances
    added, factor = np.zeros_like(distances), None
    worst = np.full(distances.shape, 2.0)  # of a pair of these classes: 1 - cosine, or |z - z'|
    if weighing.weighting == "additive":
        added = weighing.mu * (1 - taxonomy.similarities)
        worst = worst + added
    elif weighing.weighting == "power":
        with np.errstate(over="ignore"):
            factor = np.exp(DECAY * weighing.kappa * distances)
        if not np.isfinite(factor.max() * 4):
            raise UserError(f"--kappa {weighing.kappa:g} is too much for distances of classes here")
        worst = worst * factor
    else:
        worst = worst + 2 * weighing.mu  # p^T K p is in [0, 1], for kernels clipped a bit beyond
    if weighing.categories is not None:
        first = order(taxonomy, rows)[:, : weighing.categories]
        added = added + _behind(first, worst)
    return Costs(added, factor)


def _behind(first: NDArray[np.int64], worst: Matrix) -> Matrix:
    """Return what puts items of all other classes behind those of the first ones.

    first: the first classes of each; worst: the most that an item of a class can cost.
    """
    found = np.repeat(np.take_along_axis(worst, first, 1).max(1, keepdims=True), len(worst), 1)
    np.put_along_axis(found, first, 0.0, 1)
    return found


def order(taxonomy: Taxonomy, rows: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return for each class all classes from the nearest on, itself first (classes x classes).

    Classes of one distance go by the directions of their classifier's rows, then by id.
    """
    x = rows.astype(np.float64)
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    x = x / np.where(lengths == 0, 1, lengths)
    ids = np.argsort(np.argsort(np.array(taxonomy.classes), kind="stable"), kind="stable")
    itself = np.eye(len(x), dtype=bool)
    found = np.empty(itself.shape, np.int64)
    for row, distances in enumerate(taxonomy.distances):
        near = np.linalg.norm(x - x[row], axis=1)
        found[row] = np.lexsort((ids, near, distances, ~itself[row]))
    return found
