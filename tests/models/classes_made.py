"""A small model of classes, for tests: three features, two numbers, the classes z, x and y."""

import numpy as np

from hiertools import taxonomy
from hiertools.files.hierarchy import Edge, Hierarchy, Node
from hiertools.files.model import Model

EDGES = [("r", "a"), ("r", "b"), ("a", "x"), ("a", "y"), ("b", "z")]
CLASSES = ["z", "x", "y"]
ENCODER = {"encoder": "made", "digest": "0" * 64, "preprocess": {}, "output": "embedding"}


def hierarchy(edges=EDGES, leaves=CLASSES, distance="path"):
    ids = list(dict.fromkeys(end for edge in edges for end in edge))
    return Hierarchy(
        [Node(key, key.upper()) for key in ids], [Edge(*edge) for edge in edges], list(leaves),
        [], {}, {}, {}, distance,
    )  # fmt: skip


def meta(**others):
    found = taxonomy.of_hierarchy(hierarchy(), classes=None, distance=None)
    return {
        "task": "classes", "geometry": "euclidean", "c": 1.0, "features": 3, "dimension": 2,
        **ENCODER, "loss": "cross_entropy", "taxonomy": found.document(),
        "taxonomy_digest": found.digest, "counts": [4, 0, 2],
        "related": {"rule": "distance", "at": 2.0, "share": 1 / 3}, "hidden": "relu",
        "normalised": False, "scale": 1.0,
        "training": {"options": {"epochs": 1}, "config": "0" * 64, "items": 6, "steps": 2},
    } | others  # fmt: skip


def weights(**others):
    rng = np.random.default_rng(0)
    shapes = {
        "hidden.weight": (2, 3), "hidden.bias": (2,), "classifier.weight": (3, 2),
        "classifier.bias": (3,),
    }  # fmt: skip
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()} | (
        others
    )


def model(**others):
    return Model("classes", weights(), {}, meta(**others))
