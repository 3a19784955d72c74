"""Tiny entities for tests: two folds, places with a region that some lack, made in memory."""

import numpy as np

from hiertools.files.entities import Entities, Members, write_entities
from hiertools.files.items import Items

LEVELS = ["country", "region", "city"]
OFFSETS = [0, 2, 5, 9]
KEY = ["at", "jp", "at/%", "at/tirol", "jp/tokyo",
       "at/%/wien", "at/tirol/hall", "at/tirol/imst", "jp/tokyo/edo"]  # fmt: skip
NAME = ["AT", "JP", "", "Tirol", "Tokyo", "Wien", "Hall", "Imst", "Edo"]
PARENT = [-1, -1, 0, 0, 1, 2, 3, 3, 4]
CHILDREN = [[2, 4], [4, 5], [5, 6], [6, 8], [8, 9], [9, 9], [9, 9], [9, 9], [9, 9]]
LATITUDE = [47.7, 35.7, 48.2, 47.25, 35.7, 48.2, 47.28, 47.24, 35.7]
LONGITUDE = [13.0, 139.7, 16.4, 11.1, 139.7, 16.4, 11.5, 10.74, 139.7]
PATHS = [[0, 2, 5], [0, 3, 6], [1, 4, 8], [0, 3, 7], [0, 3, 6], [1, 4, 8], [0, 2, 5], [0, 3, 7]]
FOLD = [0, 0, 0, 0, 1, 1, 1, 1]
OF_ENCODER = {"encoder": "lite0", "digest": "0" * 64, "output": "embedding", "preprocess": {}}


def vectors(d=4, seed=0):
    """Return the image embeddings of the members, m x d, not of unit length."""
    noise = np.random.default_rng(seed).normal(size=(len(PATHS), d))
    return (noise + 3 * np.eye(9, d)[np.array(PATHS)[:, 2] % d]).astype(np.float32)


def entities(*, d=4, t=0, coordinates=True, **changes):
    """Return nine nodes on three levels; d, t: dimensions of image and text embeddings, 0 none."""
    n, path, fold = len(KEY), np.array(PATHS), np.array(FOLD)
    fold_count = np.zeros((2, n), np.int64)
    sums = np.zeros((2 * n, d))
    unit = vectors(d) / np.linalg.norm(vectors(d), axis=1, keepdims=True) if d else None
    for level in range(3):
        np.add.at(fold_count, (fold, path[:, level]), 1)
        if d:
            np.add.at(sums, fold * n + path[:, level], unit)
    implicit = np.array([key.endswith("%") for key in KEY])
    text = np.random.default_rng(1).normal(size=(n, t)).astype(np.float32)
    about = {"encoder": "open_clip:x", "digest": "1" * 64, "prompt": "{name}"}
    meta = {
        "levels": LEVELS, "folds": 2, "rows": len(PATHS), "features": d,
        "centroid": "sphere" if coordinates else None, "text": about if t else None,
        "source": {"files": ["places.csv"]}, **(OF_ENCODER if d else {}),
    }  # fmt: skip
    made = {
        "levels": LEVELS, "offsets": np.array(OFFSETS), "key": np.array(KEY, "S"),
        "name": np.array(NAME, "S"), "parent": np.array(PARENT), "children": np.array(CHILDREN),
        "implicit": implicit, "count": fold_count.sum(0), "fold_count": fold_count,
        "latitude": np.array(LATITUDE) if coordinates else None,
        "longitude": np.array(LONGITUDE) if coordinates else None,
        "image_sums": sums.astype(np.float32) if d else None,
        "text": np.where(implicit[:, None], 0, text).astype(np.float32) if t else None,
        "meta": meta,
    }  # fmt: skip
    return Entities(**made | changes)


def members(*, coordinates=True, **changes):
    """Return the eight items of these entities."""
    ids = np.array([f"i{row}" for row in range(len(PATHS))], "S")
    leaf = np.array(PATHS)[:, 2]
    at = (np.array(LATITUDE)[leaf], np.array(LONGITUDE)[leaf]) if coordinates else (None, None)
    table = Items(ids, latitude=at[0], longitude=at[1])
    made = {"items": table, "entity": np.array(PATHS, "i4"), "fold": np.array(FOLD, "u1")}
    return Members(**made | changes)


def save(path, **changes):
    """Write entities and their members."""
    write_entities(path, entities(**changes), members(), chain=[], overwrite=False)
