"""Small hierarchies of entities with uneven branching and missing labels, and brute force."""

import numpy as np
import torch

from hiertools.search.path_scores import GEOMETRIES, PathScore
from hiertools.search.path_values import rated
from hiertools.search.tree import Tree

C, DIMENSION = 1.25, 5


def grown(counts):
    """Return offsets, parent and children of levels: how many children each entity has."""
    sizes = [len(counts[0]), *(sum(level) for level in counts)]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    parent, children = np.full(offsets[-1], -1), np.zeros((offsets[-1], 2), np.int64)
    for level, numbers in enumerate(counts):
        ends = offsets[level + 1] + np.cumsum(numbers)
        rows = np.arange(offsets[level], offsets[level + 1])
        children[rows] = np.stack([ends - numbers, ends], 1)
        parent[offsets[level + 1] : offsets[level + 2]] = np.repeat(rows, numbers)
    return offsets, parent, children


def points(rng, rows, geometry, scale=1.0):
    tangents = torch.from_numpy(scale * rng.normal(size=(rows, DIMENSION)))
    return GEOMETRIES[geometry].exp(tangents, C).numpy().astype(np.float32)


def tree(seed, *, levels=4, top=3, missing=0.3, geometry="lorentz"):
    """Return a tree whose entities have from 1 to 8 children, most of them few."""
    rng = np.random.default_rng(seed)
    counts, size = [], top
    for _ in range(levels - 1):
        numbers = np.minimum(1 + rng.geometric(0.5, size) * rng.integers(0, 3, size), 8)
        counts.append(numbers)
        size = int(numbers.sum())
    offsets, parent, children = grown(counts)
    implicit = np.zeros(len(parent), bool)
    for row in range(top, len(parent)):  # at most one child of an entity lacks its label
        if children[parent[row], 0] == row:
            implicit[row] = rng.random() < missing
    implicit[offsets[0]] = missing > 0 and rng.random() < 0.5
    return Tree(points(rng, len(parent), geometry), offsets, parent, children, implicit)


def score(by="energy", *, geometry="lorentz", levels=4, squared=True, tau=0.3):
    beta = tuple(1.0 + 0.5 * level for level in range(levels))
    return PathScore(by, geometry, C, beta, tau, squared)


def brute(space, queries, shifts):
    """Return leaves and scores of all paths with an entity, the best first, for each query."""
    tree, score = space.tree, space.score
    leaves = np.arange(tree.offsets[-2], tree.offsets[-1])
    paths = tree.paths(leaves)
    named = tree.named(paths)
    levels = np.broadcast_to(np.arange(tree.depth), paths.shape)
    found = []
    for query, shift in zip(queries, shifts, strict=True):
        many = np.broadcast_to(query, (paths.size, len(query)))
        values = score.values(many, tree.points[paths.ravel()], levels.ravel())
        scores = score.means(values.reshape(paths.shape) + shift, named)
        order = np.lexsort((leaves, -scores))
        order = order[np.isfinite(scores[order])]
        found.append((leaves[order], scores[order]))
    return found


def space(seed, by="energy", **options):
    geometry = options.get("geometry", "lorentz")
    return rated(tree(seed, **options), score(by, geometry=geometry))
