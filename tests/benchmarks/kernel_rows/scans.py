"""Scans of all points: the k best, and which labels are within the first k.

Peaks of memory are those of children, beyond what the same child has before its first scan.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from kernel_rows.row import Row, in_turn
from numpy.typing import NDArray

from hiertools.kernels import counting
from hiertools.kernels.ranked import Ranked
from hiertools.search import flat
from hiertools.search.best import Collection, Queries, Wanted
from hiertools.search.scores import Measure

DIMENSION, CLASSES = 128, 600
COUNTED = 8  # queries of which numpy's loop is timed, as it takes one at a time
K = 100
BATCH = 256  # queries that `hiertools query` searches for together
OF_TOP = ((20_000, 1000), (100_000, 1000), (325_000, 1000))  # points, queries
OF_COUNTING = ((20_000, 50), (100_000, 100), (325_000, 200))  # points, queries


def rows(quick: bool) -> Iterator[Row]:
    """Yield the rows; quick: of the smallest size alone."""
    for n, b in OF_TOP[: 1 if quick else None]:
        yield _top(n, b)
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


def by_scan(points: NDArray[np.float32], queries: NDArray[np.float32]) -> None:
    """Find the K best by angle as `hiertools query` does: exactly."""
    every, none = np.arange(len(points)), np.full(len(points), -1)
    collection = Collection(points, every, every, none)
    wanted = Wanted(Measure("angle", "children", "ext", "lorentz", 1.0), K, -np.inf, False)
    for start in range(0, len(queries), BATCH):
        batch = queries[start : start + BATCH]
        asked = Queries(batch, np.full(len(batch), -1))
        flat.search(wanted, collection, asked, device=torch.device("cpu"), block=None)


def by_torch(points: NDArray[np.float32], queries: NDArray[np.float32]) -> None:
    """Find about the K best by MERU's formula of all pairs in float32, and topk."""
    x, y = torch.from_numpy(queries), torch.from_numpy(points)
    times = (1 + x.square().sum(1, keepdim=True)).sqrt(), (1 + y.square().sum(1)).sqrt()
    inner = x @ y.T - times[0] * times[1]
    above = times[1] + inner * times[0]
    below = x.norm(dim=1, keepdim=True) * (inner.square() - 1).clamp(min=1e-8).sqrt()
    torch.acos((above / below).clamp(-1, 1)).topk(K, largest=False)


def peak(name: str, n: int, b: int) -> None:
    """Print by how many bytes a way of this module makes the peak of this process grow."""
    points = made(n)
    queries = points[:: n // b][:b].copy()
    globals()[name](points[:2000], queries[:1])
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before = _resident("VmHWM")
    globals()[name](points, queries)
    print(_resident("VmHWM") - before)


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(field))


def _peak(name: str, n: int, b: int) -> int:
    script = f"from kernel_rows.scans import peak; peak({name!r}, {n}, {b})"
    folder = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def _top(n: int, b: int) -> Row:
    points = made(n)
    queries = points[:: n // b][:b].copy()
    found, pairwise = in_turn(
        lambda: by_scan(points, queries), lambda: by_torch(points, queries), rounds=2
    )
    ours, theirs = (_peak(name, n, b) for name in ("by_scan", "by_torch"))
    largest = n == OF_TOP[-1][0]
    return Row(
        f"top {K} by angle", f"{b} queries, {n:,} points x {DIMENSION}",
        "torch pairwise in float32 + topk", found, pairwise, aim=0.6 if largest else None,
        memory=ours / theirs, memory_aim=0.1 if largest else None,
        note=f"peaks {ours >> 20} and {theirs >> 20} MB; ours scores in float64",
    )  # fmt: skip


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
