"""Levels as radii: whether what is general lies nearer to the origin than what is special."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hiertools.boxes import MILLION, areas, from_fractions
from hiertools.evaluation.classes import Classes
from hiertools.evaluation.sets import BOX, IMAGE, KINDS, Rows, Set
from hiertools.files.json import Document
from hiertools.metrics.bootstrap import interval
from hiertools.metrics.correlation import spearman, spearman_interval

LEVEL = 0.95
PERCENTS = (5, 25, 50, 75, 95)
AREA_BANDS = (
    0.0,
    0.01,
    0.03,
    0.1,
    0.3,
    1.0,
)  # shares of the image, between which boxes are counted

Radii = NDArray[np.float64]


def depths(found: Set, classes: Classes) -> Rows:
    """Return the depth of each item: 0 for an image, that of its class for a box.

    -1 for a box without a class of the hierarchy; of several, the deepest counts.
    """
    labels = found.labels
    of_code = np.concatenate([classes.depth, np.full(len(classes.names) - classes.nodes, -1)])
    depth = np.full(len(found), -1)
    owner = np.repeat(np.arange(len(found)), np.diff(labels.offsets))
    np.maximum.at(depth, owner, of_code[labels.codes])
    return np.where(found.kind == IMAGE, 0, depth)


def order_rows(found: Set, radius: Radii, classes: Classes, side: str) -> Iterator[Document]:
    """Yield Spearman's correlation of radius and depth, over all items and over boxes alone."""
    depth = depths(found, classes)
    for name, counted in (
        ("radius_depth_spearman", depth >= 0),
        ("radius_depth_spearman_boxes", depth > 0),
    ):
        rho = (
            spearman(radius[counted], depth[counted].astype(np.float64)) if counted.any() else None
        )
        if rho is not None:
            size = int(counted.sum())
            row = {"metric": name, "of": side, "value": rho}
            ends = spearman_interval(rho, size, level=LEVEL)
            yield {**row, **_ends(ends), "chance": 0.0, "queries": size}


def pairs_in_images(found: Set) -> tuple[Rows, Rows]:
    """Return the places of boxes' images that are in a set, and of these boxes."""
    images = np.flatnonzero(found.kind == IMAGE)
    images = images[np.argsort(found.image[images], kind="stable")]
    boxes = np.flatnonzero(found.kind == BOX)
    if not len(images):
        return images, images
    names = found.image[images]
    place = np.minimum(np.searchsorted(names, found.image[boxes]), len(images) - 1)
    there = names[place] == found.image[boxes]
    return images[place[there]], boxes[there]


def pair_row(
    parent: Rows, child: Rows, radius: Radii, name: str, *, resamples: int, seed: int
) -> Document | None:
    """Return in which share of pairs the parent has the smaller radius; None without pairs.

    The interval is a bootstrap over parents, by the linear form of a ratio of two means: pairs of
    the same parent do not vary on their own.
    """
    if not len(parent):
        return None
    nearer = (radius[parent] < radius[child]).astype(np.float64)
    share = float(nearer.mean())
    _, of_parent, counts = np.unique(parent, return_inverse=True, return_counts=True)
    influence = np.bincount(of_parent, nearer - share) / counts.mean()
    ends = interval(influence, resamples=resamples, seed=seed, level=LEVEL)
    row = {"metric": "parent_nearer_share", "of": name, "value": share}
    ends = None if ends is None else np.clip(share + ends, 0, 1)
    return {**row, **_ends(ends), "chance": 0.5, "queries": len(parent)}


def _ends(ends: NDArray[np.float64] | tuple[float, float] | None) -> Document:
    return {} if ends is None else {"low": float(ends[0]), "high": float(ends[1])}


def radius_table(found: Set, radius: Radii, side: str) -> Iterator[Document]:
    """Yield quantiles of the radii of images, of boxes, and of boxes of areas within bands."""
    for kind, name in enumerate(KINDS):
        yield from _quantiles(radius[found.kind == kind], {"of": side, "kind": name})
    if found.items.box is None:
        return
    area = areas(from_fractions(found.items.box)) / MILLION**2
    for low, high in pairwise(AREA_BANDS):
        within = (area >= low) & ((area < high) | (high == AREA_BANDS[-1]))
        about = {"of": side, "kind": KINDS[BOX], "min_area": low, "max_area": high}
        yield from _quantiles(radius[within & (found.kind == BOX)], about)


def _quantiles(radius: Radii, about: Document) -> Iterator[Document]:
    if len(radius):
        found = np.percentile(radius, PERCENTS).tolist()
        named = {f"p{percent}": value for percent, value in zip(PERCENTS, found, strict=True)}
        yield {**about, "items": len(radius), **named}
