"""`hiertools evaluate classes` at the size of ImageNet's validation images.

    python tests/benchmarks/evaluate_classes.py [--items 50000] [--classes 1000]

Prints one line of JSON: the seconds and the memory of judging random predictions, 20 classes an
item, in a random tree; alone and against another run; beside the seconds that reading alone takes.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import measured
import numpy as np

from hiertools.files.class_predictions import read_class_predictions
from hiertools.files.hierarchy import Edge, Hierarchy, Node, write_hierarchy

LISTED = 20


def tree(classes: int, rng: np.random.Generator) -> Hierarchy:
    """Return classes in a random tree as deep as WordNet is."""
    inner = [f"n{i}" for i in range(classes)]
    leaves = [f"c{i}" for i in range(classes)]
    edges = [Edge(inner[rng.integers(max(0, i - 20), i)], inner[i]) for i in range(1, classes)] + [
        Edge(inner[rng.integers(classes)], leaf) for leaf in leaves
    ]
    nodes = [Node(key, key) for key in (*inner, *leaves)]
    return Hierarchy(nodes, edges, leaves, [], {}, {}, {}, distance="path")


def save(path: Path, truth: np.ndarray, accuracy: float, rng: np.random.Generator) -> None:
    """Write predictions whose first class is mostly right."""
    classes = int(truth.max()) + 1
    with path.open("w") as file:
        for row, label in enumerate(truth):
            top = rng.choice(classes, LISTED, replace=False)
            if rng.random() < accuracy:
                top = np.append(label, top[top != label])[:LISTED]
            sure = np.sort(rng.dirichlet(np.full(LISTED, 0.2)))[::-1]
            found = [
                {"label": f"c{c}", "probability": float(p)} for c, p in zip(top, sure, strict=True)
            ]
            file.write(json.dumps({"id": f"i{row}", "top": found}) + "\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=1000)
    asked = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_hierarchy(folder / "h.json", tree(asked.classes, rng), chain=[], overwrite=False)
        truth = np.arange(asked.items) % asked.classes
        lines = [f"i{row},c{label}" for row, label in enumerate(truth)]
        (folder / "t.csv").write_text("\n".join(["id,label", *lines, ""]))
        save(folder / "a.jsonl", truth, 0.76, rng)
        save(folder / "b.jsonl", truth, 0.74, rng)
        start = time.process_time()
        for _ in read_class_predictions(folder / "a.jsonl")[1]:
            pass
        read = round(time.process_time() - start, 2)
        program = [sys.executable, "-m", "hiertools", "evaluate", "classes", f"{name}/a.jsonl"]
        program += ["-q", "--hierarchy", f"{name}/h.json", "--truth", f"{name}/t.csv"]
        program += ["--overwrite", "-o", f"{name}/m.json"]
        found = {
            "alone": measured.run(*program),
            "against": measured.run(*program, "--against", f"{name}/b.jsonl"),
        }
    print(json.dumps({**measured.machine(), **vars(asked), "reading_cpu_s": read, **found}))


if __name__ == "__main__":
    main()
