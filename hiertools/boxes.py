"""Boxes of images in whole millionths of the image's sides, so that every sum is exact.

A box is x0, y0, x1, y1 with the origin at the top left of the image.
"""

from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

from hiertools.files.texts import Texts

MILLION = 1_000_000
EDGE = 2**31 - 1
FARTHEST = 4e18  # two of it still fit 64 bits

Corners = NDArray[np.int32]


@dataclass(frozen=True)
class Boxes:
    """A batch of n boxes as an annotation format reads them.

    images, labels: n; corners: n x 4, millionths, not yet clipped to the image; flags: of
    `items.FLAGS`, n booleans each; names: of label ids, where the format has them; listed: images
    that the annotations name, with or without boxes; skipped: labels whose boxes are to be left
    out once every box has its number.
    """

    images: Texts
    labels: Texts
    corners: Corners
    flags: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)
    skipped: set[str] = field(default_factory=set)


def from_fractions(fractions: NDArray[np.float64]) -> Corners:
    """Return fractions of the side as millionths, rounded half to even at 12 decimals.

    fractions: n x 4 (x0, y0, x1, y1), finite.
    """
    return np.asarray(_millionths(fractions))


def from_trillionths(numbers: NDArray[np.int64]) -> Corners:
    """Return trillionths of the side (n x 4) as millionths, halves to even."""
    return np.asarray(_of_trillionths(numbers))


def from_pixels(pixels: NDArray[np.float64], sides: NDArray[np.int64]) -> Corners:
    """Return pixels as millionths of the sides, rounded half to even at 9 decimals of a pixel.

    pixels: n x 4 (x0, y0, x1, y1), finite; sides: n x 2 (width, height), 1 to `EDGE`.
    """
    return np.asarray(_rounded(pixels, sides, 1e9, 1000, False))


def from_xywh(boxes: NDArray[np.float64], sides: NDArray[np.int64]) -> Corners:
    """Return boxes given as x, y, width, height in pixels; x + width is added exactly."""
    return np.asarray(_rounded(boxes, sides, 1e9, 1000, True))


def clip_to_image(corners: Corners) -> tuple[Corners, int]:
    """Return boxes (n x 4) without what lies outside the image, and how many were clipped."""
    clipped, outside = _clipped(corners)
    return clipped, int(outside)


def areas(corners: Corners) -> NDArray[np.int64]:
    """Return each box's area in millionths of millionths of the image's; 0 where it has none."""
    return np.asarray(_areas(corners))


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def _areas(corners):  # type: ignore[no-untyped-def]
    out = np.empty(len(corners), np.int64)
    for i in range(len(corners)):
        width = np.int64(corners[i, 2]) - corners[i, 0]
        height = np.int64(corners[i, 3]) - corners[i, 1]
        out[i] = max(width, 0) * max(height, 0)
    return out


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def _clipped(corners):  # type: ignore[no-untyped-def]
    out = np.empty_like(corners)
    outside = 0
    for i in range(len(corners)):
        inside = True
        for j in range(4):
            out[i, j] = min(max(corners[i, j], np.int32(0)), np.int32(MILLION))
            inside &= out[i, j] == corners[i, j]
        outside += not inside
    return out, outside


@numba.njit(cache=True)  # type: ignore[misc]
def _whole(value, scale):  # type: ignore[no-untyped-def]
    """Return value * scale as a whole number, which undoes what binary did to decimals."""
    return np.int64(np.rint(min(max(value * scale, -FARTHEST), FARTHEST)))


@numba.njit(cache=True)  # type: ignore[misc]
def _half_even(numerator, divisor):  # type: ignore[no-untyped-def]
    whole = numerator // divisor
    double = 2 * (numerator - whole * divisor)
    if double > divisor or (double == divisor and whole % 2 == 1):
        whole += 1
    return min(max(whole, np.int64(-EDGE)), np.int64(EDGE))


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def _millionths(fractions):  # type: ignore[no-untyped-def]
    """Return what `_rounded` would: division by what is known beforehand is much faster."""
    out = np.empty(fractions.shape, np.int32)
    for i in range(len(fractions)):
        for j in range(4):
            out[i, j] = _half_even(_whole(fractions[i, j], 1e12), MILLION)
    return out


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def _of_trillionths(numbers):  # type: ignore[no-untyped-def]
    out = np.empty(numbers.shape, np.int32)
    for i in range(len(numbers)):
        for j in range(4):
            out[i, j] = _half_even(numbers[i, j], MILLION)
    return out


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def _rounded(boxes, sides, scale, divisor, added):  # type: ignore[no-untyped-def]
    """Return boxes * scale / (divisor * sides) as whole numbers, halves to even."""
    out = np.empty(boxes.shape, np.int32)
    several = len(sides) > 1
    for i in range(len(boxes)):
        for j in range(4):
            side = sides[i, j % 2] if several else sides[0, j % 2]
            value = _whole(boxes[i, j], scale)
            if added and j >= 2:
                value += _whole(boxes[i, j - 2], scale)
            out[i, j] = _half_even(value, divisor * side)
    return out
