"""Where the heat of a query starts: y on its nearest items."""

from collections.abc import Sequence

import numpy as np
import torch

from hiertools.reranking.affinity import weights
from hiertools.reranking.neighbours import Vectors, nearest
from hiertools.reranking.shortlist import Rows, Scores

FEW = 1000  # barred rows that it is cheap to look for hits behind


def seeds(
    vectors: Vectors,
    queries: Vectors,
    barred: Sequence[Rows],
    k: int,
    *,
    device: torch.device,
) -> list[tuple[Rows, Scores]]:
    """Return rows and similarities of the k nearest items of each query, without barred ones.

    queries: b x d, of length one; barred: rows of each query in rising order.
    """
    most = max((len(rows) for rows in barred if len(rows) <= FEW), default=0)
    found = nearest(vectors, queries, k + most, device=device, without_self=False)
    return [
        _allowed(near.astype(np.int64), similarities, rows, k)
        if len(rows) <= FEW
        else _among(vectors, query, rows, k, device)
        for query, near, similarities, rows in zip(
            queries, found.rows, found.similarities, barred, strict=True
        )
    ]


def _allowed(near: Rows, similarities: Scores, barred: Rows, k: int) -> tuple[Rows, Scores]:
    allowed = ~np.isin(near, barred)
    return near[allowed][:k], similarities[allowed][:k]


def _among(
    vectors: Vectors, query: Vectors, barred: Rows, k: int, device: torch.device
) -> tuple[Rows, Scores]:
    """Return the same by looking at the allowed items alone."""
    allowed = np.ones(len(vectors), np.bool_)
    allowed[barred] = False
    rows = np.flatnonzero(allowed)
    found = nearest(vectors[rows], query[None], k, device=device, without_self=False)
    return rows[found.rows[0]], found.similarities[0]


def heat(found: tuple[Rows, Scores], *, power: float) -> tuple[Rows, Scores]:
    """Return rows and values of y, max(0, similarity)^power, where they are above 0."""
    rows, similarities = found
    values = weights(similarities, power=power)
    return rows[values > 0], values[values > 0]
