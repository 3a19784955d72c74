"""How the parts of objects look. A figure reaches to all four sides of its box."""

from collections.abc import Callable

import numpy as np

from hiertools.scenes.colours import (
    BRASS,
    FRAMES,
    HAIR,
    INK,
    SKINS,
    STEEL,
    TYRE,
    WHITE,
    choose,
    darker,
    hsv,
    lighter,
    lively,
    mix,
)
from hiertools.scenes.pen import Pen
from hiertools.scenes.things import Look


def window(pen: Pen, look: Look) -> None:
    """Draw a frame with a sill; where there are no panes, the blind is down."""
    frame = choose(FRAMES, look[0])
    pen.block(0, 0, 1, 1, darker(frame, 0.3))
    pen.block(0.03, 0.03, 0.97, 0.93, frame)
    pen.block(0.09, 0.09, 0.91, 0.91, mix(frame, (206, 190, 160), 0.6))
    for v in (0.22, 0.36, 0.5, 0.64, 0.78):
        pen.block(0.09, v, 0.91, v + 0.03, darker(frame, 0.35))
    pen.block(0.45, 0.09, 0.55, 0.91, frame)
    pen.block(0.09, 0.45, 0.91, 0.55, frame)


def pane(pen: Pen, look: Look) -> None:
    """Draw glass with a reflection."""
    glass = mix((112, 168, 206), (158, 204, 226), look[0])
    pen.block(0, 0, 1, 1, glass)
    pen.block(0, 0.62, 1, 1, darker(glass, 0.18))
    pen.shape([(0.1, 0.75), (0.1, 0.45), (0.55, 0), (0.85, 0)], (*WHITE, 110))


def door(pen: Pen, look: Look) -> None:
    """Draw a leaf of wood with two panels in a dark frame."""
    wood = hsv(0.05 + 0.05 * look[0], 0.5 + 0.2 * look[1], 0.42 + 0.26 * look[2])
    pen.block(0, 0, 1, 1, darker(wood, 0.5))
    pen.block(0.07, 0.04, 0.93, 1, wood)
    for v0, v1 in ((0.1, 0.46), (0.62, 0.93)):
        pen.block(0.22, v0, 0.78, v1, darker(wood, 0.28))
        pen.block(0.28, v0 + 0.03, 0.78, v1, lighter(wood, 0.12))


def handle(pen: Pen, look: Look) -> None:
    """Draw a brass knob."""
    pen.oval(0, 0, 1, 1, darker(BRASS, 0.45))
    pen.oval(0.1, 0.08, 0.9, 0.88, BRASS)
    pen.oval(0.25, 0.18, 0.55, 0.48, lighter(BRASS, 0.75))


def wheel(pen: Pen, look: Look) -> None:
    """Draw a tyre and spokes."""
    pen.oval(0, 0, 1, 1, TYRE)
    pen.oval(0.14, 0.14, 0.86, 0.86, STEEL)
    for turn in np.arange(4) * np.pi / 4 + look[0]:
        u, v = 0.36 * np.cos(turn), 0.36 * np.sin(turn)
        pen.line([(0.5 - u, 0.5 - v), (0.5 + u, 0.5 + v)], 0.05, darker(STEEL, 0.5))


def hub(pen: Pen, look: Look) -> None:
    """Draw a cap with a bright middle."""
    pen.oval(0, 0, 1, 1, darker(STEEL, 0.65))
    pen.oval(0.1, 0.1, 0.9, 0.9, lighter(STEEL, 0.35))
    pen.oval(0.34, 0.34, 0.66, 0.66, (176, 60, 52))


def head(pen: Pen, look: Look) -> None:
    """Draw a face under hair."""
    skin, hair = choose(SKINS, look[0]), choose(HAIR, look[1])
    pen.oval(0, 0, 1, 0.92, hair)
    pen.oval(0.1, 0.16, 0.9, 1, skin)
    pen.wedge(0.04, 0.02, 0.96, 0.9, (180, 360), hair)
    for u in (0.34, 0.66):
        pen.oval(u - 0.07, 0.5, u + 0.07, 0.62, INK)
    pen.line([(0.38, 0.8), (0.5, 0.84), (0.62, 0.8)], 0.06, (178, 70, 66))


def hat(pen: Pen, look: Look) -> None:
    """Draw a crown with a band on a brim."""
    felt = lively(look)
    pen.block(0.18, 0, 0.82, 0.9, felt, round=0.3)
    pen.block(0.18, 0.5, 0.82, 0.72, darker(felt, 0.55))
    pen.block(0, 0.7, 1, 1, darker(felt, 0.2), round=0.5)


def crown(pen: Pen, look: Look) -> None:
    """Draw leaves in clumps, lit from the left."""
    leaf = hsv(0.23 + 0.13 * look[0], 0.45 + 0.3 * look[1], 0.42 + 0.2 * look[2])
    pen.oval(0.04, 0.03, 0.96, 0.97, darker(leaf, 0.2))
    for turn in np.arange(9) * 2 * np.pi / 9 + np.pi / 2:
        u, v = 0.5 + 0.34 * np.cos(turn), 0.5 + 0.34 * np.sin(turn)
        pen.oval(u - 0.16, v - 0.16, u + 0.16, v + 0.16, darker(leaf, 0.05 + 0.25 * u))
    for u, v in ((0, 0.36), (0.72, 0.36), (0.36, 0), (0.36, 0.72)):
        pen.oval(u, v, u + 0.28, v + 0.28, darker(leaf, 0.05 + 0.25 * u))
    pen.oval(0.14, 0.12, 0.74, 0.7, leaf)
    for u, v in ((0.2, 0.2), (0.42, 0.14), (0.3, 0.42), (0.56, 0.36), (0.5, 0.6)):
        pen.oval(u, v, u + 0.2, v + 0.16, lighter(leaf, 0.14))


def apple(pen: Pen, look: Look) -> None:
    """Draw a red apple with a shine."""
    skin = hsv(0.98 + 0.05 * look[0], 0.82, 0.78 + 0.14 * look[1])
    pen.oval(0, 0, 1, 1, darker(skin, 0.35))
    pen.oval(0.04, 0, 0.92, 0.9, skin)
    pen.oval(0.2, 0.15, 0.45, 0.4, lighter(skin, 0.7))


def bulb(pen: Pen, look: Look) -> None:
    """Draw a bulb that shines."""
    pen.oval(0, 0, 1, 1, (240, 188, 70))
    pen.oval(0.1, 0.1, 0.9, 0.9, (255, 226, 112))
    pen.oval(0.26, 0.26, 0.74, 0.74, (255, 250, 222))


def drawer(pen: Pen, look: Look) -> None:
    """Draw a front with a bevel."""
    wood = hsv(0.06 + 0.05 * look[0], 0.35 + 0.2 * look[1], 0.58 + 0.26 * look[2])
    pen.block(0, 0, 1, 1, darker(wood, 0.5))
    pen.block(0.015, 0.06, 0.985, 0.92, wood)
    pen.block(0.06, 0.2, 0.94, 0.78, lighter(wood, 0.15))


FIGURES: dict[str, Callable[[Pen, Look], None]] = {
    "Window": window,
    "Pane": pane,
    "Door": door,
    "Handle": handle,
    "Wheel": wheel,
    "Hub": hub,
    "Head": head,
    "Hat": hat,
    "Crown": crown,
    "Apple": apple,
    "Bulb": bulb,
    "Drawer": drawer,
}
