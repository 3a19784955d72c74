"""Boxes of images in whole millionths of the image's sides, so that every sum is exact.

A box is x0, y0, x1, y1 with the origin at the top left of the image.
"""

from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

MILLION = 1_000_000
EDGE = 2**31 - 1  # farther out than this a coordinate is as good as here

Corners = NDArray[np.int32]


@dataclass(frozen=True)
class Boxes:
    """A batch of n boxes as an annotation format reads them.

    images, labels: text, n; corners: n x 4, millionths, not yet clipped to the image; flags: of
    `items.FLAGS`, n booleans each; names: of label ids, where the format has them; listed: images that
    the annotations name, with or without boxes.
    """

    images: pl.Series
    labels: pl.Series
    corners: Corners
    flags: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)


def from_fractions(fractions: NDArray[np.float64]) -> Corners:
    """Return fractions of the side as millionths, rounded half to even at 12 decimals."""
    with np.errstate(invalid="ignore"):
        trillionths = np.rint(fractions.clip(-2000, 2000) * 1e12).astype(np.int64)
    return _half_even(trillionths, np.int64(MILLION))


def from_pixels(pixels: NDArray[np.float64], sides: NDArray[np.int64]) -> Corners:
    """Return pixels as millionths of the sides, rounded half to even at 9 decimals of a pixel.

    pixels: n x 4 (x0, y0, x1, y1); sides: n x 2 (width, height).
    """
    limit = 2000.0 * sides.max(initial=1)
    nanopixels = np.rint(pixels.clip(-limit, limit) * 1e9).astype(np.int64)
    return _half_even(nanopixels, np.tile(sides, 2) * 1000)


def from_xywh(boxes: NDArray[np.float64], sides: NDArray[np.int64]) -> Corners:
    """Return boxes given as x, y, width, height in pixels; x + width is added exactly."""
    limit = 2000.0 * sides.max(initial=1)
    nanopixels = np.rint(boxes.clip(-limit, limit) * 1e9).astype(np.int64)
    nanopixels[:, 2:] += nanopixels[:, :2]
    return _half_even(nanopixels, np.tile(sides, 2) * 1000)


def _half_even(numerator: NDArray[np.int64], divisor: NDArray[np.int64] | np.int64) -> Corners:
    whole, rest = np.divmod(numerator, divisor)
    up = (2 * rest > divisor) | ((2 * rest == divisor) & (whole % 2 == 1))
    return (whole + up).clip(-EDGE, EDGE).astype(np.int32)
