"""The pairs that training sees: those within images, and each epoch anew some across images.

"Learning Visual Hierarchies in Hyperbolic Space for Image Retrieval" (arXiv:2411.17490),
supplement, section 1: a full image holds, beside its own boxes, boxes of their classes from other
images.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files.items import Labels
from hiertools.files.pairs import Pairs

IMAGE, BOX = 0, 1

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """n pairs, as rows of the items, and the place of the first one in its epoch."""

    epoch: int
    first: int
    parent: Rows
    child: Rows

    def __len__(self) -> int:
        return len(self.parent)


class Examples:
    """The batches of every epoch: the same for the same pairs and seed.

    items: those of the pairs; image: the code of each one's image; classes: the labels that each
    image's items have, by code; cross_image: boxes from other images for each class of an image.
    """

    def __init__(self, pairs: Pairs, *, cross_image: int, batch_size: int, seed: int) -> None:
        items = pairs.items
        if items.image is None or items.kind is None:
            raise UserError("the pairs do not say what the image and the kind of an item is")
        self.pairs, self.items = pairs, items
        self.cross_image, self.batch_size, self.seed = cross_image, batch_size, seed
        self.image: Rows = np.unique(items.image, return_inverse=True)[1]
        self.classes: Labels | None = None
        self._foreign: _Foreign | None = None
        if cross_image:
            if items.labels is None:
                raise UserError("the pairs have no labels to draw cross-image pairs by")
            self.classes = _classes_of_images(items.labels, self.image)
            self._foreign = _Foreign(pairs, self.image)

    def __len__(self) -> int:
        """Return how many pairs an epoch has."""
        drawn = self._foreign.size * self.cross_image if self._foreign else 0
        return len(self.pairs.parent) + drawn

    @property
    def steps(self) -> int:
        """Return how many batches an epoch has; the last one may be smaller."""
        return -(-len(self) // self.batch_size)

    def seen(self, step: int) -> int:
        """Return how many pairs the steps before this one have seen."""
        epoch, within = divmod(step, self.steps)
        return epoch * len(self) + within * self.batch_size

    def batches(self, epoch: int, *, first_step: int) -> Iterator[Batch]:
        """Yield the batches of an epoch from a step on."""
        parent, child = self._shuffled(epoch)
        for step in range(first_step, self.steps):
            place = step * self.batch_size
            rows = slice(place, place + self.batch_size)
            yield Batch(epoch, place, parent[rows], child[rows])

    def _shuffled(self, epoch: int) -> tuple[Rows, Rows]:
        rng = np.random.default_rng([self.seed, epoch])
        parent, child = self.pairs.parent, self.pairs.child
        if self._foreign:
            image, box = self._foreign.draw(rng, self.cross_image)
            parent, child = np.concatenate([parent, image]), np.concatenate([child, box])
        order = rng.permutation(len(parent))
        return parent[order], child[order]


class _Foreign:
    """For each full image and class of its boxes: the boxes of that class in other images.

    The boxes stand by label and image, so that those of an image are a gap among its label's.
    """

    def __init__(self, pairs: Pairs, image: Rows) -> None:
        items, labels = pairs.items, pairs.items.labels
        assert items.kind is not None
        assert labels is not None
        boxes = np.flatnonzero(items.kind == BOX)
        found = labels.take(boxes)
        box = np.repeat(boxes, np.diff(found.offsets))
        order = np.lexsort((box, image[box], found.codes))
        self.box, label = box[order], found.codes[order]
        images = int(image.max(initial=-1)) + 1
        key = label * np.int64(images) + image[self.box]
        group, start, size = np.unique(key, return_index=True, return_counts=True)
        first, end = (np.searchsorted(label, group // images, side) for side in ("left", "right"))
        full = np.full(images, -1)
        parents = np.unique(pairs.parent)
        parents = parents[items.kind[parents] == IMAGE]
        full[image[parents]] = parents
        used = (full[group % images] >= 0) & (end - first > size)
        self.full = full[group % images][used]
        self.first, self.start, self.gap = first[used], start[used], size[used]
        self.others = (end - first - size)[used]

    @property
    def size(self) -> int:
        """Return how many classes of full images there are with boxes in other images."""
        return len(self.full)

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Rows, Rows]:
        """Return `count` pairs of full image and foreign box for each class, with replacement."""
        place = self.first[:, None] + rng.integers(0, self.others[:, None], (self.size, count))
        place += np.where(place >= self.start[:, None], self.gap[:, None], 0)
        return np.repeat(self.full, count), self.box[place].ravel()


def _classes_of_images(labels: Labels, image: Rows) -> Labels:
    """Return the set of labels of each image: those of its rows, whole or box."""
    size = len(labels.names)
    key = np.repeat(image, np.diff(labels.offsets)) * size + labels.codes
    key = np.unique(key)
    counts = np.bincount(key // max(1, size), minlength=int(image.max(initial=-1)) + 1)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return Labels(offsets, (key % max(1, size)).astype(np.int32), labels.names)


def with_items(pairs: Pairs, found: NDArray[np.bool_]) -> Pairs:
    """Return the pairs both of whose items are found, over the items of these pairs."""
    kept = found[pairs.parent] & found[pairs.child]
    if kept.all():
        return pairs
    parent, child = pairs.parent[kept], pairs.child[kept]
    used = np.zeros(len(found), bool)
    used[parent] = used[child] = True
    row = np.cumsum(used) - 1
    return Pairs(row[parent], row[child], pairs.items.take(used), pairs.meta, pairs.chain)
