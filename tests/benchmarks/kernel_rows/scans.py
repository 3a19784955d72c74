"""Scans of all points: which labels are within the first k, beside numpy's argsort and bincount."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.kernels import counting
from hiertools.kernels.ranked import Ranked

from .row import Row, in_turn

DIMENSION, CLASSES = 128, 600
COUNTED = 8  # queries of which numpy's loop is timed, as it takes one at a time
OF_COUNTING = ((20_000, 50), (100_000, 100), (325_000, 200))  # points, queries


def rows(quick: bool) -> Iterator[Row]:
    """Yield the rows; quick: of the smallest size alone."""
    for n, b in OF_COUNTING[: 1 if quick else None]:
        yield _counting(n, b)


def made(n: int) -> NDArray[np.float32]:
    """Return points around a thousand directions, some farther out than others."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((1000, DIMENSION), dtype=np.float32)
    found = rng.standard_normal((n, DIMENSION), dtype=np.float32)
    found += centres[rng.integers(0, 1000, n)]
    found *= rng.uniform(0.5, 3, (n, 1)) / np.linalg.norm(found, axis=1, keepdims=True)
    return found.astype(np.float32)


def _counting(n: int, b: int) -> Row:
    points = made(n)
    codes = np.random.default_rng(1).integers(0, CLASSES, n)
    queries = points[:: n // b][:b].copy()
    ks = tuple(n * k // 325 for k in (150, 200, 250))
    tensors = [torch.from_numpy(each) for each in (queries, points, codes)]

    def ours() -> object:
        ranked = Ranked("angle")
        return counting.label_counts(ranked, *tensors, ks=ks, labels=CLASSES, barred=None)

    def theirs() -> None:
        for query in queries[:COUNTED]:
            order = np.argsort(-(points @ query))
            for k in ks:
                np.bincount(codes[order[:k]], minlength=CLASSES)

    found, loop = in_turn(ours, theirs, rounds=3)
    sizes = f"{b} queries, {n:,} points x {DIMENSION}, 3 ks, {CLASSES} classes"
    return Row(
        "counting by angle", sizes, "numpy products, argsort + bincount", found,
        loop * b / COUNTED, aim=1 / 6 if n == OF_COUNTING[-1][0] else None,
        note=f"theirs timed on {COUNTED} queries",
    )  # fmt: skip
