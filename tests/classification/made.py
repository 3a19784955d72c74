"""Small hierarchies: classes z, x and y, as a tree, and as a DAG in which y is under a and b."""

import numpy as np
import torch

from hiertools import taxonomy
from hiertools.files.hierarchy import Edge, Hierarchy, Node

TREE = [("r", "a"), ("r", "b"), ("a", "x"), ("a", "y"), ("b", "z")]
DAG = [*TREE, ("b", "y")]
FOREST = [("a", "x"), ("a", "y"), ("b", "z")]
CLASSES = ["z", "x", "y"]


def hierarchy(edges=TREE, leaves=CLASSES):
    ids = list(dict.fromkeys(end for edge in edges for end in edge))
    nodes = [Node(key, key.upper()) for key in ids]
    return Hierarchy(nodes, [Edge(*edge) for edge in edges], list(leaves), [], {}, {}, {}, "path")


def classes(edges=TREE, leaves=CLASSES):
    return taxonomy.of_hierarchy(hierarchy(edges, leaves), classes=None, distance=None)


def drawn(seed, *, nodes=12):
    """Return a random DAG of one root, whose classes are its leaves and one node above some."""
    rng = np.random.default_rng(seed)
    edges = {(f"n{rng.integers(max(1, i // 2)):02d}", f"n{i:02d}") for i in range(1, nodes)}
    edges |= {(f"n{rng.integers(i):02d}", f"n{i:02d}") for i in range(2, nodes, 3)}
    above = {parent for parent, _ in edges}
    leaves = [f"n{i:02d}" for i in range(nodes) if f"n{i:02d}" not in above]
    graph = hierarchy(sorted(edges, key=lambda edge: (edge[1], edge[0])), [*leaves, max(above)])
    order = sorted(graph.nodes, key=lambda node: node.id)
    graph = Hierarchy(order, graph.edges, graph.leaves, [], {}, {}, {}, "path")
    return taxonomy.of_hierarchy(graph, classes=None, distance=None)


def probabilities(count, size, *, seed=0, spread=2.0):
    logits = np.random.default_rng(seed).normal(0, spread, (count, size)).astype(np.float32)
    return torch.softmax(torch.from_numpy(logits), 1)
