"""Classification at the size of ILSVRC's validation set, beside one matrix product of that size.

    python tests/benchmarks/classify.py [--items 50000] [--classes 1000] [--rule crm] [--repeats 5]
                                        [--threads 2]

Prints one line of JSON: the computation of `hiertools classify` on random logits over a random tree
of seven levels (probabilities, rule, the best 20 classes; then the paths too), the product of the
logits and a matrix of classes x classes in torch's float32, each the best of the repeats, which
take turns, in seconds of the clock and of all cores together; and the whole command, from a .npy of
logits to predictions.jsonl. On a machine that does other things too, the seconds of one thread on
its core (--threads 1) are what can be compared.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import measured
import numpy as np
import torch

RULES = ("argmax", "paper", "crm", "restart", "hie", "ancestor")
K = 20
BRANCHES = 4  # of a node of the tree, in the mean


def main() -> None:
    """Run everything and print the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--rule", choices=RULES, default="crm")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    graph = tree(options.classes)
    logits = np.random.default_rng(0).normal(0, 3, (options.items, options.classes))
    logits = logits.astype(np.float32)
    figures = computed(graph, logits, options.rule, options.repeats)
    for name in ("classes", "classes_and_paths"):
        for clock in ("s", "cpu_s"):
            ratio = figures[f"{name}_{clock}"] / figures[f"product_{clock}"]
            figures[f"ratio_{name}_{clock}"] = round(ratio, 2)
    command = whole(graph, logits, options.rule)
    sizes = {"items": options.items, "classes": options.classes, "k": K, "rule": options.rule}
    about = {**measured.machine(), "load": os.getloadavg(), "threads": torch.get_num_threads()}
    print(json.dumps({**about, **sizes, **figures, "command": command}))


def tree(classes):
    """Return a random tree with so many leaves, all at the same depth."""
    from hiertools.files.hierarchy import Edge, Hierarchy, Node

    rng = np.random.default_rng(1)
    levels, size = [1], classes
    while size > BRANCHES:
        levels.insert(1, size)
        size //= BRANCHES
    ids = [[f"n{level}.{i}" for i in range(size)] for level, size in enumerate(levels)]
    edges = []
    for level in range(1, len(levels)):
        above = np.concatenate([np.arange(levels[level - 1]), rng.integers(
            0, levels[level - 1], levels[level] - levels[level - 1])])  # fmt: skip
        edges += [Edge(ids[level - 1][p], ids[level][i]) for i, p in enumerate(above)]
    nodes = [Node(key, key) for keys in ids for key in keys]
    return Hierarchy(nodes, edges, ids[-1], [], {}, {}, {}, "path")


def computed(graph, logits, rule, repeats):
    """Return the seconds that a product, the choice of classes and all of it take."""
    from hiertools import taxonomy
    from hiertools.classification import mixing
    from hiertools.classification.classifier import Classifier
    from hiertools.classification.logits import of_logits
    from hiertools.files.items import Items, encode

    classes = taxonomy.of_hierarchy(graph, classes=None, distance=None)
    weights = mixing.weights(classes.distances, 0.3)
    mixed = {
        "paper": mixing.refining(weights, influence=0.3, steps=1),
        "restart": mixing.walking(weights, restart=0.3),
    }.get(rule)
    threshold = 0.5 if rule == "ancestor" else None
    classifier = Classifier(classes, rule, mixed, temperature=None, threshold=threshold, k=K)
    items = Items(encode([str(i) for i in range(len(logits))]))
    outputs = of_logits("logits", items, logits, len(classes.classes))
    whole, matrix = torch.from_numpy(logits), torch.from_numpy(classes.distances).float()
    ways = {
        "product": lambda: whole @ matrix,
        "classes": lambda: [classifier.choose(block) for _, block in outputs.blocks(4096)],
        "classes_and_paths": lambda: [
            classifier.answers(block) for _, block in outputs.blocks(4096)
        ],
    }
    clocks = {"s": time.perf_counter, "cpu_s": time.process_time}
    best = {f"{name}_{clock}": float("inf") for name in ways for clock in clocks}
    with torch.inference_mode():
        for _ in range(repeats):
            for name, way in ways.items():
                starts = {clock: now() for clock, now in clocks.items()}
                way()
                for clock, now in clocks.items():
                    key = f"{name}_{clock}"
                    best[key] = min(best[key], now() - starts[clock])
    return {name: round(seconds, 3) for name, seconds in best.items()}


def whole(graph, logits, rule):
    """Return what the whole command takes."""
    from hiertools.files.hierarchy import write_hierarchy

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_hierarchy(folder / "tree.json", graph, chain=[], overwrite=True)
        np.save(folder / "logits.npy", logits)
        (folder / "ids.txt").write_text("".join(f"item{i:06d}\n" for i in range(len(logits))))
        found = measured.run(
            sys.executable, "-m", "hiertools", "classify", str(folder / "logits.npy"), "--ids",
            str(folder / "ids.txt"), "--hierarchy", str(folder / "tree.json"), "--rule", rule,
            "-k", str(K), "-q", "-o", str(folder / "predictions.jsonl"),
        )  # fmt: skip
        size = (folder / "predictions.jsonl").stat().st_size
    # its peak of memory would be that of this program, which has all logits
    return {"wall_s": found["wall_s"], "cpu_s": found["cpu_s"], "predictions_mb": size >> 20}


if __name__ == "__main__":
    main()
