"""Routes by hand."""

import numpy as np

from hiertools.reranking.affinity import Edges
from hiertools.reranking.routes import routes


def edges(n, links):
    """Return a symmetric matrix of links {(i, j): weight}."""
    both = sorted({**links, **{(j, i): weight for (i, j), weight in links.items()}}.items())
    counts = np.bincount([i for (i, _), _ in both], minlength=n)
    return Edges(
        np.concatenate([[0], np.cumsum(counts)]),
        np.array([j for (_, j), _ in both], np.int32),
        np.array([weight for _, weight in both], float),
    )


# 0 - 1 - 3 - 4 and 0 - 2 - 3; 5 is alone; 6 hangs on 4
GRAPH = edges(7, {(0, 1): 0.9, (0, 2): 0.2, (1, 3): 0.2, (2, 3): 0.5, (3, 4): 0.3, (4, 6): 0.3})
F = np.array([9, 4, 3, 2, 1, 0, 0.5])
START = np.array([0])


def test_of_two_ways_the_last_link_brings_more_heat():
    """By 1 comes 0.2 x 4, by 2 comes 0.5 x 3."""
    found = routes(GRAPH, F, START, np.array([0, 1, 3, 4]))
    assert found == {0: [0], 1: [0, 1], 3: [0, 2, 3], 4: [0, 2, 3, 4]}


def test_a_route_has_the_fewest_links():
    found = routes(GRAPH, F, np.array([0, 3]), np.array([4, 2]))
    assert found == {4: [3, 4], 2: [0, 2]}


def test_there_is_no_route_where_there_is_no_heat():
    assert routes(GRAPH, F, START, np.array([5])) == {}
    assert routes(GRAPH, np.where(np.arange(7) == 4, 0, F), START, np.array([6])) == {}
    assert routes(GRAPH, F, np.zeros(0, np.int64), np.array([1])) == {}
