"""New query vectors through a gallery: the best hits of each, without barred ones."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.reranking.neighbours import Vectors, nearest
from hiertools.reranking.shortlist import Rows, Scores, Shortlist

SPARE = 16  # hits beyond those that are wanted, among which equal scores may be
FEW = 1000  # barred rows up to which one search is for all queries of a block


def search(
    vectors: Vectors,
    queries: NDArray[np.float64],
    shortlists: Sequence[Shortlist],
    *,
    ranks: Rows,
    device: torch.device,
) -> list[tuple[Rows, Scores]]:
    """Return rows and cosines of the hits of each query (b x d, of length one), the best first.

    vectors: of the items (n x d). Queries have as many hits as their shortlists want.
    """
    asked = queries.astype(np.float32)
    found: list[tuple[Rows, Scores]] = [(np.zeros(0, np.int64), np.zeros(0))] * len(shortlists)
    seen: dict[int, Scores] = {}  # cosines of the nearest
    together = [i for i, each in enumerate(shortlists) if len(each.barred) <= FEW]
    if together:
        most = max(shortlists[i].k + len(shortlists[i].barred) for i in together)
        near = nearest(vectors, asked[together], most + SPARE, device=device, without_self=False)
        for i, rows, cosines in zip(together, near.rows, near.similarities, strict=True):
            found[i] = _chosen(rows.astype(np.int64), cosines, shortlists[i], ranks)
            seen[i] = cosines
    for i, shortlist in enumerate(shortlists):
        if i not in seen or _ends_among_equals(found[i], seen[i], shortlist.k, len(vectors)):
            rows = np.setdiff1d(np.arange(len(vectors)), shortlist.barred)
            cosines = (vectors[rows].astype(np.float64) * asked[i]).sum(1)
            found[i] = _chosen(rows, cosines, shortlist, ranks)
    return found


def _ends_among_equals(hits: tuple[Rows, Scores], seen: Scores, k: int, n: int) -> bool:
    """Return whether items that were not seen may be as near as the last hit.

    seen: cosines of the nearest of n items, in order.
    """
    return 0 < k == len(hits[1]) and len(seen) < n and bool(hits[1][-1] <= seen[-1])


def _chosen(rows: Rows, cosines: Scores, shortlist: Shortlist, ranks: Rows) -> tuple[Rows, Scores]:
    allowed = ~np.isin(rows, shortlist.barred)
    rows, cosines = rows[allowed], cosines[allowed]
    order = np.lexsort((ranks[rows], -cosines))[: shortlist.k]
    return rows[order], cosines[order]
