"""Pictures in figures: a photograph in the size in which it is seen, and outlines on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hiertools.plots.figure import Axes, to_rgba

MOST_PIXELS = 1000  # of a side: more are not seen
EDGE = 1.0  # pixels that a place may be outside

Polygon = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Picture:
    """A picture made smaller; its own width and height in pixels."""

    pixels: NDArray[np.uint8]
    width: int
    height: int

    def holds(self, points: NDArray[np.floating]) -> bool:
        """Say whether points (n x 2) are in it, or just outside (edges are counted in two ways)."""
        low, high = -EDGE, np.array([self.width, self.height]) + EDGE
        return bool(((points >= low) & (points <= high)).all())


def picture(image: Image.Image) -> Picture:
    """Return a picture in a size that can be seen."""
    scale = max(1.0, max(image.size) / MOST_PIXELS)
    small = image.resize([max(1, round(side / scale)) for side in image.size], reducing_gap=3.0)
    return Picture(np.asarray(small, np.uint8), *image.size)


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


def tint(axes: Axes, shown: Picture, pixels: NDArray[np.bool_], colour: str, alpha: float) -> None:
    """Lay a colour over the pixels of a picture that a mask (height x width) has."""
    seen = _seen(pixels)
    layer = np.zeros((*seen.shape, 4), np.uint8)
    layer[seen] = (np.array(to_rgba(colour, alpha)) * 255).round()
    axes.imshow(layer, extent=(0, shown.width, shown.height, 0), interpolation="nearest")


def contour(
    axes: Axes, shown: Picture, pixels: NDArray[np.bool_], colour: Any, **style: Any
) -> None:
    """Draw the outline of a mask (height x width) of a picture as `outline` does a polygon's.

    A mask that reaches the edge of its picture has its outline there.
    """
    seen = _seen(pixels)
    y, x = (np.arange(-1, side + 1) + 0.5 for side in seen.shape)
    x, y = x * shown.width / seen.shape[1], y * shown.height / seen.shape[0]
    padded = np.pad(seen, 1).astype(float)
    width, dashes = style.pop("linewidth", 1.6), style.pop("linestyle", "-")
    for shade, wider, alpha in (("black", 1.2, 0.6), (colour, 0.0, 1.0)):
        if seen.any():
            axes.contour(
                x, y, padded, levels=[0.5], colors=[shade], linewidths=width + wider, alpha=alpha,
                linestyles=dashes, **style,
            )  # fmt: skip


def _seen(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask with as many pixels as can be seen."""
    step = -(-max(pixels.shape) // MOST_PIXELS)
    return pixels[::step, ::step]


def plain(axes: Axes) -> None:
    """Leave out axes, ticks and grid."""
    axes.set_axis_off()
    axes.grid(False)
    axes.set_aspect("equal")
