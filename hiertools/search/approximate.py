"""Approximate search: FAISS names candidates, which are scored exactly. The one user of FAISS.

A structure is made for `cosine`, whose candidates serve angles too, or for `distance`.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files.embeddings import Vectors
from hiertools.files.index import Index
from hiertools.files.json import Document
from hiertools.search.best import Best, Collection, Hits, Queries, Wanted
from hiertools.search.space import Space
from hiertools.terminal import Tick

BLOCK = 1 << 14  # points that are taken together
TRAINING_POINTS = 64  # of each list of ivf
MORE_LOOPS = 64  # that reading a structure may take, beyond one for each point
ALL_BY_THEMSELVES = 1 << 30  # rows up to which FAISS compares without a matrix product


def build(
    points: Vectors, space: Space, *, parameters: dict[str, int], seed: int, tick: Tick
) -> bytes:
    """Return a structure of points as bytes: the same for the same points and seed.

    parameters: of ivf `lists`; of hnsw `links` and `ef`.
    """
    faiss = _faiss()
    with _one_thread(faiss):
        d, metric = space.stored(points[:1]).shape[1], _metric(faiss, space)
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


def _lists(faiss: Any, points: Vectors, space: Space, lists: int, seed: int) -> Any:
    """Return an ivf structure without points: the centres of its lists, from a sample.

    Centres of hyperbolic points are means of tangent vectors at the origin.
    """
    count = min(len(points), TRAINING_POINTS * lists)
    chosen = np.sort(np.random.default_rng(seed).choice(len(points), count, replace=False))
    flat = space.flattened(points[chosen])
    clustering = faiss.Clustering(flat.shape[1], lists)
    clustering.seed, clustering.spherical = seed, space.by == "cosine"
    clustering.min_points_per_centroid, clustering.max_points_per_centroid = 1, TRAINING_POINTS
    metric = faiss.METRIC_INNER_PRODUCT if space.by == "cosine" else faiss.METRIC_L2
    clustering.train(flat, faiss.IndexFlat(flat.shape[1], metric))
    found = faiss.vector_to_array(clustering.centroids).reshape(lists, -1)
    centres = space.stored(space.unflattened(found))
    d, metric = centres.shape[1], _metric(faiss, space)
    quantizer = faiss.IndexFlat(d, metric)
    quantizer.add(centres)
    return faiss.IndexIVFFlat(quantizer, d, lists, metric)


def _add(faiss: Any, structure: Any, points: Vectors, space: Space) -> None:
    """Add points: with ivf to the list that a query at their place would look into first."""
    stored = space.stored(points)
    if space.method != "ivf":
        structure.add(stored)
        return
    nearest = structure.quantizer.search(space.asked(points), 1)[1]
    pointers = faiss.swig_ptr(stored), None, faiss.swig_ptr(nearest)
    structure.add_core(len(stored), *pointers)


def _metric(faiss: Any, space: Space) -> int:
    return int(faiss.METRIC_INNER_PRODUCT if space.is_inner_product else faiss.METRIC_L2)


@dataclass(frozen=True)
class Effort:
    """How hard to look: candidates for each hit, lists of ivf, candidates that hnsw keeps."""

    oversample: int
    probes: int
    ef: int


class Structure:
    """The structure of an index. Raises `UserError` for bytes that are not the one it names."""

    def __init__(self, index: Index, name: str) -> None:
        self._faiss = _faiss()
        meta = index.meta
        self.space = Space(meta["method"], meta["by"], meta["geometry"], meta["c"])
        self._name = name
        self._found = self._read(index)

    def _read(self, index: Index) -> Any:
        """Read FAISS' bytes, whose sha256 is that of the file, within limits."""
        faiss, count = self._faiss, len(index.structure)
        faiss.set_deserialization_loop_limit(len(index.points) + MORE_LOOPS)
        faiss.set_deserialization_vector_byte_limit(count)
        try:
            found = faiss.deserialize_index(np.frombuffer(index.structure, np.uint8))
        except RuntimeError:
            raise UserError(f"{self._name}: FAISS cannot read the structure; index anew") from None
        kinds = {"flat": "IndexFlat", "ivf": "IndexIVFFlat", "hnsw": "IndexHNSWFlat"}
        d = self.space.stored(np.zeros((1, index.points.shape[1]), np.float32)).shape[1]
        expected = (d, len(index.points), _metric(faiss, self.space))
        if (
            not isinstance(found, getattr(faiss, kinds[self.space.method]))
            or (found.d, found.ntotal, found.metric_type) != expected
        ):
            raise UserError(f"{self._name}: the structure is not one of its points; index anew")
        return found

    def search(
        self, wanted: Wanted, collection: Collection, queries: Queries, effort: Effort
    ) -> list[Hits]:
        """Return the best of the candidates that FAISS names for each query."""
        best = Best(wanted, collection, queries)
        left_out = np.isin(collection.group, queries.group[queries.group >= 0])
        most = int(np.bincount(collection.group[left_out]).max()) if left_out.any() else 0
        count = min(len(collection.rows), wanted.k * effort.oversample + most)
        rows = self._candidates(collection, queries, count, effort)
        if rows.max(initial=-1) >= len(collection.points):
            raise UserError(f"{self._name}: the structure names points that are not there")
        group = queries.group[:, None]
        allowed = (rows >= 0) & ((collection.group[rows] != group) | (group < 0))
        query, place = np.nonzero(allowed)
        best.add(query, rows[query, place])
        return best.hits()

    def _candidates(
        self, collection: Collection, queries: Queries, count: int, effort: Effort
    ) -> NDArray[np.int64]:
        """Return rows of points for each query, -1 where there are fewer than `count`."""
        faiss, options = self._faiss, {}
        if not count:
            return np.zeros((len(queries.points), 0), np.int64)
        if len(collection.rows) < len(collection.points):
            options["sel"] = _selector(faiss, collection)
        match self.space.method:
            case "flat":
                parameters = faiss.SearchParameters(**options)
            case "ivf":
                probes = min(effort.probes, self._found.nlist)
                parameters = faiss.SearchParametersIVF(nprobe=probes, **options)
            case _:
                parameters = faiss.SearchParametersHNSW(efSearch=max(effort.ef, count), **options)
        asked = self.space.asked(queries.points)
        with _rows_by_themselves(faiss, self.space.method == "ivf"):
            rows: NDArray[np.int64] = self._found.search(asked, count, params=parameters)[1]
        return rows


