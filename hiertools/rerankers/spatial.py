"""Re-order hits by how many local features one plane explains (spatial verification).

Philbin et al., CVPR 2007: the first hits are matched with the query feature by feature, and the
inliers of a homography are added to their initial scores. Counts alone would not do: few matches
are chance.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from hiertools.local.hulls import hull
from hiertools.local.verification import Matching
from hiertools.reranking import fusion
from hiertools.reranking.gallery import Gallery
from hiertools.reranking.pair_texts import explained
from hiertools.reranking.pairs import Pairs
from hiertools.reranking.shortlist import Reranked, Shortlist


def rerank(
    shortlists: Iterable[Shortlist],
    gallery: Gallery,
    *,
    top: int = 100,
    ratio: float = 0.8,
    pixels: float = 4.0,
    model: str = "homography",
    least: int = 6,
    tau: int = 10,
    weight: float = 1.0,
    cap: int = 50,
) -> Iterator[Reranked]:
    """Yield each shortlist with its first `top` hits in the order of their fused scores.

    top: first hits that are verified. ratio: of a match, the distance by that to the second nearest
    feature is below this. pixels: how far an inlier may be off, in images whose longer side is
    1024. model: `homography` or `affine`. least: inliers without which there are none. tau: inliers
    below which a hit gains nothing. weight: what is gained at most, where the scores of the first
    hits are scaled to be from 0 to 1. cap: inliers beyond which a hit gains no more.
    """
    fusion.check_options(top=top, tau=tau, weight=weight, cap=cap)
    pairs = Pairs(gallery, Matching(ratio, pixels, model, least, gallery.seed))
    return (_one(shortlist, gallery, pairs, top, tau, weight, cap) for shortlist in shortlists)


def _one(
    shortlist: Shortlist,
    gallery: Gallery,
    pairs: Pairs,
    top: int,
    tau: int,
    weight: float,
    cap: int,
) -> Reranked:
    head = shortlist.rows[:top].tolist()
    found = {row: pairs.pair(shortlist.query, row) for row in head}
    counts = np.array([len(found[row]) for row in head], np.int64)
    rows, scores = fusion.fuse(
        shortlist, counts, ranks=gallery.ranks, tau=tau, weight=weight, cap=cap
    )
    masks = {row: hull(pair.points[:, 2:]) for row, pair in found.items() if len(pair) >= tau}
    return Reranked(
        rows,
        scores,
        {row: explained(pair) for row, pair in found.items()} if gallery.explain else {},
        {row: [mask] for row, mask in masks.items() if mask} if gallery.masks else {},
    )
