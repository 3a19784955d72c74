"""Topological verification: regions of two images whose patches agree and hang together.

An, Seon, An, Huo and Yoon, "Topological RANSAC for instance verification and retrieval without
fine-tuning", NeurIPS 2023: what hangs together on an object stays so from any side, where a
homography holds for a plane alone. From a seed, a match of local features, patch pairs are looked
at depth first: they pass if enough of their features have the nearest feature of the other patch
in the same cell of a 3 x 3 grid, and then their four neighbours are looked at.

What differs from the released code: the size of patches follows the image's; neighbours, right
patches and their grids follow the affine map of the matches so far, so that images may be turned
and scaled (a seed's turn is that of most matches about it); cells must agree more often than by
chance too; features are found by a k-d tree; there is a cap on patch pairs; seeds have an order.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UsageError
from hiertools.files.local_features import LocalFeatures
from hiertools.local import kd_tree
from hiertools.local import topology_growing as growing
from hiertools.local import topology_patches as patches
from hiertools.local.hulls import Polygon, hull
from hiertools.local.matching import matches

SIDE = 1024  # of an image whose patches are as large as `radius` says, in pixels
NEAR_SCALES = (0.25, 4.0)  # of a seed's right patch, least and most: keypoints may err


@dataclass(frozen=True)
class Topology:
    """How regions are found.

    ratio: of matches that are seeds, as of `matching.matches`; radius: half the side of a patch,
    in pixels of an image whose longer side is 1024; agree: share of a patch's features whose cells
    agree; least: features in each patch, and matches in a region; shift: of neighbours, in radii;
    checks: patch pairs looked at, at the most.
    """

    ratio: float
    radius: float
    agree: float
    least: int
    shift: float
    checks: int

    def __post_init__(self) -> None:
        for name, fits, wanted in (
            ("ratio", 0 < self.ratio <= 1, "above 0 and at most 1"),
            ("radius", 5 <= self.radius <= SIDE, f"from 5 to {SIDE}"),
            ("agree", 0 < self.agree <= 1, "above 0 and at most 1"),
            ("least", self.least >= 4, "at least 4"),
            ("shift", 0.2 <= self.shift <= 1, "from 0.2 to 1"),
            ("checks", self.checks >= 1, "at least 1"),
        ):
            if not fits:
                raise UsageError(f"option {name}={getattr(self, name)} must be {wanted}")


@dataclass(frozen=True)
class Region:
    """m matches that hang together, one to one, in the order of the left image's features.

    features: rows of the local features in either image (m x 2, int32); points: x, y in pixels of
    the left and of the right image (m x 4, float32); left, right: the hulls in either image;
    patches: pairs that passed.
    """

    features: NDArray[np.int32]
    points: NDArray[np.float32]
    left: Polygon
    right: Polygon
    patches: int

    def __len__(self) -> int:
        return len(self.features)


@dataclass(frozen=True)
class Regions:
    """Regions of a left and a right image, the largest first.

    tentative: matches that were to be seeds; checks: patch pairs that were looked at.
    """

    regions: tuple[Region, ...]
    tentative: int
    checks: int

    def __len__(self) -> int:
        return len(self.regions)

    @property
    def largest(self) -> int:
        """Return the matches of the largest region, 0 if there is none."""
        return max(map(len, self.regions), default=0)


def verify(left: LocalFeatures, right: LocalFeatures, topology: Topology) -> Regions:
    """Return the regions of two images that are the same object, seen from anywhere."""
    seeds = matches(left, right, ratio=topology.ratio)
    if not len(seeds):
        return Regions((), 0, 0)
    seeds = seeds[_order(left, right, seeds)]
    search = _Search(left, right, topology)
    live = np.ones(len(seeds), bool)
    regions: list[Region] = []
    for number, seed in enumerate(seeds):
        if live[number] and search.checks < topology.checks:
            region = search.grow(seed, number + 1)
            if region is not None:
                regions.append(region)
                live &= ~_inside(left.keypoints[seeds[:, 0]], region.left)
    regions.sort(key=lambda region: -len(region))
    return Regions(tuple(regions), len(seeds), search.checks)


def _order(left: LocalFeatures, right: LocalFeatures, seeds: NDArray[np.int32]) -> Any:
    """Return the order of seeds: those whose descriptors are most alike first."""
    like = np.einsum(
        "md,md->m", left.descriptors[seeds[:, 0]], right.descriptors[seeds[:, 1]], dtype=np.float64
    )
    return np.lexsort((seeds[:, 0], -like))


class _Search:
    """What is known of a pair while its regions are found."""

    def __init__(self, left: LocalFeatures, right: LocalFeatures, topology: Topology) -> None:
        self._left, self._right = left, right
        self._sides = [_side(features) for features in (left, right)]
        self._patches = [patches.patch(len(features)) for features in (left, right)]
        self._reach = np.array(
            [topology.radius * max(side.width, side.height) / SIDE for side in (left, right)]
        )
        self._rules = (topology.least, topology.agree, topology.shift)
        self._topology = topology
        grain = self._reach[0] / growing.GRAIN
        shape = (int(left.height // grain) + 1, int(left.width // grain) + 1)
        self._marks = growing.Marks(np.zeros(shape, np.int32), np.zeros(shape, np.int32), grain)
        n = len(left)
        self._found = growing.Found(
            np.empty(n, np.int32), np.empty(n), np.empty((n, 2), np.int32), np.empty(n)
        )
        self.checks = 0

    def grow(self, seed: NDArray[np.int32], number: int) -> Region | None:
        """Return the region about a seed, None if it has too few matches."""
        place = np.zeros(8)
        place[:2], place[2:4] = self._left.keypoints[seed[0]], self._right.keypoints[seed[1]]
        grown, looked = growing.grow(
            *self._sides, *self._patches, self._marks, self._found, place, self._seed_reach(seed),
            self._rules, number, self._topology.checks - self.checks,
        )  # fmt: skip
        self.checks += looked
        if not grown:
            return None
        features = one_to_one(self._found.partner, self._found.misfit)
        if len(features) < self._topology.least:
            return None
        self._marks.verified[self._marks.verified == number] = -number
        points = np.hstack(
            [self._left.keypoints[features[:, 0]], self._right.keypoints[features[:, 1]]]
        )
        return Region(features, points, hull(points[:, :2]), hull(points[:, 2:]), grown)

    def _seed_reach(self, seed: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the reach of a seed's patches: the right one as its keypoint is larger."""
        left, right = self._left.scales[seed[0]], self._right.scales[seed[1]]
        if left == right == 1:  # not known
            return self._reach
        low, high = (scale * self._reach[1] for scale in NEAR_SCALES)
        return np.array([self._reach[0], np.clip(self._reach[0] * right / left, low, high)])


