"""Approximate search: FAISS names candidates, which are scored exactly.

A structure is made for `cosine`, whose candidates serve angles too, for `distance` or for `soft`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files.index import Index
from hiertools.search.best import Best, Collection, Hits, Queries, Wanted
from hiertools.search.faiss_library import library, metric_of, rows_by_themselves
from hiertools.search.space import Holding, Space

MORE_LOOPS = 64  # that reading a structure may take, beyond one for each point


@dataclass(frozen=True)
class Effort:
    """How hard to look: candidates for each hit, lists of ivf, candidates that hnsw keeps."""

    oversample: int
    probes: int
    ef: int


class Structure:
    """The structure of an index. Raises `UserError` for bytes that are not the one it names.

    space: what it holds of points, None for what `meta` says, of points by themselves.
    """

    def __init__(self, index: Index, name: str, space: Holding | None = None) -> None:
        self._faiss = library()
        meta = index.meta
        self.space = space or Space(meta["method"], meta["by"], meta["geometry"], meta["c"])
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
        d = self.space.width(index.points.shape[1])
        metric = metric_of(faiss, inner=self.space.is_inner_product)
        expected = (d, len(index.points), metric)
        if (
            not isinstance(found, getattr(faiss, kinds[self.space.method]))
            or (found.d, found.ntotal, found.metric_type) != expected
        ):
            raise UserError(f"{self._name}: the structure is not one of its points; index anew")
        return found

    def __len__(self) -> int:
        return int(self._found.ntotal)

    def __getitem__(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float32]:
        """Return what is held of some points."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        try:
            if self.space.method == "ivf" and self._found.direct_map.no():
                self._found.make_direct_map()
            found: NDArray[np.float32] = self._found.reconstruct_batch(rows)
        except RuntimeError:
            raise UserError(f"{self._name}: the structure lacks points; index anew") from None
        return found

    def search(
        self, wanted: Wanted, collection: Collection, queries: Queries, effort: Effort
    ) -> list[Hits]:
        """Return the best of the candidates that FAISS names for each query."""
        best = Best(wanted, collection, queries)
        left_out = np.isin(collection.group, queries.group[queries.group >= 0])
        most = int(np.bincount(collection.group[left_out]).max()) if left_out.any() else 0
        count = min(len(collection.rows), wanted.k * effort.oversample + most)
        nearness, rows = self._candidates(collection, queries, count, effort)
        if rows.max(initial=-1) >= len(collection.points):
            raise UserError(f"{self._name}: the structure names points that are not there")
        group = queries.group[:, None]
        allowed = (rows >= 0) & ((collection.group[rows] != group) | (group < 0))
        if self.space.slack is not None and allowed.shape[1] > wanted.k:
            known = np.where(allowed, nearness, -np.inf)
            last = -np.partition(-known, wanted.k - 1, axis=1)[:, wanted.k - 1, None]
            allowed &= nearness >= last - self.space.slack
        query, place = np.nonzero(allowed)
        best.add(query, rows[query, place])
        return best.hits()

    def _candidates(
        self, collection: Collection, queries: Queries, count: int, effort: Effort
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return what FAISS takes for the nearness of points to each query, and their rows.

        A row is -1 where there are fewer than `count`.
        """
        faiss, options = self._faiss, {}
        if not count:
            none = np.zeros((len(queries.points), 0), np.int64)
            return none.astype(np.float32), none
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
        with rows_by_themselves(faiss, self.space.method == "ivf"):
            nearness, rows = self._found.search(asked, count, params=parameters)
        return nearness, rows


def nearest(
    stored: NDArray[np.float32], asked: NDArray[np.float32], k: int, *, is_inner: bool
) -> NDArray[np.int64]:
    """Return the rows of the k nearest vectors, or of the greatest inner products, b x k."""
    faiss = library()
    rows: NDArray[np.int64] = faiss.knn(asked, stored, k, metric_of(faiss, inner=is_inner))[1]
    return rows


def _selector(faiss: Any, collection: Collection) -> Any:
    """Return what tells FAISS which points may be candidates."""
    chosen = np.zeros(len(collection.points), np.bool_)
    chosen[collection.rows] = True
    return faiss.IDSelectorBitmap(np.packbits(chosen, bitorder="little"))
