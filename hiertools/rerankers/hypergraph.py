"""Rank by diffusion over local features, which stays on the object (hypergraph diffusion).

An et al., NeurIPS 2021: the query is verified with its first hits now, and items were verified with
each other before (--verified); an image further away is reached by what is in the query's region
alone. Finds what an ordinary graph of images finds, without what only shares an image with it.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from hiertools.errors import UsageError, UserError
from hiertools.local.verification import matching_of
from hiertools.reranking import communities, hypergraph, hypergraph_bfs
from hiertools.reranking.gallery import Gallery
from hiertools.reranking.hypergraph import Arrived, Hop, Links
from hiertools.reranking.pairs import Pairs
from hiertools.reranking.shortlist import Reranked, Rows, Scores, Shortlist, with_rest

VARIANTS = ("principled", "bfs")
MOST_HOPS = 10  # more reach all that hangs together
NATS = 1.0  # entropy of the communities of the first hits above which a query is uncertain


def rerank(
    shortlists: Iterable[Shortlist],
    gallery: Gallery,
    *,
    variant: str = "principled",
    hops: int = 3,
    alpha: float = 0.9,
    power: float = 3.0,
    cap: int = 50,
    least: int = 20,
    neighbours: int = 50,
    through: int = 3,
    top: int = 100,
    communities: bool = True,
) -> Iterator[Reranked]:
    """Rank what regions lead to from the query, and behind it the other hits as they stood.

    variant: `principled` diffuses from all first hits that are verified; bfs follows regions from
    the first hit, breadth first, and ranks by when an image is found. hops: pairs that are followed
    one after another, 10 at the most. alpha: the share that goes on with each hop, from 0 to below
    1. power: what cosines are raised to. cap: inliers beyond which a pair counts no more. least:
    inliers of a pair that counts. neighbours: pairs of an item, at the most. through: inliers in a
    region that it takes to follow a pair. top: hits that the query is verified with, in the way in
    which the items were. communities: `bfs` starts from the first hit with more than least inliers
    where the query is uncertain and the first hit has fewer.
    """
    _check(variant, hops, alpha, power, cap, least, neighbours, through, top)
    if gallery.verified is None:
        raise UserError(
            "hypergraph follows pairs of items that were verified before; write them with hiertools"
            " verify INDEX and give them with --verified"
        )
    pairs = Pairs(gallery, matching_of(gallery.verified.options))
    links = Links(gallery, least=least, most=neighbours, power=power, cap=cap)
    for shortlist in shortlists:
        if variant == "bfs":
            start = _start(shortlist, gallery, pairs, least, top, communities)
            yield _found(shortlist, gallery, links, start, hops, through)
        else:
            first = _first(shortlist, gallery, pairs, links, least, top)
            yield _diffused(shortlist, gallery, links, first, hops, alpha, through)


def _check(
    variant: str, hops: int, alpha: float, power: float, cap: int, least: int, neighbours: int,
    through: int, top: int,
) -> None:  # fmt: skip
    if variant not in VARIANTS:
        raise UsageError(f"option variant={variant}: there are {', '.join(VARIANTS)}")
    if not 0 <= alpha < 1:
        raise UsageError(f"option alpha={alpha:g} is not in the range 0<=x<1")
    if not (power >= 0 and np.isfinite(power)):
        raise UsageError(f"option power={power:g} must be at least 0")
    for name, value, lowest in (
        ("hops", hops, 0), ("cap", cap, 1), ("least", least, 1), ("neighbours", neighbours, 1),
        ("through", through, 1), ("top", top, 1),
    ):  # fmt: skip
        if value < lowest:
            raise UsageError(f"option {name}={value} must be at least {lowest}")
    if hops > MOST_HOPS:
        raise UsageError(f"option hops={hops} must be at most {MOST_HOPS}")


def _first(
    shortlist: Shortlist, gallery: Gallery, pairs: Pairs, links: Links, least: int, top: int
) -> Hop:
    """Return what arrives at the first hits from the query."""
    query, found = gallery.vector(shortlist.query), Hop()
    own = gallery.row(shortlist.query)
    for row in shortlist.rows[:top].tolist():
        if row == own:  # pairs of items do without --local, and none is of an item with itself
            continue
        pair = pairs.pair(shortlist.query, row)
        each = links.weight(query, row, len(pair)) / max(1, len(pair))
        if len(pair) >= least and each > 0:
            found[row] = Arrived()
            found[row].add(pair.features[:, 1], pair.points[:, 2:], each, None)
    return found


def _diffused(
    shortlist: Shortlist, gallery: Gallery, links: Links, first: Hop, hops: int, alpha: float,
    through: int,
) -> Reranked:  # fmt: skip
    made = hypergraph.spread(links, gallery, first, hops=hops, through=through)
    scored = hypergraph.aggregate(links, made, alpha=alpha)
    for row in shortlist.barred.tolist():
        scored.pop(row, None)
    own = _own(shortlist, gallery)
    if own is not None and scored:  # no pair tells of an item and itself, and nothing is as like it
        scored[own] = float(np.nextafter(max(scored.values()), np.inf))
    rows = np.array(list(scored), np.int64)
    values = np.array(list(scored.values()), np.float64)
    order = np.lexsort((gallery.ranks[rows], -values))
    told = {}
    if gallery.explain:
        ways = {
            row: [row] if row == own else hypergraph.path(made, row, alpha=alpha) for row in scored
        }
        told = {row: _told(shortlist.query, way, gallery) for row, way in ways.items()}
    masks = hypergraph.hulls(made) if gallery.masks else {}
    return _whole(
        shortlist, rows[order], values[order], told, {row: [mask] for row, mask in masks.items()}
    )


def _own(shortlist: Shortlist, gallery: Gallery) -> int | None:
    """Return the row of a query that is an item and may be its own hit, None if it is none."""
    row = gallery.row(shortlist.query)
    return None if row is None or row in shortlist.barred else row


def _start(
    shortlist: Shortlist, gallery: Gallery, pairs: Pairs, least: int, top: int, choose: bool
) -> int | None:
    """Return the item from which to go, None for an empty shortlist."""
    rows = shortlist.rows[:top].tolist()
    own = gallery.row(shortlist.query)
    if not rows or not choose or rows[0] == own:  # nothing is as sure as the query itself
        return rows[0] if rows else None
    rows = [row for row in rows if row != own]
    if len(pairs.pair(shortlist.query, rows[0])) >= least:
        return int(rows[0])
    if not communities.uncertain(shortlist, gallery, nats=NATS):
        return int(rows[0])
    sure = (row for row in rows if len(pairs.pair(shortlist.query, row)) > least)
    return int(next(sure, rows[0]))


def _found(
    shortlist: Shortlist, gallery: Gallery, links: Links, start: int | None, hops: int, through: int
) -> Reranked:
    if start is None:
        return Reranked(shortlist.rows, shortlist.scores)
    found = hypergraph_bfs.find(links, start, hops=hops, through=through)
    barred = set(shortlist.barred.tolist())
    rows = [row for row in found.rows if row not in barred]
    scores = -np.arange(len(rows), dtype=np.float64)
    told = {}
    if gallery.explain:
        told = {row: _told(shortlist.query, found.path(row), gallery) for row in rows}
    masks = {}
    if gallery.masks:
        masks = {row: [mask] for row in rows if (mask := found.polygon(row)) is not None}
    return _whole(shortlist, np.array(rows, np.int64), scores, told, masks)


def _told(query: str, rows: list[int], gallery: Gallery) -> dict[str, object]:
    ids = [gallery.ids[row] for row in rows]
    return {"path": ids if ids[0] == query else [query, *ids]}  # it may start from itself


def _whole(
    shortlist: Shortlist, rows: Rows, scores: Scores, told: dict[int, dict[str, object]],
    masks: dict[int, list[list[tuple[float, float]]]],
) -> Reranked:  # fmt: skip
    rows, scores = with_rest(rows, scores, shortlist)
    return Reranked(rows[: shortlist.k], scores[: shortlist.k], told, masks)
