"""k-reciprocal re-ranking beside dense matrices, and how its time and memory grow with the index.

    python tests/benchmarks/k_reciprocal.py --work FOLDER [--items 2000 20000 100000]
        [--queries 100]

Vectors of clusters of some twenty, 128 dimensions, queries near some of them. At the first size the
items themselves are the queries of a plain numpy version of the paper's algorithm, with matrices of
all items times all items, as released code has them: the share of queries whose whole ranking is
the same, the time of both, and the memory of its matrices. At each size, by the real commands:
`graph`, and `rerank --method k-reciprocal --graph`, seconds and peak memory; most of it is the sets
of the items, which are found once for all queries. Prints one line of JSON.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import measured
import numpy as np
import torch
from diffusion import apart, hiertools, save

from hiertools.rerankers import k_reciprocal
from hiertools.reranking.directions import directions
from hiertools.reranking.gallery import Gallery
from hiertools.reranking.shortlist import Shortlist

K1, K2, LAMBDA, TOP = 20, 6, 0.3, 100
OF_ONE = 20  # items of a cluster
NOISE = 0.6


def make(items: int, queries: int, dimension: int) -> tuple[Any, Any]:
    """Return vectors in clusters, and queries near some of them."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((items // OF_ONE, dimension))
    vectors = centres[rng.integers(0, len(centres), items)]
    vectors = vectors + NOISE * rng.standard_normal(vectors.shape)
    near = vectors[rng.integers(0, items, queries)]
    asked = near + 0.3 * rng.standard_normal(near.shape)
    return vectors.astype(np.float32), asked.astype(np.float32)


def dense(x: Any) -> Any:
    """Return distances of all to all: Zhong et al. 2017 with matrices of n x n."""
    n, d = len(x), 1 - x @ x.T
    np.fill_diagonal(d, -1)  # each is its own first neighbour
    order = np.argsort(d, axis=1, kind="stable")
    np.fill_diagonal(d, 0)

    def reciprocal(i: int, k: int) -> Any:
        near = order[i, : k + 1]
        return near[(order[near, : k + 1] == i).any(1)]

    v, half = np.zeros((n, n)), int(np.around(K1 / 2))
    for i in range(n):
        first = whole = reciprocal(i, K1)
        for j in first:
            others = reciprocal(j, half)
            if len(np.intersect1d(others, first)) >= 2 / 3 * len(others):
                whole = np.append(whole, others)
        whole = np.unique(whole)
        weights = np.exp(-d[i, whole])
        v[i, whole] = weights / weights.sum()
    v = np.stack([v[order[i, :K2]].mean(0) for i in range(n)])
    return (1 - LAMBDA) * np.stack([_jaccard(v, i) for i in range(n)]) + LAMBDA * d


def _jaccard(v: Any, i: int) -> Any:
    least = np.minimum(v, v[i]).sum(1)
    return 1 - least / (2 - least)


def beside_dense(items: int, dimension: int) -> dict[str, object]:
    """Return how both versions compare on the items themselves."""
    vectors = directions(make(items, 1, dimension)[0])
    start = time.perf_counter()
    expected = dense(vectors.astype(np.float64))
    dense_s = time.perf_counter() - start
    ids = [f"i{row:06d}" for row in range(items)]
    gallery = Gallery(
        ids, vectors, {}, lambda key: None, None, "made", 0, 64, torch.device("cpu"), False, False
    )
    nothing, every = np.zeros(0, np.int64), np.arange(items)
    shortlists = [Shortlist(key, every, np.zeros(items), nothing, items) for key in ids]
    start = time.perf_counter()
    same, off = 0, 0.0
    for row, found in enumerate(
        k_reciprocal.rerank(shortlists, gallery, k1=K1, k2=K2, lambda_=LAMBDA)
    ):
        ranked = np.lexsort((every, expected[row].round(9)))
        mine = found.rows[np.lexsort((found.rows, (-found.scores).round(9)))]
        same += bool((ranked == mine).all())
        off = max(off, float(np.abs(-found.scores - expected[row, found.rows]).max()))
    return {
        "items": items, "dense_s": round(dense_s, 2),
        "sparse_s": round(time.perf_counter() - start, 2),
        "dense_mb": round(4 * items**2 * 8 / 1e6), "same_rankings": same / items,
        "greatest_difference": float(f"{off:.2g}"),
    }  # fmt: skip


def save_all(work: Path, items: int, queries: int, dimension: int) -> None:
    """Write items and queries."""
    vectors, asked = make(items, queries, dimension)
    save(work / "e.h5", vectors, "i")
    save(work / "q.h5", asked, "q")


def grown(work: Path, items: int, queries: int, dimension: int) -> dict[str, Any]:
    """Return seconds and memory of the commands at one size."""
    apart(save_all, work, items, queries, dimension)
    on = ("--overwrite", "-o")
    hiertools("index", work / "e.h5", *on, work / "i.h5")
    hiertools("query", work / "i.h5", work / "q.h5", "-k", TOP, *on, work / "r.jsonl")
    found: dict[str, Any] = {"items": items}
    found["graph"] = hiertools("graph", work / "i.h5", "-k", K1, *on, work / "g.h5")
    for name, more in (("rerank", ()), ("rerank_graph", ("--graph", work / "g.h5"))):
        found[name] = hiertools(
            "rerank", work / "r.jsonl", "--index", work / "i.h5", "--queries", work / "q.h5",
            "--method", "k-reciprocal", *more, *on, work / "n.jsonl",
        )  # fmt: skip
    return found


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--items", type=int, nargs="+", default=[2000, 20_000, 100_000])
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--dimension", type=int, default=128)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    compared = apart(beside_dense, given.items[0], given.dimension)
    sizes = [grown(given.work, n, given.queries, given.dimension) for n in given.items]
    print(json.dumps({**measured.machine(), "dense": compared, "sizes": sizes}))


if __name__ == "__main__":
    main()
