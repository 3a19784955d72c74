"""Routes: by which items a hit is linked to the nearest items of a query."""

import numpy as np

from hiertools.reranking.affinity import Edges
from hiertools.reranking.shortlist import Rows, Scores


def routes(edges: Edges, f: Scores, starts: Rows, hits: Rows) -> dict[int, list[int]]:
    """Return a route of the fewest links to each hit, the hit last; none if there is no route.

    edges: S; f: of its nodes, above 0 where a route may pass; starts: where the heat started. Of
    routes with as few links, the last link is the one by which the most heat comes.
    """
    level = _levels(edges, f, starts, hits)
    return {int(hit): _back(edges, f, level, int(hit)) for hit in hits if level[hit] >= 0}


def _levels(edges: Edges, f: Scores, starts: Rows, hits: Rows) -> Rows:
    """Return how many links nodes are from the nearest start, as far out as there are hits.

    -1 of those that are farther out, or that no route comes to.
    """
    level = np.full(len(edges), -1)
    here, links = starts, 0
    level[starts] = 0
    while len(here) and (level[hits] < 0).any():
        links += 1
        beside = np.unique(np.concatenate([edges.of(node)[0] for node in here]))
        here = beside[(level[beside] < 0) & (f[beside] > 0)]
        level[here] = links
    return level


def _back(edges: Edges, f: Scores, level: Rows, hit: int) -> list[int]:
    route = [hit]
    while level[route[0]] > 0:
        beside, values = edges.of(route[0])
        heat = np.where(level[beside] == level[route[0]] - 1, values * f[beside], -1)
        route.insert(0, int(beside[heat.argmax()]))
    return route
