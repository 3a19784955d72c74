"""How objects look. A figure reaches to all four sides of its box, so that boxes are tight.

Parts draw themselves in their own boxes afterwards: a house is drawn without windows.
"""

from collections.abc import Callable

from hiertools.scenes.colours import (
    FRAMES,
    INK,
    ROOFS,
    SKINS,
    WHITE,
    choose,
    darker,
    hsv,
    lighter,
    lively,
)
from hiertools.scenes.pen import Pen
from hiertools.scenes.things import Look


def house(pen: Pen, look: Look) -> None:
    """Draw walls, a gable roof with a chimney and a plinth."""
    wall = hsv(look[0], 0.12 + 0.28 * look[1], 0.78 + 0.18 * look[2])
    roof = choose(ROOFS, look[1])
    pen.block(0.04, 0.28, 0.96, 1, wall)
    pen.block(0.8, 0.28, 0.96, 1, (*INK, 22))
    pen.shape([(0, 0.33), (0.2, 0.05), (0.8, 0.05), (1, 0.33)], roof)
    for v in (0.12, 0.19, 0.26):
        pen.line([(0.24 - v / 1.4, v), (0.76 + v / 1.4, v)], 0.008, darker(roof, 0.25))
    pen.block(0.63, 0.02, 0.74, 0.16, darker(roof, 0.4))
    pen.block(0.61, 0, 0.76, 0.04, darker(roof, 0.6))
    pen.block(0, 0.32, 1, 0.35, darker(roof, 0.3))
    pen.block(0.04, 0.35, 0.96, 0.375, (*INK, 60))
    pen.block(0.04, 0.95, 0.96, 1, darker(wall, 0.35))


def car(pen: Pen, look: Look) -> None:
    """Draw a saloon that drives to the right."""
    paint = lively(look)
    low = darker(paint, 0.25)
    pen.shape(
        [(0.17, 0.5), (0.27, 0.03), (0.33, 0), (0.68, 0), (0.74, 0.04), (0.86, 0.5)],
        paint,
    )
    pen.block(0, 0.44, 1, 0.84, paint, round=0.42)
    pen.block(0.02, 0.66, 0.98, 0.84, low, round=0.5)
    pen.block(0.04, 0.47, 0.94, 0.51, lighter(paint, 0.45))
    pen.line([(0.5, 0.45), (0.5, 0.8)], 0.025, low)
    pen.oval(0.92, 0.5, 0.985, 0.64, (255, 240, 190))
    pen.oval(0.01, 0.5, 0.06, 0.64, (214, 54, 46))
    for u in (0.21, 0.79):
        pen.oval(u - 0.115, 0.5, u + 0.115, 1.0, darker(paint, 0.75))


def bus(pen: Pen, look: Look) -> None:
    """Draw a coach with a stripe that drives to the right."""
    paint = lively(look)
    pen.block(0, 0, 1, 0.9, paint, round=0.14)
    pen.block(0.015, 0.02, 0.985, 0.09, lighter(paint, 0.4), round=0.4)
    pen.block(0, 0.58, 1, 0.66, WHITE)
    pen.block(0, 0.8, 1, 0.9, darker(paint, 0.4), round=0.3)
    pen.oval(0.955, 0.68, 0.99, 0.77, (255, 240, 190))
    pen.block(0.005, 0.68, 0.025, 0.78, (214, 54, 46))
    for u in (0.2, 0.8):
        pen.oval(u - 0.095, 0.64, u + 0.095, 1.0, darker(paint, 0.75))


def bicycle(pen: Pen, look: Look) -> None:
    """Draw the wheels' shade, a diamond frame, a saddle and handlebars."""
    paint = darker(lively(look), 0.1)
    rear, front, pedals = (0.19, 0.69), (0.81, 0.69), (0.46, 0.71)
    seat, head = (0.37, 0.2), (0.7, 0.16)
    for points in ((rear, seat, pedals, rear), (seat, head, pedals), (head, front)):
        pen.line(points, 0.055, paint)
    pen.line([head, (0.685, 0.03), (0.77, 0.03), (0.79, 0.1)], 0.05, INK)
    pen.block(0.28, 0.1, 0.46, 0.18, INK, round=0.5)
    pen.block(0.66, 0, 0.76, 0.06, INK)
    pen.oval(0.42, 0.65, 0.5, 0.78, INK)


def person(pen: Pen, look: Look) -> None:
    """Draw trousers, a shirt and arms; the head draws itself."""
    shirt = lively(look)
    trousers = hsv(0.6 + 0.1 * look[1], 0.2 + 0.4 * look[2], 0.28 + 0.3 * look[0])
    skin = choose(SKINS, look[1])
    for u in (0.22, 0.54):
        pen.block(u, 0.56, u + 0.24, 0.97, trousers, round=0.2)
        pen.block(u - 0.04, 0.95, u + 0.26, 1, INK, round=0.4)
    for u in (0, 0.82):
        pen.block(u, 0.3, u + 0.18, 0.56, darker(shirt, 0.2), round=0.5)
        pen.oval(u + 0.02, 0.53, u + 0.17, 0.61, skin)
    pen.block(0.4, 0.24, 0.6, 0.32, darker(skin, 0.2))
    pen.block(0.12, 0.28, 0.88, 0.64, shirt, round=0.22)


