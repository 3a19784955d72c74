"""Galleries and shortlists that are made up."""

import numpy as np
import torch

from hiertools.reranking.gallery import Gallery
from hiertools.reranking.shortlist import Shortlist


def unit(vectors):
    """Return rows of length one; those of zeros stay."""
    vectors = np.asarray(vectors, np.float32)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms > 0, norms, 1)


def gallery(vectors=((1, 0),), queries=None, ids=None, features=None, **more):
    """Return a gallery of rows named i0, i1 …; queries: {id: vector}; features: {id: features}."""
    vectors = unit(vectors)
    known = queries or {}
    about = {
        "verified": None, "name": "index.h5", "seed": 0, "block": 4,
        "device": torch.device("cpu"), "explain": False, "masks": False, **more,
    }  # fmt: skip
    return Gallery(
        ids=ids or [f"i{row}" for row in range(len(vectors))],
        vectors=vectors,
        queries={key: unit([vector])[0] for key, vector in known.items()},
        features_of=(features or {}).get,
        **about,
    )


def shortlist(made, query, *, hits=None, barred=(), k=None):
    """Return the nearest items of a made-up gallery as a shortlist."""
    scores = made.vectors.astype(np.float64) @ made.vector(query)
    scores[list(barred)] = -np.inf
    order = np.argsort(-scores, kind="stable")
    order = order[np.isfinite(scores[order])][: hits or len(order)]
    return Shortlist(
        query, order, scores[order], np.array(sorted(barred), np.int64), k or len(order)
    )
