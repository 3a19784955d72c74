"""What tests of class-aware search share: hierarchies, models of classes, scores by plain loops."""

import math

import numpy as np

from hiertools.files.hierarchy import Edge, Hierarchy, Node
from hiertools.files.items import Items, encode, label_sets
from hiertools.files.model import Model, write_model
from hiertools.taxonomy import of_hierarchy
from tests.search.material import DIGEST

FEATURES, DIMENSION = 6, 4
TREE = {  # child: parents
    "animal": [], "plant": [], "cat": ["animal"], "dog": ["animal"], "lion": ["cat"],
    "tabby": ["cat"], "poodle": ["dog"], "fern": ["plant"], "oak": ["plant"],
}  # fmt: skip
CLASSES = ["tabby", "poodle", "lion", "oak", "fern"]


def hierarchy(parents, classes):
    """Return a hierarchy of nodes, given parents first, and its classes in order."""
    nodes = [Node(key, key) for key in parents]
    edges = [Edge(parent, key) for key, over in parents.items() for parent in over]
    return Hierarchy(nodes, edges, list(classes), [], {}, {}, {}, distance="path")


def taxonomy(parents=TREE, classes=CLASSES):
    return of_hierarchy(hierarchy(parents, classes), classes=None, distance=None)


def not_semi_definite():
    """Return a taxonomy whose similarities have the eigenvalue -1/6.

    Five classes below a root, and five more that are below each of them: 1 apart from those, 2 from
    their own kind. The vector (1, …, 1, -1, …, -1) has the eigenvalue 1 + 4/3 - 5/2.
    """
    over, under = [f"a{i}" for i in range(5)], [f"b{i}" for i in range(5)]
    parents = {"root": [], **{key: ["root"] for key in over}}
    parents |= {key: over for key in under}
    return taxonomy(parents, over + under)


def model(found=None, *, hidden="relu", seed=0, features=FEATURES, dimension=DIMENSION, scale=None):
    """Return a model of classes with random weights."""
    found = found or taxonomy()
    rng, classes = np.random.default_rng(seed), len(found.classes)
    shapes = {"classifier.weight": (classes, dimension), "classifier.bias": (classes,)}
    if hidden is None:
        features = dimension
    else:
        shapes |= {"hidden.weight": (dimension, features), "hidden.bias": (dimension,)}
    weights = {
        name: (2 * rng.standard_normal(shape)).astype(np.float32) for name, shape in shapes.items()
    }
    meta = {
        "task": "classes", "geometry": "euclidean", "c": 1.0, "features": features,
        "dimension": dimension, "encoder": "timm:x", "digest": DIGEST, "preprocess": {},
        "output": "embedding", "loss": "cross_entropy", "taxonomy": found.document(),
        "taxonomy_digest": found.digest, "counts": [1] * classes, "related": {"share": 0.5},
        "hidden": hidden, "normalised": scale is not None, "scale": scale or 1.0, "training": {},
    }  # fmt: skip
    return Model("classes", weights, {}, meta)


def save_model(path, found=None, **options):
    write_model(path, model(found, **options), chain=[], overwrite=True)
    return path


def table(n, classes=CLASSES, *, seed=0, first=0):
    """Return items i0, i1 … with a label each; every fifth has none of the classes."""
    rng = np.random.default_rng(seed)
    labels = [["thing"] if i % 5 == 4 else [str(rng.choice(classes))] for i in range(n)]
    ids = encode([f"i{first + i}" for i in range(n)])
    return Items(ids, ids, np.zeros(n, np.uint8), label_sets(labels))


def similarity(found, a, b):
    return 1 / (1 + found.distances[found.places[a], found.places[b]])


def embed(weights, meta, features):
    """Return the embeddings and the probabilities of features, by numpy in float64."""
    x = features.astype(np.float64)
    if meta["hidden"] is not None:
        x = np.maximum(x @ weights["hidden.weight"].T.astype(float) + weights["hidden.bias"], 0)
    z = x
    if meta["normalised"]:
        z = meta["scale"] * z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    logits = z @ weights["classifier.weight"].T.astype(float) + weights["classifier.bias"]
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return x, powers / powers.sum(1, keepdims=True)


def score(found, weighting, mu, kappa, query, item, kernel=None):
    """Return the score of an item for a query: (embedding, class, probabilities) each."""
    (x, c_q, p_q), (y, c_i, p_i) = query, item
    z, w = (v / (math.sqrt(sum(v * v)) or 1) for v in (x, y))
    cosine = sum(z * w)
    if weighting == "additive":
        return -((1 - cosine) + mu * (1 - similarity(found, c_q, c_i)))
    if weighting == "power":
        d = found.distances[found.places[c_q], found.places[c_i]]
        return -(math.sqrt(sum((z - w) ** 2)) * math.exp(-0.3 * d) ** -kappa)
    kernel = found.similarities if kernel is None else kernel
    return cosine + mu * sum(
        p_q[a] * kernel[a, b] * p_i[b] for a in range(len(p_q)) for b in range(len(p_i))
    )
