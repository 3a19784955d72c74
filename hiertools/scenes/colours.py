"""Colours: red, green, blue from 0 to 255, and alpha where something shows through."""

import colorsys
from collections.abc import Sequence

from hiertools.scenes.things import Look

Colour = tuple[int, ...]

INK = (45, 42, 48)
WHITE = (250, 249, 245)
FRAMES = ((246, 244, 238), (228, 221, 205), (120, 84, 58), (74, 78, 88))
ROOFS = ((158, 72, 56), (122, 66, 52), (86, 88, 104), (140, 100, 66))
SKINS = ((244, 208, 178), (224, 172, 134), (176, 122, 86), (118, 78, 56))
HAIR = ((62, 44, 34), (30, 28, 32), (164, 118, 62), (150, 150, 152))
BRASS = (226, 178, 72)
TYRE = (38, 38, 44)
STEEL = (190, 194, 202)


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """Return a colour; hue, saturation and value in [0, 1]."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Return colour a with a share of colour b."""
    red, green, blue = (round(x + share * (y - x)) for x, y in zip(a[:3], b[:3], strict=True))
    return red, green, blue


def darker(colour: Colour, share: float) -> Colour:
    """Return a colour with a share of ink."""
    return mix(colour, INK, share)


def lighter(colour: Colour, share: float) -> Colour:
    """Return a colour with a share of white."""
    return mix(colour, WHITE, share)


def choose(palette: Sequence[Colour], number: float) -> Colour:
    """Return the colour of a palette for a number in [0, 1)."""
    return palette[int(number * len(palette))]


def lively(look: Look) -> Colour:
    """Return a lively colour."""
    return hsv(look[0], 0.5 + 0.4 * look[1], 0.62 + 0.33 * look[2])
