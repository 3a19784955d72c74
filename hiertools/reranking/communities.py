"""Communities of a shortlist: whether its first hits are of one thing, or of several.

An et al., "Hypergraph propagation and community selection for objects retrieval", NeurIPS 2021:
where the first hits fall apart into many groups, the query is uncertain.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hiertools.reranking.gallery import Gallery
from hiertools.reranking.shortlist import Shortlist

FIRST = 20  # hits that are looked at
INLIERS = 20  # of a verified pair that is a link
NEAREST = 5  # among the first hits, both ways, that are a link where no pairs were verified


def entropy(sizes: Sequence[int]) -> float:
    """Return the entropy of the shares of groups of these sizes, in nats."""
    shares = np.array([size for size in sizes if size], np.float64)
    if not len(shares):
        return 0.0
    shares /= shares.sum()
    return float(-(shares * np.log(shares)).sum()) + 0.0


def sizes(count: int, links: Sequence[tuple[int, int]]) -> list[int]:
    """Return the sizes of the connected components of so many nodes, the largest first."""
    if not count:
        return []
    pairs = np.array(links, np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (count, count))
    _, component = connected_components(graph, directed=False)
    return sorted(np.bincount(component).tolist(), reverse=True)


def uncertain(shortlist: Shortlist, gallery: Gallery, *, nats: float) -> bool:
    """Return whether the communities of the first hits have an entropy above so many nats.

    Hits are linked by their verified pairs; where none were verified, if each is among the nearest
    of the other by its vector, of the first hits.
    """
    rows = shortlist.rows[:FIRST].tolist()
    links = _verified(rows, gallery) if gallery.verified is not None else _nearest(rows, gallery)
    return entropy(sizes(len(rows), links)) > nats


def _verified(rows: list[int], gallery: Gallery) -> list[tuple[int, int]]:
    assert gallery.verified is not None
    places = {gallery.ids[row]: place for place, row in enumerate(rows)}
    return [
        (place, places[other])
        for key, place in places.items()
        for other, inliers in gallery.verified.others(key)
        if other in places and inliers >= INLIERS
    ]


def _nearest(rows: list[int], gallery: Gallery) -> list[tuple[int, int]]:
    vectors = np.asarray(gallery.vectors[rows], np.float64)
    similar = np.einsum("nd,md->nm", vectors, vectors)
    np.fill_diagonal(similar, -np.inf)
    near = np.argsort(-similar, axis=1, kind="stable")[:, :NEAREST]
    chosen = np.zeros(similar.shape, bool)
    np.put_along_axis(chosen, near, True, axis=1)
    np.fill_diagonal(chosen, False)
    return [(int(i), int(j)) for i, j in zip(*np.nonzero(chosen & chosen.T), strict=True)]
