"""FAISS: the one module that imports it, and what must hold while it works."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hiertools.errors import UserError

ALL_BY_THEMSELVES = 1 << 30  # rows up to which FAISS compares without a matrix product


def library() -> Any:
    """Return FAISS. Raises `UserError` where it is missing."""
    try:
        import faiss
    except ImportError:
        raise UserError("FAISS is missing; pip install faiss-cpu, or search exactly") from None
    return faiss


@contextmanager
def one_thread(faiss: Any) -> Iterator[None]:
    """Build with one thread: with several the order of points in hnsw and in sums is chance."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


@contextmanager
def rows_by_themselves(faiss: Any, wanted: bool) -> Iterator[None]:
    """Let a query choose its lists by its own numbers, whatever other queries come with it."""
    before = faiss.cvar.distance_compute_blas_threshold
    if wanted:
        faiss.cvar.distance_compute_blas_threshold = ALL_BY_THEMSELVES
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_threshold = before


def metric_of(faiss: Any, *, inner: bool) -> int:
    """Return FAISS' name of a measure: inner products, or L2."""
    return int(faiss.METRIC_INNER_PRODUCT if inner else faiss.METRIC_L2)
