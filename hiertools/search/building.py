"""Structures that FAISS makes of points, as bytes."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.files.json import Document
from hiertools.search.beside import Columns
from hiertools.search.faiss_library import library, metric_of, one_thread
from hiertools.search.space import Holding
from hiertools.terminal import Tick

BLOCK = 1 << 14  # points that are taken together
TRAINING_POINTS = 64  # of each list of ivf


def build(
    points: Columns, space: Holding, *, parameters: dict[str, int], seed: int, tick: Tick
) -> bytes:
    """Return a structure of points as bytes: the same for the same points and seed.

    parameters: of ivf `lists`; of hnsw `links` and `ef`.
    """
    faiss = library()
    with one_thread(faiss):
        d = space.stored(points[:1]).shape[1]
        metric = metric_of(faiss, inner=space.is_inner_product)
        if space.method == "ivf":
            structure = _lists(faiss, points, space, parameters["lists"], seed)
        elif space.method == "hnsw":
            structure = faiss.IndexHNSWFlat(d, parameters["links"], metric)
            structure.hnsw.efConstruction = parameters["ef"]
            structure.hnsw.rng = faiss.RandomGenerator(seed)
        else:
            structure = faiss.IndexFlat(d, metric)
        for start in range(0, len(points), BLOCK):
            block = points[start : start + BLOCK]
            _add(faiss, structure, block, space)
            tick(len(block))
        found: bytes = faiss.serialize_index(structure).tobytes()
    return found


def _lists(faiss: Any, points: Columns, space: Holding, lists: int, seed: int) -> Any:
    """Return an ivf structure without points: the centres of its lists, from a sample.

    Centres of hyperbolic points are means of tangent vectors at the origin.
    """
    count = min(len(points), TRAINING_POINTS * lists)
    chosen = np.sort(np.random.default_rng(seed).choice(len(points), count, replace=False))
    flat = space.flattened(points[chosen])
    clustering = faiss.Clustering(flat.shape[1], lists)
    clustering.seed, clustering.spherical = seed, space.by == "cosine"
    clustering.min_points_per_centroid, clustering.max_points_per_centroid = 1, TRAINING_POINTS
    alike = metric_of(faiss, inner=space.by == "cosine")
    clustering.train(flat, faiss.IndexFlat(flat.shape[1], alike))
    found = faiss.vector_to_array(clustering.centroids).reshape(lists, -1)
    centres = space.stored(space.unflattened(found))
    d, metric = centres.shape[1], metric_of(faiss, inner=space.is_inner_product)
    quantizer = faiss.IndexFlat(d, metric)
    quantizer.add(centres)
    return faiss.IndexIVFFlat(quantizer, d, lists, metric)


def _add(faiss: Any, structure: Any, points: NDArray[np.float32], space: Holding) -> None:
    """Add points: with ivf to the list that a query at their place would look into first."""
    stored = space.stored(points)
    if space.method != "ivf":
        structure.add(stored)
        return
    nearest = structure.quantizer.search(space.asked(points), 1)[1]
    pointers = faiss.swig_ptr(stored), None, faiss.swig_ptr(nearest)
    structure.add_core(len(stored), *pointers)


def default_lists(points: int) -> int:
    """Return how many lists ivf has for so many points, if nobody says: 4 sqrt(n)."""
    return max(1, min(points, round(4 * math.sqrt(points))))


def describe(space: Holding, parameters: dict[str, int], seed: int) -> Document:
    """Return what an index says of its structure."""
    return {"library": "faiss", **parameters, **({} if space.method == "flat" else {"seed": seed})}
