"""A hypergraph of local features: verified pairs link features, and regions link those of an image.

An et al., "Hypergraph propagation and community selection for objects retrieval", NeurIPS 2021,
and the slides of its sequel: l* = H(l0) over local features, f* = Agg(l*) over images, and H a
diffusion (I - alpha S)^-1 that ends after some hops. What they leave open is decided so:

- a pair of images u, v with m inliers has the weight w = max(0, s)^3 min(1, m / 50), s the cosine
  of their vectors, and each of its m links has w / m. S is not normalised beyond that: the more
  pairs an image has, the more goes on from it, so many images far away may outweigh one near by;
- the features that something arrived at in a hop have a hull: the active region. In it every
  feature is as active as all that arrived in the image together; outside of it nothing is. So what
  comes from u to v is what arrived at u, times w, times the share of the pair's inliers that are
  in the region;
- an image's score is the sum of all that arrived, times alpha for each hop, over the square root
  of the number of its features that are verified in any pair.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hiertools.files.verified import Pair
from hiertools.local.hulls import Polygon, hull, inside
from hiertools.reranking.gallery import Gallery

PAIRS_KEPT = 1 << 14


@dataclass
class Arrived:
    """What arrived in an image in a hop: how much at which feature, where those are, from whom."""

    amounts: dict[int, float] = field(default_factory=dict)
    places: dict[int, tuple[float, float]] = field(default_factory=dict)
    best: tuple[float, int | None] = (0.0, None)

    @property
    def total(self) -> float:
        """Return how much arrived in all."""
        return sum(self.amounts.values())

    def region(self) -> Polygon:
        """Return the hull of the features at which something arrived."""
        return hull(np.array(list(self.places.values())))

    def add(
        self,
        features: NDArray[np.int32],
        places: NDArray[np.float32],
        each: float,
        source: int | None,
    ) -> None:
        """Add as much at each of some features. source: the image that it came from."""
        for feature, place in zip(features.tolist(), places.tolist(), strict=True):
            self.amounts[feature] = self.amounts.get(feature, 0.0) + each
            self.places[feature] = (place[0], place[1])
        self.best = max(self.best, (each * len(features), source), key=lambda found: found[0])


Hop = dict[int, Arrived]  # by the row of an image


class Links:
    """The verified pairs of the items of a gallery.

    least: inliers of a pair that counts; most: pairs of an item, those with the most inliers.
    """

    def __init__(self, gallery: Gallery, *, least: int, most: int, power: float, cap: int) -> None:
        assert gallery.verified is not None
        self._gallery, self._verified = gallery, gallery.verified
        self._least, self._most, self._power, self._cap = least, most, power, cap
        self.pair = lru_cache(maxsize=PAIRS_KEPT)(self._pair)
        self.neighbours = lru_cache(maxsize=PAIRS_KEPT)(self._neighbours)
        self.features = lru_cache(maxsize=PAIRS_KEPT)(self._features)

    def _neighbours(self, row: int) -> list[int]:
        """Return the rows of the items that one is linked with, those with most inliers first."""
        found = self._verified.others(self._gallery.ids[row])
        rows = [self._gallery.row(key) for key, count in found if count >= self._least]
        return [other for other in rows if other is not None and other != row][: self._most]

    def _pair(self, left: int, right: int) -> Pair:
        found = self._verified.pair(self._gallery.ids[left], self._gallery.ids[right])
        assert found is not None
        return found

    def _features(self, row: int) -> frozenset[int]:
        """Return the features of an item that are inliers of any of its pairs."""
        pairs = [self.pair(row, other).features[:, 0] for other in self.neighbours(row)]
        return frozenset(np.unique(np.concatenate([np.zeros(0, np.int32), *pairs])).tolist())

    def weight(self, x: NDArray[np.float32], row: int, inliers: int) -> float:
        """Return the weight of the pair of a vector (d) and an item that has so many inliers."""
        cosine = float((x.astype(np.float64) * self._gallery.vectors[row]).sum())
        return float(max(0.0, cosine) ** self._power * min(1.0, inliers / self._cap))


def spread(links: Links, gallery: Gallery, start: Hop, *, hops: int, through: int) -> list[Hop]:
    """Return what arrives in each hop; the first is `start`.

    through: inliers in a region that it takes for anything to go on by a pair.
    """
    found = [start]
    for _ in range(hops):
        found.append(_next(links, gallery, found[-1], through))
    return found


def _next(links: Links, gallery: Gallery, hop: Hop, through: int) -> Hop:
    made: Hop = {}
    for row, arrived in hop.items():
        region, total = arrived.region(), arrived.total
        for other in links.neighbours(row) if region else []:
            pair = links.pair(row, other)
            passing = inside(pair.points[:, :2], region)
            if passing.sum() < through:
                continue
            each = total * links.weight(gallery.vectors[row], other, len(pair)) / len(pair)
            if each > 0:
                made.setdefault(other, Arrived()).add(
                    pair.features[passing, 1], pair.points[passing, 2:], each, row
                )
    return made


def aggregate(links: Links, hops: list[Hop], *, alpha: float) -> dict[int, float]:
    """Return the scores of the images at which anything arrived."""
    sums: dict[int, float] = {}
    features: dict[int, set[int]] = {}
    for number, hop in enumerate(hops):
        for row, arrived in hop.items():
            sums[row] = sums.get(row, 0.0) + alpha**number * arrived.total
            features.setdefault(row, set()).update(arrived.amounts)
    counts = {row: len(links.features(row) | found) for row, found in features.items()}
    return {row: total / float(np.sqrt(counts[row])) for row, total in sums.items() if total > 0}


def hulls(hops: list[Hop]) -> dict[int, Polygon]:
    """Return the hull of all features of each image at which anything arrived."""
    places: dict[int, dict[int, tuple[float, float]]] = {}
    for hop in hops:
        for row, arrived in hop.items():
            places.setdefault(row, {}).update(arrived.places)
    found = {row: hull(np.array(list(each.values()))) for row, each in places.items()}
    return {row: polygon for row, polygon in found.items() if polygon}


def path(hops: list[Hop], row: int, *, alpha: float) -> list[int]:
    """Return the rows by which most came to an image, from the first image to itself."""
    came: Mapping[int, float] = {
        number: alpha**number * hop[row].best[0] for number, hop in enumerate(hops) if row in hop
    }
    number = max(came, key=lambda found: (came[found], -found))
    rows = [row]
    while number > 0:
        source = hops[number][rows[-1]].best[1]
        assert source is not None
        rows.append(source)
        number -= 1
    return rows[::-1]
