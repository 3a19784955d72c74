"""Pictures in figures: a photograph in the size in which it is seen, and outlines on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hiertools.plots.figure import Axes

MOST_PIXELS = 1000  # of a side: more are not seen

Polygon = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Picture:
    """A picture made smaller, and how many of its own pixels one of these is."""

    pixels: NDArray[np.uint8]
    scale: float

    @property
    def width(self) -> float:
        """Return the width in its own pixels."""
        return float(self.pixels.shape[1] * self.scale)

    @property
    def height(self) -> float:
        """Return the height in its own pixels."""
        return float(self.pixels.shape[0] * self.scale)


def picture(image: Image.Image) -> Picture:
    """Return a picture in a size that can be seen."""
    scale = max(1.0, max(image.size) / MOST_PIXELS)
    small = image.resize([max(1, round(side / scale)) for side in image.size], reducing_gap=3.0)
    return Picture(np.asarray(small, np.uint8), image.width / small.width)


def show(
    axes: Axes, shown: Picture, *, left: float = 0.0, top: float = 0.0, scale: float = 1.0
) -> None:
    """Draw a picture with its corner at a place; scale: of its own pixels."""
    width, height = shown.width * scale, shown.height * scale
    axes.imshow(
        shown.pixels, extent=(left, left + width, top + height, top), interpolation="antialiased"
    )


def outline(axes: Axes, polygon: Polygon, colour: Any, **style: Any) -> None:
    """Draw the outline of a polygon, dark below light so that it is seen on any picture."""
    x, y = np.array([*polygon, polygon[0]]).T
    width = style.pop("linewidth", 1.6)
    axes.plot(x, y, color="black", linewidth=width + 1.2, alpha=0.6, **style)
    axes.plot(x, y, color=colour, linewidth=width, **style)


def plain(axes: Axes) -> None:
    """Leave out axes, ticks and grid."""
    axes.set_axis_off()
    axes.grid(False)
    axes.set_aspect("equal")
