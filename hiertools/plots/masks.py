"""Masks on pictures: a row for each query, its picture and then those of its hits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiertools.plots import figure, pictures
from hiertools.plots.pictures import Picture, Polygon

SIZE_INCHES = (2.0, 1.75)
FOUND, TRUE = "#ffd23f", "#3bceac"
TINT = 0.35
MOST_LETTERS = 30


@dataclass(frozen=True)
class Tile:
    """A picture with its name, and where something is in it: polygons, or pixels (a boolean array
    of its own size), as it was found and as it is true."""

    shown: Picture
    name: str
    found: Sequence[Polygon] = ()
    true: Sequence[Polygon] = ()
    found_pixels: NDArray[np.bool_] | None = None
    true_pixels: NDArray[np.bool_] | None = None


def draw(path: Path, rows: Sequence[Sequence[Tile]], *, overwrite: bool) -> None:
    """Draw rows of pictures; what was found is tinted yellow, what is true outlined green."""
    columns = max(map(len, rows))
    with figure.drawing(
        path, rows=len(rows), columns=columns, size=SIZE_INCHES, overwrite=overwrite
    ) as grid:
        for places, tiles in zip(grid, rows, strict=True):
            for axes in places:
                pictures.plain(axes)
            for axes, tile in zip(places, tiles, strict=False):
                _tile(axes, tile)


def _tile(axes: figure.Axes, tile: Tile) -> None:
    pictures.show(axes, tile.shown)
    for polygon in tile.found:
        axes.fill(*np.array(polygon).T, color=FOUND, alpha=TINT, linewidth=0)
        pictures.outline(axes, polygon, FOUND, linewidth=1.2)
    if tile.found_pixels is not None:
        pictures.tint(axes, tile.shown, tile.found_pixels, FOUND, TINT)
        pictures.contour(axes, tile.shown, tile.found_pixels, FOUND, linewidth=1.2)
    for polygon in tile.true:
        pictures.outline(axes, polygon, TRUE, linewidth=1.2, linestyle="--")
    if tile.true_pixels is not None:
        pictures.contour(axes, tile.shown, tile.true_pixels, TRUE, linewidth=1.2, linestyle="--")
    axes.set_xlim(0, tile.shown.width)
    axes.set_ylim(tile.shown.height, 0)
    axes.set_title(_short(tile.name), fontsize=7, pad=3)


def _short(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else "…" + name[-MOST_LETTERS + 1 :]
