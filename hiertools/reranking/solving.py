"""Conjugate gradient for (I - alpha S) f = y: many right sides on one graph.

Hestenes & Stiefel 1952; that some twenty steps are enough, and that hitting the limit is normal:
Iscen et al. 2017 (arXiv:1611.05113). The steps are those of `kernels.graph`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hiertools.kernels import graph
from hiertools.reranking.affinity import Edges
from hiertools.reranking.shortlist import Rows, Scores


@dataclass(frozen=True)
class Solving:
    """How far a solve goes.

    alpha: in [0, 1); tolerance: of the residual, as a share of |y|; iterations: at the most.
    """

    alpha: float
    tolerance: float
    iterations: int


def solve(
    edges: Edges, sources: Sequence[tuple[Rows, Scores]], how: Solving, *, device: torch.device
) -> Scores:
    """Return f of several right sides (b x n). sources: rows and values of each y."""
    if not sources:
        return np.zeros((0, len(edges)))
    numbers = np.repeat(np.arange(len(sources)), [len(rows) for rows, _ in sources])
    sides = graph.Sides(
        len(sources),
        numbers,
        np.concatenate([rows for rows, _ in sources]),
        np.concatenate([values for _, values in sources]),
    )
    return graph.solve(
        graph.Graph(edges.starts, edges.columns, edges.values), sides, alpha=how.alpha,
        tolerance=how.tolerance, iterations=how.iterations, device=device,
    )  # fmt: skip
