"""Search beside a plain numpy loop: exact, and through each structure of FAISS.

    python tests/benchmarks/search.py [--points 100000] [--dimension 128] [--queries 1000] [-k 10]

Prints one line of JSON with milliseconds a query and what of exact search is found, of clustered
hyperbolic points as a trained head gives them: children by angle, distance and cosine. The numpy
loop takes a query at a time: a product with all points in float64, the score's formula from its
textbook, and argsort; it is measured on a twentieth of the queries. Ratios are times as fast as it.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import measured
import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.files.index import Index
from hiertools.files.items import Items, encode
from hiertools.geometry import lorentz
from hiertools.search import building, flat
from hiertools.search.approximate import Effort, Structure
from hiertools.search.best import Collection, Hits, Queries, Wanted
from hiertools.search.scores import Measure
from hiertools.search.space import Space

BATCH = 256
EFFORT = Effort(oversample=4, probes=16, ef=64)
PARAMETERS = {"links": 32, "ef": 100}
SLOWER = 20  # the numpy loop is measured on so many times fewer queries

Points = NDArray[np.float32]


def make_points(count: int, dimension: int) -> Points:
    """Return points around a thousand directions, parts farther out than wholes."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((1000, dimension))
    v = centres[rng.integers(0, 1000, count)] + 0.7 * rng.standard_normal((count, dimension))
    radius = rng.uniform(0.5, 3, (count, 1))
    v *= radius / np.linalg.norm(v, axis=1, keepdims=True)
    return lorentz.exp(torch.from_numpy(v), 1.0).numpy().astype(np.float32)


def by_numpy(points: Points, queries: Points, rows: NDArray[np.int64], by: str, k: int) -> Any:
    """Return the hits of each query by a full sort of textbook scores."""
    y = points.astype(np.float64)
    squared = (y * y).sum(1)
    norm, times = np.sqrt(squared), np.sqrt(1 + squared)
    hits = []
    for x, row in zip(queries.astype(np.float64), rows, strict=True):
        product, time_x, norm_x = y @ x, np.sqrt(1 + x @ x), np.sqrt(x @ x)
        inner = product - times * time_x
        if by == "cosine":
            score = product / (norm * norm_x)
        elif by == "distance":
            score = -np.arccosh(np.maximum(1, -inner))
        else:
            root = np.sqrt(np.maximum(inner * inner - 1, 1e-300))
            score = -np.arccos(np.clip((times + time_x * inner) / (norm_x * root), -1, 1))
        score[row] = -np.inf
        hits.append(np.argsort(-score, kind="stable")[:k])
    return hits


def timed(work: Callable[[], Any], queries: int) -> tuple[Any, float]:
    """Return what work returns and the milliseconds a query takes."""
    start = time.perf_counter()
    found = work()
    return found, round(1e3 * (time.perf_counter() - start) / queries, 3)


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("-k", type=int, default=10)
    arguments = parser.parse_args()
    n, k = arguments.points, arguments.k
    points = make_points(n, arguments.dimension)
    rows = np.sort(np.random.default_rng(1).choice(n, arguments.queries, replace=False))
    everything = np.arange(n)
    collection = Collection(points, everything, everything, everything)
    batches = [
        Queries(points[batch], batch) for batch in np.split(rows, range(BATCH, len(rows), BATCH))
    ]
    few = rows[::SLOWER]
    items = Items(encode([str(row) for row in everything]))
    found: dict[str, dict[str, Any]] = {}

    def exact(wanted: Wanted) -> list[Hits]:
        cpu = torch.device("cpu")
        parts = (flat.search(wanted, collection, b, device=cpu, block=None) for b in batches)
        return [hits for part in parts for hits in part]

    truth: dict[str, list[Hits]] = {}
    numpy_ms: dict[str, float] = {}
    wanted = {
        by: Wanted(Measure(by, "children", "ext", "lorentz", 1.0), k, -np.inf, False)
        for by in ("angle", "distance", "cosine")
    }
    for by, each in wanted.items():
        plain, numpy_ms[by] = timed(
            lambda by=by: by_numpy(points, points[few], few, by, k), len(few)
        )
        truth[by], ms = timed(lambda each=each: exact(each), len(rows))
        same = np.mean(
            [
                np.isin(hits, t.rows).mean()
                for hits, t in zip(plain, truth[by][::SLOWER], strict=True)
            ]
        )
        ratio = round(numpy_ms[by] / ms, 1)
        found[f"exact {by}"] = {
            "ms": ms, "numpy_ms": numpy_ms[by], "ratio": ratio, "same_as_numpy": round(same, 4)
        }  # fmt: skip
    for method in ("flat", "ivf", "hnsw"):
        for made_for, serves in (("cosine", ("cosine", "angle")), ("distance", ("distance",))):
            space = Space(method, made_for, "lorentz", 1.0)
            chosen = {"lists": building.default_lists(n)} if method == "ivf" else PARAMETERS
            structure, seconds = timed(
                lambda space=space, chosen=chosen: building.build(
                    points, space, parameters=chosen, seed=0, tick=lambda done: None
                ),
                1000,
            )
            meta = {"method": method, "by": made_for, "geometry": "lorentz", "c": 1.0}
            searched = Structure(Index(points, items, {}, structure, meta, []), "index")
            for by in serves:
                hits, ms = timed(
                    lambda by=by, searched=searched: [
                        hit
                        for batch in batches
                        for hit in searched.search(wanted[by], collection, batch, EFFORT)
                    ],
                    len(rows),
                )
                pairs = zip(hits, truth[by], strict=True)
                recall = np.mean([np.isin(t.rows, hit.rows).mean() for hit, t in pairs])
                found[f"{method} {by}"] = {
                    "ms": ms,
                    "ratio": round(numpy_ms[by] / ms, 1),
                    "recall": round(float(recall), 4),
                    "build_s": seconds,
                }
    sizes = {key: vars(arguments)[key] for key in ("points", "dimension", "queries", "k")}
    print(json.dumps({**measured.machine(), **sizes, **vars(EFFORT), "found": found}))


if __name__ == "__main__":
    main()
