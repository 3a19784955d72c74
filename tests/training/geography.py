"""Small worlds: entities on the globe, and images that show where they are, among other things."""

from dataclasses import replace

import numpy as np

from hiertools.files.entities import Entities, Members
from hiertools.files.items import Items

ENCODER = {
    "encoder": "made", "digest": "0" * 64, "preprocess": {"size": 8}, "output": "embedding",
}  # fmt: skip
LEVELS = ["country", "region", "city"]


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


class Geography:
    """Countries, regions and cities, and images of them.

    branching: children of a node at each level; features: of an image; nuisance: how much else an
    image shows, in a subspace of half the features; missing: share of regions without a name;
    coordinates: whether items and entities have any.
    """

    def __init__(
        self, images=200, *, branching=(3, 3, 3), features=16, nuisance=0.0, missing=0.0,
        coordinates=True, folds=2, seed=0, world=0,
    ):  # fmt: skip
        rng, planet = np.random.default_rng(seed), np.random.default_rng(world)
        sizes = np.cumprod(branching)
        self.offsets = np.concatenate([[0], np.cumsum(sizes)])
        n = int(self.offsets[-1])
        parent = np.full(n, -1)
        children = np.zeros((n, 2), int)
        for level, size in enumerate(sizes[1:], 1):
            rows = self.offsets[level] + np.arange(size)
            parent[rows] = self.offsets[level - 1] + np.arange(size) // branching[level]
        for node in range(n):
            below = np.flatnonzero(parent == node)
            end = self.offsets[np.searchsorted(self.offsets, node, "right")]
            children[node] = (below[0], below[-1] + 1) if len(below) else (end, end)
        implicit = np.zeros(n, bool)
        regions = np.arange(self.offsets[1], self.offsets[2])
        implicit[planet.choice(regions, int(missing * len(regions)), replace=False)] = True
        scale = np.repeat([1.0, 0.7, 0.5], sizes)[:, None]
        own = scale * unit(planet.normal(size=(n, features)))
        at = scale * unit(planet.normal(size=(n, 3)))
        for node in range(int(sizes[0]), n):
            own[node] += own[parent[node]]
            at[node] += at[parent[node]]
        key = np.empty(n, object)
        for node in range(n):
            part = b"%" if implicit[node] else b"n%d" % node
            key[node] = part if parent[node] < 0 else key[parent[node]] + b"/" + part
        city = rng.integers(self.offsets[-2], n, images)
        path = [city]
        while len(path) < len(branching):
            path.insert(0, parent[path[0]])
        entity = np.stack(path, 1).astype(np.int32)
        basis = planet.normal(size=(features // 2, features))
        other = nuisance * rng.normal(size=(images, features // 2)) @ basis
        self.vectors = (own[city] + other + 0.05 * rng.normal(size=other.shape)).astype(np.float32)
        fold = rng.integers(0, folds, images).astype(np.uint8)
        lat, lon = _degrees(at[city] + 0.02 * rng.normal(size=(images, 3)))
        sums, counts = np.zeros((folds * n, features)), np.zeros((folds, n), int)
        for column in entity.T:
            np.add.at(sums, fold.astype(int) * n + column, unit(self.vectors.astype(float)))
            np.add.at(counts, (fold, column), 1)
        places = _degrees(at) if coordinates else (None, None)
        meta = {
            "levels": LEVELS, "folds": folds, "rows": images, "features": features, **ENCODER,
            "source": {}, "text": None, **({"centroid": "sphere"} if coordinates else {}),
        }  # fmt: skip
        self.entities = Entities(
            LEVELS, self.offsets, key.astype(np.bytes_), np.array(key, np.bytes_), parent,
            children, implicit, counts.sum(0), counts, *places, sums.astype(np.float32), None,
            meta,
        )  # fmt: skip
        ids = np.array([f"i{seed}-{row}" for row in range(images)], np.bytes_)
        table = Items(ids, latitude=lat, longitude=lon) if coordinates else Items(ids)
        self.members = Members(table, entity, fold)

    def without_embeddings(self):
        """Return the entities as they are without mean images."""
        meta = {k: v for k, v in self.entities.meta.items() if k not in ENCODER}
        return replace(self.entities, image_sums=None, meta={**meta, "features": 0})


def _degrees(vectors):
    x, y, z = unit(vectors).T
    return np.degrees(np.arcsin(z.clip(-1, 1))), np.degrees(np.arctan2(y, x))
