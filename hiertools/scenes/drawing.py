"""Scenes to pixels: drawn at twice the size and made smaller, which smooths the edges."""

import numpy as np
from PIL import Image, ImageDraw

from hiertools.scenes import object_figures, part_figures
from hiertools.scenes.anatomy import Random
from hiertools.scenes.backgrounds import BACKGROUNDS
from hiertools.scenes.boxes import Box
from hiertools.scenes.colours import INK, choose
from hiertools.scenes.kinds import HANGING
from hiertools.scenes.pen import Pen
from hiertools.scenes.things import Scene, Thing

FIGURES = object_figures.FIGURES | part_figures.FIGURES
OVERSAMPLING = 2
PAPERS = ((248, 246, 240), (232, 226, 212), (64, 62, 66), (205, 210, 214))
NOISE = 2.5  # standard deviation, of 255


def draw(scene: Scene, size: int) -> Image.Image:
    """Return the scene as a square RGB image of `size` pixels a side."""
    rng = np.random.default_rng(scene.texture)
    side = size * OVERSAMPLING
    image = Image.new("RGB", (side, side))
    canvas = ImageDraw.Draw(image, "RGBA")
    pen = Pen(canvas, _scaled(scene.picture, side))
    BACKGROUNDS[scene.kind](image, pen, scene.horizon, rng)
    for thing in scene.things:
        if thing.name not in HANGING:
            _shadow(canvas, thing, side)
        draw_thing(canvas, thing, side)
    _paper(canvas, pen.box, side, choose(PAPERS, scene.look[0]))
    return _developed(image.reduce(OVERSAMPLING), scene, rng)


def _scaled(box: Box, side: int) -> Box:
    x0, y0, x1, y1 = box
    return x0 * side, y0 * side, x1 * side, y1 * side


def _shadow(canvas: ImageDraw.ImageDraw, thing: Thing, side: int) -> None:
    pen = Pen(canvas, _scaled(thing.box, side))
    depth = 0.14 * (thing.box[2] - thing.box[0]) / (thing.box[3] - thing.box[1])
    depth = min(depth, 0.12)
    for grow, alpha in ((0.04, 34), (-0.04, 40)):
        pen.oval(-grow, 1 - depth / 2 - grow / 4, 1 + grow, 1 + depth / 3, (*INK, alpha))


def draw_thing(canvas: ImageDraw.ImageDraw, thing: Thing, side: int) -> None:
    """Draw a thing, then its parts on it, on a canvas of `side` pixels a side."""
    FIGURES[thing.name](Pen(canvas, _scaled(thing.box, side), thing.mirrored), thing.look)
    for part in thing.parts:
        draw_thing(canvas, part, side)


def _paper(canvas: ImageDraw.ImageDraw, box: Box, side: int, colour: tuple[int, ...]) -> None:
    """Cover what reaches over the edge of the picture with the paper around it."""
    x0, y0, x1, y1 = map(round, box)
    strips = (
        (0, 0, side, y0),
        (0, y1, side, side),
        (0, 0, x0, side),
        (x1, 0, side, side),
    )
    for left, top, right, bottom in strips:
        if right > left and bottom > top:
            canvas.rectangle((left, top, right - 1, bottom - 1), colour)


def _developed(image: Image.Image, scene: Scene, rng: Random) -> Image.Image:
    """Return the image in the light of its hour, with a little noise."""
    light = 0.86 + 0.18 * scene.look[1]
    warmth = 0.06 * (scene.look[2] - 0.5)
    tint = np.array([light + warmth, light, light - warmth], np.float32)
    pixels = np.asarray(image, np.float32) * tint
    pixels += NOISE * rng.standard_normal((*image.size, 1), np.float32)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
