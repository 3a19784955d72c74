"""The released form of hypergraph propagation: images in the order in which regions lead to them.

From one image, all of it the region, pairs of images are followed breadth first; a pair is followed
by those of its inliers alone that are in the region, whose box is the region of the next image.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.local.hulls import Polygon
from hiertools.reranking.hypergraph import Links

Box = tuple[float, float, float, float]  # x0, y0, x1, y1


@dataclass(frozen=True)
class Found:
    """Images in the order in which they were found, the first the start; their boxes, None for all
    of the image; and from which image each was found."""

    rows: list[int]
    boxes: dict[int, Box | None]
    sources: dict[int, int]

    def path(self, row: int) -> list[int]:
        """Return the rows from the start to an image."""
        rows = [row]
        while rows[-1] in self.sources:
            rows.append(self.sources[rows[-1]])
        return rows[::-1]

    def polygon(self, row: int) -> Polygon | None:
        """Return the region of an image as a polygon, None for all of it."""
        box = self.boxes[row]
        if box is None:
            return None
        x0, y0, x1, y1 = box
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def find(links: Links, start: int, *, hops: int, through: int) -> Found:
    """Return the images that regions lead to from one, in so many hops at the most.

    through: inliers in a region that it takes to follow a pair. An image that is found again has
    the box about both regions; its own pairs are followed once, by the box that it has by then.
    """
    found = Found([start], {start: None}, {})
    waiting = deque([(start, 0)])
    while waiting:
        row, hop = waiting.popleft()
        for other in links.neighbours(row) if hop < hops else []:
            pair = links.pair(row, other)
            passing = _inside(pair.points[:, :2], found.boxes[row])
            if passing.sum() < through:
                continue
            box = _box(pair.points[passing, 2:])
            if other in found.boxes:
                found.boxes[other] = _united(found.boxes[other], box)
                continue
            found.rows.append(other)
            found.boxes[other], found.sources[other] = box, row
            waiting.append((other, hop + 1))
    return found


def _inside(points: NDArray[np.float32], box: Box | None) -> NDArray[np.bool_]:
    if box is None:
        return np.ones(len(points), bool)
    low, high = np.array(box[:2]), np.array(box[2:])
    return np.asarray(((points >= low) & (points <= high)).all(axis=1))


def _box(points: NDArray[np.float32]) -> Box:
    x0, y0 = points.min(0).tolist()
    x1, y1 = points.max(0).tolist()
    return x0, y0, x1, y1


def _united(box: Box | None, other: Box) -> Box | None:
    if box is None:
        return None
    return (
        min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3])
    )  # fmt: skip
