"""Fusion of the scores that hits had with how many of their matches were verified.

The initial score is never dropped: in its place, counts alone rank hits with few matches, where
they are chance, above better ones.
"""

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UsageError
from hiertools.reranking.shortlist import Rows, Scores, Shortlist, with_rest


def check_options(*, top: int, tau: int, weight: float, cap: int) -> None:
    """Raise `UsageError` for options of a fusion that make no sense."""
    for name, value in (("top", top), ("tau", tau), ("cap", cap)):
        if value < 1:
            raise UsageError(f"option {name}={value} must be at least 1")
    if not (weight >= 0 and np.isfinite(weight)):
        raise UsageError(f"option weight={weight:g} must be at least 0")


def fuse(
    shortlist: Shortlist,
    counts: NDArray[np.int64],
    *,
    ranks: Rows,
    tau: int,
    weight: float,
    cap: int,
) -> tuple[Rows, Scores]:
    """Return the hits in the order of their fused scores, and behind them those without a count.

    counts: verified matches of the first hits (m). A fused score is the initial one, scaled so
    that the first hits have scores from 0 to 1, plus weight * min(1, count / cap) where the count
    is tau or more; so with fewer everywhere the order stays.
    """
    head, before = shortlist.rows[: len(counts)], shortlist.scores[: len(counts)]
    gain = np.where(counts >= tau, np.minimum(1.0, counts / cap), 0.0)
    scores = _scaled(before) + weight * gain
    order = np.lexsort((ranks[head], -before, -scores))  # scaling may make near scores equal
    return with_rest(head[order], scores[order], shortlist)


def _scaled(scores: Scores) -> Scores:
    if not len(scores) or scores[0] == scores[-1]:
        return np.zeros(len(scores))
    return np.asarray((scores - scores[-1]) / (scores[0] - scores[-1]))
