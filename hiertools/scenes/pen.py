"""Shapes in a box, in fractions of the box."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import ImageDraw

from hiertools.scenes.boxes import Box
from hiertools.scenes.colours import Colour

Point = tuple[float, float]


@dataclass(frozen=True)
class Pen:
    """Draws in a box of an image: (0, 0) is the box's top left, (1, 1) its bottom right.

    draw: of mode RGBA, so that colours with alpha mix; box: in pixels; mirrored: left is right.
    """

    draw: ImageDraw.ImageDraw
    box: Box
    mirrored: bool = False

    def inner(self, u0: float, v0: float, u1: float, v1: float) -> "Pen":
        """Return a pen for a part of the box."""
        (x0, y0), (x1, y1) = self._xy(u0, v0), self._xy(u1, v1)
        return Pen(self.draw, (min(x0, x1), y0, max(x0, x1), y1), self.mirrored)

    def block(
        self,
        u0: float,
        v0: float,
        u1: float,
        v1: float,
        colour: Colour,
        *,
        round: float = 0,
    ) -> None:
        """Fill a rectangle; `round` is the radius of its corners as a share of its short side."""
        x0, y0, x1, y1 = self._pixels(u0, v0, u1, v1)
        if round:
            radius = round * min(x1 - x0, y1 - y0)
            self.draw.rounded_rectangle((x0, y0, x1, y1), radius, colour)
        else:
            self.draw.rectangle((x0, y0, x1, y1), colour)

    def oval(self, u0: float, v0: float, u1: float, v1: float, colour: Colour) -> None:
        """Fill an ellipse."""
        self.draw.ellipse(self._pixels(u0, v0, u1, v1), colour)

    def wedge(
        self, u0: float, v0: float, u1: float, v1: float, degrees: Point, colour: Colour
    ) -> None:
        """Fill a piece of an ellipse, clockwise from the right."""
        self.draw.pieslice(self._pixels(u0, v0, u1, v1), *degrees, colour)

    def shape(self, points: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon."""
        self.draw.polygon([self._xy(u, v) for u, v in points], colour)

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        """Draw a line whose width is a share of the box's height."""
        pixels = max(1, round(width * (self.box[3] - self.box[1])))
        self.draw.line([self._xy(u, v) for u, v in points], colour, pixels, "curve")

    def _xy(self, u: float, v: float) -> Point:
        x0, y0, x1, y1 = self.box
        u = 1 - u if self.mirrored else u
        return x0 + u * (x1 - x0), y0 + v * (y1 - y0)

    def _pixels(self, u0: float, v0: float, u1: float, v1: float) -> tuple[int, int, int, int]:
        """Return the first and last pixels of a box; the last are inside, as Pillow has it."""
        (x0, y0), (x1, y1) = self._xy(u0, v0), self._xy(u1, v1)
        left, right = round(min(x0, x1)), round(max(x0, x1))
        top, bottom = round(y0), round(y1)
        return left, top, max(left, right - 1), max(top, bottom - 1)
