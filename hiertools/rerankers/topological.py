"""Re-order hits by the regions that hang together in both images (topological RANSAC).

An et al., "Topological RANSAC for instance verification and retrieval without fine-tuning",
NeurIPS 2023: a hit counts as many matches as the largest region has, which is added to its initial
score. Holds for things with depth, of which a homography takes one plane.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from hiertools.files.json import Document
from hiertools.local.thinning import thinned
from hiertools.local.topology import Regions, Topology, verify
from hiertools.reranking.fusion import check_options, fuse
from hiertools.reranking.gallery import Gallery
from hiertools.reranking.shortlist import Polygon, Reranked, Shortlist

MATCHES = 200  # of all regions that are told of a hit, at the most


def rerank(
    shortlists: Iterable[Shortlist],
    gallery: Gallery,
    *,
    top: int = 100,
    ratio: float = 0.8,
    radius: float = 50,
    agree: float = 0.2,
    least: int = 10,
    shift: float = 0.6,
    checks: int = 2000,
    tau: int = 10,
    weight: float = 1.0,
    cap: int = 50,
) -> Iterator[Reranked]:
    """Yield each shortlist with its first `top` hits in the order of their fused scores.

    top: first hits that are verified. ratio: of a match that is a seed, the distance by that to the
    second nearest feature is below this. radius: half the side of a patch, in pixels of an image
    whose longer side is 1024. agree: share of the features of a patch that must be in the same cell
    of the other, for the pair of patches to pass. least: features in each patch, and matches in a
    region. shift: how far the next patches are, in radii. checks: pairs of patches that are looked
    at, at the most. tau: matches of the largest region below which a hit gains nothing. weight:
    what is gained at most, where the scores of the first hits are scaled to be from 0 to 1. cap:
    matches beyond which a hit gains no more.
    """
    check_options(top=top, tau=tau, weight=weight, cap=cap)
    topology = Topology(ratio, radius, agree, least, shift, checks)
    return (_one(shortlist, gallery, topology, top, tau, weight, cap) for shortlist in shortlists)


def _one(
    shortlist: Shortlist,
    gallery: Gallery,
    topology: Topology,
    top: int,
    tau: int,
    weight: float,
    cap: int,
) -> Reranked:
    head = shortlist.rows[:top].tolist()
    found = dict(zip(head, _regions(shortlist.query, head, gallery, topology), strict=True))
    counts = np.array([found[row].largest for row in head], np.int64)
    rows, scores = fuse(shortlist, counts, ranks=gallery.ranks, tau=tau, weight=weight, cap=cap)
    masks = {row: _masks(regions, tau) for row, regions in found.items()}
    return Reranked(
        rows,
        scores,
        {row: _explained(regions) for row, regions in found.items()} if gallery.explain else {},
        {row: mask for row, mask in masks.items() if mask} if gallery.masks else {},
    )


def _regions(
    query: str, rows: list[int], gallery: Gallery, topology: Topology
) -> Iterator[Regions]:
    """Yield the regions that a query shares with each hit."""
    if rows:
        left = gallery.features(query)
        for row in rows:
            yield verify(left, gallery.features(gallery.ids[row]), topology)


def _explained(found: Regions) -> Document:
    """Say how many matches hang together, in which regions, and where some of each are."""
    sizes = [len(region) for region in found.regions]
    regions: list[Document] = [
        {
            "features": len(region),
            "left": _rounded(region.left),
            "right": _rounded(region.right),
            "matches": _rounded(region.points[rows].tolist()),
        }
        for region, rows in zip(found.regions, thinned(sizes, MATCHES), strict=True)
    ]
    return {
        "features": found.largest,
        "tentative": found.tentative,
        "regions": regions,
        "matches_total": sum(sizes),
    }


def _rounded(points: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return coordinates to a tenth of a pixel."""
    return [[round(float(value), 1) for value in point] for point in points]


def _masks(found: Regions, tau: int) -> list[Polygon]:
    """Return the hulls in the hit's image of the regions that count."""
    return [region.right for region in found.regions if len(region) >= tau and region.right]
