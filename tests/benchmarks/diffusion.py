"""Diffusion beside a dense solve, and how its time and memory grow with the index.

    python tests/benchmarks/diffusion.py --work FOLDER [--items 5000 20000 100000] [--queries 512]
        [--modes online truncated offline] [--dimension 128]

Vectors along one long way, a hundred items from each random direction to the next, so that all are
linked, and queries near some of them.
At the first size: diffusion without a limit and with its usual 20 steps beside a Cholesky solve of
the same dense matrix, with the share of the true top 100 that is found. At each size, by the real
commands: `graph` (seconds and peak memory), `graph --offline`, and `rerank --graph` with each mode;
milliseconds a query are those that the method says of all queries less those of an eighth of them,
so that what a run does once is left out; it is told as `start_s`. Prints one line of JSON.
"""

import argparse
import json
import multiprocessing
import re
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import measured
import numpy as np
import torch
from scipy import linalg

from hiertools.files.embeddings import write_embeddings
from hiertools.files.items import Items, encode
from hiertools.reranking import solving
from hiertools.reranking.affinity import affinity, normalised
from hiertools.reranking.directions import directions
from hiertools.reranking.neighbours import nearest
from hiertools.reranking.seeding import heat, seeds
from hiertools.reranking.solving import Solving

ALPHA, POWER, K, SEEDS, TOP = 0.99, 3.0, 50, 10, 100
AROUND = 100  # items from one direction to the next
NOISE = 0.5  # beside directions of 1 in each dimension
USUAL = Solving(ALPHA, 1e-6, 20)
UNTIL_DONE = Solving(ALPHA, 1e-12, 10_000)
PART = 8  # so many times fewer queries in the short run
CPU = torch.device("cpu")
solve = partial(solving.solve, device=CPU)


