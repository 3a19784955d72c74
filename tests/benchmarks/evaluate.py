"""Evaluation at the paper's size beside a plain loop of numpy's argsort and scipy's distance.

    python tests/benchmarks/evaluate.py [--queries 10000] [--candidates 325000]

Prints one line of JSON: `hiertools evaluate parts` on an index of random points in hyperbolic space
(128 dimensions, 600 classes), with half the queries full images and half boxes, for children and
for parents, at K = 150k, 200k, 250k; and the plain loop for children, without intervals, chance and
exclusion of the image, on a hundredth of the queries.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import measured
import numpy as np

DIMENSION = 128
CLASSES = 600
BOXES_PER_IMAGE = 7
PLAIN_LOOP = """
import sys
import numpy as np
from scipy.stats import wasserstein_distance
from hiertools.files.embeddings import read_embeddings
from hiertools.files.hierarchy import read_hierarchy
from hiertools.files.index import read_index
from hiertools.hierarchy import children_of, depth_first_order, reachable
from hiertools.search.placing import Placer
from pathlib import Path

folder, count, ks = Path(sys.argv[1]), int(sys.argv[2]), [int(k) for k in sys.argv[3].split(",")]
index, queries = read_index(folder / "index.h5"), read_embeddings(folder / "queries.h5")
hierarchy = read_hierarchy(folder / "tree.json")
children = children_of(hierarchy)
order = {name: i for i, name in enumerate(depth_first_order(hierarchy, children))}
rows = np.flatnonzero(index.items.kind == 1)
points = np.asarray(index.points[rows], np.float64)
labels = index.items.labels
label = np.array([name.decode() for name in labels.names])[labels.codes[labels.offsets[rows]]]
place = np.array([order[name] for name in label])
ids = index.items.id[rows]
time = np.sqrt(1 + (points**2).sum(1))
x = Placer(index.head, index.meta).place(np.asarray(queries.vectors)).astype(np.float64)
recalls, distances = [], []
for q in range(0, len(x), len(x) // count):
    own = queries.items.labels.of(q)
    below = set().union(*(reachable(children, name) for name in own))
    is_image = queries.items.kind[q] == 0
    inner = points @ x[q] - time * np.sqrt(1 + x[q] @ x[q])
    norm = np.linalg.norm(x[q])
    cosine = time + np.sqrt(1 + norm**2) * inner
    cosine /= norm * np.sqrt(np.maximum(inner**2 - 1, 1e-8))
    ranking = np.argsort(np.arccos(np.clip(cosine, -1, 1)), kind="stable")
    ranking = ranking[ids[ranking] != queries.items.id[q]]
    wanted = np.zeros(len(order) + 1, bool)
    wanted[[order[name] for name in (below | set(own) if is_image else below)]] = True
    relevant = wanted[place[ranking]]
    if not relevant.any():
        continue
    hits = np.cumsum(relevant)
    recalls.append([hits[k - 1] / hits[-1] for k in ks])
    support = np.array(sorted(order[name] for name in below | set(own)))
    h = np.append(np.bincount(place[ranking], minlength=len(order))[support], 0.0)
    for k in ks:
        found = np.bincount(place[ranking[:k]], minlength=len(order))
        r = np.append(found[support], k - found[support].sum())
        n = np.arange(len(h))
        distances.append(wasserstein_distance(n, n, h, r))
print(np.mean(recalls), np.mean(distances))
"""


def main() -> None:
    """Run everything and print the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--candidates", type=int, default=325_000)
    parser.add_argument("--ks", default="150000,200000,250000")
    options = parser.parse_args()
    hundredth = options.queries // 100
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, options.queries, options.candidates)
        command = [sys.executable, "-m", "hiertools", "evaluate", "parts"]
        paths = [str(folder / each) for each in ("index.h5", "queries.h5")]
        ours = [*command, *paths, "--hierarchy", str(folder / "tree.json"), "-q", "--overwrite"]
        ours += ["--recall-at", options.ks, "-o", str(folder / "metrics.json")]
        measured.run(*ours, "--sample", "1")  # compiles
        plain = [sys.executable, "-c", PLAIN_LOOP, str(folder), str(hundredth), options.ks]
        found = {"hiertools": measured.run(*ours), "plain_loop_hundredth": measured.run(*plain)}
        rows = json.loads((folder / "metrics.json").read_text())["metrics"]
    kept = [
        [row["metric"], row["of"], row["k"], round(row["value"], 5), round(row["chance"], 5)]
        for row in rows
        if row["metric"] in ("hierarchical_recall", "ot_index")
        and (row["find"], row["exclude"]) == ("children", "self")
    ]
    ours_s, plain_s = (float(figures["wall_s"]) for figures in found.values())
    ratio = {"of_plain_loop": round(ours_s / (100 * plain_s), 3)}
    sizes = {"queries": options.queries, "candidates": options.candidates, "ks": options.ks}
    about = {**measured.machine(), "load": os.getloadavg(), **sizes}
    print(json.dumps({**about, "ratio": ratio, **found, "found": kept}))


