"""Soft folded search beside a plain FAISS search of the same vectors, and the exhaustive ranking.

    python tests/benchmarks/class_search.py [--points 50000] [--dimension 128] [--classes 1000 100]
        [--queries 512] [-k 10] [--methods flat] [--repeats 10]

Prints one line of JSON: for each number of classes and each method the milliseconds a query takes
from its embedding to its hits by `hiertools query`'s own search (probabilities, folding, FAISS with
4 candidates a hit, scores in float64), those of FAISS alone that finds k neighbours of vectors of
dimension + classes numbers, their ratio, and the share of queries with the hits and the order of
the exhaustive ranking in float64. Both are the best of several repeats in turn, of each batch of
256 queries; cpu_ratio is of processor time, which other work on the machine disturbs less (with
OMP_NUM_THREADS=1: threads that wait count too). The time to make the structure is told too.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import faiss
import measured
import numpy as np
from numpy.typing import NDArray

from hiertools.files.hierarchy import Edge, Hierarchy, Node
from hiertools.files.index import Index
from hiertools.files.items import Items, encode
from hiertools.files.model import Model
from hiertools.search import building, choosing, folding
from hiertools.search.approximate import Effort
from hiertools.search.best import Collection, Queries, Wanted
from hiertools.search.class_costs import Weighing
from hiertools.search.class_head import Head
from hiertools.search.class_scores import ClassRequest, ClassScorer
from hiertools.taxonomy import Taxonomy, of_hierarchy

BATCH = 256
MU = 0.25
EFFORT = Effort(oversample=4, probes=16, ef=64)
BRANCHES = 5  # of each node of the hierarchy
SPREAD = 2.0  # of points around the direction of their class, which has 1 in each dimension
SHARPNESS = 0.5  # of the classifier

Vectors = NDArray[np.float32]


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--classes", type=int, nargs="+", default=[1000, 100])
    parser.add_argument("--queries", type=int, default=512)
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--methods", nargs="+", default=["flat"])
    parser.add_argument("--repeats", type=int, default=10)
    given = parser.parse_args()
    about = {key: value for key, value in vars(given).items() if key not in ("classes", "methods")}
    lines = [
        line
        for classes in given.classes
        for line in measure(given, classes)
    ]  # fmt: skip
    threads = faiss.omp_get_max_threads()
    print(json.dumps({**measured.machine(), "threads": threads, **about, "soft": lines}))


def measure(given: argparse.Namespace, classes: int) -> list[dict[str, Any]]:
    """Return what is measured with so many classes, by method."""
    taxonomy = make_taxonomy(classes)
    model, points, features = make_model(taxonomy, given.points, given.queries, given.dimension)
    items = Items(encode([f"i{i:07d}" for i in range(len(points))]))
    codes = Head(model.weights, model.meta).classes(points).astype(np.int32)
    lines = []
    for method in given.methods:
        start = time.perf_counter()
        rows, space, _ = folding.folded(
            points, model.weights, model.meta, name="index", method=method
        )
        lists = {"lists": building.default_lists(len(points))}
        parameters = lists if method == "ivf" else {"links": 32, "ef": 100}
        structure = building.build(
            rows, space, parameters=parameters, seed=0, tick=lambda done: None
        )
        made_s = time.perf_counter() - start
        meta = {**model.meta, "method": method, "by": "soft"}
        index = Index(points, items, model.weights, structure, meta, [], codes)
        line = compare(index, features, given.k, given.repeats)
        lines.append({"classes": classes, "method": method, "made_s": round(made_s, 1), **line})
    return lines


def compare(index: Index, features: Vectors, k: int, repeats: int) -> dict[str, Any]:
    """Return the times of both searches, and how many queries have the exhaustive ranking."""
    structure = folding.structure_of(index, "index", mu=MU)
    request = ClassRequest(Weighing("soft", MU, 1.0, None), "predicted", False)
    scorer = ClassScorer(index, "index", request, structure=structure)
    n = len(index.points)
    collection = Collection(
        scorer.points, np.arange(n), choosing.ranks(index.items), np.full(n, -1)
    )
    wanted = Wanted(scorer.measure, k, -np.inf, False)

    def folded(batch: Vectors) -> list[Any]:
        queries = Queries(scorer.rows(batch, None), np.full(len(batch), -1))
        return structure.search(wanted, collection, queries, EFFORT)

    vectors = structure._found
    options = {
        "flat": faiss.SearchParameters(),
        "ivf": faiss.SearchParametersIVF(nprobe=EFFORT.probes),
        "hnsw": faiss.SearchParametersHNSW(efSearch=EFFORT.ef),
    }[index.meta["method"]]

    def plain(asked: Vectors) -> Any:
        return vectors.search(asked, k, params=options)[1]

    seconds, same = np.zeros((2, 2)), []
    for start in range(0, len(features), BATCH):
        batch = features[start : start + BATCH]
        asked = structure.space.asked(scorer.rows(batch, None))
        work = [lambda batch=batch: folded(batch), lambda asked=asked: plain(asked)]
        seconds += np.min([[timed(each) for each in work] for _ in range(repeats)], axis=0)
        exact = scorer.ranking(batch)[:, :k]
        same += [np.array_equal(a.rows, b) for a, b in zip(folded(batch), exact, strict=True)]
    (folded_ms, folded_cpu), (plain_ms, plain_cpu) = 1e3 * seconds / len(features)
    return {
        "folded_ms": round(folded_ms, 4),
        "plain_ms": round(plain_ms, 4),
        "ratio": round(folded_ms / plain_ms, 3),
        "cpu_ratio": round(folded_cpu / plain_cpu, 3),
        "same_ranking": round(float(np.mean(same)), 4),
    }


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Return the seconds that work takes, and those of the processors."""
    start, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - cpu