def make(items: int, queries: int, dimension: int) -> tuple[Any, Any]:
    """Return vectors along a way from direction to direction, and queries near some of them."""
    rng = np.random.default_rng(0)
    stops = rng.standard_normal((items // AROUND + 2, dimension))
    stop, part = np.divmod(rng.uniform(0, len(stops) - 1, (items, 1)), 1)
    stop = stop[:, 0].astype(np.int64)
    vectors = (1 - part) * stops[stop] + part * stops[stop + 1]
    vectors += NOISE * rng.standard_normal(vectors.shape)
    near = vectors[rng.integers(0, items, queries)]
    return vectors.astype(np.float32), (near + 0.3 * rng.standard_normal(near.shape)).astype(
        np.float32
    )


def save_all(work: Path, items: int, count: int, dimension: int) -> None:
    """Write items, queries, and an eighth of them."""
    vectors, queries = make(items, count, dimension)
    save(work / "e.h5", vectors, "i")
    save(work / "q.h5", queries, "q")
    save(work / "few.h5", queries[: count // PART], "q")


def save(path: Path, vectors: Any, letter: str) -> None:
    """Write vectors as embeddings."""
    meta = {
        "encoder": "made", "digest": "0" * 64, "output": "embedding", "preprocess": {},
        "dimension": vectors.shape[1],
    }  # fmt: skip
    table = Items(encode([f"{letter}{row}" for row in range(len(vectors))]))
    write_embeddings(path, [vectors], vectors.shape[1], table, meta=meta, chain=[], overwrite=True)


def apart(work: Any, *given: Any) -> Any:
    """Return what a function returns in a process of its own.

    Linux counts the memory of the process that starts a command as the command's.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, given)


def beside_dense(items: int, count: int, dimension: int) -> dict[str, object]:
    """Return how both solves compare: time, and what is found."""
    vectors, queries = map(directions, make(items, count, dimension))
    edges = normalised(
        affinity(nearest(vectors, vectors, K, device=CPU, without_self=True), power=POWER)
    )
    found = seeds(vectors, queries, [np.zeros(0, np.int64)] * len(queries), SEEDS, device=CPU)
    sources = [heat(each, power=POWER) for each in found]
    solve(edges, sources[:1], USUAL)  # compiles
    f, ms = timed(lambda: solve(edges, sources, USUAL), len(queries))
    done, done_ms = timed(lambda: solve(edges, sources, UNTIL_DONE), len(queries))
    n = len(vectors)
    matrix = np.eye(n)
    rows = np.repeat(np.arange(n), np.diff(edges.starts))
    matrix[rows, edges.columns] -= ALPHA * edges.values
    factor, factor_ms = timed(lambda: linalg.cho_factor(matrix, overwrite_a=True), 1)
    y = np.zeros((n, len(queries)))
    for column, (at, values) in enumerate(sources):
        y[at, column] = values
    exact, dense_ms = timed(lambda: linalg.cho_solve(factor, y).T, len(queries))
    top = [same(*each) for each in zip(f, exact, strict=True)]
    return {
        "items": n, "links": len(edges.values), "ms": ms, "until_done_ms": done_ms,
        "dense_s": round(factor_ms / 1e3, 2), "dense_ms": dense_ms,
        "dense_mb": round(n * n / 125e3),
        "top_100_found": round(float(np.mean(top)), 4),
        "until_done_error": float(f"{np.abs(done - exact).max() / exact.max():.2g}"),
    }  # fmt: skip


def same(f: Any, exact: Any) -> float:
    """Return the share of the true top that is found."""
    return float(np.isin(np.argsort(-exact)[:TOP], np.argsort(-f)[:TOP]).mean())


def timed(work: Any, times: int) -> tuple[Any, float]:
    """Return what work returns, and milliseconds of each of so many times."""
    start = time.perf_counter()
    found = work()
    return found, round(1e3 * (time.perf_counter() - start) / times, 3)


def hiertools(*words: object) -> dict[str, Any]:
    """Run a command; return seconds, memory, and the seconds that a method says it took."""
    command = (sys.executable, "-m", "hiertools", *map(str, words))
    with tempfile.NamedTemporaryFile("r") as said:
        found = measured.run("sh", "-c", f'exec "$@" 2> {said.name}', "sh", *command)
        seconds = re.search(r"re-ranked by .* in ([\d.e+]+) s", said.read())
    method = {"method_s": float(seconds[1])} if seconds else {}
    return {"s": found["wall_s"], "mb": found["peak_mb"], **method}


def grown(work: Path, items: int, count: int, dimension: int, modes: list[str]) -> dict[str, Any]:
    """Return seconds and memory of the commands at one size."""
    apart(save_all, work, items, count, dimension)
    hiertools("index", work / "e.h5", "-o", work / "i.h5", "--overwrite")
    on = ("--overwrite", "-o")
    found: dict[str, Any] = {"items": items}
    found["graph"] = hiertools("graph", work / "i.h5", "-k", K, *on, work / "g.h5")
    if "offline" in modes:
        found["graph_offline"] = hiertools(
            "graph", work / "i.h5", "-k", K, "--offline", *on, work / "o.h5"
        )
        found["graph_offline"]["file_mb"] = round((work / "o.h5").stat().st_size / 1e6)
    for name in ("q", "few"):
        asked = (work / "i.h5", work / f"{name}.h5", "-k", TOP)
        hiertools("query", *asked, *on, work / f"{name}.jsonl")
    for mode in modes:
        graph = work / ("o.h5" if mode == "offline" else "g.h5")
        runs = [
            hiertools(
                "rerank", work / f"{name}.jsonl", "--index", work / "i.h5", "--queries",
                work / "q.h5", "--graph", graph, "--method", f"diffusion:mode={mode}", *on,
                work / "r.jsonl",
            )
            for name in ("few", "q")
        ]  # fmt: skip
        each = (runs[1]["method_s"] - runs[0]["method_s"]) / (count - count // PART)
        found[mode] = {
            "ms": round(1e3 * each, 2), "mb": runs[1]["mb"],
            "start_s": round(runs[0]["s"] - each * (count // PART), 2),
        }  # fmt: skip
    return found


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--items", type=int, nargs="+", default=[5000, 20_000, 100_000])
    parser.add_argument("--queries", type=int, default=512)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--modes", nargs="+", default=["online", "truncated", "offline"])
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    dense = apart(beside_dense, given.items[0], given.queries, given.dimension)
    sizes = [
        grown(given.work, items, given.queries, given.dimension, given.modes)
        for items in given.items
    ]
    print(
        json.dumps({**measured.machine(), "queries": given.queries, "dense": dense, "sizes": sizes})
    )


if __name__ == "__main__":
    main()
