"""Boxes to pairs of boxes: the compiled part of mining.

A pair (p, c) is two boxes of one image with area(p) > area(c) > 0 and
area(p n c) >= overlap * area(c), as in "Learning Visual Hierarchies in Hyperbolic Space for Image
Retrieval" (arXiv:2411.17490), supplement, section 1; in integer arithmetic.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from hiertools.box_table import BoxTable
from hiertools.terminal import Tick

BLOCK_ROWS = 1 << 20
DENSE_CELLS = 1 << 24

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class BoxPairs:
    """p pairs of rows of a box table, by parent: `parent` holds `child`.

    parent, child: p; first: whether this child is the parent's first of its label, p.
    """

    parent: Rows
    child: Rows
    first: NDArray[np.bool_]


@dataclass(frozen=True)
class LabelPairs:
    """p pairs of labels (codes) that occur: their boxes' pairs, and parents that hold a child."""

    parent: Rows
    child: Rows
    frequency: Rows
    holders: Rows


def pairs(table: BoxTable, *, overlap: Decimal, tick: Tick) -> Iterator[BoxPairs]:
    """Yield the pairs of every image, some images at a time, parents in the order of rows."""
    for arguments in _blocks(table, overlap):
        counts = _count_pairs(*arguments)
        ends = np.concatenate([[0], np.cumsum(counts)])
        yield BoxPairs(*_fill_pairs(*arguments, ends))
        tick(len(counts))


def _blocks(table: BoxTable, overlap: Decimal) -> Iterator[tuple[Any, ...]]:
    """Yield the kernels' arguments for whole images of about BLOCK_ROWS boxes together."""
    fraction = Fraction(overlap)
    areas = table.areas()
    image = 0
    while image < len(table.images):
        limit = table.first[image] + BLOCK_ROWS
        stop = max(image + 1, int(np.searchsorted(table.first, limit, "right")) - 1)
        first = table.first[image : stop + 1]
        yield table.corners, areas, table.label, first, fraction.numerator, fraction.denominator
        image = stop


def count_labels(table: BoxTable, *, overlap: Decimal, tick: Tick) -> LabelPairs:
    """Count pairs, and parents that hold a child, by the labels of parent and child."""
    size = len(table.labels)
    count = _count_densely if size**2 <= DENSE_CELLS else _count_sparsely
    return count(_blocks(table, overlap), size, tick)


def _count_densely(blocks: Iterator[tuple[Any, ...]], size: int, tick: Tick) -> LabelPairs:
    """Count into a table for each thread: fast, where the tables are small enough."""
    parts = max(1, min(numba.get_num_threads(), DENSE_CELLS // max(1, size**2)))
    frequency, holders = (np.zeros((parts, size, size), np.int64) for _ in range(2))
    for arguments in blocks:
        _count_dense(*arguments, frequency, holders)
        tick(_boxes_of(arguments))
    frequency, holders = frequency.sum(axis=0), holders.sum(axis=0)
    parent, child = frequency.nonzero()
    return LabelPairs(parent, child, frequency[parent, child], holders[parent, child])


def _count_sparsely(blocks: Iterator[tuple[Any, ...]], size: int, tick: Tick) -> LabelPairs:
    """Count the pairs one by one, for many classes."""
    from scipy.sparse import coo_array, csr_array

    frequency, holders = (csr_array((size, size), dtype=np.int64) for _ in range(2))
    for arguments in blocks:
        label = arguments[2]
        ends = np.concatenate([[0], np.cumsum(_count_pairs(*arguments))])
        parent, child, first = _fill_pairs(*arguments, ends)
        keys = (label[parent], label[child])
        ones = np.ones(len(parent), np.int64)
        frequency += csr_array(coo_array((ones, keys), shape=(size, size)))
        holders += csr_array(coo_array((first * ones, keys), shape=(size, size)))
        tick(_boxes_of(arguments))
    parent, child = frequency.tocoo().coords
    return LabelPairs(parent, child, frequency.data, holders.data)  # a pair has a first child


def _boxes_of(arguments: tuple[Any, ...]) -> int:
    first = arguments[3]
    return int(first[-1] - first[0])


@numba.njit(cache=True)  # type: ignore[misc]
def _holds(corners, areas, parent, child, numerator, denominator):  # type: ignore[no-untyped-def]
    if not (areas[parent] > areas[child] > 0):
        return False
    x0 = max(corners[parent, 0], corners[child, 0])
    y0 = max(corners[parent, 1], corners[child, 1])
    x1 = min(corners[parent, 2], corners[child, 2])
    y1 = min(corners[parent, 3], corners[child, 3])
    shared = np.int64(max(x1 - x0, 0)) * np.int64(max(y1 - y0, 0))
    return shared * denominator >= areas[child] * numerator


@numba.njit(cache=True, parallel=True)  # type: ignore[misc]
def _count_pairs(corners, areas, label, first, numerator, denominator):  # type: ignore[no-untyped-def]
    """Return the number of pairs of each row's parent, for the rows of some images."""
    start = first[0]
    counts = np.zeros(first[-1] - start, np.int64)
    for image in numba.prange(len(first) - 1):
        for parent in range(first[image], first[image + 1]):
            for child in range(first[image], first[image + 1]):
                if _holds(corners, areas, parent, child, numerator, denominator):
                    counts[parent - start] += 1
    return counts


@numba.njit(cache=True, parallel=True)  # type: ignore[misc]
def _count_dense(corners, areas, label, first, numerator, denominator, frequency, holders):  # type: ignore[no-untyped-def]
    """Add pairs and holders by part of the images, label of parent and label of child."""
    parts, size = frequency.shape[:2]
    images = len(first) - 1
    for part in numba.prange(parts):
        holder = np.full(size, -1, np.int64)  # the last parent that holds a child of each label
        for image in range(part * images // parts, (part + 1) * images // parts):
            for parent in range(first[image], first[image + 1]):
                for child in range(first[image], first[image + 1]):
                    if _holds(corners, areas, parent, child, numerator, denominator):
                        frequency[part, label[parent], label[child]] += 1
                        if holder[label[child]] != parent:
                            holder[label[child]] = parent
                            holders[part, label[parent], label[child]] += 1


@numba.njit(cache=True, parallel=True)  # type: ignore[misc]
def _fill_pairs(corners, areas, label, first, numerator, denominator, ends):  # type: ignore[no-untyped-def]
    """Return parents, children and whether a child is its parent's first of its label."""
    start = first[0]
    parents = np.empty(ends[-1], np.int64)
    children = np.empty(ends[-1], np.int64)
    firsts = np.empty(ends[-1], np.bool_)
    for image in numba.prange(len(first) - 1):
        for parent in range(first[image], first[image + 1]):
            begin = ends[parent - start]
            end = begin
            for child in range(first[image], first[image + 1]):
                if _holds(corners, areas, parent, child, numerator, denominator):
                    parents[end], children[end] = parent, child
                    is_first = True
                    for other in range(begin, end):
                        is_first &= label[children[other]] != label[child]
                    firsts[end] = is_first
                    end += 1
    return parents, children, firsts
