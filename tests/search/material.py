"""What tests of search and of its commands share: points, files, a search by numpy alone."""

import numpy as np

from hiertools.files.embeddings import write_embeddings
from hiertools.files.items import Items, encode, label_sets
from hiertools.files.model import Model, write_model
from hiertools.models.parts import PartsModel

DIGEST = "a" * 64
FEATURES, DIMENSION = 6, 4


def points(n, d, *, seed, longest=3.0):
    """Return points in all directions, of norms up to `longest`."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    x *= rng.uniform(0.05, longest, (n, 1)) / np.linalg.norm(x, axis=1, keepdims=True)
    return x.astype(np.float32)


def table(images, *, boxes=3):
    """Return images `im0`, `im1` … with their boxes; box 0 has no label."""
    rows = [(f"im{i}", f"im{i}", 0, ["a", "b"]) for i in images]
    rows += [
        (f"im{i}#{j}", f"im{i}", 1, [f"l{j}"] if j else []) for i in images for j in range(boxes)
    ]
    rows.sort()
    ids, image, kind, labels = zip(*rows, strict=True)
    return Items(encode(ids), encode(image), np.array(kind, np.uint8), label_sets(labels))


def save_embeddings(path, items, *, seed=0, digest=DIGEST, features=FEATURES, vectors=None, **more):
    if vectors is None:
        vectors = np.random.default_rng(seed).standard_normal((len(items), features))
    vectors = np.asarray(vectors, np.float32)
    meta = {"encoder": "timm:x", "digest": digest, "output": "embedding", "preprocess": {}}
    meta |= {"dimension": vectors.shape[1], **more}
    write_embeddings(path, [vectors], vectors.shape[1], items, meta=meta, chain=[], overwrite=True)
    return path


def save_model(path, *, geometry="lorentz", c=2.0, seed=0):
    """Write a parts model with a random head."""
    rng = np.random.default_rng(seed)
    weights = PartsModel(FEATURES, DIMENSION, geometry=geometry).weights()
    weights["head.weight"] = rng.standard_normal((DIMENSION, FEATURES)).astype(np.float32)
    weights["head.bias"] = rng.standard_normal(DIMENSION).astype(np.float32)
    if geometry == "lorentz":
        weights["log_c"] = np.float32(np.log(c))
    meta = {
        "task": "parts", "geometry": geometry, "features": FEATURES, "dimension": DIMENSION,
        "c": c if geometry == "lorentz" else 1.0, "alpha": 0.5, "tau": 0.07, "encoder": "timm:x",
        "digest": DIGEST, "preprocess": {}, "output": "embedding", "loss": "angular",
        "training": {},
    }  # fmt: skip
    model = Model("parts", {k: np.asarray(w) for k, w in weights.items()}, {}, meta)
    write_model(path, model, chain=[], overwrite=True)
    return path


def scores(queries, points, *, by, find, parent_score, geometry, c):
    """Return scores b x m by textbook formulas in numpy: good for points apart, not far out."""
    x, y = queries.astype(np.float64)[:, None], points.astype(np.float64)[None]
    if by == "cosine":
        return (x * y).sum(-1) / np.linalg.norm(x, axis=-1) / np.linalg.norm(y, axis=-1)
    if by == "distance":
        return -_distance(x, y, geometry, c)
    if find == "parents" and parent_score == "ext":
        return -_angle(y, x, geometry, c)
    return _angle(x, y, geometry, c) * (1 if find == "parents" else -1)


def _distance(x, y, geometry, c):
    if geometry == "euclidean":
        return np.linalg.norm(x - y, axis=-1)
    return np.arccosh(np.maximum(1, -c * _inner(x, y, c))) / np.sqrt(c)


def _angle(x, y, geometry, c):
    """Return the exterior angle at x: MERU (arXiv:2304.09172), eq. 14; pi/2 where x = y."""
    norm = np.linalg.norm(x, axis=-1)
    if geometry == "euclidean":
        cosine = (x * (y - x)).sum(-1) / norm / np.maximum(np.linalg.norm(y - x, axis=-1), 1e-300)
    else:
        inner = c * _inner(x, y, c)
        root = np.sqrt(np.maximum(inner * inner - 1, 1e-300))
        cosine = (_time(y, c) + _time(x, c) * inner) / (norm * root)
    same = (x == y).all(-1)
    return np.where(same, np.pi / 2, np.arccos(np.clip(cosine, -1, 1)))


def _inner(x, y, c):
    return (x * y).sum(-1) - _time(x, c) * _time(y, c)


def _time(x, c):
    return np.sqrt(1 / c + (x * x).sum(-1))


MEASURES = [
    ("angle", "children", "ext"),
    ("angle", "parents", "ext"),
    ("angle", "parents", "alpha2"),
    ("distance", "children", "ext"),
    ("cosine", "children", "ext"),
]