def write(folder: Path, queries: int, boxes: int) -> None:
    """Write an index with so many boxes and their images, queries and a hierarchy."""
    from hiertools.files.embeddings import write_embeddings
    from hiertools.files.hierarchy import Edge, Hierarchy, Node, write_hierarchy
    from hiertools.files.index import write_index

    rng = np.random.default_rng(0)
    names = [f"/m/{code:05d}" for code in range(CLASSES)]
    parent = {i: int(rng.integers(i // 4, i // 2 + 1)) for i in range(30, CLASSES)}
    edges = [Edge(names[p], names[i]) for i, p in parent.items()]
    nodes = [Node(name, name) for name in names]
    leaves = [name for i, name in enumerate(names) if i not in parent.values()]
    tree = Hierarchy(nodes, edges, leaves, [], {}, {}, {}, "path")
    write_hierarchy(folder / "tree.json", tree, chain=[], overwrite=True)

    centres = rng.normal(size=(CLASSES, DIMENSION)).astype(np.float32)
    for i, p in parent.items():
        centres[i] = centres[p] + 0.7 * centres[i]
    head = {
        "head.weight": np.eye(DIMENSION, dtype=np.float32),
        "head.bias": np.zeros(DIMENSION, np.float32),
        "log_alpha": np.float32(np.log(0.1)),
        "log_c": np.float32(0),
        "log_tau": np.float32(0),
    }
    head = {name: np.asarray(value) for name, value in head.items()}
    about = {"encoder": "synthetic", "digest": "0" * 64, "preprocess": {}, "output": "embedding"}
    table, code = items(boxes, "i", names, rng)
    meta = {
        "task": "parts", "geometry": "lorentz", "c": 1.0, "features": DIMENSION,
        "dimension": DIMENSION, "model": "0" * 64, "method": "exact", "by": "cosine",
        "structure": {}, **about,
    }  # fmt: skip
    write_index(
        folder / "index.h5", placed(vectors(centres, code, rng), head), table, head=head,
        structure=b"", meta=meta, chain=[], overwrite=True,
    )  # fmt: skip
    table, code = items(queries * BOXES_PER_IMAGE // 2, "q", names, rng)
    images, drawn = (np.flatnonzero(table.kind == kind) for kind in (0, 1))
    kept = np.sort(np.concatenate([images, rng.choice(drawn, queries - len(images), False)]))
    write_embeddings(
        folder / "queries.h5", vectors(centres, code[kept], rng), DIMENSION, table.take(kept),
        meta={**about, "dimension": DIMENSION}, chain=[], overwrite=True,
    )  # fmt: skip


def items(boxes, prefix, names, rng):
    """Return images with their boxes, and a class of each: an image's is that of its first box."""
    from hiertools.files.items import Items, encode, label_sets

    count = boxes // BOXES_PER_IMAGE
    weights = 1 / np.arange(1, CLASSES + 1) ** 0.7
    codes = rng.choice(CLASSES, (count, BOXES_PER_IMAGE), p=weights / weights.sum())
    ids, images, labels = [], [], []
    for i in range(count):
        image = f"{prefix}{i:07d}"
        ids += [image, *(f"{image}#{j}" for j in range(BOXES_PER_IMAGE))]
        images += [image] * (BOXES_PER_IMAGE + 1)
        shown = [names[code] for code in codes[i]]
        labels += [shown, *([label] for label in shown)]
    kind = np.tile(np.array([0] + [1] * BOXES_PER_IMAGE, np.uint8), count)
    table = Items(encode(ids), encode(images), kind, label_sets(labels))
    return table, np.concatenate([codes[:, :1], codes], axis=1).ravel()


def vectors(centres, code, rng):
    """Yield an embedding for each code, near the centre of its class."""
    for start in range(0, len(code), 1 << 14):
        block = centres[code[start : start + (1 << 14)]]
        yield block + 2 * rng.normal(size=block.shape).astype(np.float32)


def placed(blocks, head):
    """Yield the points of embeddings."""
    from hiertools.search.placing import Placer

    placer = Placer(head, {"task": "parts", "geometry": "lorentz"})
    return map(placer.place, blocks)


if __name__ == "__main__":
    main()
