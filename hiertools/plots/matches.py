"""Two pictures beside each other: lines between matches, and outlines of what was verified."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hiertools.plots import figure, pictures
from hiertools.plots.pictures import Picture, Polygon

HEIGHT_INCHES = 3.6
GAP = 0.02  # between the pictures, by the height
COLOURS = ("#ffd23f", "#3bceac", "#ee4266", "#56a3ff", "#ff9f1c", "#c77dff", "#b8de29", "#ffffff")


@dataclass(frozen=True)
class Group:
    """Matches of one region: x, y in the left and the right picture (m x 4), and its outlines."""

    matches: NDArray[np.float64]
    left: Polygon
    right: Polygon


def draw(
    path: Path, shown: tuple[Picture, Picture], groups: Sequence[Group],
    lined: Sequence[NDArray[np.int64]], title: str, *, overwrite: bool,
) -> None:  # fmt: skip
    """Draw two pictures in one height, the matches of each group in a colour of its own.

    lined: of each group the rows of the matches that have a line; all have dots.
    """
    left, right = shown
    scale = left.height / right.height
    start = left.width + GAP * left.height
    width = HEIGHT_INCHES * (start + right.width * scale) / left.height
    move = np.array([0.0, 0.0, start, 0.0]), np.array([1.0, 1.0, scale, scale])
    size = (width, HEIGHT_INCHES + 0.4)
    with figure.drawing(path, rows=1, columns=1, size=size, overwrite=overwrite) as ((axes,),):
        pictures.show(axes, left)
        pictures.show(axes, right, left=start, scale=scale)
        for group, rows, colour in zip(groups, lined, cycle(COLOURS), strict=False):
            _lines(axes, group.matches * move[1] + move[0], rows, colour)
            for polygon, place, factor in ((group.left, 0.0, 1.0), (group.right, start, scale)):
                if polygon:
                    moved = [(x * factor + place, y * factor) for x, y in polygon]
                    pictures.outline(axes, moved, colour)
        axes.set_xlim(0, start + right.width * scale)
        axes.set_ylim(left.height, 0)
        pictures.plain(axes)
        axes.set_title(title)


def _lines(
    axes: figure.Axes, lines: NDArray[np.float64], rows: NDArray[np.int64], colour: str
) -> None:
    """Draw all ends of matches, and lines between the ends of those in some rows."""
    for ends in (lines[:, :2], lines[:, 2:]):
        axes.plot(*ends.T, ".", color=colour, markersize=2.0, alpha=0.9)
    for x0, y0, x1, y1 in lines[rows]:
        axes.plot([x0, x1], [y0, y1], color=colour, linewidth=0.5, alpha=0.55)