def nearest(
    stored: NDArray[np.float32], asked: NDArray[np.float32], k: int, *, is_inner: bool
) -> NDArray[np.int64]:
    """Return the rows of the k nearest vectors, or of the greatest inner products, b x k."""
    faiss = _faiss()
    metric = faiss.METRIC_INNER_PRODUCT if is_inner else faiss.METRIC_L2
    rows: NDArray[np.int64] = faiss.knn(asked, stored, k, metric)[1]
    return rows


def _selector(faiss: Any, collection: Collection) -> Any:
    """Return what tells FAISS which points may be candidates."""
    chosen = np.zeros(len(collection.points), np.bool_)
    chosen[collection.rows] = True
    return faiss.IDSelectorBitmap(np.packbits(chosen, bitorder="little"))


@contextmanager
def _one_thread(faiss: Any) -> Iterator[None]:
    """Build with one thread: with several the order of points in hnsw and in sums is chance."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


@contextmanager
def _rows_by_themselves(faiss: Any, wanted: bool) -> Iterator[None]:
    """Let a query choose its lists by its own numbers, whatever other queries come with it."""
    before = faiss.cvar.distance_compute_blas_threshold
    if wanted:
        faiss.cvar.distance_compute_blas_threshold = ALL_BY_THEMSELVES
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_threshold = before


def _faiss() -> Any:
    """Return the library."""
    try:
        import faiss
    except ImportError:
        raise UserError("FAISS is missing; pip install faiss-cpu, or search exactly") from None
    return faiss


def default_lists(points: int) -> int:
    """Return how many lists ivf has for so many points, if nobody says: 4 sqrt(n)."""
    return max(1, min(points, round(4 * math.sqrt(points))))


def describe(space: Space, parameters: dict[str, int], seed: int) -> Document:
    """Return what an index says of its structure."""
    return {"library": "faiss", **parameters, **({} if space.method == "flat" else {"seed": seed})}