def make_taxonomy(classes: int) -> Taxonomy:
    """Return a tree of so many leaves, five below each node."""
    level, nodes, edges = [f"c{i:04d}" for i in range(classes)], list[Node](), list[Edge]()
    leaves = level
    while level:
        nodes = [Node(key, key) for key in level] + nodes
        over = [f"{len(nodes)}-{i}" for i in range(-(-len(level) // BRANCHES))]
        if len(level) == 1:
            break
        edges += [Edge(over[i // BRANCHES], key) for i, key in enumerate(level)]
        level = over
    hierarchy = Hierarchy(nodes, edges, leaves, [], {}, {}, {}, distance="path")
    return of_hierarchy(hierarchy, classes=None, distance=None)


def make_model(
    taxonomy: Taxonomy, points: int, queries: int, d: int
) -> tuple[Model, Vectors, Vectors]:
    """Return a classifier of class directions, and points and queries around these."""
    rng = np.random.default_rng(0)
    count = len(taxonomy.classes)
    classes = rng.standard_normal((count, d))
    weights = {
        "classifier.weight": (SHARPNESS * classes / np.sqrt(d)).astype(np.float32),
        "classifier.bias": np.zeros(count, np.float32),
    }
    meta = {
        "task": "classes", "geometry": "euclidean", "c": 1.0, "features": d, "dimension": d,
        "encoder": "lite0", "digest": "0" * 64, "preprocess": {}, "output": "embedding",
        "loss": "cross_entropy", "taxonomy": taxonomy.document(),
        "taxonomy_digest": taxonomy.digest, "counts": [1] * count, "related": {}, "hidden": None,
        "normalised": False, "scale": 1.0, "training": {},
    }  # fmt: skip

    def around(number: int) -> Vectors:
        chosen = classes[rng.integers(0, count, number)]
        found = chosen + SPREAD * rng.standard_normal((number, d))
        return found.astype(np.float32)

    return Model("classes", weights, {}, meta), around(points), around(queries)


if __name__ == "__main__":
    main()
