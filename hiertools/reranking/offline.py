"""Offline diffusion: a solve for each item before there are queries, which combine a few of them.

f is linear in y, so f of a query is the sum over its nearest items i of y_i times f of e_i. The
latter is solved among the nearest items of i alone, with S of the whole graph: Yang et al. 2019,
"Efficient Image Retrieval via Decoupling Diffusion into Online and Offline Processing"
(arXiv:1811.10907).
"""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.files.graph import Columns, Solves
from hiertools.files.json import Document
from hiertools.reranking.affinity import Edges
from hiertools.reranking.neighbours import Vectors, nearest
from hiertools.reranking.shortlist import Rows, Scores
from hiertools.reranking.solving import Solving
from hiertools.reranking.solving_parts import solve_within
from hiertools.terminal import Tick

ITEMS = 512  # solved together

Part = tuple[Columns, NDArray[np.float32]]  # rows that the heat of an item comes to, how much


def solves(
    vectors: Vectors,
    normal: Edges,
    how: Solving,
    *,
    truncate: int,
    options: Document,
    device: torch.device,
    tick: Tick,
) -> Solves:
    """Return the solve of every item. normal: S; options: what the solves will be known by."""
    counts, rows, values = list[int](), [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    for start in range(0, len(vectors), ITEMS):
        items = np.arange(start, min(start + ITEMS, len(vectors)))
        for near, f in solved(vectors, normal, items, how, truncate=truncate, device=device):
            counts.append(len(near))
            rows.append(near)
            values.append(f)
        tick(len(items))
    offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
    return Solves(offsets, np.concatenate(rows), np.concatenate(values), options)


def solved(
    vectors: Vectors,
    normal: Edges,
    items: Rows,
    how: Solving,
    *,
    truncate: int,
    device: torch.device,
) -> Iterator[Part]:
    """Yield, of each of some items, the rows that its heat comes to and how much, as float32."""
    near = nearest(vectors, vectors[items], truncate, device=device, without_self=False).rows
    # the item itself may have been ousted by equal ones
    parts = [np.union1d(own, [item]) for own, item in zip(near, items, strict=True)]
    sources = [(np.array([item]), np.ones(1)) for item in items]
    for part, f in zip(
        parts, solve_within(normal, parts, sources, how, renormalise=False), strict=True
    ):
        values = f.astype(np.float32)
        yield part[values > 0].astype(np.int32), values[values > 0]


def combined(parts: list[Part], y: Scores, n: int) -> Scores:
    """Return f of a query (n): the sum of the solves of its nearest items, weighed by y."""
    f = np.zeros(n)
    for (rows, values), weight in zip(parts, y, strict=True):
        f[rows] += weight * values.astype(np.float64)
    return f
