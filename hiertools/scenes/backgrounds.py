"""What is behind the things of a scene: sky and street, meadow, walls."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from hiertools.scenes.anatomy import Random
from hiertools.scenes.colours import WHITE, Colour, darker, hsv, lighter, mix
from hiertools.scenes.kinds import LANES, WALKS
from hiertools.scenes.pen import Pen

SKIES = (
    ((96, 158, 222), (206, 230, 244)),
    ((128, 170, 206), (232, 236, 232)),
    ((92, 124, 190), (248, 206, 168)),
    ((164, 178, 194), (222, 224, 226)),
)


def _gradient(
    image: Image.Image, pen: Pen, top: float, bottom: float, high: Colour, low: Colour
) -> None:
    """Fill the picture between two heights, from one colour to another."""
    x0, y0, x1, y1 = pen.box
    first, last = round(y0 + top * (y1 - y0)), round(y0 + bottom * (y1 - y0))
    rows = np.linspace(high, low, max(1, last - first)).round().astype(np.uint8)
    block = np.repeat(rows[:, None, :], round(x1) - round(x0), axis=1)
    image.paste(Image.fromarray(block), (round(x0), first))


def _sky(image: Image.Image, pen: Pen, horizon: float, rng: Random) -> None:
    high, low = SKIES[rng.integers(len(SKIES))]
    _gradient(image, pen, 0, horizon + 0.02, high, low)
    if rng.random() < 0.4:
        u, v = rng.uniform(0.05, 0.9), rng.uniform(0.03, 0.15)
        for radius, alpha in ((0.08, 50), (0.06, 90), (0.045, 255)):
            pen.oval(u - radius, v - radius, u + radius, v + radius, (255, 242, 196, alpha))
    for _ in range(rng.integers(1, 5)):
        _cloud(pen, rng.uniform(-0.1, 0.9), rng.uniform(0.0, 0.2), rng.uniform(0.12, 0.25))


def _cloud(pen: Pen, u: float, v: float, width: float) -> None:
    for du, dv, w, h in (
        (0, 0.12, 0.6, 0.2),
        (0.25, 0, 0.5, 0.32),
        (0.45, 0.1, 0.55, 0.22),
    ):
        box = (
            u + du * width,
            v + dv * width,
            u + (du + w) * width,
            v + (dv + h) * width,
        )
        pen.oval(*box, (*WHITE, 120))


def _hills(pen: Pen, horizon: float, rng: Random, colour: Colour) -> None:
    """Draw two ridges; the farther one is paler."""
    for height, paler in ((0.13, 0.55), (0.07, 0.25)):
        waves, shift = rng.uniform(3, 8), rng.uniform(0, 6)
        us = np.linspace(0, 1, 40)
        vs = horizon - height * (0.6 + 0.4 * np.sin(waves * us + shift))
        ridge = list(zip(us.tolist(), vs.tolist(), strict=True))
        foot = [(1.0, horizon + 0.02), (0.0, horizon + 0.02)]
        pen.shape([*ridge, *foot], mix(colour, (214, 226, 236), paler))


def _tufts(pen: Pen, top: float, rng: Random, colour: Colour, count: int) -> None:
    """Draw blades of grass, larger towards the front."""
    for u, depth in rng.random((count, 2)).tolist():
        v, size = top + depth * (1 - top), 0.008 + 0.014 * depth
        shade = darker(colour, 0.2) if u * 7 % 1 < 0.5 else lighter(colour, 0.15)
        pen.shape([(u - size / 3, v), (u + size / 3, v), (u + size / 2, v - size)], shade)


def street(image: Image.Image, pen: Pen, horizon: float, rng: Random) -> None:
    """Draw a road of two lanes between two walks."""
    _sky(image, pen, horizon, rng)
    _hills(pen, horizon, rng, (104, 136, 96))
    pave = hsv(0.08, 0.06, rng.uniform(0.66, 0.8))
    asphalt = hsv(0.62, 0.06, rng.uniform(0.34, 0.46))

    def height(depth: float) -> float:
        return horizon + depth * (1 - horizon)

    near, far = WALKS[1][0] - 0.06, WALKS[0][1] + 0.03
    pen.block(0, horizon, 1, 1, pave)
    _gradient(image, pen, height(far), height(near), asphalt, lighter(asphalt, 0.1))
    for depth in (far, near):
        pen.block(0, height(depth) - 0.012, 1, height(depth), darker(pave, 0.35))
    middle = height((LANES[0][1] + LANES[1][0]) / 2)
    start = rng.uniform(-0.1, 0)
    for u in np.arange(start, 1, 0.16).tolist():
        pen.block(u, middle, u + 0.08, middle + 0.012, (236, 232, 214))
    for u in np.arange(start, 1.2, 0.11).tolist():
        pen.line([(u, height(near)), (u - 0.03, 1)], 0.004, darker(pave, 0.2))


def park(image: Image.Image, pen: Pen, horizon: float, rng: Random) -> None:
    """Draw a meadow with a path and a hedge."""
    _sky(image, pen, horizon, rng)
    grass = hsv(rng.uniform(0.22, 0.31), rng.uniform(0.4, 0.6), rng.uniform(0.5, 0.66))
    _hills(pen, horizon, rng, darker(grass, 0.1))
    _gradient(image, pen, horizon, 1, lighter(grass, 0.25), darker(grass, 0.08))
    start, end = rng.uniform(0.1, 0.9, 2).tolist()
    path = [
        (start - 0.02, horizon),
        (start + 0.02, horizon),
        (end + 0.22, 1),
        (end - 0.22, 1),
    ]
    pen.shape(path, (214, 196, 156))
    for u in np.arange(-0.05, 1.05, 0.06).tolist():
        lift = 0.03 + 0.02 * rng.random()
        hedge = darker(grass, 0.3 + 0.12 * rng.random())
        pen.oval(u, horizon - lift, u + 0.11, horizon + 0.03, hedge)
    _tufts(pen, horizon + 0.05, rng, grass, 140)


def room(image: Image.Image, pen: Pen, horizon: float, rng: Random) -> None:
    """Draw a papered wall, boards and a rug."""
    wall = hsv(rng.random(), rng.uniform(0.08, 0.3), rng.uniform(0.76, 0.92))
    floor = hsv(rng.uniform(0.05, 0.09), rng.uniform(0.35, 0.5), rng.uniform(0.5, 0.68))
    _gradient(image, pen, 0, horizon, lighter(wall, 0.2), darker(wall, 0.06))
    if rng.random() < 0.6:
        for u in np.arange(0, 1, 0.08).tolist():
            pen.block(u, 0, u + 0.04, horizon, (*WHITE, 34))
    _gradient(image, pen, horizon, 1, darker(floor, 0.15), lighter(floor, 0.08))
    for i in range(-12, 13):
        pen.line([(0.5 + i * 0.09, horizon), (0.5 + i * 0.2, 1)], 0.004, darker(floor, 0.35))
    pen.block(0, horizon - 0.025, 1, horizon, lighter(wall, 0.7))
    pen.block(0, horizon, 1, horizon + 0.008, darker(floor, 0.5))
    rug = hsv(rng.random(), rng.uniform(0.3, 0.55), rng.uniform(0.5, 0.75))
    u, v = rng.uniform(0.15, 0.3), horizon + rng.uniform(0.4, 0.5) * (1 - horizon)
    pen.oval(u, v, u + 0.55, v + 0.15, darker(rug, 0.25))
    pen.oval(u + 0.03, v + 0.01, u + 0.52, v + 0.14, rug)
    pen.oval(u + 0.08, v + 0.025, u + 0.47, v + 0.125, lighter(rug, 0.3))


BACKGROUNDS: dict[str, Callable[[Image.Image, Pen, float, Random], None]] = {
    "Street": street,
    "Park": park,
    "Room": room,
}