def _side(features: LocalFeatures) -> Any:
    points = np.ascontiguousarray(features.keypoints, np.float32)
    descriptors = np.ascontiguousarray(features.descriptors, np.float32)
    return patches.Side(points, descriptors, kd_tree.build(points))


def one_to_one(partner: NDArray[np.int32], misfit: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return matches (m x 2) of each left feature's partner; a right one stays where it fits best.

    partner: of each left feature, -1 where it has none; misfit: how far each is off.
    """
    rows = np.flatnonzero(partner >= 0)
    rows = rows[np.argsort(misfit[rows], kind="stable")]
    first = np.unique(partner[rows], return_index=True)[1]
    rows = np.sort(rows[first])
    return np.stack([rows, partner[rows]], axis=1).astype(np.int32)


def _inside(points: NDArray[np.float32], polygon: Polygon) -> NDArray[np.bool_]:
    """Say which points (n x 2) are in a convex polygon, none if it has no corners."""
    if not polygon:
        return np.zeros(len(points), np.bool_)
    corners = np.array(polygon)
    edges = np.roll(corners, -1, axis=0) - corners
    offsets = points[:, None] - corners
    sides = edges[:, 0] * offsets[..., 1] - edges[:, 1] * offsets[..., 0]
    return np.asarray((sides >= 0).all(axis=1) | (sides <= 0).all(axis=1))
