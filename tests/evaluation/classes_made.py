"""A few classes, made by hand: dogs, a cat, a bear that is an animal and a toy, and a toy car."""

import numpy as np

from hiertools.evaluation import class_answers, class_case, class_ground
from hiertools.files.classified import ClassPrediction
from hiertools.files.hierarchy import Edge, Hierarchy, Node

LEVELS = {
    "all": None, "animal": "kind", "toy": "kind", "dog": "species", "cat": "species",
    "bear": "species", "car": "species", "poodle": "breed", "beagle": "breed",
}  # fmt: skip
EDGES = [
    ("all", "animal"), ("all", "toy"), ("animal", "dog"), ("animal", "cat"), ("animal", "bear"),
    ("toy", "bear"), ("toy", "car"), ("dog", "poodle"), ("dog", "beagle"),
]  # fmt: skip
CLASSES = ["poodle", "beagle", "cat", "bear", "car"]
ITEMS = [  # the label, and the classes that were predicted
    ("poodle", "poodle beagle"),
    ("poodle", "beagle cat"),
    ("cat", "bear cat"),
    ("dog", "beagle car"),
    ("dog", "cat poodle"),
    ("car", "bear car"),
]


def hierarchy():
    nodes = [Node(key, key.title(), level) for key, level in LEVELS.items()]
    edges = [Edge(*ends) for ends in EDGES]
    return Hierarchy(nodes, edges, list(CLASSES), [], {}, {}, {}, distance="path")


def ground(labels=(), *, classes=CLASSES, distance=None):
    return class_ground.of_labels(hierarchy(), classes, labels, distance=distance)


def case(items=ITEMS, nodes=None, probabilities=None):
    """Return the case of labels and predicted classes, and of nodes if some are other."""
    found = [
        ClassPrediction(
            str(row),
            top.split(),
            None if probabilities is None else probabilities[row],
            path=[] if nodes is None else [nodes[row][0]],
            names=[] if nodes is None else [""],
            path_probabilities=[] if nodes is None else [nodes[row][1]],
        )
        for row, (_, top) in enumerate(items)
    ]
    answers = class_answers.of_predictions(found)
    labels = [label for label, _ in items]
    return class_case.case(ground([*labels, *answers.names]), answers, labels)


def indicators(found, codes):
    """Return which nodes but the root are a label or above it, by walking up."""
    tree = found.tree
    rows = np.zeros((len(codes), len(tree.nodes)), bool)
    for row, code in enumerate(codes):
        waiting = [tree.classes[code]]
        while waiting:
            key = waiting.pop()
            rows[row, tree.rows[key]] = key != "all"
            waiting += tree.parents[key]
    return rows
