"""How far the classes of what was found are from those of what there is to find.

h is the distribution, over the candidates, of a query's own classes and those below; r that of its
first k hits, with all other classes in `others`, which is last. Chance is the distance to the
distribution of all candidates, the mean r of random rankings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.evaluation.classes import Codes
from hiertools.evaluation.relevance import Direction
from hiertools.evaluation.sets import Rows
from hiertools.files.hierarchy import Hierarchy
from hiertools.hierarchy import forest, path_costs
from hiertools.metrics.transport import OTHERS, index_distance, transport_cost, tree_distance

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Ground:
    """What distances between classes are: by their place in an order, in a tree, along paths.

    place: of each node in the order; shuffled: the same for random orders (o x nodes); parent: of
    each node in a tree, others last, None where the hierarchy is none; costs: along paths, others
    last; on_paths: the queries for which these are used.
    """

    place: Rows
    shuffled: Rows
    parent: Rows | None
    costs: Floats | None
    on_paths: frozenset[int]


@dataclass(frozen=True)
class Distances:
    """What q queries come to with m kinds of exclusion.

    measured: distances by the name of what they are measured along (index, tree, path), at each k
    and at last of chance (q x m x k + 1), NaN where a query is not measured; shuffled: sums over
    the queries of a kind of the distance in each random order, by kind (m x k x o).
    """

    measured: dict[str, Floats]
    shuffled: dict[int, Floats]


def ground(
    hierarchy: Hierarchy, order: Sequence[str], *, orders: int, seed: int, on_paths: frozenset[int]
) -> Ground:
    """Return the ground of a hierarchy whose nodes stand in an order.

    Raises `UserError` if a class is called `others`.
    """
    nodes = [node.id for node in hierarchy.nodes]
    if OTHERS in nodes:
        raise UserError(f"the hierarchy has a class {OTHERS!r}, which stands for all foreign ones")
    place = {name: i for i, name in enumerate(order)}
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.tile(np.arange(len(nodes)), (orders, 1)), axis=1)
    try:
        parent = forest(hierarchy, [*nodes, OTHERS])[1]
    except UserError:
        parent = None
    costs = path_costs(hierarchy, [*nodes, OTHERS]) if on_paths else None
    return Ground(
        np.array([place[name] for name in nodes], np.int64), shuffled, parent, costs, on_paths
    )


def distances(
    direction: Direction, ground: Ground, rows: range, weights: Floats, relevant: NDArray[np.int64]
) -> Distances:
    """Return the distances of some queries.

    weights: of classes, as a judge found them (b x m x k + 1 x classes); relevant: how many
    candidates are (b x m).
    """
    _, m, ends, _ = shape = weights.shape
    nodes = direction.classes.nodes
    index, path = (np.full(shape[:3], np.nan) for _ in range(2))
    h_all, r_all = (np.zeros((*shape[:3], nodes + 1)) for _ in range(2))
    shuffled = {kind: np.zeros((m, ends - 1, len(ground.shuffled))) for kind in direction.kinds}
    for row in np.flatnonzero(relevant.any(axis=1)):
        query = rows[row]
        support = direction.support(query)
        support = support[np.argsort(ground.place[support])]
        orders = np.argsort(ground.shuffled[:, support], axis=1)
        columns = np.append(support, nodes)
        for mode in np.flatnonzero(relevant[row]):
            h, r = _pair(weights[row, mode], support)
            index[row, mode] = index_distance(h, r)
            by_order = (h - r[:-1])[:, orders]  # others stay last: what is moved past them is 0
            shuffled[direction.queries.kind[query]][mode] += index_distance(by_order, np.zeros(1))
            h_all[row, mode][:, columns], r_all[row, mode][:, columns] = h, r
            if ground.costs is not None and query in ground.on_paths:
                costs = np.ascontiguousarray(ground.costs[np.ix_(columns, columns)])
                path[row, mode] = [transport_cost(h, each, costs) for each in r]
    measured = {"index": index}
    if ground.parent is not None:
        measured["tree"] = _along_tree(h_all, r_all, ground.parent, relevant)
    if ground.costs is not None:
        measured["path"] = path
    return Distances(measured, shuffled)


def _pair(weights: Floats, support: Codes) -> tuple[Floats, Floats]:
    """Return h, and r for each k and for all candidates, over the support and others."""
    inside = weights[:, support]
    total = weights.sum(axis=1, keepdims=True)
    h = np.append(inside[-1] / inside[-1].sum(), 0.0)
    r = inside / np.where(total > 0, total, 1)  # no hit at all is no hit of the support
    return h, np.concatenate([r, np.maximum(0, 1 - r.sum(axis=1, keepdims=True))], axis=1)


def _along_tree(h: Floats, r: Floats, parent: Rows, relevant: NDArray[np.int64]) -> Floats:
    flat_h, flat_r = (each.reshape(-1, len(parent)) for each in (h, r))
    found = tree_distance(flat_h, flat_r, parent, np.ones(len(parent)))
    return np.where(relevant[..., None] > 0, found.reshape(h.shape[:3]), np.nan)