def tree(pen: Pen, look: Look) -> None:
    """Draw a trunk with a branch; the crown draws itself."""
    bark = hsv(0.07, 0.35 + 0.2 * look[0], 0.32 + 0.16 * look[1])
    pen.shape([(0.44, 0.4), (0.56, 0.4), (0.58, 0.9), (0.64, 1), (0.36, 1), (0.42, 0.9)], bark)
    pen.shape(
        [(0.51, 0.4), (0.56, 0.4), (0.58, 0.9), (0.64, 1), (0.54, 1)],
        darker(bark, 0.35),
    )


def lamp(pen: Pen, look: Look) -> None:
    """Draw a base, a pole and a shade; the bulb below the shade draws itself."""
    metal = darker(hsv(look[0], 0.15, 0.45), 0.4)
    cloth = hsv(0.08 + 0.08 * look[1], 0.3 + 0.3 * look[2], 0.86)
    pen.oval(0.16, 0.93, 0.84, 1, metal)
    pen.block(0.44, 0.2, 0.56, 0.97, metal)
    pen.block(0.52, 0.2, 0.56, 0.97, darker(metal, 0.4))
    pen.shape([(0.27, 0), (0.73, 0), (1, 0.18), (0, 0.18)], cloth)
    pen.shape([(0.55, 0), (0.73, 0), (1, 0.18), (0.66, 0.18)], darker(cloth, 0.16))
    pen.block(0, 0.17, 1, 0.19, darker(cloth, 0.45))


def cupboard(pen: Pen, look: Look) -> None:
    """Draw a carcass with a cornice and feet."""
    wood = hsv(0.06 + 0.06 * look[0], 0.3 + 0.3 * look[1], 0.5 + 0.3 * look[2])
    pen.block(0.06, 0.9, 0.16, 1, darker(wood, 0.6))
    pen.block(0.84, 0.9, 0.94, 1, darker(wood, 0.6))
    pen.block(0.02, 0.01, 0.98, 0.97, wood)
    pen.block(0.9, 0.03, 0.98, 0.97, darker(wood, 0.25))
    pen.block(0, 0, 1, 0.035, darker(wood, 0.35))


def ball(pen: Pen, look: Look) -> None:
    """Draw a beach ball."""
    paint = lively(look)
    pen.oval(0, 0, 1, 1, WHITE)
    for start in (20, 140, 260):
        pen.wedge(0, 0, 1, 1, (start + 120 * look[1], start + 60 + 120 * look[1]), paint)
    pen.oval(0.4, 0.4, 0.6, 0.6, WHITE)
    pen.wedge(0, 0, 1, 1, (20, 110), (*INK, 45))
    pen.oval(0.2, 0.14, 0.4, 0.34, (*WHITE, 150))


def flower(pen: Pen, look: Look) -> None:
    """Draw petals around a yellow middle on a stem with two leaves."""
    petal = hsv(0.72 + 0.34 * look[0], 0.35 + 0.45 * look[1], 0.95)
    green = (70, 128, 58)
    pen.line([(0.5, 0.4), (0.5, 1)], 0.06, green)
    pen.oval(0.1, 0.72, 0.52, 0.86, green)
    pen.oval(0.48, 0.64, 0.9, 0.78, green)
    for u, v in ((0, 0.19), (0.64, 0.19), (0.32, 0), (0.32, 0.38), (0.09, 0.055), (0.55, 0.055),
                 (0.09, 0.325), (0.55, 0.325)):  # fmt: skip
        pen.oval(u, v, u + 0.36, v + 0.22, petal)
    pen.oval(0.33, 0.2, 0.67, 0.4, (246, 202, 66))


def flower_bed(pen: Pen, look: Look) -> None:
    """Draw many flowers, too close to count."""
    pen.block(0, 0.55, 1, 1, (98, 74, 52), round=0.5)
    for row, v in enumerate((0.0, 0.2, 0.4)):
        for column in range(7 + row % 2):
            u = (column + 0.5 * (row % 2 == 0)) / 8
            colours = ((look[0] + 0.31 * (column + row)) % 1, look[1], look[2])
            flower(pen.inner(u, v, u + 0.125, v + 0.6), colours)


def poster(pen: Pen, look: Look) -> None:
    """Draw a frame around a pale sky and a meadow."""
    pen.block(0, 0, 1, 1, choose(FRAMES, 1 - look[0] / 2))
    pen.block(0.05, 0.06, 0.95, 0.94, (206, 226, 238))
    pen.block(0.05, 0.7, 0.95, 0.94, (168, 196, 128))


FIGURES: dict[str, Callable[[Pen, Look], None]] = {
    "House": house,
    "Car": car,
    "Bus": bus,
    "Bicycle": bicycle,
    "Person": person,
    "Tree": tree,
    "Lamp": lamp,
    "Cupboard": cupboard,
    "Ball": ball,
    "Flower": flower,
    "Flower bed": flower_bed,
    "Poster": poster,
}
