"""Retrieval judged over a whole gallery, beside a plain loop of numpy and pytrec_eval.

    python tests/benchmarks/retrieval.py [--queries 2000] [--candidates 50000] [--classes 1000]

Prints one line of JSON: `hiertools evaluate retrieval` on an index of random points (256
dimensions) with a tree of classes: every metric with chance and interval; again with a quarter of
the queries, for its memory; a plain loop that has mAP and nDCG alone, on a twentieth of the
queries; and pytrec_eval on a hundredth, which has them of grades and gets its rankings for nothing.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import measured
import numpy as np

DIMENSION = 256
PLAIN_LOOP = """
import sys
import numpy as np
from pathlib import Path
from hiertools.files.embeddings import read_embeddings
from hiertools.files.hierarchy import read_hierarchy
from hiertools.files.index import read_index
from hiertools.taxonomy import of_hierarchy

folder, count = Path(sys.argv[1]), int(sys.argv[2])
index, queries = read_index(folder / "index.h5"), read_embeddings(folder / "queries.h5")
found = of_hierarchy(read_hierarchy(folder / "tree.json"), classes=None, distance=None)
gains = found.similarities
places = np.array([found.places[name.decode()] for name in index.items.labels.names])
label = places[index.items.labels.codes]
points = np.asarray(index.points, np.float64)
points /= np.linalg.norm(points, axis=1, keepdims=True)
weights = 1 / np.log2(np.arange(2, len(label) + 2))
precisions, ndcgs = [], []
for q in range(0, len(queries.items), len(queries.items) // count):
    own = found.places[queries.items.labels.of(q)[0]]
    x = np.asarray(queries.vectors[q], np.float64)
    ranked = label[np.argsort(-(points @ x), kind="stable")]
    ranks = np.flatnonzero(ranked == own) + 1
    precisions.append((np.arange(1, len(ranks) + 1) / ranks).mean())
    gain = gains[own, ranked]
    ndcgs.append((gain * weights).sum() / (np.sort(gain)[::-1] * weights).sum())
print(np.mean(precisions), np.mean(ndcgs))
"""
PYTREC_EVAL = """
import sys
import time
import numpy as np
import pytrec_eval
from pathlib import Path
from hiertools.files.embeddings import read_embeddings
from hiertools.files.index import read_index

folder, count = Path(sys.argv[1]), int(sys.argv[2])
index, queries = read_index(folder / "index.h5"), read_embeddings(folder / "queries.h5")
names = [name.decode() for name in index.items.id]
label = [index.items.labels.of(i)[0] for i in range(len(names))]
run, qrels = {}, {}
for q in range(0, len(queries.items), len(queries.items) // count):
    own, key = queries.items.labels.of(q)[0], queries.items.id[q].decode()
    scores = np.asarray(index.points) @ queries.vectors[q]
    run[key] = dict(zip(names, scores.astype(float).tolist()))
    qrels[key] = {name: int(each == own) for name, each in zip(names, label)}
start = time.perf_counter()
pytrec_eval.RelevanceEvaluator(qrels, {"map", "ndcg"}).evaluate(run)
print(time.perf_counter() - start)
"""


def main() -> None:
    """Run everything and print the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--candidates", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, options)
        whole = evaluated(folder, "queries.h5")  # compiles
        runs = {"hiertools": whole, "hiertools_quarter": evaluated(folder, "quarter.h5")}
        twentieth, hundredth = options.queries // 20, options.queries // 100
        runs["plain_loop_twentieth"] = python(PLAIN_LOOP, folder, twentieth)
        runs["pytrec_eval_hundredth"] = python(PYTREC_EVAL, folder, hundredth)
        rows = json.loads((folder / "metrics.json").read_text())["metrics"]
    trec = 100 * float(runs["pytrec_eval_hundredth"]["printed"])
    plain = 20 * float(runs["plain_loop_twentieth"]["wall_s"])
    ratio = {"of_plain_loop": float(whole["wall_s"]) / plain}
    ratio["of_pytrec_eval"] = float(whole["wall_s"]) / trec
    kept = {row["metric"]: row["value"] for row in rows if "k" not in row and "of" not in row}
    about = {**measured.machine(), "load": os.getloadavg(), **vars(options)}
    print(json.dumps({**about, "ratio": ratio, **runs, "found": kept}))


def evaluated(folder: Path, queries: str) -> dict[str, float | str]:
    """Evaluate, the better of two times."""
    paths = [str(folder / name) for name in ("index.h5", queries)]
    command = [sys.executable, "-m", "hiertools", "evaluate", "retrieval", *paths]
    command += ["--hierarchy", str(folder / "tree.json"), "-q", "--overwrite"]
    out = "metrics.json" if queries == "queries.h5" else "quarter.json"
    runs = [measured.run(*command, "-o", str(folder / out)) for _ in range(2)]
    return min(runs, key=lambda run: float(run["wall_s"]))


def python(text: str, folder: Path, count: int) -> dict[str, float | str]:
    """Run a program of Python on the files."""
    return measured.run(sys.executable, "-c", text, str(folder), str(count))


def write(folder: Path, options: argparse.Namespace) -> None:
    """Write an index, queries, a quarter of these and a hierarchy of three levels."""
    from hiertools.files.embeddings import write_embeddings
    from hiertools.files.hierarchy import Edge, Hierarchy, Node, write_hierarchy
    from hiertools.files.index import write_index
    from hiertools.files.items import Items, encode, label_sets

    rng = np.random.default_rng(0)
    classes = [f"c{i:05d}" for i in range(options.classes)]
    high = [f"h{i}" for i in range(10)]
    middle = [f"m{i}" for i in range(100)]
    edges = [Edge(high[i % 10], name) for i, name in enumerate(middle)]
    edges += [Edge(middle[i % 100], name) for i, name in enumerate(classes)]
    nodes = [Node(name, name) for name in (*high, *middle, *classes)]
    tree = Hierarchy(nodes, edges, classes, [], {}, {}, {}, "path")
    write_hierarchy(folder / "tree.json", tree, chain=[], overwrite=False)
    centres = rng.normal(size=(options.classes, DIMENSION)).astype(np.float32)
    about = {"encoder": "made", "digest": "0" * 64, "preprocess": {}, "output": "embedding"}

    def made(n: int, prefix: str) -> tuple[Items, np.ndarray]:
        codes = rng.integers(0, options.classes, n)
        ids = encode([f"{prefix}{i:07d}" for i in range(n)])
        table = Items(ids, labels=label_sets([classes[code]] for code in codes))
        noise = rng.normal(size=(n, DIMENSION)).astype(np.float32)
        return table, centres[codes] + 4 * noise

    table, points = made(options.candidates, "i")
    meta = {
        **about, "task": "plain", "geometry": "euclidean", "c": 1.0, "features": DIMENSION,
        "dimension": DIMENSION, "model": None, "method": "exact", "by": "cosine", "structure": {},
    }  # fmt: skip
    write_index(
        folder / "index.h5", [points], table, head={}, structure=b"", meta=meta, chain=[],
        overwrite=False,
    )  # fmt: skip
    table, points = made(options.queries, "q")
    for name, count in (("queries.h5", options.queries), ("quarter.h5", options.queries // 4)):
        write_embeddings(
            folder / name, [points[:count]], DIMENSION, table.take(np.arange(count)),
            meta={**about, "dimension": DIMENSION}, chain=[], overwrite=False,
        )  # fmt: skip


if __name__ == "__main__":
    main()
